"""``mlx cancel``: removes a lock whose holder is gone."""

import sys

from mlx_cli.boundary import UsageError
from mlx_cli.options import HERE, Env, Folder, Format, OfCluster, Yes
from mlx_cli.unread import going_on_unread


@going_on_unread()
def command(folder: Folder = HERE, env: Env = None, cluster: OfCluster = None, yes: Yes = False, output: Format = "text") -> int:
    """Remove the lock of an update that died, and say whose it was.

    The lock of a dead process on this machine is taken over without this. Nothing that the update did is lost or undone.
    """
    from mlx_cli.commands.apply import confirm
    from mlx_cli.output import answer, result_json
    from mlx_cli.render.plan import in_a_sentence
    from mlx_cli.session import opened
    from mlx_stacks.apply import cancel, lock_holders

    workspace = opened(folder, env, cluster=cluster, needs_specs=False)
    held = lock_holders(workspace)
    whose, what = " and ".join(held), in_a_sentence(workspace.name)
    if held and not yes and not sys.stdin.isatty():
        raise UsageError(f"{what} is locked by {whose}", hint="if that update is gone: mlx cancel --yes")
    if held:
        confirm(f"Remove the lock of {whose}? An update that still runs would no longer be protected.", yes=yes)
    message = cancel(workspace) if held else f"{what} is not locked: there is nothing to cancel"
    result_json({"environment": workspace.name, "message": message}) if output == "json" else answer(message)
    return 0
