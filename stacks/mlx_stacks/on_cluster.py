"""An environment on a cluster: what its objects become there, as plain manifests and as a Pulumi program around the same ones.

Enters: an opened workspace. Leaves: a program, or manifests for `mlx render`. What decides about objects and is not in the specs (the
cluster's outputs, the registry's aliases, compiled pipelines) is looked up once, before, and reads only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import pulumi

from mlx_components.clusters.releases import releases
from mlx_components.declared import DeclaredComponent
from mlx_components.kubernetes.completion import completion_objects
from mlx_components.kubernetes.dataset import dataset_objects
from mlx_components.kubernetes.declare import ClusterProvider
from mlx_components.kubernetes.feature_store import feature_store_objects
from mlx_components.kubernetes.inference import batch_objects, endpoint_objects
from mlx_components.kubernetes.model import is_distributed, train_job
from mlx_components.kubernetes.namespace import environment_objects, namespace
from mlx_components.kubernetes.notebook import notebook_objects
from mlx_components.kubernetes.pipeline import Compiled, pipeline_object, version_object, with_compute
from mlx_components.kubernetes.place import Manifest, Place
from mlx_components.kubernetes.pods import TRAIN
from mlx_components.model import ALIAS
from mlx_components.on_cluster import OnClusterComponent, TrainedOnClusterComponent
from mlx_engine.host import Program, Stack
from mlx_engine.stack_outputs import stack_outputs
from mlx_kubernetes.discovery import Discovery
from mlx_kubernetes.errors import NotYet
from mlx_pipelines.registry_rest import champion
from mlx_specs.cluster import Cluster
from mlx_specs.dataset import Dataset
from mlx_specs.diagnostics import listing
from mlx_specs.environment import Environment, KubernetesTarget
from mlx_specs.feature_store import FeatureStore
from mlx_specs.graph import Graph, Node
from mlx_specs.inference import Inference
from mlx_specs.model import Model
from mlx_specs.monitor import Monitor
from mlx_specs.notebook import Notebook
from mlx_specs.pipeline import Pipeline
from mlx_specs.resources import PipelineRun, RecurringRunInputs, SubmittedRun, TrainingRunInputs, Version
from mlx_specs.state import FILE_BACKEND
from mlx_specs.support import deferral
from mlx_stacks.cluster_look import Connected, asked, nodes_if_allowed
from mlx_stacks.cluster_program import kubeconfig_of
from mlx_stacks.errors import UserError
from mlx_stacks.node_capacity import unfit
from mlx_stacks.submitted import code_of, compiled_pipelines, definition_digests, pipeline_of, run_arguments, submitted_runs
from mlx_stacks.workspace import Workspace, stack_of_cluster


@dataclass(frozen=True)
class Found:
    """What decides about objects besides the specs."""

    champions: Mapping[str, Version]
    """By the model's name; the empty version where no version has passed its gates."""
    pipelines: Mapping[str, Compiled]
    """By name."""
    datasets: Mapping[str, str]
    """The digest of each dataset's definition."""
    runs: Mapping[str, SubmittedRun]
    """What each model's next version is asked to be made of, with its fingerprint."""
    code: Mapping[str, str]
    """The workspace's modules that each model on several nodes is trained with, as text."""


def program_on_cluster(workspace: Workspace) -> Program:
    """Looks up what is to be known, and declares everything; an object that cannot run there yet is recorded with the reason."""
    place, connected = place_of(workspace), connect(workspace)
    refuse_what_does_not_fit(workspace, connected)
    found = look_up(workspace)
    refuse_unknown_kinds(workspace, place, found, connected)

    def declare() -> None:
        provider = ClusterProvider(connected.kubeconfig, connected.context, place.namespace)
        home = _environment(workspace, place, provider)
        versions: dict[str, OnClusterComponent] = {}
        for node in workspace.graph.objects:
            _declare(node, workspace.graph, place, found, provider, home, versions)

    return declare


