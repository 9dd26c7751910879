"""``mlx doctor``: what on this machine or in this workspace would get in the way, and what to do about it."""

import sys
from pathlib import Path

from mlx_cli.addressed import About, remember
from mlx_cli.boundary import DONE, WRONG
from mlx_cli.options import HERE, Env, Folder, Format


def command(folder: Folder = HERE, env: Env = None, output: Format = "text") -> int:
    """Check Python, packages, disk, ports, the host, and the workspace with its specs and state.

    Exits 1 when something would get in the way.
    """
    from dataclasses import asdict

    from mlx_cli.checks import examine
    from mlx_cli.output import answer, answer_json, paint_for
    from mlx_cli.render.outcome import render_checks

    remember(About(env or ""))
    checks = examine(folder.resolve() if folder else Path.cwd(), env)
    if output == "json":
        answer_json({"ok": all(check.ok for check in checks), "checks": [asdict(check) for check in checks]})
    else:
        answer(render_checks(checks, paint_for(sys.stdout)))
    return DONE if all(check.ok for check in checks) else WRONG
