"""Asks an endpoint for the rows of a file, as any client would: over HTTP, in the open inference protocol V2.

The server's own metadata says which columns it takes and of which types; the file may be JSON, CSV or Parquet.
"""

from __future__ import annotations

import csv
import http.client
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow
import pyarrow.parquet

from mlx_runtime.errors import RuntimeFailure

TIMEOUT = 300.0
TRUE, FALSE = frozenset({"true", "1", "yes", "t"}), frozenset({"false", "0", "no", "f"})
NULLS = frozenset({"", "NA", "null", "nan", "NaN"})

Rows = dict[str, list[Any]]
ARROW = {"BOOL": pyarrow.bool_(), "INT64": pyarrow.int64(), "FP32": pyarrow.float32(), "FP64": pyarrow.float64(), "BYTES": pyarrow.string()}


class PredictError(RuntimeFailure):
    """The file cannot be read as rows of this model, or the endpoint refused them."""


def predict(url: str, name: str, file: Path) -> pyarrow.Table:
    """Predictions for the rows of a file, in their order, with the ``model_version`` that answered."""
    metadata = _get(url, f"/v2/models/{name}")
    inputs = {tensor["name"]: tensor for tensor in metadata["inputs"]}
    rows = _read(file, inputs)
    count = len(next(iter(rows.values()), []))
    most = metadata["parameters"]["max_rows"]
    parts = [_ask(url, name, inputs, {column: values[start : start + most] for column, values in rows.items()}) for start in range(0, count, most)]
    if not parts:
        raise PredictError(f"{file} has no rows")
    return pyarrow.concat_tables(parts)


def _read(file: Path, inputs: Mapping[str, Any]) -> Rows:
    readers = {".json": _read_json, ".csv": _read_csv, ".parquet": _read_parquet}
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise PredictError(f"{file}: its name ends neither in .json nor .csv nor .parquet")
    try:
        return reader(file, inputs)
    except FileNotFoundError as error:
        raise PredictError(f"{file} does not exist") from error
    except (ValueError, OSError) as error:
        raise PredictError(f"{file} cannot be read: {error}") from error


def _read_json(file: Path, inputs: Mapping[str, Any]) -> Rows:
    """A V2 body, a V1 body, a list of row objects, or an object of columns."""
    value = json.loads(file.read_bytes())
    match value:
        case {"inputs": [{"name": _}, *_] as tensors}:
            return {tensor["name"]: _flat(tensor.get("data") or []) for tensor in tensors}
        case {"instances": list() | dict() as instances}:
            return _rows_of(instances, inputs)
        case list() | dict():
            return _rows_of(value, inputs)
        case _:
            raise PredictError(f"{file} holds neither rows nor columns", hint='[{"column": value, …}, …]')


def _rows_of(value: list[Any] | dict[str, Any], inputs: Mapping[str, Any]) -> Rows:
    if isinstance(value, dict):
        columns = value if all(isinstance(values, list) for values in value.values()) else {name: [single] for name, single in value.items()}
        return _selected(columns, inputs)
    if not all(isinstance(row, dict) for row in value):
        raise PredictError("each row must be an object of columns", hint=f"the model reads {', '.join(inputs)}")
    for place, row in enumerate(value):
        if lacking := [name for name in inputs if name not in row]:
            raise PredictError(f"row {place} has no '{lacking[0]}'", hint=f"the model reads {', '.join(inputs)}")
    return {name: [row[name] for row in value] for name in inputs}


def _read_csv(file: Path, inputs: Mapping[str, Any]) -> Rows:
    with file.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines)
        texts = list(reader)
    columns = _selected({name: [row[name] for row in texts] for name in reader.fieldnames or ()}, inputs)
    return {name: [_typed(inputs[name], text, row) for row, text in enumerate(values, start=2)] for name, values in columns.items()}


def _typed(tensor: Mapping[str, Any], text: str | None, line: int) -> Any:
    """A CSV's text by the signature's type. Line numbers count the header."""
    if text is None or text in NULLS:
        return None
    convert = {"BOOL": _boolean, "INT64": int, "FP32": float, "FP64": float, "BYTES": str}[tensor["datatype"]]
    try:
        return convert(text)
    except ValueError as error:
        raise PredictError(f"line {line}, column '{tensor['name']}': {text!r} is not {tensor['datatype']}") from error


def _boolean(text: str) -> bool:
    if text.lower() in TRUE | FALSE:
        return text.lower() in TRUE
    raise ValueError(text)


def _read_parquet(file: Path, inputs: Mapping[str, Any]) -> Rows:
    try:
        table = pyarrow.parquet.read_table(file)
    except pyarrow.ArrowException as error:
        raise PredictError(f"{file} is not Parquet: {error}") from error
    columns = _selected({name: table.column(name) for name in table.column_names}, inputs)
    return {name: [_plain(value) for value in column.to_pylist()] for name, column in columns.items()}


def _plain(value: Any) -> Any:
    """As JSON has it: moments in ISO 8601, NaN as null."""
    if isinstance(value, date | datetime):
        return value.isoformat()
    return None if isinstance(value, float) and value != value else value


def _selected(columns: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The model's columns; a file may hold others, such as the label."""
    if lacking := [name for name in inputs if name not in columns]:
        raise PredictError(f"column '{lacking[0]}' is missing", hint=f"the model reads {', '.join(inputs)}")
    return {name: columns[name] for name in inputs}


def _flat(data: Sequence[Any]) -> list[Any]:
    return [value for item in data for value in (item if isinstance(item, list) else [item])]


def _ask(url: str, name: str, inputs: Mapping[str, Any], rows: Rows) -> pyarrow.Table:
    tensors = [_tensor(column, inputs.get(column, {}), values) for column, values in rows.items()]
    answer = _request(url, "POST", f"/v2/models/{name}/infer", json.dumps({"inputs": tensors}).encode())
    columns = {tensor["name"]: pyarrow.array(tensor["data"], ARROW[tensor["datatype"]]) for tensor in answer["outputs"]}
    count = len(next(iter(columns.values())))
    return pyarrow.table({**columns, "model_version": pyarrow.repeat(answer["model_version"], count)})


def _tensor(column: str, tensor: Mapping[str, Any], values: list[Any]) -> dict[str, Any]:
    return {"name": column, "shape": [len(values)], "datatype": tensor.get("datatype", "BYTES"), "data": values}


def _get(url: str, path: str) -> Any:
    return _request(url, "GET", path, None)


def _request(url: str, method: str, path: str, body: bytes | None) -> Any:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise PredictError(f"{url} does not answer: {error}", hint="mlx status says whether the endpoint runs") from error
    finally:
        connection.close()
    if response.status != 200:
        raise PredictError(f"the endpoint answered {response.status}: {answer.get('error', answer)}")
    return answer
