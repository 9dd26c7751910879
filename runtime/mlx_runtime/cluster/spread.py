"""A batch over Spark's executors: each scores parts of the rows, and the driver puts them together in their order.

Enters: what a batch on one node is given. Leaves: the same folder, to the byte. The driver reads no row and opens no model; an executor
fetches both once for all of its processes. A part that is lost with its executor is scored again by another.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow
import pyarrow.parquet as parquet
from py4j.protocol import Py4JError
from pyspark import RDD, StorageLevel
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from mlx_runtime.batch import BatchError
from mlx_runtime.batch.blocks import PREDICTIONS_FILE, REJECTED_FILE, Counts, blocks_of, open_rows, score_blocks
from mlx_runtime.batch.run import make_predictions, scored
from mlx_runtime.cluster.artifacts import fetch_version
from mlx_runtime.cluster.datasets import fetch_table, rows_at
from mlx_runtime.cluster.kept import kept
from mlx_runtime.cluster.run import Report
from mlx_runtime.cluster.spark_errors import our_message, telling_line
from mlx_runtime.cluster.storage import open_storage
from mlx_runtime.prepare.folder import DATA
from mlx_runtime.scorer import Scorer, load
from mlx_specs.inference_resources import BatchPredictionsInputs
from mlx_specs.resources import Version, Wire

PART = 8
"""Blocks of a part: a second's work of a slow model, a tenth of a quick one."""

REPORT_SECONDS = 10


class Spread(Wire):
    """What an executor is told."""

    inputs: BatchPredictionsInputs
    version: Version
    """Its artifact is a URL."""
    storage: str
    rows_key: str
    """The folder of the rows in the storage."""


@dataclass(frozen=True)
class Part:
    """What an executor answers: Parquet files, or why there are none."""

    counts: Counts = field(default_factory=Counts)
    predictions: bytes = b""
    rejected: bytes = b""
    error: str = ""
    hint: str = ""


def spread(told: Spread, folder: Path, report: Report) -> None:
    """Makes the folder of predictions; raises ``RuntimeFailure``."""
    rows = rows_at(open_storage(told.storage), told.rows_key)
    blocks = blocks_of(rows)
    parts = [range(start, min(start + PART, blocks)) for start in range(0, blocks, PART)] or [range(0)]
    spark = SparkSession.builder.appName(f"mlx-{told.inputs.name}").config("spark.ui.showConsoleProgress", False).getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    report(f"{rows:,} rows in {len(parts)} {'part' if len(parts) == 1 else 'parts'} for Spark's executors")
    each = spark.sparkContext.parallelize(parts, len(parts)).map(partial(score_part, told.model_dump_json(by_alias=True)))
    try:
        make_predictions(folder, told.inputs, lambda temporary: _put_together(each.persist(StorageLevel.DISK_ONLY), temporary, report))
    except (PySparkException, Py4JError) as error:
        raise BatchError(
            our_message(str(error)) or f"Spark has not scored the rows: {telling_line(str(error))}", hint="mlx logs has what Spark says"
        ) from error
    finally:
        spark.stop()


def _put_together(parts: "RDD[Part]", folder: Path, report: Report) -> Counts:
    begun, counts = time.monotonic(), Counts()
    _score_all(parts, report)
    with ExitStack() as files:
        writers: dict[str, parquet.ParquetWriter] = {}
        for part in parts.toLocalIterator():
            if part.error:
                raise BatchError(part.error, hint=part.hint)
            counts += part.counts
            for name, data in ((PREDICTIONS_FILE, part.predictions), (REJECTED_FILE, part.rejected)):
                read = parquet.ParquetFile(pyarrow.BufferReader(data))
                if name not in writers:
                    writers[name] = files.enter_context(parquet.ParquetWriter(folder / name, read.schema_arrow))
                for table in _blocks(read):
                    writers[name].write_table(table)
    report(scored(counts, time.monotonic() - begun))
    return counts


def _score_all(parts: "RDD[Part]", report: Report) -> None:
    """At once, to the executors' disks: asked for one after the other they would be scored so."""
    tracker, total = parts.ctx.statusTracker(), parts.getNumPartitions()
    with ThreadPoolExecutor(1, "mlx-spread") as pool:
        scoring = pool.submit(parts.foreach, _nothing)
        while wait([scoring], REPORT_SECONDS).not_done:
            stages = [info for stage in tracker.getActiveStageIds() if (info := tracker.getStageInfo(stage))]
            report(f"{sum(info.numCompletedTasks for info in stages)} of {total} parts are scored")
        scoring.result()


def _blocks(file: parquet.ParquetFile) -> Iterator[pyarrow.Table]:
    """As they were written."""
    return (file.read_row_group(group) for group in range(file.num_row_groups))


def _nothing(_part: Part) -> None: ...


def score_part(told: str, part: range) -> Part:
    """What an executor does; its process keeps the model. What no other try would change is an answer, for Spark tries again what fails."""
    try:
        return _scored(Spread.model_validate_json(told), part, *_opened(told))
    except BatchError as error:
        return Part(error=str(error), hint=error.hint)


def _scored(told: Spread, part: range, rows: Path, scorer: Scorer) -> Part:
    with TemporaryDirectory(prefix="mlx-part-") as made, open_rows(rows, told.inputs) as source:
        folder = Path(made)
        counts = score_blocks(source, scorer, told.inputs, folder, lambda _rows: None, part)
        return Part(counts, (folder / PREDICTIONS_FILE).read_bytes(), (folder / REJECTED_FILE).read_bytes())


@lru_cache(maxsize=1)
def _opened(told: str) -> tuple[Path, Scorer]:
    asked = Spread.model_validate_json(told)
    storage, digest = open_storage(asked.storage), asked.version.artifact_digest
    rows = kept(f"mlx-rows-{asked.inputs.input.digest}", lambda folder: fetch_table(storage, asked.rows_key, folder))
    artifact = kept(f"mlx-artifact-{digest}", lambda folder: fetch_version(asked.version, folder))
    return rows / DATA, load(artifact, digest)  # one thread: Spark runs a process for each core
