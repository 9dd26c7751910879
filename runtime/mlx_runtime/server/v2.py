"""KServe's open inference protocol V2 over REST: a request's bytes to columns, outputs to an answer's bytes.

JSON, and the binary tensor extension (raw tensors after a JSON header whose length stands in an HTTP header). Source:
https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol and Triton's binary data extension.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from numpy.typing import NDArray

from mlx_runtime.engines import Outputs
from mlx_runtime.server import freshness
from mlx_runtime.server.accepted import Accepted, Carried, carried
from mlx_runtime.server.tensors import JSON_OPTIONS, from_bytes, from_values, plain_from_bytes, plain_from_values, to_bytes, to_values
from mlx_runtime.signature import ScoreError
from mlx_specs.artifact import Tensor

BINARY_HEADER = "inference-header-content-length"


class TooManyRows(ScoreError):
    """More rows than one request may carry."""


@dataclass(frozen=True)
class Request:
    """A request that fits what the version accepts."""

    carried: Carried
    rows: int
    id: str | None = None
    wanted: tuple[tuple[str, bool], ...] = ()
    """Name of each output asked for, and whether as binary."""


def decode(body: bytes, header_length: str | None, accepted: Accepted, max_rows: int) -> Request:
    """The columns of a request, or ``ScoreError`` saying which tensor is wrong."""
    header, rest = _split(body, header_length)
    document = _document(header)
    tensors = document.get("inputs")
    if not isinstance(tensors, list) or not tensors or not all(isinstance(item, dict) for item in tensors):
        raise ScoreError(f"'inputs' must be a list of tensors: {_names(accepted)}")
    accepted.check([str(item.get("name")) for item in tensors])
    rows = _rows(tensors[0])
    if rows > max_rows:
        raise TooManyRows(f"{rows} rows, at most {max_rows} in one request")
    return Request(_columns(tensors, rest, accepted, rows), rows, _id(document), _wanted(document, accepted))


def encode(name: str, version: str, accepted: Accepted, request: Request, outputs: Outputs, parameters: Mapping[str, float]) -> tuple[bytes, int | None]:
    """The answer's body, and the length of its JSON header where binary tensors follow."""
    datatypes = {tensor.name: tensor.datatype for tensor in accepted.model.outputs}
    tensors, binary = [], []
    for output, as_binary in request.wanted:
        datatype = datatypes.get(output) or ("BYTES" if outputs[output].dtype == object else "FP64")
        tensor: dict[str, Any] = {"name": output, "datatype": datatype, "shape": [request.rows]}
        if as_binary:
            raw = to_bytes(outputs[output])
            tensor["parameters"] = {"binary_data_size": len(raw)}
            binary.append(raw)
        else:
            tensor["data"] = to_values(outputs[output])
        tensors.append(tensor)
    answer: dict[str, Any] = {"model_name": name, "model_version": version, "outputs": tensors}
    if parameters:
        answer["parameters"] = parameters
    header = orjson.dumps(answer | {"id": request.id} if request.id is not None else answer, option=JSON_OPTIONS)
    return b"".join([header, *binary]), len(header) if binary else None


