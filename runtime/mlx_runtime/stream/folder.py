"""A folder that grows as a source of Spark's: files of JSON lines or Parquet in a bucket, read once each, by our own clients.

Enters: a URL, and a folder of the storage that has the names of the files that were seen. Leaves: rows as JSON. An offset is how many
names the list has: it only ever grows, so the same offsets are the same files. A file is complete when it appears, as in every bucket;
names that begin with a dot or an underscore are somebody's notes.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from io import BytesIO
from typing import Any

import orjson
import pyarrow
import pyarrow.parquet as parquet
from pyspark.sql.datasource import DataSource, DataSourceStreamReader, InputPartition
from pyspark.sql.types import StructType

from mlx_runtime.batch.blocks import REASON
from mlx_runtime.cluster.storage import Storage, open_storage
from mlx_runtime.scorer import BLOCK
from mlx_runtime.stream.scored_rows import KEY, ORIGIN, SCHEMA, TEXT

FORMAT = "mlx"
MOST_FILES = 64
"""In one micro-batch."""
LINES = (".json", ".jsonl", ".ndjson")
PARQUET = ".parquet"
OFFSET = "files"


class FolderSource(DataSource):
    """``spark.readStream.format("mlx")`` with the options ``folder`` and ``seen``, both URLs of storages."""

    @classmethod
    def name(cls) -> str:
        return FORMAT

    def schema(self) -> str:
        return f"{ORIGIN} string, {KEY} binary, {TEXT} binary, {REASON} string"

    def streamReader(self, schema: StructType) -> "FolderReader":
        """Its name is Spark's."""
        return FolderReader(self.options["folder"], self.options["seen"])


@dataclass
class File(InputPartition):
    """One file, which one task reads."""

    key: str


class FolderReader(DataSourceStreamReader):
    """Made in the driver, and again in each executor."""

    def __init__(self, folder: str, seen: str) -> None:
        self._folder, self._seen = folder, seen
        self._names: list[str] | None = None

    def initialOffset(self) -> dict[str, int]:
        """Before the first file."""
        return {OFFSET: 0}

    def latestOffset(self) -> dict[str, int]:
        """Takes up files that are new, in the order of their names; some of them where they are many."""
        known = self._known()
        seen = set(known)
        new = [key for key in open_storage(self._folder).keys("") if key not in seen and _is_complete(key)][:MOST_FILES]
        if new:
            open_storage(self._seen).write(f"{len(known):010}.json", json.dumps(new, indent=0).encode())
            known += new
        return {OFFSET: len(known)}

    def partitions(self, start: dict[str, int], end: dict[str, int]) -> Sequence[InputPartition]:
        """A task for each file."""
        return [File(key) for key in self._known()[start[OFFSET] : end[OFFSET]]]

    def read(self, partition: InputPartition) -> Iterator[pyarrow.RecordBatch]:
        """The rows of one file; a file that is none of ours is one row that says so."""
        assert isinstance(partition, File)
        yield from rows_of(open_storage(self._folder), partition.key)

    def commit(self, end: dict[str, int]) -> None:
        """Nothing to do: what was read stays on the list."""

    def _known(self) -> list[str]:
        if self._names is None:
            kept = open_storage(self._seen)
            self._names = [name for key in kept.keys("") for name in json.loads(kept.read(key) or b"[]")]
        return self._names


def rows_of(folder: Storage, key: str) -> Iterator[pyarrow.RecordBatch]:
    """The rows of one file as texts."""
    content = folder.read(key)
    if content is None:
        yield _unread(key, "the file was removed before it was read")
    elif key.lower().endswith(LINES):
        lines = [line for line in content.split(b"\n") if line.strip()]
        for start in range(0, len(lines), BLOCK):
            yield _batch(key, start, lines[start : start + BLOCK])
    elif key.lower().endswith(PARQUET):
        yield from _parquet(key, content)
    else:
        yield _unread(key, f"the file is none of rows: its name ends in none of {', '.join((*LINES, PARQUET))}")


def _is_complete(key: str) -> bool:
    """Whether no part of its path says that somebody is still at work, or takes notes."""
    return bool(key) and not any(part.startswith((".", "_")) for part in key.split("/"))


def _parquet(key: str, content: bytes) -> Iterator[pyarrow.RecordBatch]:
    """Its bytes are in memory: whatever cannot be read is the file's own fault, and the rest of it is put aside as one row."""
    start = 0
    try:
        for batch in parquet.ParquetFile(BytesIO(content)).iter_batches(batch_size=BLOCK):
            yield _batch(key, start, [orjson.dumps(row, default=_spelled) for row in batch.to_pylist()])
            start += batch.num_rows
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError, TypeError) as error:
        yield _unread(f"{key}#{start}" if start else key, f"the file cannot be read as Parquet{' from here on' if start else ''}: {str(error).splitlines()[0]}")


def _spelled(value: Any) -> Any:
    match value:
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal():
            return float(value)
        case bytes():
            return value.decode("utf-8", "replace")
        case _:
            return str(value)


def _batch(key: str, start: int, texts: Sequence[bytes]) -> pyarrow.RecordBatch:
    origins = [f"{key}#{start + row}" for row in range(len(texts))]
    return pyarrow.RecordBatch.from_pylist([{ORIGIN: origin, TEXT: text} for origin, text in zip(origins, texts, strict=True)], SCHEMA)


def _unread(key: str, reason: str) -> pyarrow.RecordBatch:
    return pyarrow.RecordBatch.from_pylist([{ORIGIN: key, REASON: reason}], SCHEMA)
