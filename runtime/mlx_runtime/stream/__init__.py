"""Streams: rows of a Kafka topic or of a growing folder, scored as they come, by Spark's structured streaming.

Enters: what a stream's object says. Leaves: predictions in a topic or in Parquet files, rows that could not be scored beside them with the
reasons. Offsets are Spark's, rows are scored by its executors through the one scorer, and the driver writes one part for each micro-batch.
Its checkpoint is kept in the environment's storage (``checkpoint``), so that Spark needs no client for buckets.
"""

from mlx_runtime.errors import RuntimeFailure


class StreamError(RuntimeFailure):
    """The stream cannot be followed."""
