"""A batch over Spark's executors: each scores parts of the rows, and the driver puts them together in their order.

Enters: what a batch on one node is given. Leaves: the same folder, to the byte. The driver reads no row and opens no model; an executor
fetches both once for all of its processes. A part that is lost with its executor is scored again by another.
"""

import time
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

from mlx_runtime.batch import BatchError
from mlx_runtime.batch.blocks import PREDICTIONS_FILE, REJECTED_FILE, Counts, blocks_of, open_rows, score_blocks
from mlx_runtime.batch.run import make_predictions, scored
from mlx_runtime.cluster.artifacts import kept_version
from mlx_runtime.cluster.datasets import fetch_table, rows_at
from mlx_runtime.cluster.kept import kept
from mlx_runtime.cluster.run import Report
from mlx_runtime.cluster.session import spark_session
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
    spark = spark_session(told.inputs.name, {})
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
                for block in range(read.num_row_groups):  # as they were written
                    writers[name].write_table(read.read_row_group(block))
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


def _nothing(_part: Part) -> None: ...


def score_part(told: str, part: range) -> Part:
    """What an executor does; its process keeps the model. What no other try would change is an answer, for Spark tries again what fails."""
    try:
        return _scored(part, *_opened(told))
    except BatchError as error:
        return Part(error=str(error), hint=error.hint)


def _scored(part: range, inputs: BatchPredictionsInputs, rows: Path, scorer: Scorer) -> Part:
    with TemporaryDirectory(prefix="mlx-part-") as made, open_rows(rows, inputs) as source:
        folder = Path(made)
        counts = score_blocks(source, scorer, inputs, folder, lambda _rows: None, part)
        return Part(counts, (folder / PREDICTIONS_FILE).read_bytes(), (folder / REJECTED_FILE).read_bytes())


@lru_cache(maxsize=1)
def _opened(told: str) -> tuple[BatchPredictionsInputs, Path, Scorer]:
    asked = Spread.model_validate_json(told)
    storage = open_storage(asked.storage)
    rows = kept(f"mlx-rows-{asked.inputs.input.digest}", lambda folder: fetch_table(storage, asked.rows_key, folder))
    return asked.inputs, rows / DATA, load(kept_version(asked.version), asked.version.artifact_digest)  # one thread: Spark runs a process for each core
