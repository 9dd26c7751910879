"""Walking the types of the kinds along a path, as pydantic reports it.

A model and a location enter; the path within the value, and the model that stands there, leave. Union branches appear in a
location (``source`` / ``csv`` / ``path``) and not in the value: this is the one place that tells them apart.
"""

import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel, Tag


@dataclass(frozen=True)
class Branch:
    """One possible type at a place, with the tag that selects it."""

    type: Any
    tag: str | None = None


@dataclass(frozen=True)
class Spot:
    """Where a location leads: the path in the value, and the types that may stand there."""

    path: tuple[str | int, ...]
    branches: tuple[Branch, ...]

    @property
    def models(self) -> list[type[BaseModel]]:
        """The models among the types."""
        return [branch.type for branch in self.branches if isinstance(branch.type, type) and issubclass(branch.type, BaseModel)]

    def below(self, part: str | int) -> list[Any]:
        """The types of a field, of a map's values or of a list's items."""
        return [branch.type for branch in _below(self.branches, part)]

    @property
    def keys(self) -> list[Any]:
        """The types of a map's keys."""
        return [get_args(branch.type)[0] for branch in self.branches if get_origin(branch.type) is dict]


def follow(model: type[BaseModel], location: Sequence[str | int]) -> Spot:
    """The spot that a pydantic location names; what matches neither field, key nor index is a union's tag."""
    path: list[str | int] = []
    branches = (Branch(model),)
    for part in location:
        tagged = tuple(branch for branch in branches if branch.tag == part)
        if tagged and len(branches) > 1:
            branches = tuple(Branch(branch.type) for branch in tagged)
            continue
        below = _below(branches, part)
        if below:
            branches = below
            path.append(part)
    return Spot(tuple(path), branches)


def _below(branches: Sequence[Branch], part: str | int) -> tuple[Branch, ...]:
    found: list[Branch] = []
    for branch in branches:
        found += _step(branch.type, part)
    return tuple(found)


def _step(kind: Any, part: str | int) -> Sequence[Branch]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _fields(kind).get(part, ()) if isinstance(part, str) else ()
    if get_origin(kind) is dict and isinstance(part, str):
        return unfold(get_args(kind)[1])
    if get_origin(kind) is list and isinstance(part, int):
        return unfold(get_args(kind)[0])
    return ()


@lru_cache(maxsize=1024)
def _fields(model: type[BaseModel]) -> dict[str, tuple[Branch, ...]]:
    return {(field.alias or name): unfold(field.annotation) for name, field in model.model_fields.items()}


def unfold(annotation: Any, tag: str | None = None) -> tuple[Branch, ...]:
    """The branches of a type: unions taken apart, annotations removed, None left out."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        tags = [extra.tag for extra in metadata if isinstance(extra, Tag)]
        return unfold(inner, tags[0] if tags else tag)
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(branch for member in get_args(annotation) for branch in unfold(member))
    if annotation is type(None):
        return ()
    return (Branch(annotation, tag or next(_literal_tags(annotation), None)),)


def _literal_tags(annotation: Any) -> Iterator[str]:
    """The value of a model's discriminating field: ``type: Literal["csv"]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name in ("type", "kind"):
            field = annotation.model_fields.get(name)
            if field is not None and get_origin(field.annotation) is Literal:
                yield cast("str", get_args(field.annotation)[0])
