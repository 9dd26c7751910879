"""The query: from a source through the executors' scorer to the driver, which writes each micro-batch."""

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pyarrow
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.streaming.query import StreamingQuery

from mlx_features.errors import FeatureError
from mlx_runtime.artifact import verify
from mlx_runtime.batch.blocks import REASON
from mlx_runtime.cluster.artifacts import kept_version
from mlx_runtime.cluster.session import spark_session
from mlx_runtime.cluster.storage import Storage, open_storage
from mlx_runtime.features import FeatureSource, utc_now
from mlx_runtime.scorer import BLOCK, load
from mlx_runtime.server.remote_features import open_told
from mlx_runtime.stream import StreamError
from mlx_runtime.stream.checkpoint import Checkpoint
from mlx_runtime.stream.failures import explained
from mlx_runtime.stream.folder import FORMAT, FolderSource
from mlx_runtime.stream.kafka import PROPERTIES, is_topic, reach, read_properties, sink_options, source_options
from mlx_runtime.stream.scored_rows import KEY, ORIGIN, TEXT, RowScorer, latest, reasons, scored_schema
from mlx_runtime.stream.sinks import Parts, Sink, Topic, split
from mlx_specs import layout
from mlx_specs.followed import FollowedStream
from mlx_specs.remote_lookup import RemoteLookup

REPORT_SECONDS = 10
LOOKS_AGAIN = 5.0
"""Seconds between two looks at an online store that does not answer yet."""
FAR_BEHIND = 12
"""Micro-batches in a row with ever more rows behind, after which that is said."""

SETTINGS: Mapping[str, Any] = {"spark.sql.execution.arrow.maxRecordsPerBatch": BLOCK, "spark.sql.session.timeZone": "UTC"}

Report = Callable[[str], None]


def follow(told: FollowedStream, report: Report) -> None:
    """Until it is told to end; raises ``StreamError`` and ``StorageError``."""
    home = open_storage(told.storage).below(told.place)
    for url in filter(is_topic, (told.source, told.sink)):
        reach(url)
    # Left where it is: Spark writes there until its process ends, and the pod's scratch is gone with the pod.
    checkpoint = Checkpoint(Path(tempfile.mkdtemp(prefix="mlx-stream-")), home.below("checkpoint"))
    begun = checkpoint.restore()
    first = f"from micro-batch {checkpoint.done + 1} on" if begun is not None and begun >= 0 else f"from its {told.start} rows on"
    report(f"following {told.source}, {first}")
    if told.features is not None:
        _await_features(told.features, report)
    try:
        _run(_Query(told, spark_session(told.name, SETTINGS), home, checkpoint, report).start(), checkpoint, report)
    except (PySparkException, Py4JError) as error:
        raise explained(str(error), told) from error


