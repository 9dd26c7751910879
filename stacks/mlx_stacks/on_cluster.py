"""An environment on a cluster: what its objects become there, as plain manifests and as a Pulumi program around the same ones.

Enters: an opened workspace. Leaves: a program, or manifests for `mlx render`. What decides about objects and is not in the specs (the
cluster's outputs, the registry's aliases, compiled pipelines) is looked up once, before, and reads only.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, assert_never

from mlx_components.clusters.releases import releases
from mlx_components.declared import DeclaredComponent
from mlx_components.kubernetes.completion import completion_objects
from mlx_components.kubernetes.dataset import dataset_objects
from mlx_components.kubernetes.declare import ClusterProvider
from mlx_components.kubernetes.feature_store import feature_store_objects, has_servers
from mlx_components.kubernetes.inference import batch_objects, endpoint_objects
from mlx_components.kubernetes.model import is_distributed, train_job
from mlx_components.kubernetes.monitor import monitor_objects
from mlx_components.kubernetes.namespace import environment_objects, namespace
from mlx_components.kubernetes.notebook import notebook_objects
from mlx_components.kubernetes.pipeline import pipeline_object, version_object, with_compute
from mlx_components.kubernetes.place import Manifest, Place, Reach
from mlx_components.kubernetes.stream import stream_objects
from mlx_components.on_cluster import OnClusterComponent, TrainedOnClusterComponent
from mlx_components.release import ReleaseComponent
from mlx_engine.embedded.executable import find_executable
from mlx_engine.host import Program
from mlx_engine.stack_outputs import stack_outputs
from mlx_kubernetes.client import Client
from mlx_kubernetes.discovery import Discovery
from mlx_kubernetes.errors import NotYet
from mlx_kubernetes.package import PACKAGE, VERSION
from mlx_specs.accounts import APPLY, TRAIN
from mlx_specs.cluster import Cluster
from mlx_specs.dataset import Dataset
from mlx_specs.diagnostics import listing
from mlx_specs.environment import Environment, KubernetesTarget
from mlx_specs.feature_store import FeatureStore
from mlx_specs.graph import Graph, Node
from mlx_specs.inference import Inference
from mlx_specs.model import Model
from mlx_specs.moments import event_time_of_rows
from mlx_specs.monitor import Monitor
from mlx_specs.notebook import Notebook
from mlx_specs.pipeline import Pipeline
from mlx_specs.pipeline_resources import ClusterAccess, PipelineRun, RecurringRunInputs, TrainingRunInputs
from mlx_specs.state import FILE_BACKEND
from mlx_specs.support import deferral
from mlx_stacks.cluster_look import Connected, asked, nodes_if_allowed
from mlx_stacks.cluster_program import connected_as_applied
from mlx_stacks.errors import UserError
from mlx_stacks.found import Found, look_up, told_of
from mlx_stacks.node_capacity import unfit
from mlx_stacks.submitted import pipeline_of, run_arguments
from mlx_stacks.workspace import Workspace, stack_of_cluster


def program_on_cluster(workspace: Workspace) -> Program:
    """Looks up what is to be known, and declares everything; an object that cannot run there yet is recorded with the reason."""
    refuse_missing_plugin(workspace)
    connected, place = connect(workspace)
    client = asked(connected.client)
    refuse_what_does_not_fit(workspace, client)
    found = look_up(workspace)
    objects = objects_by_id(workspace, place, found)
    refuse_unknown_kinds(workspace, objects, client)
    return lambda: declare(workspace, connected, place, found, objects)


def declare(workspace: Workspace, connected: Connected, place: Place, found: Found, objects: Mapping[str, Sequence[Manifest]]) -> None:
    """The program itself, within which everything is known; ``objects`` by the ids of what they are made of."""
    provider = ClusterProvider(connected.kubeconfig, connected.context, place.namespace)
    if workspace.released is not None and workspace.released.lock is not None:
        ReleaseComponent(workspace.name, home=workspace.layout.home, lock=workspace.released.lock)
    access = ClusterAccess(kubeconfig=connected.kubeconfig, context=connected.context)
    declaring = _Declaring(workspace, place, found, provider, _environment(workspace, place, provider), access)
    for node in workspace.graph.objects:
        declaring.declare(node, objects.get(node.id, ()))


def manifests(workspace: Workspace) -> tuple[Manifest, ...]:
    """Everything in the order in which it can be applied."""
    place, found = place_of(workspace), look_up(workspace)
    made = [_namespace(workspace, place), *_within(workspace, place)]
    return (*made, *(each for objects in objects_by_id(workspace, place, found).values() for each in objects))


def objects_by_id(workspace: Workspace, place: Place, found: Found) -> dict[str, Sequence[Manifest]]:
    """What each object becomes; nothing of those that cannot run there yet."""
    graph = workspace.graph
    return {node.id: objects_of(node, graph, place, found) for node in graph.objects if not deferral(node.object, "kubernetes")}


def connect(workspace: Workspace) -> tuple[Connected, Place]:
    """How the cluster is reached, and where the environment's objects go; raises ``UserError`` where its own stack was never applied."""
    return connect_by(workspace, cluster_outputs(workspace, cluster_of(workspace)))


