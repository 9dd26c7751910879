"""``mlx doctor``: what on this machine or in this workspace would get in the way, and what to do about it."""

import sys
from pathlib import Path

from mlx_cli.boundary import DONE, WRONG
from mlx_cli.options import HERE, Env, Folder, Format


def command(folder: Folder = HERE, env: Env = None, output: Format = "text") -> int:
    """Check Python, packages, disk, ports, the host, and the workspace with its specs and state.

    Exits 1 when something would get in the way.
    """
    from dataclasses import asdict

    from mlx_cli.checks import examine
    from mlx_cli.output import paint_for, result, result_json
    from mlx_cli.render.outcome import render_checks

    checks = examine(folder.resolve() if folder else Path.cwd(), env)
    if output == "json":
        result_json({"ok": all(check.ok for check in checks), "checks": [asdict(check) for check in checks]})
    else:
        result(render_checks(checks, paint_for(sys.stdout)))
    return DONE if all(check.ok for check in checks) else WRONG
