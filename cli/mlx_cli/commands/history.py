"""``mlx history``: the updates of an environment."""

from typing import Annotated

import typer

from mlx_cli.options import HERE, Env, Folder, Format, OfCluster


def command(
    folder: Folder = HERE,
    env: Env = None,
    cluster: OfCluster = None,
    last: Annotated[int, typer.Option("--last", "--limit", "-n", min=1, help="How many updates, counted from the newest.")] = 20,
    output: Format = "text",
) -> int:
    """Show who changed what, and when, the newest first; of a pinned environment also its releases, from where, and the gates that they passed."""
    from dataclasses import asdict

    from mlx_cli.output import result, result_json
    from mlx_cli.render.outcome import render_history
    from mlx_cli.render.promotion import render_releases
    from mlx_cli.session import opened
    from mlx_stacks.release_history import applied_releases
    from mlx_stacks.workspace import open_host

    workspace = opened(folder, env, cluster=cluster, needs_specs=False)
    updates = open_host(workspace).history()[:last]
    releases = applied_releases(workspace)[-last:] if workspace.environment.spec.models == "pinned" else ()
    if output == "json":
        result_json({"environment": workspace.name, "updates": [asdict(item) for item in updates], "releases": [asdict(item) for item in releases]})
    else:
        current = workspace.released.lock.release if workspace.released and workspace.released.lock else ""
        result("\n\n".join([render_history(updates, workspace.name), *([render_releases(releases, current)] if releases else [])]))
    return 0
