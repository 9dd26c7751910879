"""The status of one object on a cluster: its word, a detail, and where it is not well the cause among its fields. Pure.

Enters: an object of the specs and what is known of the cluster. Leaves: an ``ObjectStatus`` of the same shape as on the laptop.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, assert_never

from mlx_pipelines.kfp_api import FAILED
from mlx_specs.annotations import STOPPED
from mlx_specs.cluster import Cluster
from mlx_specs.dataset import Dataset
from mlx_specs.environment import Environment
from mlx_specs.feature_store import FeatureStore
from mlx_specs.inference import Inference
from mlx_specs.kinds import AnyObject
from mlx_specs.model import Model
from mlx_specs.monitor import Monitor
from mlx_specs.notebook import Notebook
from mlx_specs.pipeline import Pipeline
from mlx_specs.pipeline_resources import TrainingRunOutputs
from mlx_specs.resources import Version
from mlx_stacks.api_object import Object, condition, name_of, newest_first, part, text
from mlx_stacks.cluster_cause import Cause, Link, Scene, cause_of_waiting, find_cause, is_well
from mlx_stacks.cluster_live import OWNED, TRAINING_LABEL, Live
from mlx_stacks.cron import next_time
from mlx_stacks.object_status import ObjectStatus

AGAIN = "mlx apply brings it back"
UNFINISHED = "its last apply did not finish; apply again"
FINAL = "PodFailurePolicy"
"""Why a Job has failed whose exit code says that trying again would lead to the same."""
ENDED_BADLY = (FAILED, "CANCELED", "SKIPPED")
"""States of a run that will not train a version any more; the rest but SUCCEEDED are on their way. Source: KFP v2beta1, RuntimeState."""


@dataclass(frozen=True)
class Unanswered:
    """What a server did not say, with the reason."""

    reason: str


@dataclass(frozen=True)
class Facts:
    """What is known."""

    now: datetime
    """In UTC."""
    live: Live
    cluster: Cluster
    applied: frozenset[str]
    """The ids in the state."""
    recorded: Mapping[str, Mapping[tuple[str, str], Mapping[str, Any]]]
    """The Kubernetes objects that were applied for each id, by kind and name."""
    declared: Mapping[str, str]
    """Why an object is recorded and not run, by id."""
    awaited: Mapping[str, str]
    """The model that an inference waited for when it was applied, by id."""
    champions: Mapping[str, Version | Unanswered]
    """Of the registry, by the model's name; in a pinned environment of the release."""
    current: frozenset[str]
    """Models whose champion was made of what the last apply asked for."""
    released_from: str
    """The environment that a pinned one was promoted from; empty where the registry is followed."""
    runs: Mapping[str, TrainingRunOutputs]
    states: Mapping[str, str | Unanswered | None]
    """Of the runs, by the model's name; None where the server has lost it."""

    def scene(self, id: str) -> Scene:
        """Where the cause of this object's trouble is looked for."""
        return Scene(id, self.live, self.cluster)


def live_status(id: str, made: AnyObject, facts: Facts) -> ObjectStatus:
    """One object that is applied."""
    if id in facts.declared:
        return ObjectStatus(id, "Declared", facts.declared[id], {"reason": facts.declared[id]})
    lost = _lost(id, facts)
    if lost is not None:
        return lost
    match made:
        case Environment():
            return _environment(id, facts)
        case Dataset():
            return _program(id, facts, "Preparing", "Prepared")
        case FeatureStore():
            return _feature_store(id, facts)
        case Pipeline():
            return _pipeline(id, facts)
        case Model():
            return _model(id, facts)
        case Inference() if id in facts.awaited:
            return _waiting(id, facts)
        case Inference():
            return _endpoint(id, facts) if made.spec.mode == "realtime" else _program(id, facts, "Running", "Done")
        case Notebook():
            return _notebook(id, facts)
        case Monitor():
            return _monitor(id, facts)
        case Cluster():
            return ObjectStatus(id, "Incomplete", UNFINISHED)
        case _:
            assert_never(made)


