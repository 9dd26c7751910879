"""One graph becomes one ordinary Pulumi program."""

from collections.abc import Mapping
from typing import assert_never

from mlx_components.dataset import DatasetComponent
from mlx_components.declared import DeclaredComponent
from mlx_components.feature_store import FeatureStoreComponent
from mlx_components.inference import InferenceComponent
from mlx_components.model import ModelComponent
from mlx_components.pipeline import PipelineComponent
from mlx_components.release import ReleaseComponent, ReleasedModelComponent
from mlx_engine.host import Program
from mlx_specs.cluster import Cluster
from mlx_specs.dataset import Dataset
from mlx_specs.environment import Environment
from mlx_specs.feature_store import FeatureStore
from mlx_specs.graph import Graph, Node
from mlx_specs.inference import Inference
from mlx_specs.layout import Layout
from mlx_specs.model import Model
from mlx_specs.monitor import Monitor
from mlx_specs.notebook import Notebook
from mlx_specs.pipeline import Pipeline
from mlx_specs.support import deferral
from mlx_stacks.cluster_program import cluster_program
from mlx_stacks.on_cluster import program_on_cluster
from mlx_stacks.pinned import Released
from mlx_stacks.releases import released_code
from mlx_stacks.workspace import Workspace


def program_of(workspace: Workspace, run: Mapping[str, str] | None = None) -> Program:
    """The program of a workspace as it was opened: of an environment, or of a cluster."""
    if workspace.cluster is not None:
        return cluster_program(workspace, workspace.cluster)
    if workspace.environment.spec.target.type == "kubernetes":
        return program_on_cluster(workspace)
    return program(workspace.graph, workspace.environment, run or {}, workspace.released)


class Built:
    """The components of one run, by name; later ones refer to earlier ones."""

    def __init__(self) -> None:
        self.datasets: dict[str, DatasetComponent] = {}
        self.stores: dict[str, FeatureStoreComponent] = {}
        """By the names of the feature services that they have."""
        self.pipelines: dict[str, PipelineComponent] = {}
        self.models: dict[str, ModelComponent | ReleasedModelComponent] = {}


def program(graph: Graph, environment: Environment, run: Mapping[str, str], released: Released | None = None) -> Program:
    """A program that declares every object of the graph, in order; ``run`` maps an object's id to the moment it was asked to run.

    A pinned environment's program declares its release, and versions that were trained elsewhere.
    """
    if environment.spec.models == "pinned" and released is None:
        raise ValueError("a pinned environment's program needs its release: program(graph, environment, run, workspace.released)")

    def declare_all() -> None:
        built = Built()
        if released is not None and released.lock is not None:
            ReleaseComponent(environment.metadata.name, home=Layout(environment.metadata.name).home, lock=released.lock)
        for node in graph.objects:
            _declare(node, graph, environment, built, run.get(node.id), released)

    return declare_all


def _declare(node: Node, graph: Graph, environment: Environment, built: Built, requested: str | None, released: Released | None) -> None:
    home, protect = Layout(environment.metadata.name).home, environment.spec.protect
    reason = deferral(node.object, environment.spec.target.type)
    match node.object:
        case Dataset() as dataset:
            inputs = {name: built.datasets[name] for name in dataset.spec.inputs}
            built.datasets[dataset.metadata.name] = DatasetComponent(dataset, home=home, inputs=inputs, protect=protect)
        case Pipeline() as pipeline:
            built.pipelines[pipeline.metadata.name] = PipelineComponent(pipeline, home=home)
        case Model() as model if released is not None and released.lock is not None:
            name, lock = model.metadata.name, released.lock
            run = released.file.runs[name]
            built.models[name] = ReleasedModelComponent(model, home=home, pin=lock.models[name], run=run, source=lock.promoted_from, protect=protect)
        case Model() as model:
            data, pipeline = built.datasets[model.spec.data], built.pipelines[model.spec.pipeline]
            store = built.stores.get(model.spec.feature_service or "")
            built.models[model.metadata.name] = ModelComponent(model, home=home, data=data, pipeline=pipeline, features=store, protect=protect)
        case Inference() as inference:
            served = built.models.get(inference.spec.model.split("@")[0])
            store = built.stores.get(inference.spec.features or "")
            InferenceComponent(
                inference, home=home, model=served, datasets=built.datasets, features=store, requested=requested, deferral=reason,
                watched=graph.is_watched(node.id),
            )  # fmt: skip
        case FeatureStore() as features:
            name = features.metadata.name
            code = released_code(home, released.lock.release, name) if released is not None and released.lock is not None else ""
            component = FeatureStoreComponent(features, home=home, datasets=built.datasets, code=code, protect=protect)
            built.stores |= dict.fromkeys(features.spec.feature_services, component)
        case Monitor() | Notebook() as other:
            DeclaredComponent(other, other.kind, reason or "")
        case Environment() | Cluster():
            pass  # an environment is the stack itself, a cluster a stack of its own
        case _:
            assert_never(node.object)
