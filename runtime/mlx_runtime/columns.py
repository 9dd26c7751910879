"""Arrow in, one NumPy array a column out: the one meaning that a column's values have for a model.

Training, packaging and scoring all read rows through ``to_columns`` (or ``to_frame``, the same for scikit-learn), so that
an estimator never meets at scoring time a type that it did not meet in training, whether a block has nulls or not:
numbers and booleans are float64 with NaN for null; timestamps and dates are float64 seconds since 1970 UTC; strings are
str objects with None for null (NaN in a frame, where scikit-learn's imputers look for it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlx_runtime.errors import RuntimeFailure

if TYPE_CHECKING:
    import pandas
    import pyarrow

Columns = Mapping[str, NDArray]


class ColumnError(RuntimeFailure):
    """A column of a type that no model can use."""


def to_columns(rows: pyarrow.Table | pyarrow.RecordBatch) -> dict[str, NDArray]:
    """The arrays of all columns, in order."""
    return {name: to_array(rows.column(name), name) for name in rows.schema.names}


def to_frame(rows: pyarrow.Table | pyarrow.RecordBatch) -> pandas.DataFrame:
    """The same as a frame: what estimators are fitted on and predict from."""
    import pandas

    return frame_of(to_columns(rows), index=pandas.RangeIndex(rows.num_rows))


def frame_of(columns: Columns, index: pandas.Index | None = None) -> pandas.DataFrame:
    """A frame over arrays that ``to_columns`` made; strings keep the dtype object."""
    import pandas

    return pandas.DataFrame({name: pandas.Series(_with_nan(array), index=index, dtype=array.dtype) for name, array in columns.items()})


def to_array(values: pyarrow.Array | pyarrow.ChunkedArray, name: str) -> NDArray:
    """One column's array: float64, or object of str and None."""
    import pyarrow
    import pyarrow.compute
    import pyarrow.types

    kind = values.type
    if pyarrow.types.is_dictionary(kind):
        return to_array(values.cast(kind.value_type), name)
    if pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind) or pyarrow.types.is_string_view(kind):
        return np.asarray(values.to_numpy(zero_copy_only=False) if isinstance(values, pyarrow.Array) else values.to_numpy(), dtype=object)
    if pyarrow.types.is_null(kind):
        return np.full(len(values), np.nan)
    if pyarrow.types.is_timestamp(kind) or pyarrow.types.is_date(kind):
        micros = values.cast(pyarrow.timestamp("us", tz=getattr(kind, "tz", None))).cast(pyarrow.int64())
        return _floats(micros) / 1e6
    if pyarrow.types.is_boolean(kind) or pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind) or pyarrow.types.is_decimal(kind):
        return _floats(values)
    raise ColumnError(f"column '{name}' is {kind}: a model reads numbers, booleans, strings, timestamps and dates")


def array_of(values: Sequence[Any], kind: str) -> NDArray:
    """The array of plain Python values of a dataset's type, None for null: the same that ``to_array`` makes of them as Arrow."""
    match kind:
        case "string":
            array = np.empty(len(values), dtype=object)
            array[:] = values
            return array
        case "timestamp" | "date":
            return np.array([np.nan if value is None else _seconds(value) for value in values], dtype=np.float64)
        case _:
            return np.array(values, dtype=np.float64)


def missing(array: NDArray) -> NDArray:
    """Which values of a column are null."""
    if array.dtype != object:
        return np.isnan(array)
    return np.fromiter((value is None for value in array), dtype=bool, count=len(array))


def _with_nan(array: NDArray) -> NDArray:
    """SimpleImputer's missing value is NaN: it would take None for a category."""
    return array if array.dtype != object else np.where(missing(array), np.nan, array)


def _seconds(value: date) -> float:
    """Since 1970 in UTC; what has no offset is UTC."""
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _floats(values: pyarrow.Array | pyarrow.ChunkedArray) -> NDArray:
    import pyarrow
    import pyarrow.compute

    if pyarrow.types.is_boolean(values.type):
        values = values.cast(pyarrow.int8())
    # safe=False: an integer beyond 2**53 becomes the nearest float, in training as in scoring.
    floats = values.cast(pyarrow.float64(), safe=False)
    if floats.null_count:
        floats = pyarrow.compute.fill_null(floats, float("nan"))
    return floats.to_numpy(zero_copy_only=False) if isinstance(floats, pyarrow.Array) else floats.to_numpy()
