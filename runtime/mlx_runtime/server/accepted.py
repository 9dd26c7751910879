"""What a request to one version may carry: the model's inputs and, where features are joined, what they are looked up by.

Made once when a version is loaded. Leaves: the tensors by name, what a set of names lacks, and a request's missing features
as the arrays that the scorer takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from numpy.typing import NDArray

from mlx_runtime.features import FeatureJoin, FeatureSource, Freshness, Joined
from mlx_runtime.server.tensors import array_of_plain
from mlx_runtime.signature import ScoreError, check_names
from mlx_specs.artifact import Datatype, ModelFile, Tensor
from mlx_specs.feature_resources import FeatureField

DATATYPES: dict[str, Datatype] = {"string": "BYTES", "integer": "INT64", "float": "FP64", "boolean": "BOOL", "timestamp": "BYTES", "date": "BYTES"}


@dataclass(frozen=True)
class Accepted:
    """The columns that a request may carry."""

    model: ModelFile
    tensors: Mapping[str, Tensor]
    join: FeatureJoin | None = None
    plain: frozenset[str] = frozenset()
    """Columns that keys, moments or functions are taken from: they are kept as exact Python values."""

    def check(self, names: Sequence[str]) -> None:
        """``ScoreError`` that names what is missing, unknown, or there twice."""
        if self.join is None:
            return check_names(self.model, names)
        if unknown := [name for name in names if name not in self.tensors]:
            raise ScoreError(f"unknown column{'s' if len(unknown) > 1 else ''} {', '.join(map(repr, unknown[:5]))}: {self.join.reads()}")
        if len(set(names)) != len(names):
            raise ScoreError("a column stands there twice: each column is sent once")
        return self.join.check(names)

    @property
    def required(self) -> list[Tensor]:
        """What every request carries that brings no features of its own, the model's columns first."""
        if self.join is None:
            return self.model.inputs
        whole = self.join.whole
        return [self.tensors[name] for name in dict.fromkeys([*self.join.columns, *whole.keys, *whole.request])]

    @property
    def optional(self) -> list[Tensor]:
        """What a request may carry besides: features, and the moment that a row is about."""
        needed = {tensor.name for tensor in self.required}
        return [tensor for name, tensor in self.tensors.items() if name not in needed]


@dataclass(frozen=True)
class Carried:
    """The columns of a request: arrays for the scorer, exact values for the join; a column may be in both."""

    arrays: Mapping[str, NDArray]
    plain: Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Completed:
    """Every input of the model, and how fresh the features are that the request did not carry."""

    columns: Mapping[str, NDArray]
    views: tuple[Freshness, ...] = ()
    seconds: float = 0.0


def accepted(model: ModelFile, source: FeatureSource | None) -> Accepted:
    """What a version with these features takes."""
    inputs = {tensor.name: tensor for tensor in model.inputs}
    if source is None:
        return Accepted(model, inputs)
    join = FeatureJoin(source, list(inputs))
    fields = join.taken
    tensors = inputs | {name: _tensor(field) for name, field in fields.items() if name not in inputs}
    return Accepted(model, tensors, join, frozenset(fields))


def carried(accepted: Accepted, arrays: Mapping[str, NDArray], plain: Mapping[str, Sequence[Any]]) -> Carried:
    """The columns as they were decoded; what is in both ways gets its array here."""
    both = {tensor.name: array_of_plain(tensor, plain[tensor.name]) for tensor in accepted.model.inputs if tensor.name in plain}
    return Carried({**arrays, **both}, plain)


def complete(accepted: Accepted, request: Carried, rows: int, now: datetime) -> Completed:
    """Joins what is missing; ``ScoreError`` where the model takes no null and there is no value."""
    if accepted.join is None:
        return Completed(request.arrays)
    joined = accepted.join.complete({**dict.fromkeys(request.arrays, ()), **request.plain}, rows, now)
    found = {name: _feature(accepted.tensors[name], joined, name) for name in joined.values}
    columns = {**request.arrays, **found}
    return Completed({tensor.name: columns[tensor.name] for tensor in accepted.model.inputs}, joined.views, joined.seconds)


def _feature(tensor: Tensor, joined: Joined, name: str) -> NDArray:
    try:
        return array_of_plain(tensor, joined.values[name])
    except ScoreError as error:
        raise ScoreError(f"feature {name!r} has no value that the model takes: {error}; give it a default, or send it", rows=error.rows) from error


def _tensor(field: FeatureField) -> Tensor:
    return Tensor(name=field.name, datatype=DATATYPES[field.type], type=field.type)
