"""Rows become parts of the prediction log: one for each hour and version, until it is large or old enough to be written.

Enters: answered requests. Leaves: named Parquet files in memory, ``YYYY-MM-DDTHH/PART.parquet``; nothing is written here.
"""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow
import pyarrow.parquet as parquet

from mlx_runtime.server.log_rows import log_rows
from mlx_runtime.server.scored import HOUR, Block
from mlx_specs import layout

SECOND = 1_000_000
Key = tuple[int, str, str]
"""The hour since 1970, the version, the digest of its artifact."""


@dataclass(frozen=True)
class File:
    """A part as it is to be written."""

    key: str
    content: bytes
    rows: int


@dataclass
class Part:
    """The batches of one hour and one version."""

    first: int
    """The moment of its first request."""
    batches: list[pyarrow.RecordBatch] = field(default_factory=list[pyarrow.RecordBatch])
    rows: int = 0
    size: int = 0
    """Bytes."""

    def add(self, batch: pyarrow.RecordBatch) -> None:
        """More rows of the same."""
        self.batches.append(batch)
        self.rows += batch.num_rows
        self.size += batch.nbytes


class Parts:
    """The parts of one writer, whose names are its own and sort by the time of their first request."""

    def __init__(self) -> None:
        self._open: dict[Key, Part] = {}
        self._writer = secrets.token_hex(4)
        self._count = 0

    def add(self, block: Block) -> int:
        """Takes a block's rows; the bytes that they need."""
        batch = log_rows(block)
        key = block.hour, block.version.version, block.version.artifact_digest
        self._open.setdefault(key, Part(block.moments[0])).add(batch)
        return batch.nbytes

    def due(self, now: int, rows: int, age: int) -> list[Part]:
        """Gives up those that have so many rows, are so old (microseconds), or whose hour is over."""
        keys = [key for key, part in self._open.items() if part.rows >= rows or now - part.first >= age or now // HOUR != key[0]]
        return [self._open.pop(key) for key in keys]

    def file(self, part: Part) -> File:
        """A part's file."""
        self._count += 1
        first = datetime.fromtimestamp(part.first / SECOND, UTC)
        sink = pyarrow.BufferOutputStream()  # a file of Python's would ask for the interpreter with every page
        table = pyarrow.Table.from_batches(part.batches)
        # Numbers seldom repeat: to look for those that do takes four times as long as to write them.
        repeated: Any = [each.name for each in table.schema if each.type == pyarrow.string()]
        parquet.write_table(table, sink, use_dictionary=repeated)
        name = f"{layout.log_hour(first)}/{first:%Y%m%dT%H%M%S%f}-{self._writer}-{self._count:06}.parquet"
        return File(name, sink.getvalue().to_pybytes(), part.rows)
