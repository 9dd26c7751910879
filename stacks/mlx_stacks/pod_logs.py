"""Logs of pods, through the API server: which containers an object has, and what they wrote. Reads only.

Source: Kubernetes v1, GET pods/NAME/log. Each line is asked for with its time, by which what was read before is left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mlx_kubernetes.client import Client
from mlx_stacks.api_object import Object, made_for, name_of, newest_first, part, parts, text
from mlx_stacks.cluster_live import CHILDREN, TRAINING_LABEL, Live
from mlx_stacks.pod_trouble import containers

OVER = ("Succeeded", "Failed")


@dataclass(frozen=True)
class LogOf:
    """One container's log."""

    pod: str
    container: str
    previous: bool = False
    """Of the container before it was started again."""

    @property
    def path(self) -> str:
        """``delay-api-predictor-7b54f8bd-wlqql/kserve-container``"""
        return f"{self.pod}/{self.container}"


@dataclass(frozen=True)
class Line:
    """``time`` is the node's, in UTC: 2026-11-21T21:20:51.123456789Z, with as many digits as are not zero."""

    time: str
    text: str

    @property
    def order(self) -> tuple[str, str]:
        """By which times can be compared."""
        seconds, _, rest = self.time.rstrip("Z").partition(".")
        return seconds, rest.ljust(9, "0")


@dataclass(frozen=True)
class Lines:
    """What was read; ``refused`` is what the API answered where there is no log."""

    lines: Sequence[Line] = ()
    refused: str = ""


def lines_of(client: Client, namespace: str, log: LogOf, last: int | None, since: str = "") -> Lines:
    """The end of a log: of its lines since a moment in UTC, the last ones."""
    query = {"container": log.container, "timestamps": "true", **({"previous": "true"} if log.previous else {})}
    query |= {"tailLines": str(last)} if last is not None else {}
    query |= {"sinceTime": since} if since else {}
    answer = client.get(f"/api/v1/namespaces/{namespace}/pods/{log.pod}/log", accept="*/*", **query)
    if not answer.ok:
        return Lines(refused=answer.message)
    return Lines([Line(time, said) for time, _, said in (line.partition(" ") for line in answer.message.splitlines())])


def in_utc(moment: datetime) -> str:
    """This machine's time as the API takes it."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def logs_of(id: str, run: str, live: Live) -> list[LogOf]:
    """The containers of an object's pods, the newest pod first: those that run, else the last one; of a training ``run`` all its steps."""
    steps = [pod for pod in live.of("Pod") if run and part(pod, "metadata", "labels").get(TRAINING_LABEL) == run]
    pods = newest_first({name_of(pod): pod for pod in (*steps, *_made_for(id, live))}.values())
    running = [pod for pod in pods if text(pod, "status", "phase") not in OVER]
    chosen = pods if steps else running or pods[:1]
    return [LogOf(name_of(pod), name) for pod in chosen for name in _started(pod)]


def _made_for(id: str, live: Live) -> Iterator[Object]:
    """By their labels, and by who has made them: not every controller hands labels on."""
    yield from (pod for pod in live.of("Pod") if made_for(pod) == id)
    for kind in (*CHILDREN, "InferenceService", "FeatureStore", "Notebook", "TrainJob"):
        for item in live.of(kind):
            if kind != "Pod" and made_for(item) == id:
                yield from _pods_below(item, live)


def _pods_below(item: Object, live: Live) -> Iterator[Object]:
    for child in live.children(item):
        if child["kind"] == "Pod":
            yield child
        yield from _pods_below(child, live)


def _started(pod: Object) -> list[str]:
    """Its own containers, and those before them that have not ended well."""
    first = [text(one, "name") for one in containers(pod) if part(one, "state", "terminated").get("exitCode", 1) != 0 or part(one, "state", "running")]
    own = [text(one, "name") for one in parts(pod, "spec", "containers")]
    return [*(name for name in first if name not in own), *own]
