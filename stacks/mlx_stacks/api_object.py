"""Objects as the Kubernetes API gives them, read without knowing what is left out: a missing part is empty."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from mlx_components.kubernetes.place import KIND, NAME

Object: TypeAlias = Mapping[str, Any]
NOTHING: Object = {}


def part(item: Object, *path: str) -> Object:
    """The map at this path."""
    return cast("Object", _at(item, path) or NOTHING)


def parts(item: Object, *path: str) -> Sequence[Object]:
    """The list of maps at this path."""
    return cast("Sequence[Object]", _at(item, path) or ())


def text(item: Object, *path: str) -> str:
    """The text or the number at this path, as text."""
    found = _at(item, path)
    return "" if found is None else str(found)


def number(item: Object, *path: str, otherwise: int = 0) -> int:
    """The number at this path."""
    found = _at(item, path)
    return otherwise if found is None else int(found)


def _at(item: Object, path: Sequence[str]) -> Any:
    found: Any = item
    for key in path:
        found = cast("Object", found or NOTHING).get(key)
    return found


def name_of(item: Object) -> str:
    """Its name in its namespace."""
    return str(item["metadata"]["name"])


def called(item: Object) -> str:
    """``Pod/delay-api-predictor-7b54f8bd-wlqql``"""
    return f"{item['kind']}/{name_of(item)}"


def made_for(item: Object) -> str:
    """The object of the specs that its labels name: ``Inference/delay-api``; '' where they name none."""
    labels = part(item, "metadata", "labels")
    return f"{labels[KIND]}/{labels[NAME]}" if KIND in labels and NAME in labels else ""


def is_owned_by(item: Object, owner: Object) -> bool:
    """Whether a controller has made it for the other one."""
    uid = text(owner, "metadata", "uid")
    return any(one.get("uid") == uid for one in parts(item, "metadata", "ownerReferences"))


def condition(item: Object, type: str) -> Object:
    """The condition of this type; empty where there is none."""
    return next((one for one in parts(item, "status", "conditions") if one.get("type") == type), NOTHING)


def is_true(item: Object, type: str) -> bool:
    """Whether a condition says so."""
    return condition(item, type).get("status") == "True"


def newest_first(items: Iterable[Object]) -> list[Object]:
    """By their creation; of one second by name."""
    return sorted(sorted(items, key=name_of), key=lambda item: text(item, "metadata", "creationTimestamp"), reverse=True)
