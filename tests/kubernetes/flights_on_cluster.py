"""The reference workspace on the tests' cluster: its own specs, a cluster with three pools, and environments in namespaces."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from control_plane import ControlPlane
from kfp_stand_in import PipelinesApi
from workspaces import UserWorkspace

REPOSITORY = Path(__file__).parents[2]
COUNTED = Path(__file__).with_name("counted_reads.py")
DIGEST = f"sha256:{'a' * 64}"
GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
POOLS = {
    "general": {"intent": "general", "labels": {"pool": "general"}, "requirements": {"cpu": 8, "memory": "32Gi"}, "max": 3},
    "memory": {"intent": "memory", "labels": {"pool": "memory"}, "requirements": {"cpu": 8, "memory": "128Gi"}, "max": 2},
    "gpu": {
        "intent": "gpu", "labels": {"pool": "gpu"}, "taints": [{"key": "nvidia.com/gpu", "value": "present"}],
        "requirements": {"cpu": 8, "memory": "64Gi", "gpuCount": 2}, "max": 1,
    },
}  # fmt: skip
OVERRIDES = {
    "Dataset/flights": {"compute": {"cpu": 2, "memory": "16Gi", "pool": "memory"}, "schedule": "0 3 * * *"},
    "Dataset/weather": {"compute": {"cpu": 1, "memory": "2Gi", "nodes": 2, "pool": "memory"}},
    "Model/delay": {"retraining": {"schedule": "0 4 * * 1"}},
    "Pipeline/tabular": {"steps": {"train": {"compute": {"cpu": 2, "memory": "8Gi", "gpu": 1, "pool": "gpu"}}}},
    "Model/minutes": {"compute": {"cpu": 1, "memory": "4Gi", "gpu": 1, "nodes": 2, "pool": "gpu"}},
    "Inference/delay-api": {"compute": {"cpu": 1, "memory": "2Gi", "pool": "general"}, "scaling": {"min": 2, "max": 4}},
    "Inference/delay-nightly": {"compute": {"cpu": 1, "memory": "4Gi", "pool": "memory"}, "batch": {"schedule": "0 5 * * *"}},
    "Monitor/delay-watch": {"schedule": "0 6 * * *"},
    "Model/delay-checkin": {"compute": {"cpu": 2, "memory": "6Gi", "pool": "memory"}},
    "FeatureStore/flights": {
        "onlineStore": {"type": "redis", "connection": {"name": "redis", "key": "redis"}},
        "materialization": {"schedule": "30 3 * * *"},
    },
}
"""What the environment says and nothing else does: where things run, how much they ask for, and when."""
EXPLORE = {
    "apiVersion": "mlx/v1", "kind": "Notebook", "metadata": {"name": "explore"}, "environments": ["dev", "other"],
    "spec": {"compute": {"cpu": 1, "memory": "4Gi", "gpu": 1, "pool": "gpu"}, "storage": "20Gi", "idleStop": "1h"},
}  # fmt: skip
FOLLOW = {
    "apiVersion": "mlx/v1", "kind": "Inference", "metadata": {"name": "departures"},
    "spec": {
        "mode": "stream", "model": "delay@champion", "compute": {"cpu": 1, "memory": "2Gi", "pool": "memory"},
        "stream": {
            "source": "kafka://kafka.example.com:9092/departures", "columns": ["flight"], "watermark": "1h",
            "kafka": {"kubernetes": {"name": "kafka", "key": "properties"}},
        },
    },
}  # fmt: skip
CONTROLLERS = {"kserve": "kserve-controller-manager", "kueue-system": "kueue-controller-manager"}
"""What an add-on is known by: one Deployment each, which KWOK runs."""
VOLUMES = 60
"""Of notebooks: one that was released is not bound again."""
POOL_OF = {
    "dataset-flights": "memory",
    "dataset-weather": "memory",
    "delay-api": "general",
    "batch-delay-nightly": "memory",
    "explore": "gpu",
    "stream-departures": "memory",
    "train-minutes": "gpu",
}
"""By the beginning of a pod's name."""


