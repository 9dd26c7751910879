"""Making it so, and unmaking it: apply, destroy, refresh, cancel. Every change goes through the host, under the stack's lock."""

from dataclasses import dataclass

from mlx_engine.host import Host, OnEvent, Op, Refused, Result, Stack, Stale, Step, UpdateFailed
from mlx_engine.state.checkpoint import salt_of
from mlx_engine.state.files import files_of
from mlx_engine.state.lock import holders
from mlx_features.shared import close_workers
from mlx_provider.batch_predictions import scores
from mlx_specs.clusters import STACK_PREFIX
from mlx_specs.inference_resources import BatchPredictionsOutputs
from mlx_stacks.bundle import keep_bundle, keep_sources
from mlx_stacks.changes import RESOURCES, FieldChange, field_changes_of, id_of_urn
from mlx_stacks.errors import Blocked, StalePlan, UserError, hint_of
from mlx_stacks.guard import guard
from mlx_stacks.inhabited import refuse_inhabited
from mlx_stacks.last_failures import forget_failures, record_failures
from mlx_stacks.notes import held_back
from mlx_stacks.plan import Plan
from mlx_stacks.program import program_of
from mlx_stacks.status import GONE, GONE_ELSE
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
    batches: tuple["Batch", ...] = ()
    """Batch inferences whose predictions were due."""
    notes: tuple[str, ...] = ()
    """What a person should know, and is not told again."""


@dataclass(frozen=True)
class Batch:
    """Predictions that were due in an apply, and are there."""

    id: str
    kept: bool
    """Nothing was scored: those of the same version and the same rows were there already."""
    path: str
    """Relative to the workspace."""
    rows: int
    version: str


@dataclass(frozen=True)
class Drifted:
    """Something that is not what was applied."""

    id: str
    gone: bool
    changes: tuple[FieldChange, ...]
    status: str = ""
    """Of what is gone: the word and the detail that ``mlx status`` has for it."""
    detail: str = ""


def apply(
    workspace: Workspace,
    plan: Plan,
    on_event: OnEvent,
    *,
    message: str = "mlx apply",
    lock_timeout: float = LOCK_TIMEOUT,
) -> Applied:
    """Runs the program again and does exactly what the plan shows; raises ``Blocked`` when the plan is stale."""
    refuse_another(workspace, plan)
    host = open_host(workspace, lock_timeout=lock_timeout, message=message)
    requested = dict(plan.requested)
    run = program_of(workspace, requested)
    salt = _salt(host)
    keep_sources(workspace)
    try:
        result = host.up(run, on_event, guard=guard(plan, workspace.root), expected_serial=plan.serial)
    except Stale as error:
        raise StalePlan(str(error), hint=error.hint) from error
    except Refused as error:
        raise Blocked(str(error), hint=hint_of(error)) from error
    except UpdateFailed as error:
        record_failures(workspace, error.failures)
        raise
    finally:
        close_workers()
    forget_failures(workspace)
    if workspace.environment.spec.target.type == "kubernetes":
        keep_bundle(workspace)
    return _applied(result, first_secret_note(workspace.stack, salt, _salt(host)))


def refuse_another(workspace: Workspace, plan: Plan) -> None:
    """Raises ``UserError`` for a plan of another workspace, environment or cluster."""
    if (plan.project, plan.environment) == (workspace.project, workspace.name):
        return
    is_cluster, name = plan.environment.startswith(STACK_PREFIX), plan.environment.removeprefix(STACK_PREFIX)
    there = f"mlx apply PLAN {'--cluster' if is_cluster else '--env'} {name}"
    hint = f"apply it there: {there}" if plan.project == workspace.project else "make one of this workspace: mlx plan --out plan.json"
    raise UserError(f"this plan is for {plan.project}/{plan.environment}, not {workspace.project}/{workspace.name}", hint=hint)


def first_secret_note(stack: Stack, before: str, after: str) -> tuple[str, ...]:
    """Said once for a state: with its first secret it gets a salt, and an empty passphrase hides nothing from who can read it."""
    if before or not after or stack.passphrase:
        return ()
    return (f"the secrets of {stack.name} are encrypted with an empty passphrase: who can read the state can read them; state.passphrase sets another",)


