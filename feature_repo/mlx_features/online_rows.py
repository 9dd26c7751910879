"""Rows of a view as Feast's online stores take them: keys and values as protobuf messages, with their times.

Feast's own conversion goes through numpy, which rounds large integers when one of the column is missing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import pyarrow
from feast import FeatureView
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

Row: TypeAlias = tuple[EntityKey, dict[str, Value], datetime, datetime | None]
Stamp: TypeAlias = tuple[int, int | None]
"""Seconds since 1970 of the event and of the creation. Feast keeps whole seconds."""

VALUES: Mapping[str, Callable[[Any], Value]] = {
    "String": lambda value: Value(string_val=value),
    "Int64": lambda value: Value(int64_val=value),
    "Float64": lambda value: Value(double_val=value),
    "Bool": lambda value: Value(bool_val=value),
    "UnixTimestamp": lambda value: Value(unix_timestamp_val=int(value.timestamp() // 1)),
}
"""By Feast's name of the type."""


def online_rows(table: pyarrow.Table, view: FeatureView) -> list[Row]:
    """Each row of the table; a missing feature is an empty message, as Feast writes it."""
    source = view.batch_source
    assert source is not None
    keys = [field.name for field in view.entity_columns]
    key_values = zip(*(_messages(table, field.name, str(field.dtype)) for field in view.entity_columns), strict=True)
    names = [field.name for field in view.features]
    values = zip(*(_messages(table, field.name, str(field.dtype)) for field in view.features), strict=True)
    times = _moments(table, source.timestamp_field)
    created = _moments(table, source.created_timestamp_column) if source.created_timestamp_column else [None] * table.num_rows
    return [
        (EntityKey(join_keys=keys, entity_values=list(key)), dict(zip(names, row, strict=True)), time, written)
        for key, row, time, written in zip(key_values, values, times, created, strict=True)
    ]


def newest(keys: Sequence[bytes], rows: Sequence[Row], known: dict[bytes, Stamp]) -> Iterator[tuple[bytes, dict[str, Value], Stamp]]:
    """The rows that are not older than what is stored (``known``) or came before: by the event, then by the creation where both have one."""
    for key, (_, values, event, created) in zip(keys, rows, strict=True):
        stamp = (seconds_of(event), None if created is None else seconds_of(created))
        if not _is_older(stamp, known.get(key)):
            known[key] = stamp
            yield key, values, stamp


def _is_older(stamp: Stamp, known: Stamp | None) -> bool:
    if known is None or stamp[0] != known[0]:
        return known is not None and stamp[0] < known[0]
    return stamp[1] is not None and known[1] is not None and stamp[1] < known[1]


def seconds_of(moment: datetime) -> int:
    """Since 1970, of an event or a creation: our stores keep whole seconds, as Feast's SQLite does."""
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() // 1)


def _messages(table: pyarrow.Table, name: str, type: str) -> list[Value]:
    make = VALUES[type]
    return [Value() if value is None else make(value) for value in table.column(name).to_pylist()]


def _moments(table: pyarrow.Table, name: str) -> Sequence[Any]:
    """Microseconds, because Python knows no less."""
    return table.column(name).cast(pyarrow.timestamp("us", "UTC"), safe=False).to_pylist()
