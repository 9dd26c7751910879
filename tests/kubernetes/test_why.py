"""Causes that a real control plane brings about: its scheduler, its controllers and its admission write what is read here.

Only they can say what they write: which condition, in which words, on which object. KWOK plays the kubelets; what a kubelet would
write into a pod's status the tests write, through the API.
"""

from collections.abc import Callable
from typing import Any

import pytest
from control_plane import ControlPlane

from mlx_kubernetes.client import Client
from mlx_kubernetes.connection import connection
from mlx_specs.cluster import Cluster
from mlx_stacks.cluster_cause import Cause, Scene, find_cause
from mlx_stacks.cluster_live import read_around, read_owned

OWNER = "project.why"
TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
TOLERATED = [{"key": "nvidia.com/gpu", "operator": "Equal", "value": "present", "effect": "NoSchedule"}]
POOLS = {
    "gpu": {"intent": "gpu", "labels": {"why": "gpu"}, "taints": [{"key": "nvidia.com/gpu", "value": "present"}], "max": 1},
    "empty": {"intent": "general", "labels": {"why": "empty"}, "max": 2},
}
CLUSTER = Cluster.model_validate({"metadata": {"name": "main"}, "spec": {"provider": "existing", "context": "test", "nodePools": POOLS}}, by_alias=True)
SAFE = {"runAsNonRoot": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}
Asked = Callable[[str], Cause]


@pytest.fixture(scope="module")
def gpus(plane: ControlPlane) -> None:
    """One node with two GPUs, tainted."""
    plane.add_node("why-gpu", {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "2"}, labels={"why": "gpu"}, taints=[TAINT])


@pytest.fixture
def cause(plane: ControlPlane, namespace: str) -> Callable[[str], Cause]:
    """The cause of the trouble of a dataset's Job, once there is one."""
    client = Client(connection(str(plane.kubeconfig())))

    def ask(name: str) -> Cause | None:
        live = read_around(client, read_owned(client, namespace, OWNER))
        (job, *_) = live.made_for(f"Dataset/{name}", "Job")
        return find_cause(job, Scene(f"Dataset/{name}", live, CLUSTER))

    return lambda name: plane.until(lambda: ask(name), f"Dataset/{name} has a cause", limit=20)


def make(plane: ControlPlane, namespace: str, name: str, *, kind: str = "Dataset", gpus: int = 0, backoff: int = 0, **pod: Any) -> None:
    """A Job as a dataset becomes one."""
    labels = {"mlx.dev/owner": OWNER, "mlx.dev/kind": kind, "mlx.dev/name": name}
    asked = {"cpu": "100m", **({"nvidia.com/gpu": str(gpus)} if gpus else {})}
    limits = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    container = {"name": "mlx", "image": "registry.example.com/mlx", "resources": {"requests": asked, "limits": limits}, "securityContext": SAFE}
    template = {"metadata": {"labels": labels}, "spec": {"restartPolicy": "Never", "containers": [container], **pod}}
    body = {"metadata": {"name": name, "labels": labels}, "spec": {"backoffLimit": backoff, "template": template}}
    plane.request("POST", f"/apis/batch/v1/namespaces/{namespace}/jobs", body)


def pod_of(plane: ControlPlane, namespace: str, name: str) -> dict[str, Any]:
    """The Job's first pod, once the scheduler has said that it has no node: it would write over what a test writes."""
    at = f"/api/v1/namespaces/{namespace}/pods"

    def judged() -> dict[str, Any] | None:
        return next((pod for pod in plane.request("GET", at, labelSelector=f"job-name={name}")["items"] if pod["status"].get("conditions")), None)

    return plane.until(judged, f"a pod of {name}")


def test_a_pod_that_asks_for_gpus_that_another_one_holds(plane: ControlPlane, namespace: str, gpus: None, cause: Asked) -> None:
    holder = {"nodeSelector": {"why": "gpu"}, "tolerations": TOLERATED}
    labels = {"mlx.dev/owner": OWNER, "mlx.dev/kind": "Notebook", "mlx.dev/name": "explore"}
    container = {"name": "main", "image": "jupyter", "resources": {"limits": {"nvidia.com/gpu": "2"}}}
    plane.request(
        "POST", f"/api/v1/namespaces/{namespace}/pods", {"metadata": {"name": "explore-0", "labels": labels}, "spec": {**holder, "containers": [container]}}
    )
    at = f"/api/v1/namespaces/{namespace}/pods/explore-0"
    plane.until(lambda: plane.request("GET", at)["spec"].get("nodeName"), "the notebook has its node")
    make(plane, namespace, "embed", gpus=1, **holder)
    found = cause("embed")
    assert (found.root, found.hint) == (
        "waiting for GPU: pool gpu has max 1 node, 2 of 2 GPUs in use by notebook explore",
        "add a node and raise nodePools.gpu.max in Cluster/main, or free one",
    )
    assert [(link.id.partition("/")[0], link.status) for link in found.chain] == [("Job", "Running"), ("Pod", "Pending"), ("NodePool", "Full")]
    plane.request("DELETE", at, gracePeriodSeconds="0")


