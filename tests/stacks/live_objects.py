"""Objects shaped as the Kubernetes API gives them, for what is decided from a snapshot alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlx_specs.cluster import Cluster
from mlx_stacks.cluster_cause import Cause, Scene, find_cause
from mlx_stacks.cluster_live import Live

Object = dict[str, Any]
SPACE = "delays-dev"
KINDS = {"apps/v1": ("Deployment", "ReplicaSet", "StatefulSet"), "batch/v1": ("Job", "CronJob")}


def cluster(provider: str = "existing") -> Cluster:
    """Two pools, of which gpu is tainted."""
    pools = {
        "general": {"intent": "general", "labels": {"pool": "general"}, "max": 3},
        "gpu": {"intent": "gpu", "labels": {"pool": "gpu"}, "taints": [{"key": "nvidia.com/gpu", "value": "present"}], "max": 1},
    }
    more = {"context": "test"} if provider == "existing" else {"region": "westeurope", "aks": {"resourceGroup": "ml"}}
    return Cluster.model_validate({"metadata": {"name": "main"}, "spec": {"provider": provider, "nodePools": pools, **more}}, by_alias=True)


def made(kind: str, name: str, status: Mapping[str, Any], *, owner: Object | None = None, of: str = "Inference/delay-api", **more: Any) -> Object:
    """An object with its labels; its uid is its kind and name."""
    owned = {"ownerReferences": [{"uid": owner["metadata"]["uid"]}]} if owner else {}
    labels = {"mlx.dev/kind": of.split("/")[0], "mlx.dev/name": of.split("/")[1]}
    metadata = {"name": name, "namespace": SPACE, "uid": f"{kind}-{name}", "creationTimestamp": "2026-11-21T21:20:50Z", "labels": labels, **owned}
    return {
        "kind": kind,
        "apiVersion": next((version for version, kinds in KINDS.items() if kind in kinds), "v1"),
        "metadata": metadata,
        "status": status,
        **more,
    }


def service(**status: Any) -> Object:
    found = made("InferenceService", "delay-api", status or {"conditions": [{"type": "Ready", "status": "False", "reason": "NotYet"}]})
    return {**found, "apiVersion": "serving.kserve.io/v1beta1"}


def pod(
    name: str = "delay-api-1",
    *,
    owner: Object | None = None,
    phase: str = "Pending",
    refused: str = "",
    gated: bool = False,
    requests: Mapping[str, str] | None = None,
    container: Mapping[str, Any] | None = None,
    init: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Object:
    """``refused``: what the scheduler says; ``container``: the status of its one container."""
    scheduled = {"type": "PodScheduled", "status": "False" if refused or gated else "True", "reason": "SchedulingGated" if gated else "Unschedulable"}
    status: dict[str, Any] = {"phase": phase, "conditions": [{**scheduled, "message": refused}]}
    for key, given in (("containerStatuses", container), ("initContainerStatuses", init)):
        status |= {key: [{"name": "kserve-container", "image": "registry.example.com/mlx@sha256:aa", **given}]} if given else {}
    asked = {"name": "kserve-container", "resources": {"requests": dict(requests or {}), "limits": {"memory": "1Gi"}}}
    return made("Pod", name, status, owner=owner, spec={"containers": [asked], **spec})


def waits(reason: str, message: str = "", **more: Any) -> Object:
    return {"state": {"waiting": {"reason": reason, "message": message}}, **more}


def ended(code: int, reason: str = "Error", message: str = "") -> Object:
    return {"exitCode": code, "reason": reason, "message": message}


def node(name: str, pool: str, *, ready: bool = True, taints: Sequence[Mapping[str, str]] = (), **has: str) -> Object:
    allocatable = {"cpu": "8", "memory": "32Gi", **{key.replace("gpus", "nvidia.com/gpu"): value for key, value in has.items()}}
    status = {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    return {"kind": "Node", "metadata": {"name": name, "labels": {"pool": pool}}, "spec": {"taints": list(taints)}, "status": status}


def warning(about: Object, reason: str, message: str) -> Object:
    return {
        "kind": "Event",
        "metadata": {"name": "e", "creationTimestamp": "2026-11-21T21:21:00Z"},
        "involvedObject": {"uid": about["metadata"]["uid"]},
        "type": "Warning",
        "reason": reason,
        "message": message,
    }


def live(*objects: Object, neighbours: Sequence[Object] = (), hidden: frozenset[str] = frozenset(), words: Mapping[str, str] | None = None) -> Live:
    """A snapshot of these."""
    kinds = {item["kind"] for item in objects}
    by_kind = {kind: [item for item in objects if item["kind"] == kind] for kind in kinds}
    home = {"metadata": {"name": SPACE}, "status": {"phase": "Active"}}
    return Live(SPACE, home, by_kind, neighbours=neighbours, hidden=hidden, last_words=words or {})


def why(*objects: Object, top: int = 0, provider: str = "existing", id: str = "Inference/delay-api", **more: Any) -> Cause | None:
    """The cause of the trouble of the first of these objects."""
    return find_cause(objects[top], Scene(id, live(*objects, **more), cluster(provider)))


def served(*below: Object) -> tuple[Object, ...]:
    """An endpoint with its Deployment and ReplicaSet, above pods that are owned by ``REPLICAS``."""
    return (service(), DEPLOYMENT, REPLICAS, *below)


NOT_ALL = {"observedGeneration": 1, "replicas": 1}
DEPLOYMENT = made("Deployment", "delay-api-predictor", NOT_ALL, owner=service(), spec={"replicas": 1})
REPLICAS = made("ReplicaSet", "delay-api-predictor-7b", {"replicas": 1}, owner=DEPLOYMENT, spec={"replicas": 1})
