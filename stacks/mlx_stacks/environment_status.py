"""The status of an environment on a cluster: each object by its live objects, its run and the registry's champion. Reads only.

One list for each kind; where something is not well, one more look around tells why.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from mlx_components.model import ALIAS
from mlx_kubernetes.client import Client
from mlx_kubernetes.errors import KubernetesError
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.registered import Registered
from mlx_pipelines.registry_rest import pointed_to
from mlx_pipelines.registry_server import registered_name
from mlx_provider.pipelines_server import pipelines_server
from mlx_specs.cluster import Cluster
from mlx_specs.environment import KubernetesTarget
from mlx_specs.pipeline_resources import SubmittedRun, TrainingRunOutputs
from mlx_specs.resources import Version
from mlx_stacks.api_object import text
from mlx_stacks.cluster_cause import Cause, is_well
from mlx_stacks.cluster_live import AT_ONCE, Live, read_around, read_owned
from mlx_stacks.cluster_look import asked
from mlx_stacks.errors import UserError
from mlx_stacks.found import SUBMITTED, released_versions
from mlx_stacks.last_words import with_last_words
from mlx_stacks.live_status import Facts, Unanswered, live_status
from mlx_stacks.object_status import ObjectStatus
from mlx_stacks.on_cluster import cluster_of, cluster_outputs, connect_by
from mlx_stacks.recorded import Values, awaited_models, recorded_by_object, recorded_on_cluster, said_by_components
from mlx_stacks.status_release import release_status, unreleased_status, with_unreleased
from mlx_stacks.workspace import Workspace, open_host

V = TypeVar("V")


@dataclass(frozen=True)
class Recorded:
    """What the state says."""

    mlx: Mapping[str, Mapping[str, Values]]
    kubernetes: Mapping[str, Mapping[tuple[str, str], Values]]
    awaited: Mapping[str, str]
    said: Mapping[str, Values]


def environment_status(workspace: Workspace) -> tuple[ObjectStatus, ...]:
    """The cluster, the environment's namespace, every declared object in order, then what is in state but no longer declared."""
    exported = open_host(workspace).export_state()
    recorded = Recorded(recorded_by_object(exported), recorded_on_cluster(exported), awaited_models(exported), said_by_components(exported))
    cluster = declared_cluster(workspace)
    outputs = cluster_outputs(workspace, cluster)
    stack = _of_stack(cluster, applied=outputs is not None)
    ids = [f"Environment/{workspace.name}", *(node.id for node in workspace.graph.objects if node.id.split("/")[0] not in ("Environment", "Cluster"))]
    release, beyond = release_status(workspace, recorded.mlx), unreleased_status(workspace, ids)
    left = sorted(recorded.mlx.keys() - set(ids) - {each.id for each in release})
    if not recorded.mlx:
        return (stack, *release, *(_not_applied(id) for id in ids), *beyond)
    known = [with_unreleased(workspace, each) for each in _looked_up(workspace, outputs, recorded, ids)]
    return (stack, *release, *known, *beyond, *(_undeclared(id, workspace) for id in left))


def declared_cluster(workspace: Workspace) -> Cluster:
    """The cluster that the environment is on; in the middle of an edit there may be none."""
    target = workspace.environment.spec.target
    assert isinstance(target, KubernetesTarget)
    node = workspace.graph.get(f"Cluster/{target.cluster}")
    if node is None or not isinstance(node.object, Cluster):
        raise UserError(
            f"environment {workspace.name} is on Cluster/{target.cluster}, whose spec cannot be read", hint="mlx validate says what is wrong with it"
        )
    return node.object


def _of_stack(cluster: Cluster, *, applied: bool) -> ObjectStatus:
    """A cluster is a stack of its own: whether that was applied is all that an environment knows."""
    name = cluster.metadata.name
    detail = f"a stack of its own: mlx status --cluster {name}" if applied else f"a stack of its own: mlx apply --cluster {name}"
    return ObjectStatus(f"Cluster/{name}", "Applied" if applied else "NotApplied", detail)


def _not_applied(id: str) -> ObjectStatus:
    return ObjectStatus(id, "NotApplied", "declared, not applied yet")


def _undeclared(id: str, workspace: Workspace) -> ObjectStatus:
    broken = any(problem.severity == "error" for problem in workspace.warnings)
    detail = "applied, but the specs have problems: mlx validate" if broken else "in state but not in the specs; the next apply removes it"
    return ObjectStatus(id, "Undeclared", detail)