def test_a_pod_that_asks_for_more_gpus_than_a_node_of_the_pool_has(plane: ControlPlane, namespace: str, gpus: None, cause: Asked) -> None:
    make(plane, namespace, "huge", gpus=4, nodeSelector={"why": "gpu"}, tolerations=TOLERATED)
    found = cause("huge")
    assert found.root == "it asks for 4 GPUs, and the largest node of pool gpu has 2 GPUs"


def test_a_pod_that_tolerates_nothing(plane: ControlPlane, namespace: str, gpus: None, cause: Asked) -> None:
    make(plane, namespace, "shy", gpus=1, nodeSelector={"why": "gpu"})
    found = cause("shy")
    assert found.root == "the nodes of pool gpu that could hold it have the taint nvidia.com/gpu=present:NoSchedule, which it does not tolerate"


def test_a_pool_without_nodes(plane: ControlPlane, namespace: str, cause: Asked) -> None:
    make(plane, namespace, "alone", nodeSelector={"why": "empty"})
    found = cause("alone")
    assert found.root == "pool empty has no node: none has why=empty"


def test_a_volume_that_nobody_made_and_one_that_no_class_takes(plane: ControlPlane, namespace: str, gpus: None, cause: Asked) -> None:
    there = {"tolerations": TOLERATED, "nodeSelector": {"why": "gpu"}}
    make(plane, namespace, "lost", volumes=[{"name": "home", "persistentVolumeClaim": {"claimName": "gone"}}], **there)
    claim = {"accessModes": ["ReadWriteOnce"], "storageClassName": "none", "resources": {"requests": {"storage": "1Ti"}}}
    plane.request("POST", f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", {"metadata": {"name": "large"}, "spec": claim})
    make(plane, namespace, "unbound", volumes=[{"name": "home", "persistentVolumeClaim": {"claimName": "large"}}], **there)
    found = [cause("lost"), cause("unbound")]
    assert [one.root.partition(":")[0] for one in found] == [
        f"persistentvolumeclaim gone is not in namespace {namespace}",
        "its volume large is not bound",
    ]


def test_a_quota_of_the_namespace_that_is_used_up(plane: ControlPlane, namespace: str, cause: Asked) -> None:
    quota = {"metadata": {"name": "team"}, "spec": {"hard": {"pods": "0"}}}
    at = f"/api/v1/namespaces/{namespace}/resourcequotas"
    plane.request("POST", at, quota)
    plane.until(lambda: plane.request("GET", f"{at}/team").get("status", {}).get("hard"), "the quota is counted")
    make(plane, namespace, "many")
    found = cause("many")
    assert found.root.startswith("the namespace's quota team is used up: requested: pods=1, used: pods=0, limited: pods=0")


def test_a_pod_that_the_namespaces_security_level_does_not_let_in(plane: ControlPlane, namespace: str, cause: Asked) -> None:
    level = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    plane.request("PATCH", f"/api/v1/namespaces/{namespace}", level, type="application/merge-patch+json")
    make(plane, namespace, "root", hostNetwork=True)
    found = cause("root")
    assert found.root.startswith('the namespace does not let its pod in: it violates PodSecurity "restricted:latest": host namespaces')


def test_a_service_account_that_is_not_there(plane: ControlPlane, namespace: str, cause: Asked) -> None:
    make(plane, namespace, "nobody", serviceAccountName="mlx-run")
    found = cause("nobody")
    assert (found.root, found.hint) == (f"serviceaccount mlx-run is not in namespace {namespace}", "mlx apply makes it again")


def test_a_job_whose_last_pod_failed_tells_its_exit_code_and_last_words(plane: ControlPlane, namespace: str, cause: Asked) -> None:
    make(plane, namespace, "broken", nodeSelector={"why": "empty"})
    pod = pod_of(plane, namespace, "broken")
    over = {"name": "mlx", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
    over["state"] = {"terminated": {"exitCode": 3, "reason": "Error", "message": "no column 'late'"}}
    patch_status(plane, namespace, pod, {"phase": "Failed", "containerStatuses": [over], "conditions": [{"type": "PodScheduled", "status": "True"}]})
    at = f"/apis/batch/v1/namespaces/{namespace}/jobs/broken"
    plane.until(lambda: any(one["type"] == "Failed" for one in plane.request("GET", at)["status"].get("conditions", ())), "the Job has failed")
    found = cause("broken")
    assert (found.root, found.hint) == ("container mlx ended with exit code 3: no column 'late'", "mlx logs broken shows what it wrote")
    assert [link.status for link in found.chain] == ["Failed", "Failed"]


def test_a_secret_that_is_missing(plane: ControlPlane, namespace: str, cause: Asked) -> None:
    make(plane, namespace, "secretive", nodeSelector={"why": "empty"})
    pod = pod_of(plane, namespace, "secretive")
    held = {"name": "mlx", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
    held["state"] = {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "redis" not found'}}
    patch_status(plane, namespace, pod, {"containerStatuses": [held], "conditions": [{"type": "PodScheduled", "status": "True"}]})
    found = cause("secretive")
    assert found.root == f"secret redis is not in namespace {namespace}"


def patch_status(plane: ControlPlane, namespace: str, pod: dict[str, Any], status: dict[str, Any]) -> None:
    """As its kubelet would write it."""
    at = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}/status"
    plane.request("PATCH", at, {"status": status}, type="application/strategic-merge-patch+json")
