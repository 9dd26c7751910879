"""KServe's protocol V1: ``{"instances": …}`` in, ``{"predictions": […]}`` out.

Instances are a list of objects, a list of lists in the signature's order, or one object of columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from mlx_runtime.engines import Outputs
from mlx_runtime.server.accepted import Accepted, carried
from mlx_runtime.server.tensors import JSON_OPTIONS, from_values, plain_from_values, to_values
from mlx_runtime.server.v2 import Request, TooManyRows, parse_json
from mlx_runtime.signature import ScoreError


def decode(body: bytes, accepted: Accepted, max_rows: int) -> Request:
    """The columns of a request, or ``ScoreError`` saying which column is wrong."""
    document = parse_json(body)
    instances = document.get("instances", document.get("inputs")) if isinstance(document, dict) else None
    if not isinstance(instances, list | dict) or not instances:
        raise ScoreError("'instances' must be a list of objects (a row each), a list of lists, or an object of columns")
    columns = _of_columns(instances, accepted) if isinstance(instances, dict) else _of_rows(instances, accepted)
    rows = len(next(iter(columns.values())))
    if rows > max_rows:
        raise TooManyRows(f"{rows} rows, at most {max_rows} in one request")
    arrays = {name: from_values(accepted.tensors[name], values) for name, values in columns.items() if name not in accepted.plain}
    plain = {name: plain_from_values(accepted.tensors[name], values) for name, values in columns.items() if name in accepted.plain}
    return Request(carried(accepted, arrays, plain), rows)


def encode(version: str, outputs: Outputs, parameters: Mapping[str, float]) -> bytes:
    """A number for each row of a regression; an object of label and probabilities for each row of a classification."""
    if len(outputs) == 1:
        predictions: Any = to_values(next(iter(outputs.values())))
    else:
        predictions = [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
    answer = {"predictions": predictions, "model_version": version}
    return orjson.dumps(answer | {"parameters": parameters} if parameters else answer, option=JSON_OPTIONS)


def _of_columns(instances: dict[str, Any], accepted: Accepted) -> dict[str, list[Any]]:
    accepted.check(list(instances))
    if not all(isinstance(values, list) for values in instances.values()):
        raise ScoreError("each column of 'instances' must be a list of values")
    lengths = {name: len(values) for name, values in instances.items()}
    first = next(iter(lengths.items()))
    if strange := [name for name, length in lengths.items() if length != first[1]]:
        raise ScoreError(f"column '{strange[0]}' has {lengths[strange[0]]} values, expected {first[1]} as in '{first[0]}'")
    return instances


def _of_rows(instances: list[Any], accepted: Accepted) -> dict[str, list[Any]]:
    """A row that is a list has what every request carries, in the order of the metadata; rows that are objects all have the same columns."""
    required = [tensor.name for tensor in accepted.required]
    if all(isinstance(row, list) for row in instances):
        instances = [_named(row, required, place) for place, row in enumerate(instances)]
    names = list(instances[0]) if accepted.join and isinstance(instances[0], dict) else required
    for place, row in enumerate(instances):
        if not isinstance(row, dict):
            raise ScoreError(f"instance {place} is not an object of {', '.join(required)}")
        if place == 0 or len(row) != len(names) or any(name not in row for name in names):
            _check_row(accepted, row, names, place)
    return {name: [row[name] for row in instances] for name in names}


def _named(row: list[Any], names: list[str], place: int) -> dict[str, Any]:
    if len(row) != len(names):
        raise ScoreError(f"instance {place} has {len(row)} values, expected {len(names)}: {', '.join(names)}")
    return dict(zip(names, row, strict=True))


def _check_row(accepted: Accepted, row: dict[str, Any], names: Sequence[str], place: int) -> None:
    try:
        accepted.check(list(row))
    except ScoreError as error:
        raise ScoreError(f"instance {place}: {error}") from error
    if other := set(row) ^ set(names):
        has = "has" if min(other) in row else "lacks"
        raise ScoreError(f"instance {place} {has} '{min(other)}', unlike instance 0: all rows of a request carry the same columns")
