"""One input tensor of a request, JSON or bytes, as the array that the scorer takes; one output array as JSON or bytes.

Everything is checked by hand against the model's signature: an error names the tensor and what is expected of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from mlx_runtime.columns import array_of
from mlx_runtime.signature import ScoreError, check_values
from mlx_specs.artifact import ModelFile, Tensor

WIRE: dict[str, np.dtype] = {
    "BOOL": np.dtype("?"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
NUMBERS = frozenset(WIRE) - {"BOOL"}
ACCEPTED = {"BOOL": frozenset({"BOOL"}), "INT64": NUMBERS, "FP32": NUMBERS, "FP64": NUMBERS, "BYTES": frozenset({"BYTES"})}
"""Datatypes that a client may send for each of ours. Floats for integers because pandas makes floats of integers with gaps; they must be whole."""

JSON_OPTIONS = orjson.OPT_SERIALIZE_NUMPY
PYTHON = {"BOOL": {bool, type(None)}, "BYTES": {str, type(None)}}
PYTHON_NUMBERS = {int, float, type(None)}


def from_values(tensor: Tensor, values: Sequence[Any], datatype: str | None = None) -> NDArray:
    """A JSON list: null where the column is nullable."""
    _check_json(tensor, values, datatype or tensor.datatype)
    if tensor.datatype == "BYTES":
        array = np.empty(len(values), dtype=object)
        array[:] = values
    else:
        array = np.array(values, dtype=np.float64)
    return _checked(tensor, array)


def from_bytes(tensor: Tensor, raw: memoryview, datatype: str, rows: int) -> NDArray:
    """A binary tensor: little-endian numbers, NaN for null; strings each after their length in four bytes."""
    _check_datatype(tensor, datatype)
    if datatype == "BYTES":
        return _checked(tensor, _strings(tensor, raw, rows))
    return _checked(tensor, _numbers(tensor, raw, datatype, rows).astype(np.float64))


def plain_from_values(tensor: Tensor, values: Sequence[Any], datatype: str | None = None) -> list[Any]:
    """A JSON list as exact Python values, which keys and functions take: int, float, bool, str, datetime, date, None."""
    _check_json(tensor, values, datatype or tensor.datatype)
    return _plain(tensor, values)


def plain_from_bytes(tensor: Tensor, raw: memoryview, datatype: str, rows: int) -> list[Any]:
    """A binary tensor as exact Python values."""
    _check_datatype(tensor, datatype)
    if datatype == "BYTES":
        return _plain(tensor, _strings(tensor, raw, rows).tolist())
    return _plain(tensor, _numbers(tensor, raw, datatype, rows).tolist())


def array_of_plain(tensor: Tensor, values: Sequence[Any]) -> NDArray:
    """Exact Python values as the array that the scorer takes, held against the signature."""
    array = array_of(values, tensor.type)
    check_values(tensor, array)
    return array


def to_values(array: NDArray) -> Any:
    """An output as orjson writes it with ``JSON_OPTIONS``: float32 in the fewest digits that are the same float32."""
    return array.tolist() if array.dtype == object else np.ascontiguousarray(array)


def to_bytes(array: NDArray) -> bytes:
    """An output as a binary tensor."""
    if array.dtype != object:
        return np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    encoded = [b"" if value is None else str(value).encode() for value in array]
    return b"".join(len(text).to_bytes(4, "little") + text for text in encoded)


def example_columns(model: ModelFile) -> dict[str, NDArray]:
    """The model's own example as columns."""
    return {tensor.name: from_values(tensor.model_copy(update={"nullable": True, "categories": None}), model.example[tensor.name]) for tensor in model.inputs}


def _check_datatype(tensor: Tensor, datatype: str) -> None:
    if datatype not in ACCEPTED[tensor.datatype]:
        raise ScoreError(f"tensor '{tensor.name}': datatype {datatype!s:.20}, expected {tensor.datatype}")


def _check_json(tensor: Tensor, values: Sequence[Any], datatype: str) -> None:
    _check_datatype(tensor, datatype)
    found = set(map(type, values))
    allowed = PYTHON.get(tensor.datatype, PYTHON_NUMBERS)
    if not found <= allowed:
        strange = next(value for value in values if type(value) not in allowed)
        raise ScoreError(f"tensor '{tensor.name}': {strange!r:.80} is not {_expected(tensor)}")


def _numbers(tensor: Tensor, raw: memoryview, datatype: str, rows: int) -> NDArray:
    dtype = WIRE[datatype]
    if len(raw) != rows * dtype.itemsize:
        raise ScoreError(f"tensor '{tensor.name}': {len(raw)} bytes for {rows} values of {datatype}, expected {rows * dtype.itemsize}")
    return np.frombuffer(raw, dtype=dtype)


def _plain(tensor: Tensor, values: Sequence[Any]) -> list[Any]:
    """None for null and NaN."""
    match tensor.type:
        case "integer":
            return [None if value is None or value != value else _whole(tensor, value) for value in values]
        case "float":
            return [None if value is None or value != value else float(value) for value in values]
        case "timestamp":
            return [None if value is None else _moment(tensor, value) for value in values]
        case "date":
            return [None if value is None else _day(tensor, value) for value in values]
        case _:
            return list(values)


def _whole(tensor: Tensor, value: float) -> int:
    if isinstance(value, int) or value.is_integer():
        return int(value)
    raise ScoreError(f"tensor '{tensor.name}': {value:g} is not {_expected(tensor)}")


def _checked(tensor: Tensor, array: NDArray) -> NDArray:
    if tensor.type in ("timestamp", "date"):
        array = _moments(tensor, array)
    if tensor.type == "integer" and array.size and not (np.isnan(array) | (array == np.floor(array))).all():
        raise ScoreError(f"tensor '{tensor.name}': {array[array != np.floor(array)][0]:g} is not {_expected(tensor)}")
    check_values(tensor, array)
    return array


def _moments(tensor: Tensor, texts: NDArray) -> NDArray:
    return np.array([np.nan if text is None else _moment(tensor, text).timestamp() for text in texts], dtype=np.float64)


def _moment(tensor: Tensor, text: str) -> datetime:
    """ISO 8601; a moment without an offset is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ScoreError(f"tensor '{tensor.name}': {text!r:.80} is not {_expected(tensor)}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _day(tensor: Tensor, text: str) -> date:
    return _moment(tensor, text).date()


def _strings(tensor: Tensor, raw: memoryview, rows: int) -> NDArray:
    texts, place = np.empty(rows, dtype=object), 0
    for row in range(rows):
        length = int.from_bytes(raw[place : place + 4], "little")
        content = raw[place + 4 : place + 4 + length]
        if place + 4 > len(raw) or len(content) < length:
            raise ScoreError(f"tensor '{tensor.name}': the binary data ends within value {row} of {rows}")
        texts[row] = _utf8(tensor, content, row)
        place += 4 + length
    if place != len(raw):
        raise ScoreError(f"tensor '{tensor.name}': {len(raw) - place} bytes more than its {rows} values")
    return texts


def _utf8(tensor: Tensor, content: memoryview, row: int) -> str:
    try:
        return str(content, "utf-8")
    except UnicodeDecodeError as error:
        raise ScoreError(f"tensor '{tensor.name}': value {row} is not UTF-8") from error


def _expected(tensor: Tensor) -> str:
    words = {
        "integer": "a whole number", "float": "a number", "boolean": "true or false", "string": "a string",
        "timestamp": "a time in ISO 8601", "date": "a date in ISO 8601",
    }  # fmt: skip
    return words.get(tensor.type, tensor.datatype) + (" or null" if tensor.nullable else "")
