"""What is wrong with the objects of an environment, each by itself: what is said of it, and what to do about it. Reads only.

Enters: a workspace. Leaves: for each object its faults; which of them is *the* cause of another object's trouble is for `why` to say.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from mlx_engine.host import EngineError, Event, UpdateFailed
from mlx_provider.training_failure import TrainingFailure
from mlx_runtime.artifact import ArtifactError, verify
from mlx_specs.inference import Inference
from mlx_specs.inference_resources import ModelServerOutputs
from mlx_specs.model_resources import ModelVersionOutputs
from mlx_stacks.apply import lock_holders, refresh
from mlx_stacks.changes import id_of_urn
from mlx_stacks.check import check_workspace
from mlx_stacks.cluster_cause import Cause
from mlx_stacks.effects import Effect
from mlx_stacks.errors import Blocked, UserError, hint_of
from mlx_stacks.last_failures import Failure, failures_of, last_failures
from mlx_stacks.plan import ObjectChange, make_plan
from mlx_stacks.status import ObjectStatus, Values, recorded_by_object, status
from mlx_stacks.workspace import Workspace, open_host


class Rank(IntEnum):
    """How near a fault is to the cause: of several, the lowest explains the others."""

    SPECS = 0
    """What is written is wrong: nothing can be planned."""
    RUNNING = 1
    """An update is in progress: what is seen is about to change."""
    INTERRUPTED = 2
    """An update was killed, after all that is known of earlier ones."""
    FAILED = 3
    BROKEN = 4
    """It was well, and is not what was applied any more."""
    UNFINISHED = 5
    HELD = 6
    """A gate keeps a version from being the champion."""
    CHANGED = 7
    """Specs, code or data are ahead of what runs."""
    WAITING = 8
    DRIFTED = 9
    """A monitor has found that a model is given what it does not know, or says what it did not."""
    NOT_APPLIED = 10
    NOT_RUN = 11
    """Declared, and not run by this target or not by an apply."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with one object, and what to do about it."""

    object: str
    rank: Rank
    reason: str
    fix: str
    urn: str = ""
    """Of the resource whose provider said it; '' where mlx says it itself."""


@dataclass(frozen=True)
class Found:
    """Everything that one look at an environment tells."""

    statuses: Mapping[str, ObjectStatus]
    recorded: Mapping[str, Mapping[str, Values]]
    """The outputs of each object's resources, by type."""
    faults: tuple[Fault, ...]


def find_faults(workspace: Workspace) -> Found:
    """Looks at specs, state, history, processes, artifacts and at what an apply would do now."""
    exported = open_host(workspace).export_state()
    recorded = recorded_by_object(exported)
    statuses = {item.id: item for item in status(workspace)}
    wrong = list(_of_specs(workspace))
    planned, changing = ([], frozenset[str]()) if wrong else _of_the_plan(workspace)
    updates = list(_of_updates(workspace, exported))
    on_cluster = workspace.environment.spec.target.type == "kubernetes"  # whose plan has asked the live objects already
    drift = [] if updates or on_cluster else list(_of_drift(workspace, recorded))
    moved = [fault for fault in drift if fault.fix == MOVE_BACK]  # a plan names no versions
    faults = [*wrong, *moved, *planned, *updates, *_of_artifacts(workspace, recorded), *drift]
    faults += [fault for item in statuses.values() for fault in _of_status(workspace, item)]
    faults += [_failed(failure) for failure in last_failures(workspace) if _still_open(failure, statuses, changing)]
    faults += _not_released(workspace)
    return Found(statuses, recorded, tuple(_without_echoes(faults)))


