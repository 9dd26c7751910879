"""``mlx cancel``: removes a lock whose holder is gone."""

from mlx_cli.options import HERE, Env, Folder, Format, Yes


def command(folder: Folder = HERE, env: Env = None, yes: Yes = False, output: Format = "text") -> int:
    """Remove the lock of an update that died, and say whose it was.

    The lock of a dead process on this machine is taken over without this. Nothing that the update did is lost or undone.
    """
    from mlx_cli.commands.apply import confirm
    from mlx_cli.output import result, result_json
    from mlx_cli.session import opened
    from mlx_stacks.apply import cancel

    workspace = opened(folder, env, needs_specs=False)
    confirm(f"Remove the lock of environment {workspace.name}? An update that still runs would no longer be protected.", yes=yes)
    message = cancel(workspace)
    result_json({"environment": workspace.name, "message": message}) if output == "json" else result(message)
    return 0
