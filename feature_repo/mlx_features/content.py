"""Rows as content: their types in Arrow, and a digest that only their values decide.

For each column three streams (which rows have a value, the lengths of texts, the values) are hashed, so that neither batches, nor
Parquet's encodings, nor library versions are in it. Used by prepared datasets and by joined ones, whose addresses it is.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow
import pyarrow.compute

from mlx_specs.dataset import ColumnType
from mlx_specs.digests import digest

if TYPE_CHECKING:
    from hashlib import _Hash

BATCH = 131_072
"""Rows of a row group."""
ARROW: dict[ColumnType, pyarrow.DataType] = {
    "string": pyarrow.string(), "integer": pyarrow.int64(), "float": pyarrow.float64(), "boolean": pyarrow.bool_(),
    "timestamp": pyarrow.timestamp("us", tz="UTC"), "date": pyarrow.date32(),
}  # fmt: skip
EMPTY: dict[ColumnType, Any] = {"string": "", "integer": 0, "float": 0.0, "boolean": False, "timestamp": 0, "date": 0}


class RowsDigest:
    """The running digest of a table's rows, in their order."""

    def __init__(self, types: Mapping[str, ColumnType]) -> None:
        self._columns = {name: ColumnDigest(type) for name, type in types.items()}
        self.rows = 0

    def update(self, table: pyarrow.Table) -> None:
        """Add the next rows."""
        self.rows += table.num_rows
        for name, column in self._columns.items():
            column.update(table.column(name))

    def hex(self) -> str:
        """The digest of what was added."""
        return digest(["mlx-content-1", self.rows, [[name, one.type, *one.hexes()] for name, one in self._columns.items()]])


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
