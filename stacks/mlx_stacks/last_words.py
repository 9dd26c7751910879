"""The end of the logs of containers that crashed, beside the live objects. Reads only."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from mlx_kubernetes.client import Client
from mlx_stacks.api_object import Object, name_of, number, text
from mlx_stacks.cluster_live import AT_ONCE, Live
from mlx_stacks.pod_logs import LogOf, lines_of
from mlx_stacks.pod_trouble import containers, crashed

LINES = 3
MOST = 8
"""Containers that are asked for: more of them say the same."""


def with_last_words(client: Client, live: Live) -> Live:
    """What cannot be had is left out: the kubelet may be gone, or the log of a container that was started again."""
    asked = [each for pod in live.of("Pod") for each in _crashes(pod)][:MOST]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        said = list(threads.map(partial(_end, client, live.namespace), asked))
    return replace(live, last_words={f"{one.pod}/{one.container}": words for one, words in zip(asked, said, strict=True) if words})


def _crashes(pod: Object) -> Iterator[LogOf]:
    if text(pod, "metadata", "deletionTimestamp"):
        return
    for container in containers(pod):
        if crashed(container):
            again = not text(container, "state", "terminated", "exitCode") and number(container, "restartCount") > 0
            yield LogOf(name_of(pod), text(container, "name"), previous=again)


def _end(client: Client, namespace: str, log: LogOf) -> str:
    return " ".join(line.text for line in lines_of(client, namespace, log, LINES).lines)