def _of_specs(workspace: Workspace) -> Iterator[Fault]:
    """Problems that `mlx validate` would name, each at the object that it stands in; '' where that cannot be told."""
    _, problems = check_workspace(workspace.root, workspace.name)
    for problem in problems:
        if problem.severity == "error":
            at = f"{problem.file}:{problem.line}:{problem.column}"
            fix = f"{problem.hint}; then mlx validate" if problem.hint else f"edit {at}, then mlx validate"
            yield Fault(_object_at(workspace, problem.file, problem.line), Rank.SPECS, f"{at}: {problem.message}", fix)


def _object_at(workspace: Workspace, file: str, line: int) -> str:
    starts = [(node.place.line, node.id) for node in workspace.graph.objects if node.place.file.path == file and node.place.line <= line]
    return max(starts)[1] if starts else ""


def _of_the_plan(workspace: Workspace) -> tuple[list[Fault], frozenset[str]]:
    """What an apply would do now, and which objects would be made again; where it could not even be planned, what stands in its way."""
    try:
        plan = make_plan(workspace, _unheard)
    except UpdateFailed as error:
        return [_failed(failure) for failure in failures_of(error.failures)], frozenset()
    except Blocked as error:
        return [Fault("", Rank.CHANGED, str(error), error.hint)], frozenset()
    except UserError as error:
        return [Fault("", Rank.FAILED, str(error), error.hint)], frozenset()
    except EngineError as error:
        return [Fault("", Rank.FAILED, str(error), hint_of(error))], frozenset()
    working = frozenset(change.id for change in plan.changed if change.effect != Effect.METADATA)
    return [fault for change in plan.changed for fault in _of_change(workspace, change)], working


def _unheard(_event: Event) -> None:
    """Progress of a preview that nobody watches."""


def _of_change(workspace: Workspace, change: ObjectChange) -> Iterator[Fault]:
    """Changes that begin at this object; what only follows another one is that one's."""
    own = [cause for cause in change.because if not cause.startswith("follows ")]
    if change.action == "create" or not (change.changes or own):
        return
    drifted = [(cause, fix) for cause in own for words, fix in DRIFTED.items() if cause.endswith(words)]
    if drifted:
        yield Fault(change.id, Rank.BROKEN, *drifted[0])
    elif change.action == "delete":
        yield Fault(change.id, Rank.CHANGED, "it is no longer in the specs, and still there", "mlx apply removes it; put its spec back to keep it")
    else:
        node = workspace.graph.get(change.id)
        fields = ", ".join(item.path for item in change.changes)
        place = f" in {node.place.file.path}" if node and change.changes else ""
        reason = f"{fields} changed{place}, not applied yet" if fields else f"{_some(own)}; not applied yet"
        effect = f" ({change.effect_text})" if change.effect_text else ""
        yield Fault(change.id, Rank.CHANGED, reason + effect, "mlx plan shows what it means; mlx apply makes it so")


def _some(causes: list[str]) -> str:
    more = f"; and {len(causes) - CAUSES} more" if len(causes) > CAUSES else ""
    return "; ".join(causes[:CAUSES]) + more


CAUSES = 3
"""How many reasons of one change are told; mlx plan has all."""
MOVE_BACK = "mlx apply moves it back to the version that passed its gates"
DRIFTED = {
    "its alias was moved by hand": MOVE_BACK,
    "the registry lost its version": "mlx apply registers it again, from what its run kept",
    "its registry was changed by hand": "mlx apply writes it again as the specs say",
    "its online store lost rows": "mlx apply materialises it again",
    "its server is not running": "mlx apply starts it again",
    "it is not there": "mlx apply brings it back",
    " is gone": "mlx apply makes it again",
    " differs in the cluster": "mlx apply writes it again as the specs say",
}
"""How causes end that a plan names where nobody changed a spec, and what mends each."""


