"""What decides about an environment's objects on a cluster besides its specs: looked up once, before its program runs.

Enters: an opened workspace. Leaves: ``Found``. An environment that follows asks its registry and compiles its pipelines; of a pinned one
the release says everything, and no registry is asked. Reads only.
"""

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from mlx_components.kubernetes.feature_store import Registered
from mlx_components.kubernetes.inference import Joined, LookedUp
from mlx_components.kubernetes.model import is_distributed
from mlx_components.kubernetes.pipeline import Compiled
from mlx_components.model import ALIAS
from mlx_pipelines.code import code_digest
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.registry_rest import champion
from mlx_pipelines.registry_server import registered_name
from mlx_specs import layout
from mlx_specs.base import plain
from mlx_specs.environment import KubernetesTarget
from mlx_specs.feature_store import FeatureStore
from mlx_specs.inference import Inference
from mlx_specs.kinds import AnyObject
from mlx_specs.model import Model
from mlx_specs.pipeline import Pipeline
from mlx_specs.pipeline_resources import SubmittedRun
from mlx_specs.resources import Version
from mlx_stacks.errors import UserError
from mlx_stacks.features_on_cluster import joined, looked_up, registered_stores
from mlx_stacks.pinned import Released
from mlx_stacks.submitted import code_of, compiled_pipelines, definition_digests, pipeline_of, submitted_runs
from mlx_stacks.workspace import Workspace

WRITTEN, CODE_DIGEST, SUBMITTED, PIPELINE_VERSION = "written", "codeDigest", "submitted", "pipelineVersion"
"""Outputs of components on a cluster, from which a promotion learns what a version was made of."""
Registry = Callable[[str, str, str], Version]
"""``registry(url, model, alias)``: the version that has the alias."""


@dataclass(frozen=True)
class Found:
    """What decides about objects."""

    champions: Mapping[str, Version]
    """By the model's name; the empty version where no version has passed its gates, or none was released."""
    datasets: Mapping[str, str]
    """The digest of each dataset's definition."""
    stores: Mapping[str, Registered]
    """What is registered and materialised of each feature store."""
    features: Mapping[str, LookedUp]
    """How the requests of each endpoint are completed; by the endpoint's name, where they are."""
    joins: Mapping[str, Joined]
    """What is joined to the rows of each batch; by its name, where something is."""
    pipelines: Mapping[str, Compiled] = field(default_factory=dict[str, Compiled])
    """By name; none where nothing is trained."""
    runs: Mapping[str, SubmittedRun] = field(default_factory=dict[str, SubmittedRun])
    """What each model's next version is asked to be made of, with its fingerprint; none of a model that was released."""
    code: Mapping[str, str] = field(default_factory=dict[str, str])
    """The workspace's modules that each model on several nodes is trained with, as text."""


def look_up(workspace: Workspace, registry: Registry = champion) -> Found:
    """Raises ``UserError`` and ``PipelineError``."""
    graph, target = workspace.graph, workspace.environment.spec.target
    assert isinstance(target, KubernetesTarget)
    served = {node.object.spec.model.partition("@")[0] for node in graph.objects if isinstance(node.object, Inference)}
    names = sorted(served | {node.object.metadata.name for node in graph.of_kind("Model")})
    datasets = definition_digests(graph, workspace.root)
    stores, features, joins = registered_stores(workspace, datasets), looked_up(workspace), joined(workspace, datasets)
    if workspace.released is not None:
        pinned = released_versions(workspace.released, target)
        return Found({name: pinned.get(name, Version()) for name in names}, datasets, stores, features, joins)
    runs = submitted_runs(workspace, datasets)
    spread = [node.object for node in graph.objects if isinstance(node.object, Model) and is_distributed(node.object)]
    code = {model.metadata.name: code_of([model], pipeline_of(model, graph), workspace, runs) for model in spread}
    with asking(workspace):
        champions = {name: registry(target.mlflow, registered_name(target.namespace, name), ALIAS) for name in names}
    return Found(champions, datasets, stores, features, joins, compiled_pipelines(workspace, runs), runs, code)


@contextmanager
def asking(workspace: Workspace) -> Generator[None]:
    """The registry; raises ``UserError`` that names the field: from outside the cluster its default answers nobody."""
    try:
        yield
    except PipelineError as error:
        field = f"target.mlflow of environment {workspace.name} (stacks/{workspace.name}.yaml)"
        hint = f"{field} is asked which version of a model is champion: it must be MLflow's URL from here and from pods, such as that of an ingress"
        raise UserError(str(error), hint=hint) from error


def released_versions(released: Released, target: KubernetesTarget) -> Mapping[str, Version]:
    """By the model's name, with the artifact where the promotion has copied it; the number is that of the registry where it was trained."""
    pins = released.lock.models if released.lock is not None else {}
    return {name: released.file.version(name, layout.stored(target.storage, "models", name, pin.fingerprint)) for name, pin in pins.items()}


def told_of(made: AnyObject, workspace: Workspace, found: Found, version: str = "") -> dict[str, Any]:
    """What a component says of itself besides its objects; ``version`` is the name of its PipelineVersion, where it has one."""
    written = {WRITTEN: json.dumps(plain(made), sort_keys=True)}
    match made:
        case FeatureStore():
            return {**written, CODE_DIGEST: found.stores[made.metadata.name].code_digest}
        case Pipeline():
            return {**written, CODE_DIGEST: code_digest(made.spec.entry, workspace.root), PIPELINE_VERSION: version}
        case Model() if made.metadata.name in found.runs:
            submitted = json.dumps(found.runs[made.metadata.name].wire(), sort_keys=True)
            return {**written, "champion": found.champions[made.metadata.name].wire(), SUBMITTED: submitted, PIPELINE_VERSION: version}
        case Model():
            return {"champion": found.champions[made.metadata.name].wire()}
        case _:
            return {}
