"""Where an add-on keeps what it must not lose: in a database or a bucket, or in files of its pod.

Enters: a release and its first workload as it runs. Leaves: a sentence for each store that is of files.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlx_components.clusters.releases import Release, Store
from mlx_stacks.command_lines import containers_of, values_of

IN_THE_POD = ("sqlite", "file", "")
"""Schemes of URIs whose bytes stand in the container's own file system; a path has none."""
ELSEWHERE = "(from a Secret or a ConfigMap)"


def in_files(release: Release, workload: Mapping[str, Any]) -> tuple[str, ...]:
    """Nothing where the workload is not there: that is told as such."""
    containers = containers_of(workload)
    return tuple(_told(store, containers) for store in release.stores if containers and _is_in_the_pod(_uri(store, containers)))


def _told(store: Store, containers: Sequence[Mapping[str, Any]]) -> str:
    uri = _uri(store, containers)
    said = f"{store.option} is {uri}" if uri else f"{store.option} is not given"
    return f"{store.what} are in files of its pod: {said}; give it {store.wants}"


def _is_in_the_pod(uri: str) -> bool:
    """A variable's name in an option, as in ``$(DATABASE)``, is the workload's own business."""
    if uri == ELSEWHERE or uri.startswith("$"):
        return False
    scheme = uri.partition("://")[0] if "://" in uri else ""
    return scheme in IN_THE_POD


def _uri(store: Store, containers: Sequence[Mapping[str, Any]]) -> str:
    """What the option says, else the variable; empty where neither does."""
    given = [*values_of(store.option, containers), *_of(store.variable, containers)]
    return next(iter(given), "")


def _of(variable: str, containers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for container in containers:
        if container.get("envFrom"):
            yield ELSEWHERE
        for one in container.get("env") or ():
            if one.get("name") == variable:
                yield str(one.get("value") or ELSEWHERE)
