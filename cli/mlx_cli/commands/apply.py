"""``mlx apply``: shows the plan, asks, and does exactly that."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlx_cli.boundary import BLOCKED, DONE, UsageError
from mlx_cli.options import HERE, Env, Folder, Format, Yes

if TYPE_CHECKING:
    from mlx_stacks.apply import Applied
    from mlx_stacks.plan import Plan
    from mlx_stacks.workspace import Workspace

LockTimeout = Annotated[float, typer.Option("--lock-timeout", min=0, help="Seconds to wait while another update runs.")]


def command(
    saved: Annotated[Path | None, typer.Argument(metavar="[PLAN]", help="A plan that `mlx plan --out` saved; left out: a new one is made and shown.")] = None,
    folder: Folder = HERE,
    env: Env = None,
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

    workspace = opened(folder, env, warn=True)
    plan = read_plan(saved) if saved else plan_and_ask(workspace, yes=yes)
    return carry_out(workspace, plan, message=message, lock_timeout=lock_timeout, output=output)


def read_plan(path: Path) -> Plan:
    """A saved plan."""
    from mlx_stacks.plan import Plan

    try:
        return Plan.from_json(path.read_text(encoding="utf-8"))
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
        raise UsageError("this changes things and there is no terminal to ask on", hint="look at mlx plan, then say --yes")
    typer.confirm(question, abort=True, err=True)


def carry_out(workspace: Workspace, plan: Plan, *, message: str, lock_timeout: float, output: str) -> int:
    """Applies, while its progress is shown; then what was done, on stdout."""
    from mlx_cli.output import result, result_json
    from mlx_cli.progress import progress
    from mlx_cli.render.outcome import applied_json, render_applied
    from mlx_cli.render.plan import render_plan
    from mlx_stacks.apply import apply

    if not plan.changed:
        applied: Applied | None = None
        text = render_plan(plan)
    else:
        with progress() as watch:
            applied = apply(workspace, plan, watch, message=message, lock_timeout=lock_timeout)
        text = render_applied(applied)
    if output == "json":
        result_json(applied_json(workspace.name, applied))
    else:
        result(text)
    return BLOCKED if applied and applied.blocked else DONE
