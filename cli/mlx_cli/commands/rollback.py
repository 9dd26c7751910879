"""``mlx rollback``: an earlier release of a pinned environment, whose bytes are kept."""

import sys
from typing import Annotated

import typer

from mlx_cli.boundary import DONE
from mlx_cli.commands.apply import confirm
from mlx_cli.commands.promote import tell, told_and_applied
from mlx_cli.options import HERE, Env, Folder, Format, Yes
from mlx_cli.unread import going_on_unread


@going_on_unread()
def command(
    folder: Folder = HERE,
    env: Env = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="DIGEST|N", help="The release, by its digest or its number in mlx history.", show_default="the one before"),
    ] = None,
    yes: Yes = False,
    apply: Annotated[bool, typer.Option("--apply/--no-apply", help="Apply it at once, or only write the lock.")] = True,
    lock_timeout: Annotated[float, typer.Option("--lock-timeout", min=0, help="Seconds to wait while another update runs.")] = 0,
    output: Format = "text",
) -> int:
    """Verify the bytes of the release before this one, show the difference, ask, write the lock, and apply it.

    Asked again it does nothing more: what was killed is finished. `--to` goes further back, or forward again.
    """
    from mlx_cli.output import note, paint_for
    from mlx_cli.render.promotion import render_rollback, render_rolled_back, rolled_back_json
    from mlx_cli.session import opened
    from mlx_stacks.rollback import plan_rollback, rollback

    workspace = opened(folder, env, needs_specs=False)
    planned = plan_rollback(workspace, to)
    note(render_rollback(planned, paint_for(sys.stderr)) + "\n")
    if planned.changes:
        confirm(f"Roll {workspace.name} back?", yes=yes)
    rollback(planned, workspace, note, lock_timeout=lock_timeout)
    if not apply:
        tell(rolled_back_json(planned), render_rolled_back(planned), output)
        return DONE
    message = f"mlx rollback: release {planned.to.digest[:12]}"
    return told_and_applied(folder, workspace.name, rolled_back_json(planned), render_rolled_back(planned), message, yes=True, output=output)