def manifests(workspace: Workspace) -> tuple[Manifest, ...]:
    """Everything in the order in which it can be applied."""
    place, found = place_of(workspace), look_up(workspace)
    made = [namespace(place), *environment_objects(place), *_completion(workspace, place)]
    for node in workspace.graph.objects:
        made += [] if deferral(node.object, "kubernetes") else objects_of(node, workspace.graph, place, found)
    return tuple(made)


def place_of(workspace: Workspace) -> Place:
    """Where the environment's objects go."""
    target = workspace.environment.spec.target
    assert isinstance(target, KubernetesTarget)
    return Place(workspace.project, workspace.name, target.cluster, cluster_of(workspace).spec, target)


def cluster_of(workspace: Workspace) -> Cluster:
    """The cluster that the environment is on."""
    target = workspace.environment.spec.target
    assert isinstance(target, KubernetesTarget)
    node = workspace.graph.get(f"Cluster/{target.cluster}")
    assert node is not None and isinstance(node.object, Cluster), "said by the_cluster_exists"
    return node.object


def connect(workspace: Workspace) -> Connected:
    """By what the cluster's own stack has exported; raises ``UserError`` where that was never applied."""
    cluster = cluster_of(workspace)
    stack: Stack = stack_of_cluster(workspace.root, workspace.project, cluster)
    outputs = stack_outputs(stack)
    name = cluster.metadata.name
    if outputs is None:
        raise UserError(f"Cluster '{name}' has not been applied: its queues and add-ons are not there", hint=f"apply it first: mlx apply --cluster {name}")
    exported = Connected.of(outputs)
    return Connected(kubeconfig_of(workspace, cluster.spec) or exported.kubeconfig, exported.context)


def refuse_what_does_not_fit(workspace: Workspace, connected: Connected) -> None:
    """What no node can hold, by the real nodes of an existing cluster; those of a cloud are known from the machine tables."""
    cluster = cluster_of(workspace)
    there = asked(lambda: nodes_if_allowed(connected.client()))
    if there is None or cluster.spec.provider != "existing":
        return
    found = unfit(workspace.graph, workspace.environment, cluster.spec, there)
    if any(one.severity == "error" for one in found):
        raise UserError("the cluster's nodes cannot hold what the specs ask for", diagnostics=found)


def refuse_unknown_kinds(workspace: Workspace, place: Place, found: Found, connected: Connected) -> None:
    """What the cluster has no definition of: nothing is made of an environment that could not be made whole."""
    nodes = [node for node in workspace.graph.objects if not deferral(node.object, "kubernetes")]
    needed = {(made["apiVersion"], made["kind"]): node.id for node in reversed(nodes) for made in objects_of(node, workspace.graph, place, found)}
    known = asked(lambda: Discovery(connected.client()))

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


def look_up(workspace: Workspace) -> Found:
    """Asks the registry, compiles pipelines, and digests code; raises ``PipelineError``."""
    graph, target = workspace.graph, workspace.environment.spec.target
    assert isinstance(target, KubernetesTarget)
    wanted = {node.object.spec.model.partition("@")[0] for node in graph.objects if isinstance(node.object, Inference)}
    names = sorted(wanted | {node.object.metadata.name for node in graph.of_kind("Model")})
    datasets = definition_digests(graph, workspace.root)
    runs = submitted_runs(workspace, datasets)
    spread = [node.object for node in graph.objects if isinstance(node.object, Model) and is_distributed(node.object)]
    code = {model.metadata.name: code_of([model], pipeline_of(model, graph), workspace, runs) for model in spread}
    return Found({name: champion(target.mlflow, name, ALIAS) for name in names}, compiled_pipelines(workspace, runs), datasets, runs, code)