def _lost(id: str, facts: Facts) -> ObjectStatus | None:
    """What was applied and is gone."""
    live = facts.live
    if live.home is None:
        return ObjectStatus(id, "Missing", f"namespace {live.namespace} is gone; {AGAIN}")
    there = {(kind.name, name_of(item)) for kind in OWNED for item in live.of(kind.name)}
    looked_for = {kind.name for kind in OWNED}
    gone = sorted((kind, name) for kind, name in facts.recorded.get(id, {}) if kind in looked_for and (kind, name) not in there)
    if gone:
        kind, name = gone[0]
        return ObjectStatus(id, "Missing", f"its {kind} {name} is gone; {AGAIN}", {"missing": [f"{kind}/{name}" for kind, name in gone]})
    return None


def _unwell(id: str, word: str, cause: Cause, detail: str = "", fields: Mapping[str, Any] | None = None) -> ObjectStatus:
    return ObjectStatus(id, word, f"{detail}; {cause.root}" if detail else cause.root, {**(fields or {}), "cause": cause.wire()})


def _environment(id: str, facts: Facts) -> ObjectStatus:
    phase = text(facts.live.home or {}, "status", "phase")
    detail = f"namespace {facts.live.namespace} of Cluster/{facts.cluster.metadata.name}"
    return ObjectStatus(id, "Ready" if phase == "Active" else phase or "Missing", detail, {"namespace": facts.live.namespace})


def _program(id: str, facts: Facts, running: str, done: str) -> ObjectStatus:
    """A Job or a Spark application: what runs now, how the last one ended, and when the next one is due."""
    runs = facts.live.made_for(id, "Job", "SparkApplication")
    schedule = _schedule(id, facts)
    if not runs:
        return ObjectStatus(id, "Scheduled", schedule) if schedule else ObjectStatus(id, "Incomplete", UNFINISHED)
    last = runs[0]
    fields = {"run": f"{last['kind']}/{name_of(last)}", "schedule": schedule}
    then = f"; {schedule}" if schedule else ""
    if is_well(last) and not _still_runs(last):
        return ObjectStatus(id, done, f"at {_moment(_ended(last))}{then}", fields)
    cause = find_cause(last, facts.scene(id))
    if cause is None:
        return ObjectStatus(id, running, f"since {_moment(text(last, 'metadata', 'creationTimestamp'))}{then}", fields)
    failed = condition(last, "Failed").get("status") == "True" or "FAIL" in text(last, "status", "applicationState", "state")
    return _unwell(id, "Failed" if failed else "Pending", cause, fields=fields)


def _monitor(id: str, facts: Facts) -> ObjectStatus:
    """A look that has found drift, and is to alert, ends its Job with an exit code of its own."""
    runs = facts.live.made_for(id, "Job")
    if not runs or text(failed := condition(runs[0], "Failed"), "status") != "True" or text(failed, "reason") != FINAL:
        return _program(id, facts, "Running", "Done")
    schedule = _schedule(id, facts)
    detail = f"at {_moment(text(failed, 'lastTransitionTime'))}: mlx logs {id} names the columns" + (f"; {schedule}" if schedule else "")
    fix = f"mlx logs {id} names what has moved; a model that is trained on newer rows knows them"
    return ObjectStatus(id, "Drifted", detail, {"run": f"Job/{name_of(runs[0])}", "schedule": schedule, "fix": fix})


def _still_runs(run: Object) -> bool:
    """Of Spark, running counts as ready."""
    return run["kind"] == "SparkApplication" and text(run, "status", "applicationState", "state") != "COMPLETED"


def _ended(run: Object) -> str:
    return text(run, "status", "completionTime") or text(run, "status", "terminationTime") or text(run, "metadata", "creationTimestamp")


def _moment(written: str) -> str:
    """``2026-11-21 21:20Z``"""
    return f"{written[:16].replace('T', ' ')}Z"


def _schedule(id: str, facts: Facts) -> str:
    """When it runs next; '' where it has no schedule."""
    found = facts.live.made_for(id, "CronJob", "ScheduledSparkApplication")
    if not found:
        return ""
    if part(found[0], "spec").get("suspend"):
        return "its schedule is suspended"
    due = next_time(text(found[0], "spec", "schedule"), facts.now)
    return f"next at {due:%Y-%m-%d %H:%M}Z" if due is not None else "its schedule names no day that comes"


