"""What every pod of ours has: resources, a pool, and the settings that the pod security level `restricted` asks for."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlx_components.kubernetes.place import Place
from mlx_specs.accounts import APPLY, SPARK, TRAIN
from mlx_specs.base import Compute, KubernetesSecret
from mlx_specs.pools import GPU

USER = 10001
"""The user of our images."""
POD_SECURITY: Mapping[str, Any] = {
    "runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER, "seccompProfile": {"type": "RuntimeDefault"},
}  # fmt: skip
CONTAINER_SECURITY: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True, "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}  # fmt: skip
DEFAULT_CPU, DEFAULT_MEMORY = "500m", "1Gi"
"""Of a workload that asks for nothing: without a request a node could be filled without end."""
SCRATCH = "/tmp"
SCRATCH_MOUNT: Mapping[str, Any] = {"name": "scratch", "mountPath": SCRATCH}
SCRATCH_SIZE = "10Gi"


def resources(compute: Compute | None) -> dict[str, Any]:
    """Requests and limits: memory is never shared, cores may be borrowed, GPUs are whole."""
    cpu = str(compute.cpu) if compute is not None and compute.cpu is not None else DEFAULT_CPU
    memory = compute.memory if compute is not None and compute.memory is not None else DEFAULT_MEMORY
    gpus = {GPU: str(compute.gpu)} if compute is not None and compute.gpu else {}
    return {"requests": {"cpu": cpu, "memory": memory, **gpus}, "limits": {"memory": memory, **gpus}}


def placement(place: Place, compute: Compute | None) -> dict[str, Any]:
    """On the pool that is named, and on no other."""
    if compute is None or compute.pool is None:
        return {}
    tolerated = place.tolerations(compute.pool)
    return {"nodeSelector": place.node_selector(compute.pool), **({"tolerations": tolerated} if tolerated else {})}


def container(name: str, image: str, command: Sequence[str], compute: Compute | None, *, env: Mapping[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """One container that can write to a scratch folder only."""
    return {
        "name": name,
        "image": image,
        "command": list(command),
        **({"env": environment(env)} if env else {}),
        "resources": resources(compute),
        "securityContext": dict(CONTAINER_SECURITY),
        "volumeMounts": [dict(SCRATCH_MOUNT)],
        **more,
    }


def environment(variables: Mapping[str, str]) -> list[dict[str, Any]]:
    """As a container takes them, by name."""
    return [{"name": key, "value": value} for key, value in sorted(variables.items())]


def secret_variables(secrets: Mapping[str, KubernetesSecret]) -> list[dict[str, Any]]:
    """Variables whose values are keys of Secrets, as a container takes them, by name."""
    named = sorted(secrets.items())
    return [{"name": name, "valueFrom": {"secretKeyRef": {"name": secret.name, "key": secret.key}}} for name, secret in named]


def pod(place: Place, containers: Sequence[Mapping[str, Any]], compute: Compute | None, *, account: str, restart: str = "Never") -> dict[str, Any]:
    """The pod's spec; no token of the API server unless the account is made to ask it."""
    return {
        "serviceAccountName": account,
        "automountServiceAccountToken": account in ASKS_THE_API,
        "restartPolicy": restart,
        "securityContext": dict(POD_SECURITY),
        **placement(place, compute),
        "containers": [dict(one) for one in containers],
        "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": SCRATCH_SIZE}}],
    }


ASKS_THE_API = frozenset({SPARK, TRAIN, APPLY})
"""The accounts with a role."""


def variables(place: Place) -> dict[str, str]:
    """What every program of ours is told."""
    return {
        **place.reach.variables,
        "HOME": SCRATCH,
        "MLX_ENV": place.environment,
        "MLX_STORAGE": place.target.storage,
        "MLFLOW_TRACKING_URI": place.target.mlflow,
    }
