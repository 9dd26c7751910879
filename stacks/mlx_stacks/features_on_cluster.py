"""Feature stores on a cluster: what their Jobs register and materialise, how endpoints and streams complete rows from what they left, and what batches join.

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
from mlx_specs.feature_resources import FeatureDefinitions, FeatureLookup
from mlx_specs.feature_services import Service, services_of
from mlx_specs.feature_store import FeatureStore
from mlx_specs.graph import Graph
from mlx_specs.inference import Inference
from mlx_specs.moments import event_time_of_rows
from mlx_stacks.releases import released_code
from mlx_stacks.submitted import feature_join, prepared_data
from mlx_stacks.workspace import Workspace


def registered_stores(workspace: Workspace, datasets: Mapping[str, str]) -> Mapping[str, Registered]:
    """By the store's name; raises ``PipelineError`` where a function is not there."""
    stores = [node.object for node in workspace.graph.objects if isinstance(node.object, FeatureStore)]
    return {store.metadata.name: _registered(store, datasets, workspace) for store in stores}


def looked_up(workspace: Workspace) -> Mapping[str, LookedUp]:
    """By the name of the endpoint or stream, of those that complete rows; raises ``PipelineError`` where a function is not there.

    A pinned environment may have no such service before its first release: then they wait for their model, too.
    """
    return {each.metadata.name: _looked_up(each, service, workspace) for each, service in _with_services(("realtime", "stream"), workspace.graph)}


def joined(workspace: Workspace, datasets: Mapping[str, str]) -> Mapping[str, Joined]:
    """By the name of the batch, of those that read features; raises ``PipelineError`` where a function is not there."""
    return {each.metadata.name: _joined(service, datasets, workspace) for each, service in _with_services(("batch",), workspace.graph)}


def _with_services(modes: Sequence[str], graph: Graph) -> Iterator[tuple[Inference, Service]]:
    services = services_of(graph)
    for node in graph.of_kind("Inference"):
        assert isinstance(node.object, Inference)
        service = services.get(node.object.spec.features or "")
        if node.object.spec.mode in modes and service is not None:
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


def _looked_up(inference: Inference, service: Service, workspace: Workspace) -> LookedUp:
    store, name = service.store, service.store.metadata.name
    definitions = part_of(_definitions(store, workspace.graph), service.name)
    functions, folder = _functions(definitions), code_folder(store, workspace)
    lookup = FeatureLookup(
        store=name,
        path="",
        project=project(name),
        definitions=definitions,
        event_time=event_time_of_rows(inference, workspace.graph),
        code_digest=functions_digest(functions, workspace.root, folder),
    )
    code = packed_functions(functions, workspace.root, folder)
    return LookedUp(lookup, store.spec.online_store, code, awaited=store.spec.materialization.trigger == "apply")


def code_folder(store: FeatureStore, workspace: Workspace) -> str:
    """Where its on-demand functions are: those of a released store are the release's."""
    lock = workspace.released.lock if workspace.released is not None else None
    return FOLDER if lock is None else released_code(workspace.layout.home, lock.release, store.metadata.name)


def _definitions(store: FeatureStore, graph: Graph) -> FeatureDefinitions:
    datasets = [node.object for node in graph.objects if isinstance(node.object, Dataset)]
    return definitions_of(store, {dataset.metadata.name: dataset.spec.event_time or "" for dataset in datasets})


def _functions(definitions: FeatureDefinitions) -> Sequence[str]:
    return sorted({view.function for view in definitions.on_demand})
