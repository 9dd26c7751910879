"""Who owns a field of a live object, from ``metadata.managedFields``.

What an autoscaler or Kueue has taken over is theirs: it is left out of what is sent. Where we still own it beside them, the
live value is sent, for leaving it out would reset it.
Source: Kubernetes, server-side apply, fieldsV1.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from mlx_kubernetes.objects import Object, Path

HANDED_OVER: Mapping[tuple[str, str], tuple[Path, ...]] = {
    ("apps", "Deployment"): (("spec", "replicas"),),
    ("apps", "StatefulSet"): (("spec", "replicas"),),
    ("apps", "ReplicaSet"): (("spec", "replicas"),),
    ("batch", "Job"): (("spec", "suspend"),),
    ("jobset.x-k8s.io", "JobSet"): (("spec", "suspend"),),
    ("trainer.kubeflow.org", "TrainJob"): (("spec", "suspend"),),
    ("sparkoperator.k8s.io", "SparkApplication"): (("spec", "suspend"),),
    ("kubeflow.org", "ScheduledWorkflow"): (("status",),),
}
"""What other controllers write: HPAs and KEDA, Kueue, the controller of recurring runs."""
PEOPLE = ("kubectl", "before-first-apply")
"""How the managers of what was changed by hand begin: that is found and put back, not left alone."""


def left_alone(tidy: Object, live: Mapping[str, Any], manager: str, ignored: Sequence[str] = ()) -> Object:
    """The object without what another manager has taken over; ``ignored`` are paths of fields that stay as they are."""
    group = str(tidy.get("apiVersion", "")).rpartition("/")[0]
    paths = HANDED_OVER.get((group, str(tidy.get("kind"))), ())
    sent = copy.deepcopy(tidy)
    for path in paths:
        others, ours = _owned_by_others(live, path, manager), _owns(live, path, manager)
        if others and ours:
            _set(sent, path, _at(live, path))
        elif others:
            _remove(sent, path)
    for written in ignored:
        path = tuple(written.split("."))
        if (now := _at(live, path)) is not None:
            _set(sent, path, now)
    return sent


def _owned_by_others(live: Mapping[str, Any], path: Path, manager: str) -> bool:
    others = (entry for entry in _entries(live) if entry.get("manager") != manager and not str(entry.get("manager")).startswith(PEOPLE))
    return any(_covers(entry, path) for entry in others)


def _owns(live: Mapping[str, Any], path: Path, manager: str) -> bool:
    return any(entry.get("manager") == manager and _covers(entry, path) for entry in _entries(live))


def _entries(live: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from cast("list[Mapping[str, Any]]", (live.get("metadata") or {}).get("managedFields") or [])


def _covers(entry: Mapping[str, Any], path: Path) -> bool:
    """fieldsV1 writes a field as ``f:NAME``, an item of a list by its keys as ``k:{...}``, by its value as ``v:...``."""
    at = cast("Mapping[str, Any] | None", entry.get("fieldsV1"))
    for part in path:
        if at is None or f"f:{part}" not in at:
            return False
        at = cast("Mapping[str, Any] | None", at[f"f:{part}"])
    return True


def _at(value: Any, path: Sequence[str | int]) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return copy.deepcopy(value)


def _set(value: Object, path: Sequence[str | int], new: Any) -> None:
    for part in path[:-1]:
        value = value.setdefault(str(part), {})
    value[str(path[-1])] = new


def _remove(value: Object, path: Sequence[str | int]) -> None:
    for part in path[:-1]:
        value = value.get(str(part)) or {}
    value.pop(str(path[-1]), None)