def parse_json(body: bytes | memoryview) -> Any:
    """A JSON value, or ``ScoreError`` saying where it breaks."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ScoreError(f"the body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from error


def _split(body: bytes, header_length: str | None) -> tuple[memoryview, memoryview]:
    whole = memoryview(body)
    if header_length is None:
        return whole, whole[:0]
    if not header_length.isdecimal() or int(header_length) > len(body):
        raise ScoreError(f"header {BINARY_HEADER} is {header_length!r:.40}: expected the length of the JSON part of a body of {len(body)} bytes")
    return whole[: int(header_length)], whole[int(header_length) :]


def _document(header: memoryview) -> dict[str, Any]:
    document = parse_json(header)
    if not isinstance(document, dict):
        raise ScoreError("the body must be a JSON object with 'inputs'")
    return document


def _names(accepted: Accepted) -> str:
    return ", ".join(f"{tensor.name} ({tensor.datatype})" for tensor in accepted.required)


def _rows(tensor: dict[str, Any]) -> int:
    shape = tensor.get("shape")
    sizes = shape if isinstance(shape, list) else []
    if not sizes or not all(type(size) is int and size >= 0 for size in sizes) or sizes[1:] not in ([], [1]):
        raise ScoreError(f"tensor '{tensor.get('name')}': shape {shape!r:.40}, expected [rows] or [rows, 1]")
    return sizes[0]


def _columns(tensors: Sequence[dict[str, Any]], rest: memoryview, accepted: Accepted, rows: int) -> Carried:
    arrays, plain, place = dict[str, NDArray](), dict[str, list[Any]](), 0
    for item in tensors:
        tensor = accepted.tensors[item["name"]]
        if (count := _rows(item)) != rows:
            raise ScoreError(f"tensor '{tensor.name}': {count} rows, expected {rows} as in '{tensors[0]['name']}'")
        size = _binary_size(item)
        raw = None if size is None else rest[place : place + size]
        place += size or 0
        if tensor.name in accepted.plain:
            plain[tensor.name] = _plain(tensor, item, raw, rows)
        else:
            arrays[tensor.name] = _array(tensor, item, raw, rows)
    if place != len(rest):
        raise ScoreError(f"{len(rest)} bytes of binary data, expected {place} as the tensors' binary_data_size say")
    return carried(accepted, arrays, plain)


def _array(tensor: Tensor, item: dict[str, Any], raw: memoryview | None, rows: int) -> NDArray:
    datatype = str(item.get("datatype"))
    return from_values(tensor, _data(tensor, item, rows), datatype) if raw is None else from_bytes(tensor, raw, datatype, rows)


def _plain(tensor: Tensor, item: dict[str, Any], raw: memoryview | None, rows: int) -> list[Any]:
    datatype = str(item.get("datatype"))
    return plain_from_values(tensor, _data(tensor, item, rows), datatype) if raw is None else plain_from_bytes(tensor, raw, datatype, rows)


def _binary_size(item: dict[str, Any]) -> int | None:
    parameters = item.get("parameters")
    if parameters is None or (isinstance(parameters, dict) and "binary_data_size" not in parameters):
        return None
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else parameters
    if type(size) is not int or size < 0:
        raise ScoreError(f"tensor '{item['name']}': binary_data_size {size!r:.40}, expected a number of bytes")
    return size


def _data(tensor: Tensor, item: dict[str, Any], rows: int) -> list[Any]:
    data = item.get("data")
    if not isinstance(data, list):
        raise ScoreError(f"tensor '{tensor.name}': 'data' must be a list of {rows} values")
    if data and isinstance(data[0], list):
        data = [value for row in data for value in (row if isinstance(row, list) else [row])]
    if len(data) != rows:
        raise ScoreError(f"tensor '{tensor.name}': {len(data)} values, expected {rows} by its shape")
    return data


def _id(document: dict[str, Any]) -> str | None:
    value = document.get("id")
    return None if value is None else str(value)


def _wanted(document: dict[str, Any], accepted: Accepted) -> tuple[tuple[str, bool], ...]:
    default = _flag(document, "binary_data_output", False)
    known = [tensor.name for tensor in accepted.model.outputs]
    asked = document.get("outputs")
    if not asked:
        return tuple((name, default) for name in known)
    if not isinstance(asked, list) or not all(isinstance(item, dict) for item in asked):
        raise ScoreError("'outputs' must be a list of objects with a 'name'")
    known += freshness.output_names(accepted)
    if strange := [item.get("name") for item in asked if item.get("name") not in known]:
        raise ScoreError(f"output '{strange[0]}' is unknown: the model gives {', '.join(known)}")
    return tuple((item["name"], _flag(item, "binary_data", default)) for item in asked)


def _flag(item: dict[str, Any], name: str, default: bool) -> bool:
    parameters = item.get("parameters")
    return bool(parameters.get(name, default)) if isinstance(parameters, dict) else default
