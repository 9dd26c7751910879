"""``mlx destroy``: removes what apply has made; registered model versions and runs stay."""

import sys

from mlx_cli.commands.apply import LockTimeout, confirm
from mlx_cli.options import HERE, Env, Folder, Format, OfCluster, Yes
from mlx_cli.unread import going_on_unread


@going_on_unread()
def command(
    folder: Folder = HERE, env: Env = None, cluster: OfCluster = None, yes: Yes = False, lock_timeout: LockTimeout = 600, output: Format = "text"
) -> int:
    """Show what there is, ask, and remove all of it: endpoints, predictions, prepared data, aliases.

    Registered model versions and their runs stay in MLflow. What has `protect: true`, and a cluster with environments
    on it, is refused (exit 3).
    """
    from mlx_cli.output import note, paint_for, result, result_json
    from mlx_cli.progress import progress, quiet
    from mlx_cli.render.outcome import destroyed_json, render_destroyed, render_removal
    from mlx_cli.session import opened
    from mlx_stacks.apply import destroy, plan_destroy

    workspace = opened(folder, env, cluster=cluster, needs_specs=False)
    planned = plan_destroy(workspace, quiet)
    if planned.changes:
        note(render_removal(workspace.name, planned, paint_for(sys.stderr)) + "\n")
        confirm("Destroy all of these?", yes=yes)
    with progress() as watch:
        done = destroy(workspace, watch, lock_timeout=lock_timeout)
    result_json(destroyed_json(workspace.name, done)) if output == "json" else result(render_destroyed(done))
    return 0
