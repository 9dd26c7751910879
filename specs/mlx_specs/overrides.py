"""Overrides of an environment: maps are merged deeply, lists replaced whole, null deletes.

An object's document and the environment's document enter; a new document leaves that knows for each value which of the two
it comes from.
"""

from dataclasses import replace
from typing import Any, cast

from mlx_specs.documents import Document, Path


def override(document: Document, environment: Document, at: Path) -> Document:
    """The document with the change at path ``at`` of the environment's document merged into its spec."""
    change = environment.value
    for part in at:
        change = change[part]
    overlays = dict(document.overlays)
    spec = document.value.get("spec")
    merged = _merge(spec if isinstance(spec, dict) else {}, change, ("spec",), environment, at, overlays)
    return replace(document, value={**document.value, "spec": merged}, overlays=overlays)


def _merge(base: Any, change: Any, path: Path, environment: Document, at: Path, overlays: dict[Path, tuple[Document, Path]]) -> dict[str, Any]:
    merged: dict[str, Any] = dict(base)
    for key, value in cast("dict[str, Any]", change).items():
        here, there = (*path, key), (*at, key)
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value, here, environment, there, overlays)
            continue
        overlays[here] = (environment, there)
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _without_nulls(value)
    return merged


def _without_nulls(value: Any) -> Any:
    """A new map has nothing to delete; its nulls are left out all the same, at every level."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in cast("dict[str, Any]", value).items() if item is not None}
    return value
