"""KServe's protocol V1: ``{"instances": …}`` in, ``{"predictions": […]}`` out.

Instances are a list of objects, a list of lists in the signature's order, or one object of columns.
"""

from __future__ import annotations

from typing import Any

import orjson

from mlx_runtime.engines import Outputs
from mlx_runtime.server.tensors import JSON_OPTIONS, from_values, to_values
from mlx_runtime.server.v2 import Request, TooManyRows, parse_json
from mlx_runtime.signature import ScoreError, check_names
from mlx_specs.artifact import ModelFile


def decode(body: bytes, model: ModelFile, max_rows: int) -> Request:
    """The columns of a request, or ``ScoreError`` saying which column is wrong."""
    document = parse_json(body)
    instances = document.get("instances", document.get("inputs")) if isinstance(document, dict) else None
    if not isinstance(instances, list | dict) or not instances:
        raise ScoreError("'instances' must be a list of objects (a row each), a list of lists, or an object of columns")
    columns = _of_columns(instances, model) if isinstance(instances, dict) else _of_rows(instances, model)
    rows = len(next(iter(columns.values())))
    if rows > max_rows:
        raise TooManyRows(f"{rows} rows, at most {max_rows} in one request")
    return Request({tensor.name: from_values(tensor, columns[tensor.name]) for tensor in model.inputs}, rows)


def encode(version: str, outputs: Outputs) -> bytes:
    """A number for each row of a regression; an object of label and probabilities for each row of a classification."""
    if len(outputs) == 1:
        predictions: Any = to_values(next(iter(outputs.values())))
    else:
        predictions = [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
    return orjson.dumps({"predictions": predictions, "model_version": version}, option=JSON_OPTIONS)


def _of_columns(instances: dict[str, Any], model: ModelFile) -> dict[str, list[Any]]:
    check_names(model, list(instances))
    if not all(isinstance(values, list) for values in instances.values()):
        raise ScoreError("each column of 'instances' must be a list of values")
    lengths = {name: len(values) for name, values in instances.items()}
    first = next(iter(lengths.items()))
    if strange := [name for name, length in lengths.items() if length != first[1]]:
        raise ScoreError(f"column '{strange[0]}' has {lengths[strange[0]]} values, expected {first[1]} as in '{first[0]}'")
    return instances


def _of_rows(instances: list[Any], model: ModelFile) -> dict[str, list[Any]]:
    names = [tensor.name for tensor in model.inputs]
    if all(isinstance(row, list) for row in instances):
        instances = [_named(row, names, place) for place, row in enumerate(instances)]
    for place, row in enumerate(instances):
        if not isinstance(row, dict):
            raise ScoreError(f"instance {place} is not an object of {', '.join(names)}")
        if len(row) != len(names) or any(name not in row for name in names):
            _check_row(model, row, place)
    return {name: [row[name] for row in instances] for name in names}


def _named(row: list[Any], names: list[str], place: int) -> dict[str, Any]:
    if len(row) != len(names):
        raise ScoreError(f"instance {place} has {len(row)} values, expected {len(names)}: {', '.join(names)}")
    return dict(zip(names, row, strict=True))


def _check_row(model: ModelFile, row: dict[str, Any], place: int) -> None:
    try:
        check_names(model, list(row))
    except ScoreError as error:
        raise ScoreError(f"instance {place}: {error}") from error
