"""``mlx apply``: shows the plan, asks, and does exactly that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlx_cli.boundary import BLOCKED, DONE, UsageError
from mlx_cli.options import HERE, Env, Folder, Format, OfCluster, Yes
from mlx_cli.unread import going_on_unread

if TYPE_CHECKING:
    from mlx_stacks.apply import Applied
    from mlx_stacks.plan import Plan
    from mlx_stacks.workspace import Workspace

Ask = Callable[[], "Plan"]
"""Makes a new plan, shows it, and asks where a question is due."""
LockTimeout = Annotated[float, typer.Option("--lock-timeout", min=0, help="Seconds to wait while another update runs.")]


@going_on_unread()
def command(
    saved: Annotated[Path | None, typer.Argument(metavar="[PLAN]", help="A plan that `mlx plan --out` saved; left out: a new one is made and shown.")] = None,
    folder: Folder = HERE,
    env: Env = None,
    cluster: OfCluster = None,
    yes: Yes = False,
    message: Annotated[str, typer.Option("--message", "-m", help="Why, for `mlx history`.")] = "mlx apply",
    lock_timeout: LockTimeout = 600,
    output: Format = "text",
) -> int:
    """Show the plan, ask, and make it so.

    A saved plan is applied without a question, and only as long as it still holds: apply stops before the first step that
    differs from it. Exits 3 when a model version did not pass its gates, or when the plan no longer holds.
    """
    from mlx_cli.session import opened

    workspace = opened(folder, env, cluster=cluster, warn=True, output=output)

    def ask() -> Plan:
        return plan_and_ask(workspace, yes=yes)

    if saved:
        return carry_out(workspace, read_plan(saved, workspace), None, message=message, lock_timeout=lock_timeout, output=output)
    return carry_out(workspace, ask(), ask, message=message, lock_timeout=lock_timeout, output=output)


def read_plan(path: Path, workspace: Workspace) -> Plan:
    """A saved plan, of this stack."""
    from mlx_stacks.apply import refuse_another
    from mlx_stacks.errors import UserError
    from mlx_stacks.plan import Plan

    try:
        plan = Plan.from_json(path.read_text(encoding="utf-8"))
        refuse_another(workspace, plan)
        return plan
    except UserError as error:
        raise UserError(f"{path}: {error}", hint=error.hint) from error
    except OSError as error:
        raise UsageError(f"cannot read the plan {path}: {error.strerror}", hint="make one: mlx plan --out plan.json") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a plan: it is not UTF-8", hint="make one: mlx plan --out plan.json") from error


def plan_and_ask(workspace: Workspace, *, yes: bool, run: Mapping[str, str] | None = None) -> Plan:
    """A new plan, shown on stderr; the question only where something would change besides what `mlx run` asked for."""
    import sys

    from mlx_cli.output import note, paint_for
    from mlx_cli.progress import quiet
    from mlx_cli.render.plan import render_plan
    from mlx_stacks.plan import make_plan

    plan = make_plan(workspace, quiet, run=run)
    if plan.changed:
        note(render_plan(plan, paint_for(sys.stderr)) + "\n")
        confirm("Apply these changes?", yes=yes or {item.id for item in plan.changed} <= set(run or ()))
    return plan


def confirm(question: str, *, yes: bool) -> None:
    """Asks on a terminal; elsewhere the answer has to be --yes."""
    import sys

    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"there is no terminal to ask on: {question}", hint="the same command with --yes does it")
    typer.confirm(question, abort=True, err=True)


def carry_out(workspace: Workspace, plan: Plan, ask: Ask | None, *, message: str, lock_timeout: float, output: str) -> int:
    """Applies, while its progress is shown; then what was done, on stdout. ``ask`` is None for a saved plan, which is never made again."""
    from mlx_cli.output import answer, note, result_json
    from mlx_cli.render.outcome import applied_json, render_applied
    from mlx_cli.render.plan import render_plan

    plan, applied = made_so(workspace, plan, ask, message=message, lock_timeout=lock_timeout)
    for line in applied.notes if applied else ():
        note(f"note: {line}")
    if output == "json":
        result_json(applied_json(workspace.name, applied, plan.notes))
    else:
        answer(render_applied(applied, plan.notes) if applied else render_plan(plan))
    return BLOCKED if applied and applied.blocked else DONE


def made_so(workspace: Workspace, plan: Plan, ask: Ask | None, *, message: str, lock_timeout: float) -> tuple[Plan, Applied | None]:
    """The plan that held, and what was done; None: nothing was left to do.

    Another update may have changed the state between the plan and the lock: then what is to be done is planned and asked anew.
    """
    from mlx_cli.output import note
    from mlx_cli.progress import progress
    from mlx_stacks.apply import apply
    from mlx_stacks.errors import StalePlan
    from mlx_stacks.last_failures import forget_failures

    while plan.changed:
        try:
            with progress() as watch:
                return plan, apply(workspace, plan, watch, message=message, lock_timeout=lock_timeout)
        except StalePlan:
            if ask is None:
                raise
            note("another update changed the state in between: planning again")
            plan = ask()
    if ask is not None:  # what was planned just now and needs no change has nothing left that failed
        forget_failures(workspace)
    return plan, None
