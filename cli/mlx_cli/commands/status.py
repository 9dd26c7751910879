"""``mlx status``: every object as it is now."""

import sys

from mlx_cli.options import HERE, Env, Folder, Format, OfCluster


def command(folder: Folder = HERE, env: Env = None, cluster: OfCluster = None, output: Format = "text") -> int:
    """Show every object of the environment: whether it is well, what it serves, and where."""
    from dataclasses import asdict

    from mlx_cli.output import answer, answer_json, note, paint_for
    from mlx_cli.render.outcome import render_status
    from mlx_cli.session import opened
    from mlx_stacks.apply import lock_holders
    from mlx_stacks.notes import nothing_there
    from mlx_stacks.status import status

    workspace = opened(folder, env, cluster=cluster, needs_specs=False)
    objects = status(workspace)
    running = [f"an update by {holder} is in progress" for holder in lock_holders(workspace)]
    if output == "json":
        about = workspace.environment.metadata.model_dump(exclude={"name"})
        answer_json({"environment": workspace.name, "about": about, "objects": [asdict(item) for item in objects], "in_progress": running})
    else:
        for line in running:
            note(f"{line}: what follows may change at any moment\n")
        answer(render_status(objects, paint_for(sys.stdout)) if objects else nothing_there(workspace))
    return 0