def destroy(workspace: Workspace, on_event: OnEvent, *, message: str = "mlx destroy", lock_timeout: float = LOCK_TIMEOUT) -> Result:
    """Removes every resource of the environment or the cluster; refused when it is protected, or has environments on it."""
    refuse_if_protected(workspace)
    refuse_inhabited(workspace)
    try:
        result = open_host(workspace, lock_timeout=lock_timeout, message=message).destroy(on_event)
    finally:
        close_workers()
    forget_failures(workspace)
    return result


def plan_destroy(workspace: Workspace, on_event: OnEvent) -> Result:
    """What destroy would remove."""
    refuse_if_protected(workspace)
    refuse_inhabited(workspace)
    return open_host(workspace).destroy(on_event, preview_only=True)


def refresh(workspace: Workspace, on_event: OnEvent, *, preview_only: bool = False) -> tuple[Drifted, ...]:
    """Looks at what there really is, records it (unless ``preview_only``), and says what differs from what was applied."""
    result = open_host(workspace, lock_timeout=LOCK_TIMEOUT, message="mlx refresh").refresh(on_event, preview_only=preview_only)
    return tuple(_drifted(step) for step in result.steps if step.op in (Op.REFRESH, Op.DELETE))


def lock_holders(workspace: Workspace) -> tuple[str, ...]:
    """Who holds the environment's lock now; both hosts keep it in the same files."""
    return tuple(map(str, holders(files_of(workspace.stack))))


def cancel(workspace: Workspace) -> str:
    """Removes the lock of an update that died elsewhere; says whose it was."""
    return open_host(workspace).cancel()


def refuse_if_protected(workspace: Workspace) -> None:
    """Raises ``Blocked`` for an environment or a cluster with ``protect: true``."""
    if not workspace.environment.spec.protect:
        return
    if workspace.cluster is None:
        raise Blocked(f"environment {workspace.name!r} is protected", hint=f"set protect: false in stacks/{workspace.name}.yaml and apply, then destroy")
    name = workspace.cluster.metadata.name
    raise Blocked(f"Cluster {name!r} is protected", hint="set protect: false in its spec, then mlx apply and mlx destroy")


def _applied(result: Result, notes: tuple[str, ...]) -> Applied:
    judged = [step for step in result.changes if step.type == "mlx:index:Champion" and step.op is not Op.DELETE]
    blocked = tuple(held_back(step) for step in judged if step.new_outputs.get("passed") is False)
    statuses = [(step.urn, _status(step)) for step in result.steps if step.op is not Op.DELETE]
    waiting = tuple(f"{id_of_urn(urn)}: {status}" for urn, status in statuses if status.startswith("WaitingForModel"))
    return Applied(tuple(result.steps), blocked, waiting, result.duration, _batches(result), notes)


def _status(step: Step) -> str:
    """On a cluster no resource of ours says that an endpoint waits: its component does."""
    awaited = step.new_inputs.get("waitsFor")
    return f"WaitingForModel({awaited})" if awaited else str(step.new_outputs.get("status", ""))


def _batches(result: Result) -> tuple[Batch, ...]:
    due = [step for step in result.changes if step.type == "mlx:index:BatchPredictions" and step.op in (Op.CREATE, Op.UPDATE)]
    made = [(step, BatchPredictionsOutputs.model_validate(step.new_outputs)) for step in due if scores(step.new_inputs, step.old_outputs)]
    return tuple(
        Batch(id_of_urn(step.urn), step.old_outputs.get("path") == now.path, now.path, now.rows, now.version.version) for step, now in made if now.path
    )


def _salt(host: Host) -> str:
    """Empty while the state holds no secret."""
    return salt_of(host.export_state()["deployment"])


COUNTED_BY_THE_SERVER = ("metadata.generation", "metadata.resourceVersion")
"""Of an object in a cluster: they change with whatever changes."""


def _drifted(step: Step) -> Drifted:
    if step.op is not Op.DELETE:
        changes = field_changes_of(step.old_outputs, step.new_outputs)
        return Drifted(id_of_urn(step.urn), False, tuple(change for change in changes if change.path not in COUNTED_BY_THE_SERVER))
    return Drifted(id_of_urn(step.urn), True, (), *GONE.get(step.type.removeprefix(RESOURCES), GONE_ELSE))