def _feature_store(id: str, facts: Facts) -> ObjectStatus:
    (store, *_) = facts.live.made_for(id, "FeatureStore") or (None,)
    filled = _program(id, facts, "Materialising", "Ready") if facts.live.made_for(id, "Job") else None
    if store is None and filled is None:
        return ObjectStatus(id, "Incomplete", UNFINISHED)
    if filled is not None and filled.status != "Ready":  # before Feast's servers: they read the registry that it leaves
        return filled
    if store is not None and not is_well(store):
        return _unwell(id, "NotReady", cause_of_waiting(store, facts.scene(id)))
    return replace(filled, detail=f"materialised {filled.detail}") if filled is not None else ObjectStatus(id, "Ready", "Feast's servers run")


def _pipeline(id: str, facts: Facts) -> ObjectStatus:
    """Kubeflow Pipelines takes a version when it is made, or says in its status what is wrong with it."""
    versions = {name for kind, name in facts.recorded.get(id, {}) if kind == "PipelineVersion"}
    if not versions:
        return ObjectStatus(id, "Incomplete", UNFINISHED)
    for version in facts.live.made_for(id, "PipelineVersion"):
        refused = next((one for one in part(version, "status").get("conditions") or () if one.get("status") == "False"), None)
        if name_of(version) in versions and refused is not None:
            hint = "mlx plan compiles it anew; the message names what Kubeflow Pipelines does not take"
            return _unwell(id, "Failed", Cause((Link(f"PipelineVersion/{name_of(version)}", "Refused"),), text(refused, "message"), hint))
    named = ", ".join(sorted(versions))
    return ObjectStatus(id, "Ready", f"version {named} accepted", {"version": named})


@dataclass(frozen=True)
class Trained:
    """A model, and which version of it is the champion."""

    id: str
    current: Version | Unanswered
    facts: Facts

    @property
    def standing(self) -> str:
        """``version 3 is champion``"""
        match self.current:
            case Unanswered(reason):
                return f"its champion is not known: {reason}"
            case Version() if self.current.exists:
                return f"version {self.current.version} is champion"
            case _:
                return "no version has passed its gates yet"

    def status(self, word: str, before: str, **fields: Any) -> ObjectStatus:
        """What runs, then which version stands."""
        champion = self.current.version if isinstance(self.current, Version) else None
        return ObjectStatus(self.id, word, "; ".join(filter(None, (before, self.standing))), {**fields, "champion": champion})


def _model(id: str, facts: Facts) -> ObjectStatus:
    name = id.partition("/")[2]
    model = Trained(id, facts.champions.get(name, Version()), facts)
    if facts.released_from:
        return model.status("Ready", f"released from {facts.released_from}")
    jobs = facts.live.made_for(id, "TrainJob")
    if jobs:
        return _distributed(model, jobs[0])
    if name not in facts.runs:
        return model.status("Incomplete", UNFINISHED)
    return _run(model, facts.runs[name], facts.states.get(name))


def _distributed(model: Trained, job: Object) -> ObjectStatus:
    """Training on several nodes."""
    run = f"TrainJob/{name_of(job)}"
    cause = find_cause(job, model.facts.scene(model.id))
    if cause is not None:
        failed = condition(job, "Failed").get("status") == "True"
        return _stuck(model.status("TrainingFailed" if failed else "Training", "", run=run), cause)
    if not is_well(job):
        return model.status("Training", f"{name_of(job)} trains on several nodes", run=run)
    return _ended_well(model, run=run)


