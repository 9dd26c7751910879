"""Make Feast's registry and online tables hold just the definitions that are asked for, as `feast apply` in a repository would.

Imports Feast; runs in the worker.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from feast import FeatureStore
from feast.feature_view import DUMMY_ENTITY
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_contents import RepoContents
from feast.repo_operations import apply_total_with_repo_instance

from mlx_features import registry, repository
from mlx_features.feast_objects import FeastObjects, feast_objects
from mlx_features.repository import online_config
from mlx_features.store import configure, link_sources, locked, unlink_sources
from mlx_specs.feature_resources import FeatureRegistryInputs, FeatureRegistryOutputs

Report = Callable[[str], None]


def apply(inputs: FeatureRegistryInputs, workspace: Path, report: Report, settings: Mapping[str, Any] | None = None) -> FeatureRegistryOutputs:
    """Idempotent; what an interrupted apply left, or what somebody changed, is gone over again.

    ``settings`` say where the online store is: a file in the store's folder needs none.
    """
    folder = repository.folder(workspace, inputs.home, inputs.name)
    with locked(folder):
        configure(folder, inputs.name, online_config(inputs.online_store, settings or {}))
        link_sources(folder, inputs.sources, workspace)
        _drop_unreadable(folder)
        objects = feast_objects(inputs.name, inputs.definitions, folder, workspace, inputs.about)
        before = registry.read(folder)
        store = FeatureStore(repo_path=str(folder))
        _apply(store, objects)
        _clear_what_does_not_fit(store, folder, inputs, before)
        unlink_sources(folder, inputs.sources)
        report(_summary(inputs))
        digest = registry.registry_digest(folder)
    assert digest is not None
    return FeatureRegistryOutputs(**dict(inputs), path=repository.config_path(inputs.home, inputs.name), registry_digest=digest)


def _apply(store: FeatureStore, objects: FeastObjects) -> None:
    """Also what Feast does not see: of on-demand views it compares neither features nor tags nor owner."""
    contents = RepoContents(
        projects=[objects.project],
        data_sources=[*objects.sources, *objects.requests],
        feature_views=objects.views,
        on_demand_feature_views=objects.on_demand,
        stream_feature_views=[],
        label_views=[],
        entities=[*objects.entities, DUMMY_ENTITY],
        feature_services=objects.services,
        permissions=[],
    )
    _forget_changed(store, objects.on_demand)
    apply_total_with_repo_instance(store, store.project, store.registry, contents, skip_source_validation=True)
    ensure_tables(store)
    _record_tables(store)


def _record_tables(store: FeatureStore) -> None:
    """Feast records the tables of its own SQLite store only; its plan would make ours ever anew."""
    infra = store._get_provider().plan_infra(store.config, store.registry.proto())
    if infra.to_proto() != store.registry.get_infra(store.project).to_proto():
        store.registry.update_infra(infra, store.project, commit=True)


def ensure_tables(store: FeatureStore) -> None:
    """Make the online tables that are not there: Feast makes them when it registers a view, and believes that they stay."""
    provider = store._get_provider()
    provider.online_store.update(store.config, [], store.list_feature_views(), [], [], partial=True)


def _forget_changed(store: FeatureStore, desired: list[OnDemandFeatureView]) -> None:
    known = {one.name: one for one in store.registry.list_on_demand_feature_views(store.project)}
    for one in desired:
        if one.name in known and one == known[one.name] and _spec(one) != _spec(known[one.name]):
            store.registry.delete_feature_view(one.name, store.project)


def _spec(view: OnDemandFeatureView) -> Any:
    spec = view.to_proto().spec
    spec.feature_transformation.user_defined_function.body = b""
    spec.project = ""
    return spec


def _drop_unreadable(folder: Path) -> None:
    """A registry that is no registry is made again."""
    content = registry.read(folder)
    if content is not None and "unreadable" in content:
        (folder / repository.REGISTRY).unlink()


def _clear_what_does_not_fit(store: FeatureStore, folder: Path, inputs: FeatureRegistryInputs, before: Mapping[str, Any] | None) -> None:
    """Online rows under other keys or of other types are no rows of the view; features that it has no more are forgotten."""
    old, new = _shapes(before), _shapes(registry.read(folder))
    for view in inputs.definitions.views:
        name = repository.feast_name(view.name)
        if name not in old or old[name] == new[name]:
            continue
        (old_keys, old_features), (keys, features) = old[name], new[name]
        whole = old_keys != keys or any(old_features.get(feature, type) != type for feature, type in features.items())
        gone = set(old_features) if whole else set(old_features) - set(features)
        online: Any = store._get_provider().online_store
        online.forget(store.config, name, sorted(old_keys), gone, whole=whole)


Shape = tuple[dict[str, Any], dict[str, Any]]


def _shapes(content: Mapping[str, Any] | None) -> dict[str, Shape]:
    """The types of keys and of features, by view."""
    views = [one["spec"] for one in (content or {}).get("featureViews", [])]
    return {view["name"]: tuple({one["name"]: one["valueType"] for one in view.get(part, [])} for part in ("entityColumns", "features")) for view in views}  # type: ignore[misc]


def _summary(inputs: FeatureRegistryInputs) -> str:
    definitions = inputs.definitions
    counts = {"feature view": len(definitions.views), "on-demand view": len(definitions.on_demand), "feature service": len(definitions.services)}
    return "registered " + ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for noun, count in counts.items())
