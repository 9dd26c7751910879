"""What the state says of each object: the outputs of its resources, and what was made for it on a cluster. Reads only."""

from collections.abc import Mapping
from typing import Any, cast

from mlx_stacks.changes import COMPONENTS, RESOURCES

Values = Mapping[str, Any]
KUBERNETES = "kubernetes:"


def recorded_by_object(exported: Values) -> dict[str, dict[str, Values]]:
    """The outputs of each object's resources, by type."""
    resources = _resources(exported)
    ids = {item["urn"]: _object_of(item) for item in resources if item["type"].startswith(COMPONENTS)}
    found: dict[str, dict[str, Values]] = {id: {} for id in ids.values()}
    for item in resources:
        if item["type"].startswith(RESOURCES) and item.get("parent") in ids and not item.get("delete"):
            found[ids[item["parent"]]][item["type"].removeprefix(RESOURCES)] = item.get("outputs", {})
    return found


def finished_objects(exported: Values) -> set[str]:
    """Those that an apply has finished once: only then their outputs are known."""
    return {_object_of(item) for item in _resources(exported) if item["type"].startswith(COMPONENTS) and item.get("outputs")}


def said_by_components(exported: Values) -> dict[str, Values]:
    """What each object's component said of itself."""
    return {_object_of(item): item.get("outputs") or {} for item in _resources(exported) if item["type"].startswith(COMPONENTS)}


def recorded_on_cluster(exported: Values) -> dict[str, dict[tuple[str, str], Values]]:
    """The Kubernetes objects that were applied for each object, by kind and name, as they were then."""
    resources = _resources(exported)
    ids = {item["urn"]: _object_of(item) for item in resources if item["type"].startswith(COMPONENTS)}
    found: dict[str, dict[tuple[str, str], Values]] = {id: {} for id in ids.values()}
    for item in resources:
        if item["type"].startswith(KUBERNETES) and item.get("parent") in ids and not item.get("delete"):
            kind, name = item["type"].rpartition(":")[2], str(item["id"]).rpartition("/")[2]
            found[ids[item["parent"]]][kind, name] = item.get("outputs", {})
    return found


def awaited_models(exported: Values) -> dict[str, str]:
    """The model that each inference on a cluster waited for when it was applied."""
    waiting = [item for item in _resources(exported) if item["type"].startswith(COMPONENTS) and item.get("inputs", {}).get("waitsFor")]
    return {_object_of(item): item["inputs"]["waitsFor"] for item in waiting}


def _resources(exported: Values) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", cast("Values", exported.get("deployment", exported)).get("resources", []))


def _object_of(component: Values) -> str:
    return f"{component['type'].removeprefix(COMPONENTS)}/{component['urn'].split('::')[-1]}"