def _run(model: Trained, run: TrainingRunOutputs, state: str | Unanswered | None) -> ObjectStatus:
    short = f"run {run.run_id[:8]}"
    known = {"run": run.run_id, "fingerprint": run.fingerprint, "state": state if isinstance(state, str) else None}
    match state:
        case Unanswered(reason):
            return model.status("Unknown", f"{short} is not known: {reason}", **known)
        case None:
            return model.status("Missing", f"{short} is gone from Kubeflow Pipelines; mlx apply submits it again", **known)
        case "SUCCEEDED":
            return _ended_well(model, **known)
        case _ if state in ENDED_BADLY:
            cause = _of_pods(model, run, state, ("Failed",)) or _nothing_left(run, state)
            return _stuck(model.status("TrainingFailed", f"{short} is {state}", **known), cause)
        case _:
            cause = _of_pods(model, run, state, ("Pending", "Running"))
            said = model.status("Training", f"{short} is {state}", **known)
            return said if cause is None else _stuck(said, cause)


def _ended_well(model: Trained, **fields: Any) -> ObjectStatus:
    """Whether its version passed its gates the registry tells."""
    if isinstance(model.current, Unanswered):
        return model.status("Unknown", "", **fields)
    if model.id.partition("/")[2] in model.facts.current:
        return model.status("Ready", "", **fields)
    return model.status("Challenger", "the version that was trained last is not the champion", **fields)


def _stuck(said: ObjectStatus, cause: Cause) -> ObjectStatus:
    return _unwell(said.id, said.status, cause, said.detail, said.fields)


def _of_pods(model: Trained, run: TrainingRunOutputs, state: str, phases: Sequence[str]) -> Cause | None:
    """What keeps the run's own pods."""
    pods = newest_first(pod for pod in model.facts.live.of("Pod") if part(pod, "metadata", "labels").get(TRAINING_LABEL) == run.run_id)
    for pod in pods:
        found = find_cause(pod, model.facts.scene(model.id)) if text(pod, "status", "phase") in phases else None
        if found is not None:
            return Cause((Link(f"Run/{run.run_id}", state), *found.chain), found.root, found.hint)
    return None


def _nothing_left(run: TrainingRunOutputs, state: str) -> Cause:
    root = f"run {run.run_id[:8]} of Kubeflow Pipelines is {state}, and its pods are gone"
    again = "mlx apply submits it again" if state == FAILED else "mlx apply leaves it so: start it again there"
    return Cause((Link(f"Run/{run.run_id}", state),), root, f"its page in Kubeflow Pipelines shows the step; {again}")


def _waiting(id: str, facts: Facts) -> ObjectStatus:
    """It waited when it was applied; a champion that came since is served by the next apply."""
    awaited = facts.awaited[id]
    current = facts.champions.get(awaited.partition("@")[0])
    now = (
        f"version {current.version} is champion now: mlx apply completes it"
        if isinstance(current, Version) and current.exists
        else "until one passes its gates"
    )
    return ObjectStatus(id, f"WaitingForModel({awaited})", now, {"model": awaited})


def _endpoint(id: str, facts: Facts) -> ObjectStatus:
    services = facts.live.made_for(id, "InferenceService")
    if not services:
        return ObjectStatus(id, "Incomplete", UNFINISHED)
    service = services[0]
    url, version = text(service, "status", "url"), text(part(service, "metadata", "annotations"), "mlx.dev/version")
    fields = {"url": url, "version": version}
    if not is_well(service):
        return _unwell(id, "NotReady", cause_of_waiting(service, facts.scene(id)), fields=fields)
    return ObjectStatus(id, "Ready", f"{url} serves version {version}" if version else url, fields)


def _notebook(id: str, facts: Facts) -> ObjectStatus:
    notebooks = facts.live.made_for(id, "Notebook")
    if not notebooks:
        return ObjectStatus(id, "Incomplete", UNFINISHED)
    notebook = notebooks[0]
    path = f"/notebook/{facts.live.namespace}/{name_of(notebook)}/"
    if STOPPED in part(notebook, "metadata", "annotations"):
        return ObjectStatus(id, "Idle", "it was idle, or stopped by hand; its volume is kept", {"path": path})
    if not is_well(notebook):
        return _unwell(id, "NotReady", cause_of_waiting(notebook, facts.scene(id)), fields={"path": path})
    return ObjectStatus(id, "Ready", f"at {path} of the cluster's gateway", {"path": path})
