"""Why a query has ended, in a line."""

from mlx_runtime.cluster.spark_errors import our_message, telling_line
from mlx_runtime.stream import StreamError
from mlx_runtime.stream.kafka import is_topic
from mlx_specs.followed import FollowedStream

GONE = "raise the topic's retention; an Inference of another name begins with the rows that there are"
SIGNS = (
    ("UnknownTopicOrPartition", "the brokers know no topic {topics}", "create it, or correct the stream's source and sink"),
    ("OffsetOutOfRange", "rows of {topics} were deleted before they were scored", GONE),
    ("ome data may have been lost", "rows of {topics} were deleted before they were scored", GONE),
    (
        "org.apache.kafka.common.errors.TimeoutException",
        "the brokers of {topics} do not answer",
        "do they want TLS or a password? stream.kafka names a Secret with the client's properties",
    ),
    ("Failed to find data source: kafka", "Spark has no connector for Kafka", "build mlx-spark as runtime/images says: it holds the connector's jars"),
)
"""What stands in the text, the reason, and what to do."""
MORE = "mlx logs has what Spark says"


def explained(text: str, told: FollowedStream) -> StreamError:
    """Our own errors as they are, the known ones of Spark in our words, of others the line that says most."""
    if ours := our_message(text):
        return StreamError(ours, hint=MORE)
    topics = " or ".join(filter(is_topic, (told.source, told.sink)))
    for sign, reason, hint in SIGNS if topics else ():
        if sign in text:
            return StreamError(reason.format(topics=topics), hint=hint)
    return StreamError(f"the query ended: {telling_line(text)}", hint=MORE)