def connect_by(workspace: Workspace, outputs: Mapping[str, Any] | None) -> tuple[Connected, Place]:
    """By what the cluster's own stack has exported: a remote state is read once for both."""
    cluster = cluster_of(workspace)
    applied = _applied(cluster, outputs)
    return connected_as_applied(workspace, cluster.spec, applied), _place(workspace, cluster, applied)


def place_of(workspace: Workspace) -> Place:
    """Where the environment's objects go, of a cluster that nobody may have applied yet.

    Raises ``UserError`` where pods reach the storage by what the cluster's own stack makes: it must have been.
    """
    cluster = cluster_of(workspace)
    return _place(workspace, cluster, _applied(cluster, cluster_outputs(workspace, cluster)) if cluster.spec.storage is not None else {})


def cluster_outputs(workspace: Workspace, cluster: Cluster) -> Mapping[str, Any] | None:
    """What the cluster's own stack has exported, read from its state; None where it was never applied."""
    return stack_outputs(stack_of_cluster(workspace.root, workspace.project, cluster))


def cluster_of(workspace: Workspace) -> Cluster:
    """The cluster that the environment is on."""
    node = workspace.graph.get(f"Cluster/{_target(workspace).cluster}")
    assert node is not None and isinstance(node.object, Cluster), "said by the_cluster_exists"
    return node.object


def _target(workspace: Workspace) -> KubernetesTarget:
    target = workspace.environment.spec.target
    assert isinstance(target, KubernetesTarget)
    return target