def objects_of(node: Node, graph: Graph, place: Place, found: Found) -> Sequence[Manifest]:
    """What one object becomes."""
    match node.object:
        case Dataset() as dataset:
            inputs = {name: found.datasets[name] for name in dataset.spec.inputs}
            return dataset_objects(dataset, place, found.datasets[dataset.metadata.name], inputs)
        case FeatureStore() as store:
            return feature_store_objects(store, place)
        case Pipeline() as pipeline:
            return (pipeline_object(pipeline, place), version_object(pipeline, pipeline, place, found.pipelines[pipeline.metadata.name]))
        case Model() as model:
            if is_distributed(model):
                name = model.metadata.name
                return (train_job(model, place, found.runs[name], found.code[name]),)
            return (_version(model, graph, place, found),) if model.spec.compute is not None else ()
        case Inference() as inference:
            return _inference(inference, place, found)
        case Notebook() as notebook:
            return notebook_objects(notebook, place)
        case Environment() | Cluster() | Monitor():
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


def _inference(inference: Inference, place: Place, found: Found) -> Sequence[Manifest]:
    version = found.champions[inference.spec.model.partition("@")[0]]
    if inference.spec.mode == "realtime":
        return endpoint_objects(inference, place, version)
    assert inference.spec.batch is not None, "streams are deferred"
    return batch_objects(inference, inference.spec.batch, place, version, found.datasets[inference.spec.batch.input])


def _environment(workspace: Workspace, place: Place, provider: ClusterProvider) -> OnClusterComponent:
    """The namespace before what stands in it."""
    environment = workspace.environment
    component = OnClusterComponent(environment, "Environment", (namespace(place),), provider, protect=environment.spec.protect)
    component.more((*environment_objects(place), *_completion(workspace, place)))
    component.register_outputs({"namespace": place.namespace})
    return component


def _completion(workspace: Workspace, place: Place) -> tuple[Manifest, ...]:
    """What completes a waiting endpoint in the cluster; a state that only this machine can read needs a second apply by hand."""
    state = workspace.environment.spec.state
    if state.backend.startswith(FILE_BACKEND) or workspace.environment.spec.models != "follow":
        return ()
    return completion_objects(place, state.backend, state.passphrase.env if state.passphrase is not None else None)


def _declare(
    node: Node,
    graph: Graph,
    place: Place,
    found: Found,
    provider: ClusterProvider,
    home: OnClusterComponent,
    versions: dict[str, OnClusterComponent],
) -> None:
    made = node.object
    if isinstance(made, Environment | Cluster):
        return
    reason = deferral(made, "kubernetes")
    if reason is not None:
        DeclaredComponent(made, made.kind, reason)
        return
    objects = objects_of(node, graph, place, found)
    if isinstance(made, Model):
        _declare_model(made, objects, graph, place, found, provider, [*home.objects, *versions[made.spec.pipeline].objects])
        return
    component = OnClusterComponent(made, made.kind, objects, provider, after=home.objects, outputs={}, waits_for=_waits_for(made, objects))
    if isinstance(made, Pipeline):
        versions[made.metadata.name] = component


def _waits_for(made: Any, objects: Sequence[Manifest]) -> str:
    """The model that an endpoint or a batch run waits for, where nothing runs it yet."""
    waits = isinstance(made, Inference) and all(one["kind"] == "ServingRuntime" for one in objects)
    return made.spec.model if waits else ""


def _declare_model(
    model: Model, objects: Sequence[Manifest], graph: Graph, place: Place, found: Found, provider: ClusterProvider, after: Sequence[pulumi.Resource]
) -> None:
    name, version = model.metadata.name, _version(model, graph, place, found)
    submitted = PipelineRun(
        api=place.target.pipelines,
        namespace=place.namespace,
        pipeline=model.spec.pipeline,
        pipeline_version=version["metadata"]["name"],
        service_account=TRAIN,
        arguments=run_arguments(found.runs[name], pipeline_of(model, graph), found.pipelines[model.spec.pipeline].ir),
    )
    run = None if is_distributed(model) else TrainingRunInputs(model=name, fingerprint=found.runs[name].version.fingerprint, run=submitted)
    schedule = model.spec.retraining.schedule if model.spec.retraining is not None else None
    recurring = RecurringRunInputs(model=name, schedule=schedule, run=submitted) if schedule else None
    TrainedOnClusterComponent(model, objects, provider, run=run, recurring=recurring, version=found.champions[name].wire(), after=after)
