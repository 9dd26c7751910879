"""``mlx promote``: the models of one environment, as they are, for another."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlx_cli.boundary import BLOCKED, DONE, UsageError
from mlx_cli.commands.apply import confirm, made_so, plan_and_ask
from mlx_cli.options import HERE, Folder, Format, Yes
from mlx_cli.unread import going_on_unread

if TYPE_CHECKING:
    from mlx_stacks.workspace import Workspace


@going_on_unread()
def command(
    target: Annotated[str, typer.Option("--to", help="The pinned environment that is promoted to.")],
    source: Annotated[
        str | None, typer.Option("--from", help="The environment whose champions are promoted.", show_default="promotedFrom of the target")
    ] = None,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="MODEL", help="Promote this model alone; may be said several times.")] = None,
    folder: Folder = HERE,
    yes: Yes = False,
    apply: Annotated[bool, typer.Option("--apply", help="Apply the target afterwards.")] = False,
    lock_timeout: Annotated[float, typer.Option("--lock-timeout", min=0, help="Seconds to wait while another update of the target runs.")] = 0,
    output: Format = "text",
) -> int:
    """Show the difference, judge the gates, ask, copy and verify the bytes, and write stacks/TARGET.lock.yaml.

    Nothing is trained, and the source is only read. Exits 3 when a gate fails, and nothing is written then. `mlx apply --env TARGET`
    makes it so; --apply does it at once.
    """
    from mlx_cli.output import note, paint_for
    from mlx_cli.render.promotion import promoted_json, render_gates, render_promoted, render_proposal
    from mlx_stacks.promote import judge, promote, propose

    opened_source, opened_target = environments(folder, source, target)
    paint = paint_for(sys.stderr)
    proposal = propose(opened_source, opened_target, only or [])
    note(render_proposal(proposal, paint))
    gates = judge(proposal, opened_target)
    note(render_gates(gates, paint)) if gates else None
    passed = all(gate.passed for gate in gates)
    if proposal.changes and passed:
        confirm(f"Promote these to {target}?", yes=yes)
    if output == "json" and not passed:
        tell(promoted_json(proposal, gates, None), "", output)
    promoted = promote(proposal, gates, opened_target, note, lock_timeout=lock_timeout) if proposal.due else None
    said = promoted_json(proposal, gates, promoted)
    if not apply:
        tell(said, render_promoted(proposal, promoted), output)
        return DONE
    return told_and_applied(
        folder, target, said, render_promoted(proposal, promoted, applies=True), f"mlx promote: release {proposal.digest[:12]}", yes=yes, output=output
    )


def environments(folder: Path, source: str | None, target: str) -> tuple[Workspace, Workspace]:
    """The two; the specs may be in the middle of an edit, for nothing is taken from them."""
    from mlx_cli.session import opened

    into = opened(folder, target, needs_specs=False)
    name = source or into.environment.spec.promoted_from
    if name is None:
        raise UsageError(f"promoted from where? {target} has no promotedFrom", hint=f"say --from, or write promotedFrom in stacks/{target}.yaml")
    return opened(folder, name, needs_specs=False), into


def tell(value: dict[str, Any], text: str, output: str) -> None:
    """The result, for people or for machines."""
    from mlx_cli.output import answer, result_json

    result_json(value) if output == "json" else answer(text)


def told_and_applied(folder: Path, environment: str, value: dict[str, Any], text: str, message: str, *, yes: bool, output: str) -> int:
    """The result with what an apply of the environment then did."""
    from mlx_cli.render.outcome import applied_json, render_applied
    from mlx_cli.render.plan import render_plan
    from mlx_cli.session import opened

    workspace = opened(folder, environment, warn=True)

    def ask() -> Any:
        return plan_and_ask(workspace, yes=yes)

    plan, applied = made_so(workspace, ask(), ask, message=message, lock_timeout=600)
    done = render_applied(applied, plan.notes) if applied else render_plan(plan)
    tell({**value, "applied": applied_json(environment, applied, plan.notes)}, f"{text}\n{done}", output)
    return BLOCKED if applied and applied.blocked else DONE