def _of_updates(workspace: Workspace, exported: Mapping[str, Any]) -> Iterator[Fault]:
    """The update that runs now; else what a killed one left open."""
    holders = lock_holders(workspace)
    for holder in holders:
        fix = "wait for it (mlx logs --follow shows a training); mlx cancel, if its process is gone"
        yield Fault("", Rank.RUNNING, f"an update by {holder} is in progress", fix)
    if holders:
        return
    deployment: Mapping[str, Any] = exported.get("deployment", exported)
    for operation in deployment.get("pending_operations") or ():
        urn = str(operation["resource"]["urn"])
        reason = f"an update was killed while {operation['type']} {urn.split('::')[-1]}"
        yield Fault(id_of_urn(urn), Rank.INTERRUPTED, reason, "mlx apply goes on from there: what was made is found and taken over")


def _still_open(failure: Failure, statuses: Mapping[str, ObjectStatus], changing: frozenset[str]) -> bool:
    """What is well and would be left as it is was made good, or its change was taken back."""
    item = statuses.get(failure.id)
    return item is not None and (failure.id in changing or not item.is_well)


def _failed(failure: Failure) -> Fault:
    fix = f"{failure.hint}; when that is mended: mlx apply" if failure.hint else "mend it, then mlx apply"
    return Fault(failure.id, Rank.FAILED, failure.message, fix, failure.urn)


def _of_drift(workspace: Workspace, recorded: Mapping[str, Mapping[str, Values]]) -> Iterator[Fault]:
    """What people did by hand, by looking at what there is; nothing is recorded."""
    for item in refresh(workspace, _unheard, preview_only=True) if recorded else ():
        if item.gone:
            yield Fault(item.id, Rank.BROKEN, item.detail, "mlx refresh, then mlx apply brings it back")
        elif alias := [change for change in item.changes if change.path == "current.version"]:
            now = f"on version {alias[0].new}" if alias[0].new else "gone"
            yield Fault(item.id, Rank.BROKEN, f"its alias was moved by hand: it was on version {alias[0].old} and is {now}", MOVE_BACK)
        else:
            paths = ", ".join(change.path for change in item.changes)
            yield Fault(item.id, Rank.BROKEN, f"it is not what was applied any more: {paths} changed", RESTORE)


RESTORE = "mlx refresh shows what differs and records it, mlx apply then puts it back"


def _of_artifacts(workspace: Workspace, recorded: Mapping[str, Mapping[str, Values]]) -> Iterator[Fault]:
    """Packaged models whose bytes are not those that were written."""
    for id, resources in recorded.items():
        found: dict[str, str] = {}
        if "ModelVersion" in resources:
            version = ModelVersionOutputs.model_validate(resources["ModelVersion"])
            found[version.artifact] = version.artifact_digest
        if "ModelServer" in resources:
            served = ModelServerOutputs.model_validate(resources["ModelServer"]).version
            found[served.artifact] = served.artifact_digest
        for artifact, digest in found.items():
            yield from _of_artifact(workspace, id, artifact, digest)


def _of_artifact(workspace: Workspace, id: str, artifact: str, digest: str) -> Iterator[Fault]:
    if not artifact or not digest:
        return
    try:
        verify(workspace.root / artifact, digest)
    except ArtifactError as error:
        yield Fault(id, Rank.BROKEN, str(error).replace(f"{workspace.root}/", ""), error.hint)


