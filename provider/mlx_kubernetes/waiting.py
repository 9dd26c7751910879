"""Waiting until an object is ready or gone; while it is not, the reason is told, and it is the error's in the end."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlx_kubernetes import waits
from mlx_kubernetes.apply import OWNER, Cluster, live
from mlx_kubernetes.errors import Cancelled, KubernetesError
from mlx_kubernetes.objects import Object, called
from mlx_kubernetes.readiness import pod_cause

PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds between two looks; the last one for ever."""
DEFAULT = 600.0
STUCK = 30.0
"""Seconds after which a finalizer that nobody removes is told."""
PATIENCE = 60.0
"""Seconds without any change, after which the finalizers of an object of ours are released."""
RELEASE = "mlx.dev/release-finalizers"
"""The annotation that says otherwise: so many seconds, or ``never``."""
COLLECTED = ("foregroundDeletion", "orphan")
"""Of Kubernetes' own garbage collector."""
GONE = 404
Report = Callable[[str], None]


@dataclass(frozen=True)
class Waited:
    """``reason`` is empty when it became ready."""

    live: Object
    reason: str = ""


def until_ready(cluster: Cluster, tidy: Object, made: Object, given: float, report: Report, cancelled: threading.Event) -> Waited:
    """Looks again and again; a failed object is not waited for."""
    deadline, told, look = time.monotonic() + waits.seconds(made, given, DEFAULT), "", 0
    while True:
        found = waits.check(made)
        if found.state == "ready":
            return Waited(made)
        reason = _cause(cluster, made) or found.reason
        if found.state == "failed" or time.monotonic() > deadline:
            return Waited(made, reason)
        if reason != told:
            report(reason)
            told = reason
        _pause(look, cancelled)
        look += 1
        again = live(cluster, tidy)
        if again is None:
            return Waited(made, "it was deleted while it was waited for")
        made = again


def until_gone(cluster: Cluster, tidy: Object, uid: str, given: float, report: Report, cancelled: threading.Event) -> None:
    """Until the object with this uid is there no more. Raises ``KubernetesError`` with who holds it.

    A custom resource of ours whose finalizers nobody has worked on for long is released, and that is told: its controller is gone, and
    would hold the whole namespace for ever.
    """
    began, look, told, seen = time.monotonic(), 0, False, ("", time.monotonic())
    patience = _patience(tidy)
    while True:
        there = live(cluster, tidy)
        if there is None or there["metadata"]["uid"] != uid:
            return
        passed, held = time.monotonic() - began, [name for name in there["metadata"].get("finalizers") or [] if name not in COLLECTED]
        if str(there["metadata"]["resourceVersion"]) != seen[0]:
            seen = (str(there["metadata"]["resourceVersion"]), time.monotonic())
        if held and patience is not None and time.monotonic() - seen[1] > patience:
            _release(cluster, tidy, there, held, patience, report)
        if passed > (given or DEFAULT):
            raise KubernetesError(f"{called(tidy)} is still there: {_held(held)}", hint=_way_out(tidy, held))
        if passed > STUCK and held and not told:
            report(_held(held))
            told = True
        _pause(look, cancelled)
        look += 1


def _patience(tidy: Object) -> float | None:
    """Seconds, or None where a finalizer is never released: of built-in kinds, of what is not ours, and where somebody says so."""
    metadata = tidy["metadata"]
    said = str((metadata.get("annotations") or {}).get(RELEASE) or "")
    is_custom = "." in str(tidy["apiVersion"]).partition("/")[0] and not str(tidy["apiVersion"]).partition("/")[0].endswith(".k8s.io")
    if not (metadata.get("labels") or {}).get(OWNER) or said == "never" or not is_custom:
        return None
    return float(said) if said.isdigit() else PATIENCE


def _release(cluster: Cluster, tidy: Object, there: Object, held: Sequence[str], patience: float, report: Report) -> None:
    """Only what was looked at: a change meanwhile means that somebody is at work."""
    kept = [name for name in there["metadata"].get("finalizers") or [] if name in COLLECTED]
    body = {"metadata": {"finalizers": kept or None, "resourceVersion": there["metadata"]["resourceVersion"]}}
    answer = cluster.client.request("PATCH", cluster.path(tidy), body, type="application/merge-patch+json")
    if answer.ok or answer.code == GONE:
        report(f"released: nobody has removed the finalizer {', '.join(held)} within {patience:.0f} s; its controller seems to be gone")


def _pause(look: int, cancelled: threading.Event) -> None:
    if cancelled.wait(PAUSES[min(look, len(PAUSES) - 1)]):
        raise Cancelled("cancelled while it was waited for")


def _held(finalizers: list[str]) -> str:
    return f"held by the finalizer {', '.join(finalizers)}" if finalizers else "its parts are ending"


def _way_out(tidy: Object, finalizers: list[str]) -> str:
    if not finalizers:
        return "look at its pods, then apply again"
    return f"is the controller of {finalizers[0]} running? If it is gone for ever, remove the finalizer: kubectl edit {str(tidy['kind']).lower()}"


def _cause(cluster: Cluster, made: Mapping[str, Any]) -> str:
    """What its pods say, by one list."""
    chosen = _selector(made)
    if not chosen:
        return ""
    path = f"/api/v1/namespaces/{made['metadata']['namespace']}/pods"
    answer = cluster.client.get(path, labelSelector=",".join(f"{key}={value}" for key, value in sorted(chosen.items())))
    causes = [pod_cause(pod) for pod in answer.body.get("items") or []] if answer.ok else []
    return next((cause for cause in causes if cause), "")


def _selector(made: Mapping[str, Any]) -> Mapping[str, str]:
    """The labels of its pods; none where it has no pods, or nobody says which."""
    kind = str(made.get("kind"))
    if kind in PODS_OF:
        return {PODS_OF[kind]: str(made["metadata"]["name"])}
    return ((made.get("spec") or {}).get("selector") or {}).get("matchLabels") or {} if kind in SELECTING else {}


SELECTING = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")
PODS_OF = {"InferenceService": "serving.kserve.io/inferenceservice", "Notebook": "notebook-name"}
"""The label by which a controller marks the pods that it makes for an object."""