@dataclass(frozen=True)
class OnCluster:
    """A workspace whose environments are on the tests' cluster."""

    workspace: UserWorkspace
    plane: ControlPlane
    pipelines: PipelinesApi

    def mlx(self, *arguments: str, code: int = 0, kubeconfig: Path | None = None) -> Any:
        """A verb, as this cluster's administrator or another user runs it."""
        return self.workspace.mlx(*arguments, code=code, env={"KUBECONFIG": str(kubeconfig or self.plane.kubeconfig())})

    def variables(self) -> dict[str, str]:
        """The environment of a verb that a test starts itself."""
        return {**os.environ, "KUBECONFIG": str(self.plane.kubeconfig())}

    def reads(self, *verb: str, code: int = 0) -> int:
        """How often a verb reads the state of the cluster's own stack."""
        command = [sys.executable, str(COUNTED), ".pulumi/stacks/flights/cluster-main.json", *verb]
        done = subprocess.run(command, cwd=self.workspace.root, env=self.variables(), capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return int(done.stdout.splitlines()[-1])

    def plan(self, environment: str) -> dict[str, dict[str, Any]]:
        said = self.mlx("plan", "--env", environment, "-o", "json").json
        return {item["id"]: item for item in said["objects"] if item["action"] != "same"}

    def objects(self, path: str) -> list[dict[str, Any]]:
        """Those of a kind, such as ``/apis/apps/v1/namespaces/dev/deployments``, by name."""
        return sorted(self.plane.request("GET", path)["items"], key=lambda item: item["metadata"]["name"])


def write_workspace(root: Path, mlflow: str, pipelines: str) -> UserWorkspace:
    """The reference specs with a cluster beside them, and two environments on it."""
    for folder in ("specs", "feature_repo", "kfp_pipelines"):
        shutil.copytree(REPOSITORY / folder, root / folder, ignore=shutil.ignore_patterns("mlx_*", "__pycache__", "schema", "clusters.yaml"))
    shutil.copyfile(REPOSITORY / "Pulumi.yaml", root / "Pulumi.yaml")
    workspace = UserWorkspace(root)
    cluster = {"provider": "existing", "context": "test", "addOns": {"kserve": "verify", "kueue": "verify"}, "nodePools": POOLS}
    made = [{"apiVersion": "mlx/v1", "kind": "Cluster", "metadata": {"name": "main", "owner": "infra"}, "spec": cluster}, EXPLORE, FOLLOW]
    workspace.write("specs/on-cluster.yaml", yaml.safe_dump_all(made, sort_keys=False))
    for name in ("dev", "other"):
        workspace.write(f"stacks/{name}.yaml", yaml.safe_dump(environment(name, mlflow, pipelines), sort_keys=False))
    return workspace


def environment(name: str, mlflow: str, pipelines: str) -> Mapping[str, Any]:
    images = {"registry": "registry.example.com/ml", "runtime": DIGEST, "pipelines": DIGEST, "spark": DIGEST, "notebook": DIGEST}
    target = {
        "type": "kubernetes", "cluster": "main", "namespace": f"delays-{name}", "storage": f"s3://lake/{name}", "mlflow": mlflow, "pipelines": pipelines,
        "images": images,
    }  # fmt: skip
    spec = {"target": target, "variables": {"max_depth": 6}, "overrides": OVERRIDES}
    return {"apiVersion": "mlx/v1", "kind": "Environment", "metadata": {"name": name}, "spec": spec}


def add_pools(plane: ControlPlane) -> None:
    """A node of each pool, and the controllers that the add-ons are known by."""
    plane.add_node("general-1", {"cpu": "8", "memory": "32Gi"}, labels={"pool": "general"})
    plane.add_node("memory-1", {"cpu": "8", "memory": "128Gi"}, labels={"pool": "memory"})
    plane.add_node("gpu-1", {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "2"}, labels={"pool": "gpu"}, taints=[GPU_TAINT])
    for number in range(VOLUMES):
        spec = {"capacity": {"storage": "20Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": f"/volumes/{number}"}}
        plane.request("POST", "/api/v1/persistentvolumes", {"metadata": {"name": f"volume-{number}"}, "spec": spec})
    for space, name in CONTROLLERS.items():
        plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": space}})
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "manager", "image": f"{name}:v0.20.0"}]}}
        spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
        plane.request("POST", f"/apis/apps/v1/namespaces/{space}/deployments", {"metadata": {"name": name}, "spec": spec})
        at = f"/apis/apps/v1/namespaces/{space}/deployments/{name}"
        plane.until(lambda at=at: plane.request("GET", at).get("status", {}).get("availableReplicas"), f"{name} is available")


def make_champion(mlflow: str, environment: str, model: str) -> str:
    """A version in the registry that passed its gates, as a pipeline's last steps leave it; its number."""
    name = f"delays-{environment}.{model}"
    if not _ask(mlflow, "GET", f"registered-models/search?filter=name%3D%27{name}%27").get("registered_models"):
        _ask(mlflow, "POST", "registered-models/create", {"name": name})
    fingerprint = "f" * 64
    artifact = f"s3://lake/{environment}/models/{model}/{fingerprint}"
    tags = {"mlx.fingerprint": fingerprint, "mlx.artifact": artifact, "mlx.artifact_digest": "d" * 64}
    body = {"name": name, "source": artifact, "tags": [{"key": key, "value": value} for key, value in tags.items()]}
    version = str(_ask(mlflow, "POST", "model-versions/create", body)["model_version"]["version"])
    _ask(mlflow, "POST", "registered-models/alias", {"name": name, "alias": "champion", "version": version})
    return version


def _ask(mlflow: str, method: str, path: str, body: Any = None) -> Any:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{mlflow}/api/2.0/mlflow/{path}", content, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())
