"""Making it so, and unmaking it: apply, destroy, refresh, cancel. Every change goes through the host, under the stack's lock."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlx_engine.host import OnEvent, Op, Refused, Result, Stale, Step
from mlx_stacks.changes import FieldChange, field_changes_of, id_of_urn
from mlx_stacks.errors import Blocked, UserError
from mlx_stacks.guard import guard
from mlx_stacks.plan import Plan
from mlx_stacks.program import program
from mlx_stacks.workspace import Workspace, open_host

LOCK_TIMEOUT = 600.0
"""Seconds that a second apply waits for the first."""


@dataclass(frozen=True)
class Applied:
    """What an apply did."""

    steps: tuple[Step, ...]
    blocked: tuple[str, ...]
    """Versions that did not pass their gates in this apply, with the reasons."""
    waiting: tuple[str, ...]
    """Endpoints that wait for their first model."""
    seconds: float


@dataclass(frozen=True)
class Drifted:
    """Something that is not what was applied."""

    id: str
    gone: bool
    changes: tuple[FieldChange, ...]


def apply(
    workspace: Workspace,
    plan: Plan,
    on_event: OnEvent,
    *,
    message: str = "mlx apply",
    lock_timeout: float = LOCK_TIMEOUT,
) -> Applied:
    """Runs the program again and does exactly what the plan shows; raises ``Blocked`` when the plan is stale."""
    if (plan.project, plan.environment) != (workspace.project, workspace.name):
        raise UserError(f"this plan is for {plan.project}/{plan.environment}, not {workspace.project}/{workspace.name}", hint="choose it with --env")
    host = open_host(workspace, lock_timeout=lock_timeout, message=message)
    requested = dict(plan.requested)
    run = program(workspace.graph, workspace.environment, requested)
    try:
        return _applied(host.up(run, on_event, guard=guard(plan), expected_serial=plan.serial))
    except (Refused, Stale) as error:
        raise Blocked(str(error), hint=error.hint) from error


def destroy(workspace: Workspace, on_event: OnEvent, *, message: str = "mlx destroy", lock_timeout: float = LOCK_TIMEOUT) -> Result:
    """Removes every resource of the environment; refused when it is protected."""
    refuse_if_protected(workspace)
    return open_host(workspace, lock_timeout=lock_timeout, message=message).destroy(on_event)


def plan_destroy(workspace: Workspace, on_event: OnEvent) -> Result:
    """What destroy would remove."""
    refuse_if_protected(workspace)
    return open_host(workspace).destroy(on_event, preview_only=True)


def refresh(workspace: Workspace, on_event: OnEvent, *, preview_only: bool = False) -> tuple[Drifted, ...]:
    """Looks at what there really is, records it (unless ``preview_only``), and says what differs from what was applied."""
    result = open_host(workspace, lock_timeout=LOCK_TIMEOUT, message="mlx refresh").refresh(on_event, preview_only=preview_only)
    return tuple(_drifted(step) for step in result.steps if step.op in (Op.REFRESH, Op.DELETE))


def cancel(workspace: Workspace) -> str:
    """Removes the lock of an update that died elsewhere; says whose it was."""
    return open_host(workspace).cancel()


def refuse_if_protected(workspace: Workspace) -> None:
    """Raises ``Blocked`` for an environment with ``protect: true``."""
    if workspace.environment.spec.protect:
        raise Blocked(f"environment {workspace.name!r} is protected", hint=f"set protect: false in stacks/{workspace.name}.yaml and apply, then destroy")


def _applied(result: Result) -> Applied:
    judged = [step for step in result.changes if step.type == "mlx:index:Champion" and step.op is not Op.DELETE]
    blocked = tuple(_verdict(step) for step in judged if step.new_outputs.get("passed") is False)
    statuses = [(step.urn, str(step.new_outputs.get("status", ""))) for step in result.steps if step.op is not Op.DELETE]
    waiting = tuple(f"{id_of_urn(urn)}: {status}" for urn, status in statuses if status.startswith("WaitingForModel"))
    return Applied(tuple(result.steps), blocked, waiting, result.duration)


def _verdict(step: Step) -> str:
    reasons = "; ".join(str(reason) for reason in step.new_outputs.get("reasons", ()))
    version: Mapping[str, str] = step.new_outputs.get("candidate", {})
    return f"{id_of_urn(step.urn)}: version {version.get('version', '?')} stays a challenger: {reasons}"


def _drifted(step: Step) -> Drifted:
    return Drifted(id_of_urn(step.urn), step.op is Op.DELETE, () if step.op is Op.DELETE else field_changes_of(step.old_outputs, step.new_outputs))
