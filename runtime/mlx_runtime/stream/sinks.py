"""Where a micro-batch's predictions go, and what could not be scored.

A part is named by the number of its micro-batch: one that runs again puts its part in the place of the first one's. A topic has no such
places: a micro-batch that runs again sends its predictions twice, each with where its row stood (``_source``), by which a reader tells.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import orjson
import pyarrow
import pyarrow.parquet as parquet
from pyspark.sql import SparkSession

from mlx_runtime.batch.blocks import PROVENANCE, REASON
from mlx_runtime.cluster.storage import Storage
from mlx_runtime.stream.scored_rows import KEY, MOMENT, ORIGIN, TEXT
from mlx_specs.resources import Version


class Sink(Protocol):
    """Takes the predictions of one micro-batch."""

    def put(self, batch: int, rows: pyarrow.Table) -> None: ...


@dataclass(frozen=True)
class Parts:
    """A folder of Parquet files, one for each micro-batch that has rows."""

    folder: Storage

    def put(self, batch: int, rows: pyarrow.Table) -> None:
        """In the place of an earlier try, if there was one: with other rows, or none."""
        key = f"part-{batch:010}.parquet"
        if rows.num_rows or self.folder.read(key) is not None:
            sink = pyarrow.BufferOutputStream()
            parquet.write_table(rows.select([name for name in rows.column_names if name != KEY]), sink)
            self.folder.write(key, sink.getvalue().to_pybytes())


@dataclass(frozen=True)
class Topic:
    """A Kafka topic of JSON objects, under the keys of the rows' own messages."""

    spark: SparkSession
    options: Mapping[str, str]

    def put(self, batch: int, rows: pyarrow.Table) -> None:
        """Spark's executors send them."""
        if rows.num_rows:
            texts = [orjson.dumps(row).decode() for row in rows.drop_columns([KEY]).to_pylist()]
            sent = pyarrow.table({"key": rows.column(KEY), "value": texts})
            self.spark.createDataFrame(sent, "key binary, value string").write.format("kafka").options(**self.options).save()


def split(rows: pyarrow.Table, version: Version) -> tuple[pyarrow.Table, pyarrow.Table]:
    """Predictions with the version that made them, and what was put aside with the reasons."""
    well, aside = rows.column(REASON).is_null(), rows.column(REASON).is_valid()
    scored = rows.filter(well).drop_columns([MOMENT, TEXT, REASON])
    for name, value in zip(PROVENANCE, (version.version, version.fingerprint), strict=True):
        scored = scored.append_column(pyarrow.field(name, pyarrow.string(), nullable=False), pyarrow.repeat(value, scored.num_rows))
    return scored, rows.filter(aside).select([ORIGIN, TEXT, REASON])