def _looked_up(workspace: Workspace, outputs: Values | None, recorded: Recorded, ids: Sequence[str]) -> list[ObjectStatus]:
    """Once for what there is; again with all around it where something is not well, or has not started."""
    connected, place = connect_by(workspace, outputs)
    client = asked(connected.client)
    live = asked(lambda: read_owned(client, place.namespace, place.owner))
    facts = _facts(workspace, client, recorded, live, ids)
    found = _all(workspace, facts, ids)
    if not any(Cause.read(item.fields) for item in found) and not _is_starting(live):
        return found
    around = asked(lambda: with_last_words(client, read_around(client, live)))
    return _all(workspace, replace(facts, live=around), ids)


def _is_starting(live: Live) -> bool:
    """Whether a pod waits, or what has no pods while it waits in a queue."""
    runs = (run for kind in ("SparkApplication", "TrainJob") for run in live.of(kind))
    return any(text(pod, "status", "phase") == "Pending" for pod in live.of("Pod")) or not all(map(is_well, runs))


def _all(workspace: Workspace, facts: Facts, ids: Sequence[str]) -> list[ObjectStatus]:
    nodes = {node.id: node.object for node in workspace.graph.objects}
    made = [live_status(id, nodes.get(id, workspace.environment), facts) if id in facts.applied else _not_applied(id) for id in ids]
    return [replace(item, fields={**item.fields, **_about(workspace, item.id)}) for item in made]


def _about(workspace: Workspace, id: str) -> Mapping[str, object]:
    """What people say of it."""
    node = workspace.graph.get(id)
    metadata = node.object.metadata if node is not None else workspace.environment.metadata
    return {"description": metadata.description, "owner": metadata.owner, "labels": dict(metadata.labels)}


def _facts(workspace: Workspace, client: Client, recorded: Recorded, live: Live, ids: Sequence[str]) -> Facts:
    target = workspace.environment.spec.target
    assert isinstance(target, KubernetesTarget)
    models = [id.partition("/")[2] for id in ids if id.startswith("Model/")]
    runs = {id.partition("/")[2]: TrainingRunOutputs.model_validate(made["TrainingRun"]) for id, made in recorded.mlx.items() if "TrainingRun" in made}
    registered = _champions(workspace, target, models)
    declared = {id: str(made["Declared"].get("reason") or "") for id, made in recorded.mlx.items() if "Declared" in made}
    return Facts(
        now=datetime.now(UTC),
        live=live,
        cluster=cluster_of(workspace),
        applied=frozenset(recorded.mlx),
        recorded=recorded.kubernetes,
        declared=declared,
        awaited=recorded.awaited,
        champions={model: each.reference() if isinstance(each, Registered) else each or Version() for model, each in registered.items()},
        current=frozenset(model for model, each in registered.items() if isinstance(each, Registered) and each.is_of(_asked_for(model, recorded))),
        released_from=workspace.released.lock.promoted_from if workspace.released is not None and workspace.released.lock is not None else "",
        runs=runs,
        states=_states(client, runs),
    )


def _champions(workspace: Workspace, target: KubernetesTarget, models: Sequence[str]) -> Mapping[str, Registered | Version | Unanswered | None]:
    """A pinned environment has no registry: its release says so."""
    if workspace.released is not None:
        return released_versions(workspace.released, target)
    return _each(models, lambda model: pointed_to(target.mlflow, registered_name(target.namespace, model), ALIAS))


def _states(client: Client, runs: Mapping[str, TrainingRunOutputs]) -> Mapping[str, str | Unanswered | None]:
    """How each model's run goes, as the account that has submitted them all sees it."""
    if not runs:
        return {}
    try:
        server = pipelines_server(next(iter(runs.values())).run, client)
    except KubernetesError as error:
        return dict.fromkeys(runs, Unanswered(str(error)))
    return _each(sorted(runs), lambda model: server.state(runs[model].run_id))


def _asked_for(model: str, recorded: Recorded) -> str:
    """The fingerprint of what the last apply asked for."""
    submitted = recorded.said.get(f"Model/{model}", {}).get(SUBMITTED)
    return SubmittedRun.model_validate_json(submitted).version.fingerprint if submitted else ""


def _each(names: Sequence[str], ask: Callable[[str], V]) -> dict[str, V | Unanswered]:
    """An answer for each name; of a server that does not answer its sentence."""

    def one(name: str) -> V | Unanswered:
        try:
            return ask(name)
        except PipelineError as error:
            return Unanswered(str(error))

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return dict(zip(names, threads.map(one, names), strict=True))