@dataclass
class _Query:
    """One query of one driver."""

    told: FollowedStream
    spark: SparkSession
    home: Storage
    checkpoint: Checkpoint
    report: Report

    def start(self) -> StreamingQuery:
        """Spark calls ``_write`` for each micro-batch, in a thread of its own."""
        self.schema = from_arrow_schema(scored_schema(verify(kept_version(self.told.version), self.told.version.artifact_digest), self.told))
        self.rejected = Parts(self.home.below("rejected"))
        self.sink = self._sink()
        writing = self._source().writeStream.foreachBatch(self._write).option("checkpointLocation", self.checkpoint.folder.as_uri())
        return writing.trigger(processingTime=f"{self.told.interval} seconds").start()

    def _source(self) -> DataFrame:
        reading = self.spark.readStream
        if not is_topic(self.told.source):
            self.spark.dataSource.register(FolderSource)
            return reading.format(FORMAT).option("folder", self.told.source).option("seen", layout.stored(self.told.storage, self.told.place, "files")).load()
        rows = reading.format("kafka").options(**source_options(self.told.source, self.told.start, _properties())).load()
        return rows.selectExpr(
            f"concat_ws('/', topic, partition, offset) AS {ORIGIN}", f"key AS {KEY}", f"value AS {TEXT}", f"CAST(NULL AS STRING) AS {REASON}"
        )

    def _sink(self) -> Sink:
        if is_topic(self.told.sink):
            return Topic(self.spark, sink_options(self.told.sink, _properties()))
        return Parts(open_storage(self.told.sink).below(self.told.below_sink) if self.told.sink else self.home.below("predictions"))

    def _write(self, rows: DataFrame, batch: int) -> None:
        if batch <= self.checkpoint.done:
            return  # by the driver before this one, which ended before Spark had said so
        self.checkpoint.keep(batch)
        before = self.checkpoint.latest
        oldest = before - timedelta(seconds=self.told.watermark) if before is not None and self.told.watermark is not None else None
        made = rows.mapInArrow(partial(score_batches, self.told.model_dump_json(by_alias=True), oldest), self.schema).toArrow()
        scored, rejected = split(made, self.told.version)
        self.sink.put(batch, scored)
        self.rejected.put(batch, rejected)
        self.checkpoint.finish(batch, latest(made, before, utc_now()))
        aside = f", {rejected.num_rows:,} put aside: {reasons(rejected)}" if rejected.num_rows else ""
        self.report(f"micro-batch {batch}: {scored.num_rows:,} rows scored by version {self.told.version.version}{aside}")


def score_batches(told: str, oldest: datetime | None, batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
    """What an executor does with its share of a micro-batch; its process keeps the model."""
    scorer = _row_scorer(told)
    for batch in batches:
        yield scorer.score(batch, oldest)


@lru_cache(maxsize=1)
def _row_scorer(told: str) -> RowScorer:
    stream = FollowedStream.model_validate_json(told)
    scorer = load(kept_version(stream.version), stream.version.artifact_digest)  # one thread: Spark runs a process for each core
    return RowScorer(stream, scorer, _opened(stream.features) if stream.features is not None else None)


def _opened(features: RemoteLookup) -> FeatureSource:
    try:
        return open_told(features, os.environ, Path(tempfile.mkdtemp(prefix="mlx-code-")))
    except FeatureError as error:
        raise StreamError(f"features cannot be looked up: {error}", hint=error.hint) from error


def _await_features(features: RemoteLookup, report: Report) -> None:
    """Until the store answers and was filled once: what is scored before would lack its features for ever."""
    source, said = _opened(features), ""
    while why := source.unavailable():
        if why != said:
            report(f"waiting for the online store: {why}")
        said = why
        time.sleep(LOOKS_AGAIN)


def _run(query: StreamingQuery, checkpoint: Checkpoint, report: Report) -> None:
    backlog = Backlog()
    while not query.awaitTermination(REPORT_SECONDS if checkpoint.kept else 1):
        checkpoint.keep_start()
        if progress := query.lastProgress:
            waiting = (progress["sources"][0].get("metrics") or {}).get("maxOffsetsBehindLatest")
            if backlog.grows(progress["batchId"], int(float(waiting or 0))):
                report(f"{backlog.waiting:,} rows of a partition wait, and they become more: shorten stream.interval, or raise compute.cpu or compute.nodes")


@dataclass
class Backlog:
    """What waits after each micro-batch; nothing is known of a folder, whose files all wait on its list."""

    waiting: int = 0
    batch: int = -1
    more: int = 0

    def grows(self, batch: int, waiting: int) -> bool:
        """Whether it has become more with each of the last micro-batches; said once in so many."""
        if batch == self.batch:
            return False
        self.more = self.more + 1 if waiting > self.waiting else 0
        self.batch, self.waiting = batch, waiting
        return self.more > 0 and self.more % FAR_BEHIND == 0


def _properties() -> dict[str, str]:
    return read_properties(os.environ.get(PROPERTIES, ""))
