"""Prepared rows: read from Parquet, divided into features and labels, held out.

Everything is an Arrow table; what an estimator sees of it is decided in one place, ``mlx_runtime.columns``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlx_pipelines.errors import PipelineError
from mlx_specs.model import Split

if TYPE_CHECKING:
    import pandas
    import pyarrow

DEFAULT_SHARE = 0.2
MOST_CLASSES = 200


def read(path: str | Path) -> pyarrow.Table:
    """All rows and columns of a Parquet file."""
    import pyarrow.parquet as parquet

    # Not read_table: that imports pandas, a second in each step that needs none.
    return parquet.ParquetFile(path).read()


def count(path: str | Path) -> int:
    """How many rows a Parquet file has, from its footer."""
    import pyarrow.parquet as parquet

    return parquet.ParquetFile(path).metadata.num_rows


def write(rows: pyarrow.Table, path: str | Path) -> None:
    """Parquet, so that the next step reads types as they were."""
    import pyarrow.parquet as parquet

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(rows, path)


def feature_frame(rows: pyarrow.Table, features: Sequence[str]) -> pandas.DataFrame:
    """What an estimator is fitted on and predicts from."""
    from mlx_runtime.columns import to_frame

    return to_frame(rows.select(list(features)))


def labels(rows: pyarrow.Table, target: str, task: str) -> NDArray[Any]:
    """Float64 for regression; booleans, integers or strings for classification."""
    column = rows.column(target).combine_chunks()
    if task == "regression":
        return column.cast("float64").to_numpy(zero_copy_only=False)
    values = column.to_numpy(zero_copy_only=False)
    return values.astype(np.int64) if values.dtype.kind == "f" else values


def problems(rows: pyarrow.Table, *, target: str, features: Sequence[str], task: str, event_time: str, split: Split) -> list[str]:
    """Why no model can be made of these rows, in sentences; an empty list when one can."""
    missing = [name for name in features if name not in rows.column_names]
    found = [f"the data has no column {name!r} (features)" for name in missing]
    if split.by == "time" and event_time not in rows.column_names:
        found.append("the split is by time, but the data has no event time: declare eventTime in the Dataset")
    if target in features:
        found.append(f"the target {target!r} is among the features")
    if rows.num_rows == 0:
        return [*found, "the data has no rows"]
    if target not in rows.column_names:
        return [*found, f"the data has no column {target!r} (target)"]
    return found + _label_problems(rows.column(target), target, task)


def hold_out(rows: pyarrow.Table, split: Split, event_time: str, seed: int) -> tuple[pyarrow.Table, pyarrow.Table]:
    """The rows that train, and those that no training sees; both in the order of the data."""
    held_out = _newest(rows, split, event_time) if split.by == "time" else _drawn(rows.num_rows, split.test or DEFAULT_SHARE, seed)
    for mask, what in ((held_out, "is held out"), (~held_out, "is left to train on")):
        if not mask.any():
            raise PipelineError(f"no row {what}: {_why_empty(rows, split, event_time)}", hint="change the model's split (test, testFrom)")
    return rows.filter(~held_out), rows.filter(held_out)


def _label_problems(column: pyarrow.ChunkedArray, target: str, task: str) -> list[str]:
    import pyarrow.types as types

    found = [f"{column.null_count:,} rows have no value in the target {target!r}: reject them in the Dataset's prepare"] if column.null_count else []
    number = types.is_integer(column.type) or types.is_floating(column.type) or types.is_decimal(column.type) or types.is_boolean(column.type)
    if task == "regression":
        return found if number else [*found, f"the target {target!r} is {column.type}: a regression predicts a number"]
    if types.is_temporal(column.type) or types.is_nested(column.type):
        return [*found, f"the target {target!r} is {column.type}: a classification predicts a boolean, an integer or a string"]
    return found + _class_problems(column, target)


def _class_problems(column: pyarrow.ChunkedArray, target: str) -> list[str]:
    import pyarrow.types as types

    classes = column.drop_null().unique().to_pylist()
    if len(classes) < 2:
        return [f"the target {target!r} has one value only ({classes[0]!r}): there is nothing to learn"] if classes else []
    if types.is_floating(column.type) and any(value != int(value) for value in classes[:MOST_CLASSES]):
        return [f"the target {target!r} holds fractions: that is a task for regression"]
    if len(classes) > MOST_CLASSES:
        return [f"the target {target!r} has {len(classes):,} different values, more than {MOST_CLASSES} classes: is it a regression?"]
    return []


def _newest(rows: pyarrow.Table, split: Split, event_time: str) -> NDArray[np.bool_]:
    """Rows of one moment stay together."""
    moments = _moments(rows, event_time)
    if split.test_from is not None:
        return moments >= _utc(split.test_from)
    first = np.sort(moments)[min(int(len(moments) * (1 - (split.test or DEFAULT_SHARE))), len(moments) - 1)]
    return moments >= first


def _drawn(count: int, share: float, seed: int) -> NDArray[np.bool_]:
    held_out = np.zeros(count, dtype=bool)
    held_out[np.random.default_rng(seed).permutation(count)[: max(1, round(count * share))]] = True
    return held_out


def _moments(rows: pyarrow.Table, event_time: str) -> NDArray[Any]:
    import pyarrow

    column = rows.column(event_time)
    if column.null_count:
        raise PipelineError(f"{column.null_count:,} rows have no event time ({event_time})", hint="reject them in the Dataset's prepare")
    return column.cast(pyarrow.timestamp("us", tz=getattr(column.type, "tz", None))).cast(pyarrow.int64()).to_numpy()


def _utc(moment: date | datetime) -> int:
    """Microseconds since 1970."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1_000_000)


def _why_empty(rows: pyarrow.Table, split: Split, event_time: str) -> str:
    if split.by == "random":
        return f"there are only {rows.num_rows} rows"
    moments = _moments(rows, event_time)
    first, last = (datetime.fromtimestamp(value / 1e6, UTC).isoformat(timespec="minutes") for value in (moments.min(), moments.max()))
    return f"the data runs from {first} to {last}"
