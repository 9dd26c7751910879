"""The rules of streams: what they follow is there for whoever follows it, and nothing that is said of them is without effect."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from mlx_specs import layout
from mlx_specs.diagnostics import Diagnostic
from mlx_specs.environment import KubernetesTarget
from mlx_specs.graph import Node
from mlx_specs.inference import KAFKA, Inference, Stream
from mlx_specs.load import Draught
from mlx_specs.moments import event_time_of_rows


def streams_flow_from_one_place_to_another(draught: Draught) -> Iterator[Diagnostic]:
    """Predictions that came back as rows would be scored without end."""
    target = draught.chosen.object.spec.target
    for node, inference, stream in _streams(draught):
        if stream.sink is not None and (_holds(stream.source, stream.sink) or _holds(stream.sink, stream.source)):
            yield node.problem(("spec", "stream", "sink"), "loop", "predictions go where the rows come from", "name another topic or folder", key=True)
        kept = layout.stored(target.storage, "predictions", inference.metadata.name) if isinstance(target, KubernetesTarget) else ""
        if _holds(stream.source, kept) or _holds(kept, stream.source):
            message = f"its own predictions come back as rows: they are kept in {kept}"
            yield node.problem(("spec", "stream", "source"), "loop", message, "name a folder that has nothing but rows", key=True)


def _holds(outer: str, inner: str) -> bool:
    """Whether one folder is the other or has it in it, or two names are of one topic."""
    if outer.startswith(KAFKA) != inner.startswith(KAFKA) or not outer or not inner:
        return False
    here, there = urlsplit(outer), urlsplit(inner)
    if outer.startswith(KAFKA):
        return here.path == there.path and not set(here.netloc.split(",")).isdisjoint(there.netloc.split(","))
    same_bucket = (here.scheme, here.netloc, here.query) == (there.scheme, there.netloc, there.query)
    return same_bucket and f"{there.path.strip('/')}/".startswith(f"{here.path.strip('/')}/".lstrip("/"))


def topics_have_what_belongs_to_topics(draught: Draught) -> Iterator[Diagnostic]:
    """A folder is read from its first file on, and no client of Kafka reads it."""
    for node, _, stream in _streams(draught):
        if stream.start == "latest" and stream.source not in stream.topics:
            message = "'start: latest' has no effect: a folder is read from its first file on"
            yield node.problem(("spec", "stream", "start"), "ignored-field", message, "leave it out; name a folder for new files only", key=True)
        if stream.kafka is not None and not stream.topics:
            yield node.problem(("spec", "stream", "kafka"), "ignored-field", "'kafka' has no effect: neither end is a topic", "leave it out", key=True)


def late_rows_are_known_by_their_event_time(draught: Draught) -> Iterator[Diagnostic]:
    """Without a moment of its own no row is late."""
    for node, inference, stream in _streams(draught):
        if stream.watermark is not None and not event_time_of_rows(inference, draught.graph):
            message = "'watermark' has no effect: the rows that the model is trained on have no event time"
            yield node.problem(("spec", "stream", "watermark"), "ignored-field", message, "leave it out, or write eventTime in their Dataset", key=True)


def pods_reach_what_streams_follow(draught: Draught) -> Iterator[Diagnostic]:
    """No pod has a folder of this machine."""
    if not isinstance(draught.chosen.object.spec.target, KubernetesTarget):
        return
    for node, _, stream in _streams(draught):
        for end, url in (("source", stream.source), ("sink", stream.sink)):
            if url is not None and url.startswith("file://"):
                hint = "name a topic (kafka://…) or a bucket (s3://…) there; an override sets it for one environment"
                yield node.problem(("spec", "stream", end), "unsupported", f"'{end}' is a folder of this machine, which no pod has", hint)


def _streams(draught: Draught) -> Iterator[tuple[Node, Inference, Stream]]:
    for node in draught.graph.of_kind("Inference"):
        if isinstance(node.object, Inference) and node.object.spec.stream is not None:
            yield node, node.object, node.object.spec.stream


RULES = (
    streams_flow_from_one_place_to_another,
    topics_have_what_belongs_to_topics,
    late_rows_are_known_by_their_event_time,
    pods_reach_what_streams_follow,
)