def _of_status(workspace: Workspace, item: ObjectStatus) -> Iterator[Fault]:
    """What `mlx status` says of an object that is not well, as a cause."""
    word = item.status.partition("(")[0]
    found = Cause.read(item.fields)
    if found is not None:
        yield Fault(item.id, Rank.FAILED if word in ("Failed", "TrainingFailed") else Rank.BROKEN, found.root, found.hint)
        return
    match word:
        case _ if item.is_well:
            return
        case "NotReleased":  # what is not released is told with its reason, from the release
            return
        case "Training":
            if not item.fields.get("champion"):
                yield Fault(item.id, Rank.WAITING, item.detail, f"wait for it: mlx logs {item.id.partition('/')[2]} --follow shows it")
        case "Unknown":
            yield Fault(item.id, Rank.BROKEN, item.detail, "mlx status asks again; mlx doctor looks at this machine")
        case "TrainingFailed":
            yield _failed_training(item)
        case "Challenger":
            yield Fault(item.id, Rank.HELD, item.detail, _gate_fix(workspace, item.id))
        case "WaitingForModel":
            waited = item.status.partition("(")[2].rstrip(")")
            yield Fault(
                item.id, Rank.WAITING, f"it waits for {waited}: no version has passed its gates yet", "mlx apply trains it, and completes this endpoint"
            )
        case "NotApplied":
            cluster = f" --cluster {item.id.partition('/')[2]}" if item.id.startswith("Cluster/") else ""
            yield Fault(item.id, Rank.NOT_APPLIED, "it is declared, not applied", f"mlx apply{cluster}")
        case "Missing" | "Stopped":
            yield Fault(item.id, Rank.BROKEN, item.detail.partition(";")[0], _again(workspace, item))
        case "Drifted":
            name = item.id.partition("/")[2]
            fix = f"mlx monitor report {name} --out {name}.html shows what has moved; a model that is trained on newer rows knows them"
            yield Fault(item.id, Rank.DRIFTED, item.detail, item.fields.get("fix", fix))
        case "Incomplete":
            yield Fault(item.id, Rank.UNFINISHED, item.detail, "mlx apply goes on from there")
        case "Declared" | "NotRun":
            yield Fault(item.id, Rank.NOT_RUN, item.detail or f"it is {item.status}", NOT_RUN_FIXES[word].format(name=item.id.split("/")[1]))
        case "Undeclared":
            yield Fault(item.id, Rank.CHANGED, item.detail, "mlx apply removes it; put its spec back to keep it")
        case _:
            yield Fault(item.id, Rank.BROKEN, f"{item.status}: {item.detail}", "mlx apply puts it right")


NOT_RUN_FIXES = {"Declared": "nothing to mend: it runs when this target can", "NotRun": "mlx run {name} runs it now"}


def _failed_training(item: ObjectStatus) -> Fault:
    failure = TrainingFailure.model_validate(item.fields["failure"])
    name = item.id.split("/")[1]
    where = f" in step {failure.step}" if failure.step else ""
    reason = f"its training failed{where} at {failure.at:%Y-%m-%d %H:%M:%SZ}: {failure.cause}"
    return Fault(item.id, Rank.FAILED, reason, f"mlx logs {name} has the whole error; mend it, then mlx apply trains again")


def _gate_fix(workspace: Workspace, id: str) -> str:
    node = workspace.graph.get(id)
    place = str(node.document.place(("spec", "success"), key=True)) if node else "specs/"
    return f"a better version passes (change algorithm, parameters or data, then mlx apply), or change the gate at {place}"


def _again(workspace: Workspace, item: ObjectStatus) -> str:
    node = workspace.graph.get(item.id)
    batch = node is not None and isinstance(node.object, Inference) and node.object.spec.mode == "batch"
    return "mlx refresh, then mlx apply" if batch else "mlx apply brings it back"


def _not_released(workspace: Workspace) -> Iterator[Fault]:
    """In a pinned environment: what the commit has beyond the release."""
    source = workspace.environment.spec.promoted_from
    promote = f"mlx promote {f'--from {source} ' if source else ''}--to {workspace.name}"
    for item in workspace.released.unreleased if workspace.released else ():
        yield Fault(item.id, Rank.CHANGED, f"not released: {item.reason}", f"{promote} releases it here")


def _without_echoes(faults: list[Fault]) -> Iterator[Fault]:
    """Of two faults of one object and rank the first, and no failure twice: what is seen now is newer than what was recorded."""
    seen: set[tuple[str, Rank]] = set()
    for fault in sorted(faults, key=lambda fault: fault.rank):
        if (fault.object, fault.rank) not in seen:
            seen.add((fault.object, fault.rank))
            yield fault
