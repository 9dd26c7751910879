"""What the command lines of a workload's containers say. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Container = Mapping[str, Any]


def containers_of(workload: Mapping[str, Any]) -> Sequence[Container]:
    """Of a Deployment and its like; none where it is not there."""
    pod: Any = workload
    for key in ("spec", "template", "spec"):
        pod = pod.get(key) or {}
    return pod.get("containers") or ()


def values_of(option: str, containers: Sequence[Container]) -> Iterator[str]:
    """``--option=VALUE`` or ``--option VALUE``, also within a text that a shell takes."""
    texts = [str(text) for container in containers for text in (*(container.get("command") or ()), *(container.get("args") or ()))]
    words = [word for text in texts for word in text.split()]
    for number, word in enumerate(words):
        if word == option and number + 1 < len(words):
            yield words[number + 1]
        elif word.startswith(f"{option}="):
            yield word.partition("=")[2]
