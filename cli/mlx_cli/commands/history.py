"""``mlx history``: the updates of an environment."""

from typing import Annotated

import typer

from mlx_cli.options import HERE, Env, Folder, Format


def command(
    folder: Folder = HERE,
    env: Env = None,
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="How many updates, counted from the newest.")] = 20,
    output: Format = "text",
) -> int:
    """Show who changed what, and when, the newest first."""
    from dataclasses import asdict

    from mlx_cli.output import result, result_json
    from mlx_cli.render.outcome import render_history
    from mlx_cli.session import opened
    from mlx_stacks.workspace import open_host

    workspace = opened(folder, env, needs_specs=False)
    updates = open_host(workspace).history()[:last]
    if output == "json":
        result_json({"environment": workspace.name, "updates": [asdict(item) for item in updates]})
    else:
        result(render_history(updates))
    return 0
