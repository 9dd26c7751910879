"""The prepared rows in their one canonical order, written as Parquet and digested by content.

A connection with the table ``source`` enters; a Parquet file and a digest leave. The digest is over logical values: for each
column three streams (which rows have a value, the lengths of texts, the values), so that neither batches, nor Parquet's
encodings, nor library versions are in it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow
import pyarrow.compute
import pyarrow.parquet

from mlx_runtime.prepare.casts import canonical_type, convert, misfit_message
from mlx_runtime.prepare.database import Connection, columns, quoted, select_list
from mlx_runtime.prepare.errors import PrepareError, listing, nearest
from mlx_specs.dataset import ColumnType, DatasetSpec
from mlx_specs.resources import digest

if TYPE_CHECKING:
    from hashlib import _Hash

BATCH = 131_072
"""Rows of a row group."""
ARROW: dict[ColumnType, pyarrow.DataType] = {
    "string": pyarrow.string(), "integer": pyarrow.int64(), "float": pyarrow.float64(), "boolean": pyarrow.bool_(),
    "timestamp": pyarrow.timestamp("us", tz="UTC"), "date": pyarrow.date32(),
}  # fmt: skip
EMPTY: dict[ColumnType, Any] = {"string": "", "integer": 0, "float": 0.0, "boolean": False, "timestamp": 0, "date": 0}


@dataclass(frozen=True)
class Content:
    """What was written."""

    digest: str
    rows: int
    types: Mapping[str, ColumnType]


def canonical(connection: Connection, spec: DatasetSpec) -> dict[str, ColumnType]:
    """Bring ``source`` to column types: declared ones, else the nearest to what the SQL yields."""
    found = columns(connection, "source")
    declared: dict[str, ColumnType] = {}
    if spec.source is None:
        declared = {name: column.type for name, column in spec.columns.items() if column.type is not None}
    needed = [*spec.keys, *([spec.event_time] if spec.event_time else []), *declared]
    absent = [name for name in needed if name not in found]
    if absent:
        raise PrepareError(f"the result has no column '{absent[0]}'{nearest(absent[0], list(found))}", hint=f"it has: {listing(list(found))}")
    unusable = [name for name in found if not (name.isascii() and name.isidentifier())]
    if unusable:
        raise PrepareError(f"column '{unusable[0]}' is no usable name", hint=f'rename it in a sql step: select "{unusable[0]}" as NAME')
    types: dict[str, ColumnType] = {name: declared.get(name) or canonical_type(name, duckdb_type) for name, duckdb_type in found.items()}
    wrong = convert(connection, "source", "mlx_result", types)
    if wrong:
        raise PrepareError(
            "; ".join(misfit_message(one, f"row {one.first[0][0]:,} of the result") for one in wrong), hint="correct the type, or cast in a step"
        )
    connection.execute("drop table source")
    connection.execute("alter table mlx_result rename to source")
    return types


def write(connection: Connection, types: Mapping[str, ColumnType], keys: Sequence[str], path: Path) -> Content:
    """``source`` in canonical order: by the keys, then by all other columns, missing values first."""
    order = ", ".join(f"{quoted(name)} asc nulls first" for name in [*keys, *(name for name in types if name not in keys)])
    query = f"select {select_list({name: stored(name, type) for name, type in types.items()})} from source order by {order}"
    schema = pyarrow.schema([(name, ARROW[type]) for name, type in types.items()])
    digests = {name: ColumnDigest(type) for name, type in types.items()}
    rows = 0
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in connection.sql(query).to_arrow_reader(BATCH):
            table = pyarrow.table([column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)], schema=schema)
            writer.write_table(table, row_group_size=BATCH)
            rows += table.num_rows
            for name in types:
                digests[name].update(table.column(name))
    return Content(digest(["mlx-content-1", rows, [[name, types[name], *digests[name].hexes()] for name in types]]), rows, types)


def stored(name: str, type: ColumnType) -> str:
    """Timestamps as moments in UTC; zero without a sign, because equal values must be equal bytes."""
    if type == "timestamp":
        return f"{quoted(name)} at time zone 'UTC'"
    return f"{quoted(name)} + 0.0::double" if type == "float" else quoted(name)


@dataclass
class ColumnDigest:
    """Three running hashes of one column."""

    type: ColumnType
    present: "_Hash" = field(default_factory=hashlib.sha256)
    lengths: "_Hash" = field(default_factory=hashlib.sha256)
    values: "_Hash" = field(default_factory=hashlib.sha256)

    def update(self, column: pyarrow.ChunkedArray) -> None:
        """Add the next rows."""
        for chunk in column.chunks:
            self.present.update(value_bytes(chunk.is_valid().cast(pyarrow.uint8())))
            if self.type == "string":
                texts = pyarrow.compute.fill_null(chunk, "")
                self.lengths.update(value_bytes(pyarrow.compute.call_function("binary_length", [texts])))
                self.values.update(text_bytes(texts))
            else:
                self.values.update(value_bytes(pyarrow.compute.fill_null(plain(chunk, self.type), EMPTY[self.type])))

    def hexes(self) -> tuple[str, str, str]:
        """The three digests."""
        return self.present.hexdigest(), self.lengths.hexdigest(), self.values.hexdigest()


def plain(chunk: pyarrow.Array, type: ColumnType) -> pyarrow.Array:
    """The numbers behind timestamps (microseconds) and dates (days)."""
    return chunk.cast(pyarrow.int64()) if type == "timestamp" else chunk.cast(pyarrow.int32()) if type == "date" else chunk


def value_bytes(array: pyarrow.Array) -> memoryview:
    """The values of an array without nulls, as Arrow holds them: little endian; booleans as bytes."""
    numbers = array.cast(pyarrow.uint8()) if pyarrow.types.is_boolean(array.type) else array
    width = numbers.type.bit_width // 8
    return memoryview(numbers.buffers()[1] or b"")[numbers.offset * width : (numbers.offset + len(numbers)) * width]


def text_bytes(texts: pyarrow.StringArray) -> memoryview:
    """The UTF-8 bytes of all values, one after the other."""
    _, offsets, data = texts.buffers()
    if offsets is None or data is None:
        return memoryview(b"")
    bounds = memoryview(offsets).cast("i")
    return memoryview(data)[bounds[texts.offset] : bounds[texts.offset + len(texts)]]
