"""A model's signature: made from an Arrow schema when it is packaged, held against every batch that is scored.

A batch that does not fit raises ``ScoreError``: its message names the column and what the model expects, in words for
whoever sent the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlx_runtime.columns import ColumnError, missing, to_array
from mlx_runtime.errors import RuntimeFailure
from mlx_specs.artifact import Datatype, ModelFile, Tensor

if TYPE_CHECKING:
    import pyarrow

MANY = 5
"""How many names an error lists."""


class ScoreError(RuntimeFailure):
    """Rows that the model cannot score; ``rows`` are the indices of those at fault, empty when the whole batch is."""

    def __init__(self, message: str, *, rows: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.rows = tuple(rows)


def tensor_of(field: pyarrow.Field) -> Tensor:
    """The input that a column of a dataset becomes."""
    import pyarrow.types as kinds

    value = field.type.value_type if kinds.is_dictionary(field.type) else field.type
    table: tuple[tuple[Callable[..., bool], str, Datatype], ...] = (
        (kinds.is_boolean, "boolean", "BOOL"),
        (kinds.is_integer, "integer", "INT64"),
        (kinds.is_float32, "float", "FP32"),
        (kinds.is_floating, "float", "FP64"),
        (kinds.is_decimal, "float", "FP64"),
        (kinds.is_timestamp, "timestamp", "BYTES"),
        (kinds.is_date, "date", "BYTES"),
        (kinds.is_string, "string", "BYTES"),
        (kinds.is_large_string, "string", "BYTES"),
        (kinds.is_string_view, "string", "BYTES"),
    )
    for matches, name, datatype in table:
        if matches(value):
            return Tensor(name=field.name, type=name, datatype=datatype, nullable=field.nullable)
    raise ColumnError(f"column '{field.name}' is {field.type}: a model reads numbers, booleans, strings, timestamps and dates")


def check_columns(model: ModelFile, rows: pyarrow.RecordBatch | pyarrow.Table) -> dict[str, NDArray]:
    """The arrays of a batch in the signature's order, or ``ScoreError``."""
    check_names(model, rows.schema.names)
    columns = {tensor.name: _typed(tensor, rows.column(tensor.name)) for tensor in model.inputs}
    for tensor in model.inputs:
        check_values(tensor, columns[tensor.name])
    return columns


def check_names(model: ModelFile, names: Sequence[str]) -> None:
    """Exactly the model's columns, in any order."""
    expected = [tensor.name for tensor in model.inputs]
    if lacking := [name for name in expected if name not in names]:
        raise ScoreError(f"missing {_columns(lacking)}: the model reads {', '.join(expected)}")
    if extra := [name for name in names if name not in expected]:
        raise ScoreError(f"unknown {_columns(extra)}: the model reads {', '.join(expected)}")
    if len(names) != len(expected):
        raise ScoreError("a column stands there twice: each of the model's columns is sent once")


def check_values(tensor: Tensor, values: NDArray) -> None:
    """No null where there may be none, no category where the set is closed."""
    if not tensor.nullable:
        nulls = np.flatnonzero(missing(values))
        if nulls.size:
            raise ScoreError(f"column '{tensor.name}' may not be null (row {nulls[0]})", rows=nulls.tolist())
    if tensor.finite:
        infinite = np.flatnonzero(np.isinf(values))
        if infinite.size:
            raise ScoreError(f"column '{tensor.name}' may not be infinite (row {infinite[0]})", rows=infinite.tolist())
    if tensor.categories is not None:
        known = {*tensor.categories, None}
        strange = [row for row, value in enumerate(values.tolist()) if value not in known]
        if strange:
            raise ScoreError(f"column '{tensor.name}': {values[strange[0]]!r} is not one of {_some(tensor.categories)} (row {strange[0]})", rows=strange)


def _typed(tensor: Tensor, values: pyarrow.Array | pyarrow.ChunkedArray) -> NDArray:
    import pyarrow.types as kinds

    kind = values.type.value_type if kinds.is_dictionary(values.type) else values.type
    if not kinds.is_null(kind) and not _accepts(tensor, kind):
        raise ScoreError(f"column '{tensor.name}' is {kind}: the model expects {tensor.type} ({tensor.datatype})")
    array = to_array(values, tensor.name)
    if kinds.is_null(kind) and tensor.type == "string":
        return np.full(len(array), None, dtype=object)
    return array


def _accepts(tensor: Tensor, kind: pyarrow.DataType) -> bool:
    """The column's own type, or a narrower one that loses nothing."""
    import pyarrow.types as kinds

    is_string = kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind)
    match tensor.type:
        case "boolean":
            return kinds.is_boolean(kind)
        case "integer":
            return kinds.is_integer(kind)
        case "float":
            return kinds.is_floating(kind) or kinds.is_integer(kind) or kinds.is_decimal(kind)
        case "timestamp" | "date":
            return kinds.is_timestamp(kind) or kinds.is_date(kind)
        case _:
            return is_string


def _columns(names: Sequence[str]) -> str:
    return f"column{'s' if len(names) > 1 else ''} {_some(names)}"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:MANY])
    return f"{shown} and {len(names) - MANY} more" if len(names) > MANY else shown
