"""Feature stores on a cluster: what their Jobs register and materialise, how endpoints complete requests from what they left, and what batches join.

Enters: an opened workspace and the digests of its datasets' definitions. Leaves: frozen values that manifests are made of. Reads only.
"""

from collections.abc import Iterator, Mapping, Sequence

from mlx_components.kubernetes.feature_store import Registered
from mlx_components.kubernetes.inference import Joined, LookedUp
from mlx_features.repository import project
from mlx_pipelines.code_bundle import packed_functions
from mlx_pipelines.feature_code import FOLDER, functions_digest
from mlx_specs.dataset import Dataset
from mlx_specs.feature_definitions import definitions_of, part_of
from mlx_specs.feature_services import Service, services_of
from mlx_specs.feature_store import FeatureStore
from mlx_specs.graph import Graph
from mlx_specs.inference import Inference
from mlx_specs.model import Model
from mlx_specs.resources import FeatureDefinitions, FeatureLookup
from mlx_stacks.releases import released_code
from mlx_stacks.submitted import feature_join, prepared_data
from mlx_stacks.workspace import Workspace


def registered_stores(workspace: Workspace, datasets: Mapping[str, str]) -> Mapping[str, Registered]:
    """By the store's name; raises ``PipelineError`` where a function is not there."""
    stores = [node.object for node in workspace.graph.objects if isinstance(node.object, FeatureStore)]
    return {store.metadata.name: _registered(store, datasets, workspace) for store in stores}


def looked_up(workspace: Workspace) -> Mapping[str, LookedUp]:
    """By the name of the endpoint, of those that complete requests; raises ``PipelineError`` where a function is not there.

    A pinned environment may have no such service before its first release: then the endpoint waits for its model, too.
    """
    return {each.metadata.name: _looked_up(each, service, workspace) for each, service in _with_services("realtime", workspace.graph)}


def joined(workspace: Workspace, datasets: Mapping[str, str]) -> Mapping[str, Joined]:
    """By the name of the batch, of those that read features; raises ``PipelineError`` where a function is not there."""
    return {each.metadata.name: _joined(service, datasets, workspace) for each, service in _with_services("batch", workspace.graph)}


def _with_services(mode: str, graph: Graph) -> Iterator[tuple[Inference, Service]]:
    services = services_of(graph)
    for node in graph.of_kind("Inference"):
        assert isinstance(node.object, Inference)
        service = services.get(node.object.spec.features or "")
        if node.object.spec.mode == mode and service is not None:
            yield node.object, service


def _joined(service: Service, datasets: Mapping[str, str], workspace: Workspace) -> Joined:
    folder = code_folder(service.store, workspace)
    join = feature_join(service, datasets, workspace, folder)
    return Joined(join, packed_functions(_functions(join.definitions), workspace.root, folder))


def _registered(store: FeatureStore, datasets: Mapping[str, str], workspace: Workspace) -> Registered:
    definitions = _definitions(store, workspace.graph)
    sources = {name: prepared_data(name, datasets, workspace) for name in sorted({view.source for view in definitions.views})}
    functions, folder = _functions(definitions), code_folder(store, workspace)
    return Registered(definitions, sources, packed_functions(functions, workspace.root, folder), functions_digest(functions, workspace.root, folder))


def _looked_up(endpoint: Inference, service: Service, workspace: Workspace) -> LookedUp:
    store, name = service.store, service.store.metadata.name
    definitions = part_of(_definitions(store, workspace.graph), service.name)
    functions, folder = _functions(definitions), code_folder(store, workspace)
    lookup = FeatureLookup(
        store=name,
        path="",
        project=project(name),
        definitions=definitions,
        event_time=_event_time_of_rows(endpoint, workspace.graph),
        code_digest=functions_digest(functions, workspace.root, folder),
    )
    code = packed_functions(functions, workspace.root, folder)
    return LookedUp(lookup, store.spec.online_store, code, awaited=store.spec.materialization.trigger == "apply")


def code_folder(store: FeatureStore, workspace: Workspace) -> str:
    """Where its on-demand functions are: those of a released store are the release's."""
    lock = workspace.released.lock if workspace.released is not None else None
    return FOLDER if lock is None else released_code(workspace.layout.home, lock.release, store.metadata.name)


def _event_time_of_rows(endpoint: Inference, graph: Graph) -> str:
    """The column of the model's rows that says which moment a row is about; none where the model is declared elsewhere."""
    model = graph.get(f"Model/{endpoint.spec.model.partition('@')[0]}")
    data = graph.get(f"Dataset/{model.object.spec.data}") if model is not None and isinstance(model.object, Model) else None
    return data.object.spec.event_time or "" if data is not None and isinstance(data.object, Dataset) else ""


def _definitions(store: FeatureStore, graph: Graph) -> FeatureDefinitions:
    datasets = [node.object for node in graph.objects if isinstance(node.object, Dataset)]
    return definitions_of(store, {dataset.metadata.name: dataset.spec.event_time or "" for dataset in datasets})


def _functions(definitions: FeatureDefinitions) -> Sequence[str]:
    return sorted({view.function for view in definitions.on_demand})
