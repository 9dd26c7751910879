"""Why a query has ended, of texts as Spark makes them."""

import pytest
from made_stream import told

from mlx_runtime.stream.failures import MORE, explained

OURS = """[STREAM_FAILED] Query [id = 1, runId = 2] terminated with exception: An exception was raised by the Python Proxy.
Traceback (most recent call last):
  File "/opt/venv/lib/python3.11/site-packages/mlx_runtime/cluster/storage.py", line 124, in _reaching
    raise StorageError(f"{self.where(key)} could not be {done}", hint=ACCESS) from error
mlx_runtime.cluster.storage.StorageError: s3://lake/dev/part-1.parquet could not be written: refused
  JVM stacktrace:
org.apache.spark.sql.streaming.StreamingQueryException: Job aborted
\tat org.apache.spark.sql.Dataset.withAction(Dataset.scala:2244)
"""
THEIRS = """[STREAM_FAILED] Query terminated with exception: Job aborted due to stage failure
Caused by: java.lang.IllegalStateException: no more memory
\tat org.apache.spark.scheduler.DAGScheduler.abortStage(DAGScheduler.scala:2935)
... 12 more
"""


@pytest.mark.parametrize(
    ("text", "reason", "hint"),
    [
        (OURS, "s3://lake/dev/part-1.parquet could not be written: refused", MORE),
        (THEIRS, "the query ended: Caused by: java.lang.IllegalStateException: no more memory", MORE),
        ("", "the query ended: it does not say why", MORE),
        (
            "org.apache.kafka.clients.consumer.OffsetOutOfRangeException: Fetch position",
            "rows of kafka://a:1/in or kafka://a:1/out were deleted before they were scored",
            "raise the topic's retention; an Inference of another name begins with the rows that there are",
        ),
        (
            "[DATA_SOURCE_NOT_FOUND] Failed to find data source: kafka.",
            "Spark has no connector for Kafka",
            "build mlx-spark as runtime/images says: it holds the connector's jars",
        ),
    ],
)
def test_the_line_that_says_most_is_said(text: str, reason: str, hint: str) -> None:
    error = explained(text, told(source="kafka://a:1/in", sink="kafka://a:1/out"))
    assert (str(error), error.hint) == (reason, hint)
