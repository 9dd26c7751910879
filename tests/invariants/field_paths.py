"""Every field of every kind as a path, and reading and changing a spec at such a path.

``Dataset.spec.prepare[outliers].outliers.factor``: ``[tag]`` chooses a branch of a union, ``[]`` is an item of a list,
``.*`` a value of a map. A field that leads to several models is a path of its own, too: which of them it is.
"""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from mlx_specs.kinds import KINDS
from mlx_specs.shapes import Branch, unfold

REMOVED = object()
"""As a new value: the field is left out."""
PART = re.compile(r"([^.\[\]]+)|\[([^\]]*)\]")


@dataclass(frozen=True)
class FieldPath:
    """One field: its path, the type of its values and its default."""

    path: str
    annotation: Any

    @property
    def kind(self) -> str:
        return self.path.partition(".")[0]

    @property
    def values(self) -> tuple[Any, ...]:
        """All values of a closed set; empty for an open one."""
        (branch, *others) = unfold(self.annotation)
        return get_args(branch.type) if not others and get_origin(branch.type) is Literal else ()


def every_field() -> Iterator[FieldPath]:
    """All fields of all kinds."""
    for name, kind in KINDS.items():
        yield from _fields(kind, name)


def plain_path(path: str) -> str:
    """The path as the table of what is refused names it: below spec, without tags, items and keys."""
    return re.sub(r"\[[^\]]*\]|\.\*", "", path).partition(".spec.")[2]


def is_set(value: Mapping[str, Any], path: str) -> bool:
    """Whether an object says something at the path."""
    try:
        parent, key = _parent(value, path)
    except (KeyError, IndexError, StopIteration, TypeError, AttributeError):
        return False
    return isinstance(key, int) or key in parent


def value_at(value: Mapping[str, Any], path: str) -> Any:
    """What the object says there; REMOVED where it says nothing."""
    if not is_set(value, path):
        return REMOVED
    parent, key = _parent(value, path)
    return parent[key]


def changed_at(value: Mapping[str, Any], path: str, new: Any) -> dict[str, Any]:
    """A copy of the object with another value there; maps on the way are made where they are missing."""
    copy = deepcopy(dict(value))
    parent, key = _parent(copy, path, make=True)
    if new is REMOVED:
        del parent[key]
    else:
        parent[key] = new
    return copy


def _fields(model: type[BaseModel], prefix: str) -> Iterator[FieldPath]:
    for name, field in model.model_fields.items():
        constrained = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        yield from _below(f"{prefix}.{field.alias or name}", constrained)


def _below(path: str, annotation: Any) -> Iterator[FieldPath]:
    branches = unfold(annotation)
    models = [branch for branch in branches if _is_model(branch)]
    if len(branches) == 1 and not models:
        yield FieldPath(path, annotation)
        yield from _inside(path, branches[0].type)
        return
    if len(models) == len(branches) == 1:
        yield from _fields(models[0].type, path)
        return
    yield FieldPath(path, annotation)
    for branch in branches if models else ():
        tagged = f"{path}[{branch.tag}]"
        yield from _fields(branch.type, tagged) if _is_model(branch) else [FieldPath(tagged, branch.type)]


def _inside(path: str, kind: Any) -> Iterator[FieldPath]:
    """Below a list or a map: only what leads to models has fields of its own."""
    if get_origin(kind) is list:
        yield from _models(path, "[]", get_args(kind)[0])
    elif get_origin(kind) is dict:
        yield from _models(path, ".*", get_args(kind)[1])


def _models(path: str, item: str, annotation: Any) -> Iterator[FieldPath]:
    models = [branch for branch in unfold(annotation) if _is_model(branch)]
    for branch in models:
        yield from _fields(branch.type, f"{path}[{branch.tag}]" if len(models) > 1 else f"{path}{item}")


def _is_model(branch: Branch) -> bool:
    return isinstance(branch.type, type) and issubclass(branch.type, BaseModel)


def _parent(value: Any, path: str, *, make: bool = False) -> tuple[Any, Any]:
    """The map or list that holds what the path leads to, and the key or index."""
    parts = [name or f"[{tag}]" for name, tag in PART.findall(path)][1:]
    holder: Any = None
    key: Any = None
    for part in parts:
        if part.startswith("[") and not isinstance(value, list):
            continue  # the branch of a union that is no list: the value itself
        holder, key = value, _key(value, part)
        value = _step(holder, key, make=make)
    return holder, key


def _key(value: Any, part: str) -> Any:
    if part == "*":
        return next(iter(value))
    if part == "[]":
        return 0
    if part.startswith("["):
        tag = part[1:-1]
        return next(index for index, item in enumerate(value) if tag in item or item.get("type") == tag)
    return part


def _step(holder: Any, key: Any, *, make: bool) -> Any:
    if make and isinstance(holder, dict) and key not in holder:
        holder[key] = {}
    return holder.get(key) if isinstance(holder, dict) and not make else holder[key]


def concrete(value: Any, path: str) -> str:
    """The path below spec with the keys and indices of this object, as a plan names it; metadata keeps its name."""
    parts = [name or f"[{tag}]" for name, tag in PART.findall(path)][1:]
    said: list[str] = []
    for part in parts:
        if part.startswith("[") and not isinstance(value, list):
            continue
        key = _key(value, part)
        said.append(f"[{key}]" if isinstance(key, int) else f".{key}")
        value = _step(value, key, make=False)
    return "".join(said).removeprefix(".").removeprefix("spec.")