def _applied(cluster: Cluster, outputs: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if outputs is None:
        name = cluster.metadata.name
        raise UserError(f"Cluster '{name}' has not been applied: its queues and add-ons are not there", hint=f"apply it first: mlx apply --cluster {name}")
    return outputs


def _place(workspace: Workspace, cluster: Cluster, outputs: Mapping[str, Any]) -> Place:
    names = ("identity", "podLabels", "variables") if cluster.spec.storage is not None else ()
    reach = Reach(*(dict(outputs.get(name) or {}) for name in names))
    return Place(workspace.project, workspace.name, cluster.metadata.name, cluster.spec, _target(workspace), reach)


def refuse_missing_plugin(workspace: Workspace) -> None:
    """Pulumi's own plugin, where it is asked for, is there before anything is looked up or changed."""
    if _target(workspace).plugin == "pulumi" and find_executable(PACKAGE, "") is None:
        reason = f"environment {workspace.name!r} has target.plugin: pulumi, and Pulumi's Kubernetes plugin is not installed"
        raise UserError(reason, hint=f"pulumi plugin install resource {PACKAGE} {VERSION}; without target.plugin mlx's own provider is used")


def refuse_what_does_not_fit(workspace: Workspace, client: Client) -> None:
    """What no node can hold, by the real nodes of an existing cluster; those of a cloud are known from the machine tables."""
    cluster = cluster_of(workspace)
    there = asked(lambda: nodes_if_allowed(client))
    if there is None or cluster.spec.provider != "existing":
        return
    found = unfit(workspace.graph, workspace.environment, cluster.spec, there)
    if any(one.severity == "error" for one in found):
        raise UserError("the cluster's nodes cannot hold what the specs ask for", diagnostics=found)


def refuse_unknown_kinds(workspace: Workspace, objects: Mapping[str, Sequence[Manifest]], client: Client) -> None:
    """What the cluster has no definition of: nothing is made of an environment that could not be made whole."""
    made = [(id, each) for id, manifests in objects.items() for each in manifests]
    needed: dict[tuple[str, str], str] = {(each["apiVersion"], each["kind"]): id for id, each in reversed(made)}
    known = Discovery(client)

    lacks = [kind for kind in sorted(needed) if not asked(lambda kind=kind: _is_known(known, *kind))]
    if not lacks:
        return
    name = cluster_of(workspace).metadata.name
    add_ons = sorted({add_on for version, kind in lacks for add_on in _add_ons_with(version.partition("/")[0], kind)})
    hint = f"it needs the add-ons {listing(add_ons)}" if add_ons else "its definition comes with its project's release"
    words = ", ".join(f"{kind} of {version} ({needed[version, kind]})" for version, kind in lacks)
    raise UserError(f"Cluster '{name}' cannot take this environment: it has no definition of {words}", hint=hint)


def _is_known(known: Discovery, version: str, kind: str) -> bool:
    try:
        known.resource(version, kind)
    except NotYet:
        return False
    return True


def _add_ons_with(group: str, kind: str) -> Iterator[str]:
    """Those whose release defines the kind."""
    for release in releases().values():
        if any(each.kind == kind and each.name.endswith(f".{group}") for each in release.definitions):
            yield release.name


def objects_of(node: Node, graph: Graph, place: Place, found: Found) -> Sequence[Manifest]:
    """What one object becomes."""
    match node.object:
        case Dataset() as dataset:
            inputs = {name: found.datasets[name] for name in dataset.spec.inputs}
            return dataset_objects(dataset, place, found.datasets[dataset.metadata.name], inputs)
        case FeatureStore() as store:
            return feature_store_objects(store, place, found.stores[store.metadata.name])
        case Pipeline() as pipeline:
            return (pipeline_object(pipeline, place), version_object(pipeline, pipeline, place, found.pipelines[pipeline.metadata.name]))
        case Model() as model if model.metadata.name not in found.runs:
            return ()  # it was released: nothing is trained
        case Model() as model:
            if is_distributed(model):
                name = model.metadata.name
                return (train_job(model, place, found.runs[name], found.code[name]),)
            return (_version(model, graph, place, found),) if model.spec.compute is not None else ()
        case Inference() as inference:
            return _inference(inference, graph, place, found, watched=graph.is_watched(node.id))
        case Notebook() as notebook:
            return notebook_objects(notebook, place)
        case Monitor() as monitor:
            return _monitor(monitor, graph, place, found)
        case Environment() | Cluster():
            return ()
        case _:
            assert_never(node.object)


def _version(model: Model, graph: Graph, place: Place, found: Found) -> Manifest:
    """The version of its pipeline that a model's runs are of: with compute of its own it has one of its own."""
    pipeline = pipeline_of(model, graph)
    compiled_pipeline = found.pipelines[model.spec.pipeline]
    if model.spec.compute is None or is_distributed(model):
        return version_object(pipeline, pipeline, place, compiled_pipeline)
    return version_object(model, with_compute(pipeline, compiled_pipeline, model.spec.compute), place, compiled_pipeline)


def _inference(inference: Inference, graph: Graph, place: Place, found: Found, *, watched: bool) -> Sequence[Manifest]:
    spec, name = inference.spec, inference.metadata.name
    version, features = found.champions[spec.model.partition("@")[0]], found.features.get(name)
    match spec.mode:
        case "realtime":
            return endpoint_objects(inference, place, version, features, watched=watched)
        case "batch":
            assert spec.batch is not None
            return batch_objects(inference, spec.batch, place, version, found.datasets[spec.batch.input], found.joins.get(name))
        case "stream":
            assert spec.stream is not None
            return stream_objects(inference, spec.stream, place, version, event_time_of_rows(inference, graph), features)


def _monitor(monitor: Monitor, graph: Graph, place: Place, found: Found) -> Sequence[Manifest]:
    node = graph.get(f"Inference/{monitor.spec.inference}")
    assert node is not None and isinstance(node.object, Inference), "said by references_lead_somewhere"
    return monitor_objects(monitor, node.object, place, found.champions[node.object.spec.model.partition("@")[0]])


def _environment(workspace: Workspace, place: Place, provider: ClusterProvider) -> OnClusterComponent:
    """The namespace before what stands in it."""
    environment = workspace.environment
    there = _namespace(workspace, place)
    component = OnClusterComponent(environment, "Environment", (there,), provider, protect=environment.spec.protect)
    component.more(_within(workspace, place))
    component.register_outputs({"namespace": place.namespace})
    return component


def _namespace(workspace: Workspace, place: Place) -> Manifest:
    stores = any(isinstance(node.object, FeatureStore) for node in workspace.graph.objects)
    return namespace(workspace.environment, place, serves_features=stores and has_servers(place))


def _within(workspace: Workspace, place: Place) -> tuple[Manifest, ...]:
    """What the environment itself has in its namespace."""
    return (*environment_objects(place, trains=workspace.released is None), *_completion(workspace, place))


def _completion(workspace: Workspace, place: Place) -> tuple[Manifest, ...]:
    """What completes a waiting endpoint in the cluster; a state that only this machine can read needs a second apply by hand."""
    state = workspace.environment.spec.state
    if state.backend.startswith(FILE_BACKEND) or workspace.environment.spec.models != "follow":
        return ()
    return completion_objects(place, state.backend, state.passphrase.env if state.passphrase is not None else None)


class _Declaring:
    """Declares one object after the other."""

    def __init__(self, workspace: Workspace, place: Place, found: Found, provider: ClusterProvider, home: OnClusterComponent, access: ClusterAccess) -> None:
        self._workspace, self._place, self._found, self._access = workspace, place, found, access
        self._provider, self._home = provider, home
        self._pipelines: dict[str, OnClusterComponent] = {}

    def declare(self, node: Node, objects: Sequence[Manifest]) -> None:
        """As a component around what it becomes; one that cannot run yet is recorded with the reason."""
        made, found = node.object, self._found
        if isinstance(made, Environment | Cluster):
            return
        reason = deferral(made, "kubernetes")
        if reason is not None:
            DeclaredComponent(made, made.kind, reason)
        elif isinstance(made, Model) and made.metadata.name in found.runs:
            self._trained(made, objects)
        else:
            told = told_of(made, self._workspace, found, objects[-1]["metadata"]["name"] if objects else "")
            waits = _waits_for(made, objects)
            component = OnClusterComponent(made, made.kind, objects, self._provider, after=self._home.objects, outputs=told, waits_for=waits)
            if isinstance(made, Pipeline):
                self._pipelines[made.metadata.name] = component

    def _trained(self, model: Model, objects: Sequence[Manifest]) -> None:
        name, graph, found, place = model.metadata.name, self._workspace.graph, self._found, self._place
        version = _version(model, graph, place, found)["metadata"]["name"]
        submitted = PipelineRun(
            api=place.target.pipelines,
            namespace=place.namespace,
            pipeline=model.spec.pipeline,
            pipeline_version=version,
            service_account=TRAIN,
            submitter=APPLY,
            arguments=run_arguments(found.runs[name], pipeline_of(model, graph), found.pipelines[model.spec.pipeline].ir),
        )
        fingerprint, access = found.runs[name].version.fingerprint, self._access
        run = None if is_distributed(model) else TrainingRunInputs(model=name, fingerprint=fingerprint, run=submitted, access=access)
        schedule = model.spec.retraining.schedule if model.spec.retraining is not None else None
        recurring = RecurringRunInputs(model=name, schedule=schedule, run=submitted, access=access) if schedule else None
        after = [*self._home.objects, *self._pipelines[model.spec.pipeline].objects]
        told = told_of(model, self._workspace, found, version)
        TrainedOnClusterComponent(model, objects, self._provider, run=run, recurring=recurring, outputs=told, after=after)


def _waits_for(made: Any, objects: Sequence[Manifest]) -> str:
    """The model that an endpoint or a batch run waits for, where nothing runs it yet."""
    waits = isinstance(made, Inference) and all(one["kind"] in ("ConfigMap", "ServingRuntime") for one in objects)
    return made.spec.model if waits else ""
