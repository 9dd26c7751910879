"""What a Feast registry says, as one digest, read without Feast.

The file's bytes differ whenever Feast writes it; what is left out here is what differs although nothing changed.
"""

from pathlib import Path
from typing import Any, cast

from mlx_features.feast_protos import registry_message
from mlx_features.repository import REGISTRY
from mlx_specs.digests import digest

OBJECTS = ("entities", "featureViews", "onDemandFeatureViews", "streamFeatureViews", "featureServices", "dataSources", "labelViews")
LEFT_OUT = frozenset({"meta", "project", "dataSourceClassType", "version", "versionTag", "body", "state"})
"""Times, intervals and counters; and the pickled function, whose text is kept."""
PROJECTION = frozenset({"timestampField", "batchSource", "streamSource"})
"""What a service repeats of its views, not always rightly."""
DUMMY = "__dummy"
"""Feast's own entity, made by its first apply."""


def registry_digest(folder: Path) -> str | None:
    """sha256 over the registry in a feature store's folder; None where there is none."""
    content = read(folder)
    return None if content is None else digest(content)


def read(folder: Path) -> dict[str, Any] | None:
    """What the registry says, sorted and without what differs by itself; paths below the folder are relative to it."""
    from google.protobuf.json_format import MessageToDict

    try:
        data = (folder / REGISTRY).read_bytes()
    except FileNotFoundError:
        return None
    registry = registry_message()()
    try:
        registry.ParseFromString(data)
    except Exception:
        return {"unreadable": digest(data.hex())}
    found = MessageToDict(registry)
    content: dict[str, Any] = {name: _sorted([_plain(one, f"{folder}/") for one in found.get(name, []) if not _is_dummy(one)]) for name in OBJECTS}
    for service in content["featureServices"]:
        service["spec"]["features"] = _sorted([{key: value for key, value in one.items() if key not in PROJECTION} for one in service["spec"]["features"]])
    return {**content, "infra": _sorted(_plain(found.get("infra", {}).get("infraObjects", []), f"{folder}/"))}


def _is_dummy(one: Any) -> bool:
    return one.get("spec", one).get("name") == DUMMY


def _plain(value: Any, prefix: str) -> Any:
    """The value without what is left out, with relative paths."""
    if isinstance(value, dict):
        entries = cast("dict[str, Any]", value)
        return {key: _plain(item, prefix) for key, item in entries.items() if key not in LEFT_OUT}
    if isinstance(value, list):
        return [_plain(item, prefix) for item in cast("list[Any]", value)]
    return value.removeprefix(prefix) if isinstance(value, str) else value


def _sorted(objects: list[Any]) -> list[Any]:
    """By name, wherever it stands."""
    return sorted(objects, key=lambda one: str(one.get("spec", one).get("name") or one.get("featureViewName") or one))
