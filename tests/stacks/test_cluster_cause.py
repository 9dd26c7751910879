"""The one cause of what is not well on a cluster, from snapshots of live objects: each thing that goes wrong, by itself."""

from typing import Any

import pytest
from live_objects import DEPLOYMENT, NOT_ALL, REPLICAS, cluster, ended, live, made, node, pod, served, service, waits, warning, why

from mlx_stacks.cluster_cause import Cause, Scene, cause_of_waiting

UNSCHEDULABLE = "0/3 nodes are available"
GPU = {"nvidia.com/gpu": "1"}
ON_GPU: dict[str, Any] = {"nodeSelector": {"pool": "gpu"}, "tolerations": [{"key": "nvidia.com/gpu", "operator": "Equal", "value": "present"}]}
TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}


def root(cause: Cause | None) -> tuple[str, str]:
    assert cause is not None
    return cause.root, cause.hint


def on_pods(status: Any, **more: Any) -> tuple[str, str]:
    """Of an endpoint whose pod has a container of this status."""
    return root(why(*served(pod(owner=REPLICAS, container=status)), **more))


def test_what_is_well_has_no_cause() -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    assert why(service(**ready)) is None


def test_a_full_pool_is_named_with_who_uses_it_at_the_end_of_the_chain() -> None:
    user = pod("explore-0", requests={"nvidia.com/gpu": "2"}, nodeName="gpu-1")
    user["metadata"]["labels"] = {"mlx.dev/kind": "Notebook", "mlx.dev/name": "explore"}
    waiting = pod(owner=REPLICAS, refused=UNSCHEDULABLE, requests=GPU, **ON_GPU)
    found = why(*served(waiting, node("gpu-1", "gpu", gpus="2", taints=[TAINT])), neighbours=[user])
    assert root(found) == (
        "waiting for GPU: pool gpu has max 1 node, 2 of 2 GPUs in use by notebook explore",
        "add a node and raise nodePools.gpu.max in Cluster/main, or free one",
    )
    assert found and [(link.id, link.status, link.detail) for link in found.chain] == [
        ("InferenceService/delay-api", "NotReady", "NotYet"),
        ("Deployment/delay-api-predictor", "NotReady", "0 of 1 replicas ready"),
        ("ReplicaSet/delay-api-predictor-7b", "NotReady", "0 of 1 replicas ready"),
        ("Pod/delay-api-1", "Pending", "on no node"),
        ("NodePool/gpu", "Full", "1 of at most 1 node"),
    ]


def test_who_uses_it_in_another_namespace_is_named_with_that() -> None:
    user = pod("train-0", requests=GPU, nodeName="gpu-1")
    user["metadata"] = {"name": "train-0", "namespace": "team-b", "labels": {}}
    waiting = pod(owner=REPLICAS, refused=UNSCHEDULABLE, requests=GPU, **ON_GPU)
    found = why(*served(waiting, node("gpu-1", "gpu", gpus="1", taints=[TAINT])), neighbours=[user])
    assert root(found)[0] == "waiting for GPU: pool gpu has max 1 node, 1 of 1 GPUs in use by pod train-0 of namespace team-b"


def test_of_a_cluster_that_mlx_makes_raising_the_pool_is_enough() -> None:
    user = pod("train-0", requests=GPU, nodeName="gpu-1")
    there = node("gpu-1", "gpu", gpus="1")
    there["metadata"]["labels"] = {"mlx.dev/pool": "gpu"}
    waiting = pod(owner=REPLICAS, refused=UNSCHEDULABLE, requests=GPU, nodeSelector={"mlx.dev/pool": "gpu"})
    assert root(why(*served(waiting, there), neighbours=[user], provider="aks"))[1] == "raise nodePools.gpu.max in Cluster/main, or free one"


def test_a_pool_below_its_most_may_still_grow() -> None:
    user = pod("other", requests={"cpu": "8"}, nodeName="general-1")
    waiting = pod(owner=REPLICAS, refused=UNSCHEDULABLE, requests={"cpu": "2"}, nodeSelector={"pool": "general"})
    assert root(why(*served(waiting, node("general-1", "general")), neighbours=[user])) == (
        "waiting for cpu: pool general has 1 of at most 3 nodes, 8 of 8 cpu in use by inference delay-api",
        "the autoscaler may still add a node to pool general; where it does not within minutes, its log says why",
    )


def test_more_than_any_node_has_is_told_with_the_largest() -> None:
    waiting = pod(owner=REPLICAS, refused=UNSCHEDULABLE, requests={"nvidia.com/gpu": "4"}, **ON_GPU)
    assert root(why(*served(waiting, node("gpu-1", "gpu", gpus="2", taints=[TAINT])))) == (
        "it asks for 4 GPUs, and the largest node of pool gpu has 2 GPUs",
        "lower compute.gpu of Inference/delay-api, or give nodePools.gpu of Cluster/main larger machines",
    )


def test_a_taint_that_is_not_tolerated_is_named() -> None:
    waiting = pod(owner=REPLICAS, refused=UNSCHEDULABLE, requests=GPU)
    nodes = (node("general-1", "general"), node("gpu-1", "gpu", gpus="2", taints=[TAINT]))
    assert root(why(*served(waiting, *nodes))) == (
        "the nodes of the cluster that could hold it have the taint nvidia.com/gpu=present:NoSchedule, which it does not tolerate",
        "name their pool in compute.pool of Inference/delay-api: what names a pool tolerates its taints",
    )
    other = {"key": "team", "value": "b", "effect": "NoExecute"}
    waiting = pod(owner=REPLICAS, refused=UNSCHEDULABLE, requests=GPU, **ON_GPU)
    assert root(why(*served(waiting, node("gpu-1", "gpu", gpus="2", taints=[TAINT, other])))) == (
        "the nodes of pool gpu that could hold it have the taint team=b:NoExecute, which it does not tolerate",
        "write the taint in nodePools.gpu.taints of Cluster/main, then mlx apply",
    )


def test_a_pool_without_nodes_and_a_selector_that_no_node_has() -> None:
    waiting = pod(owner=REPLICAS, refused=UNSCHEDULABLE, requests=GPU, **ON_GPU)
    assert root(why(*served(waiting, node("general-1", "general"))))[0] == "pool gpu has no node: none has pool=gpu"
    waiting = pod(owner=REPLICAS, refused=UNSCHEDULABLE, nodeSelector={"disk": "fast"})
    assert root(why(*served(waiting, node("general-1", "general")))) == ("no node has disk=fast", "name a pool in compute.pool")


def test_nodes_that_take_no_work_are_named() -> None:
    waiting = pod(owner=REPLICAS, refused=UNSCHEDULABLE, requests=GPU, **ON_GPU)
    assert root(why(*served(waiting, node("gpu-1", "gpu", ready=False, gpus="2"))))[0] == "no node of pool gpu takes work: gpu-1 is cordoned or not ready"


def test_who_may_not_list_nodes_reads_the_schedulers_words() -> None:
    waiting = pod(owner=REPLICAS, refused=UNSCHEDULABLE, requests=GPU, **ON_GPU)
    assert root(why(*served(waiting), hidden=frozenset({"Node"})))[0] == "no node takes it: 0/3 nodes are available"


def test_a_volume_that_is_missing_or_not_bound_is_named() -> None:
    volumes = [{"name": "home", "persistentVolumeClaim": {"claimName": "notebook-explore"}}]
    said = 'persistentvolumeclaim "notebook-explore" not found'
    assert root(why(*served(pod(owner=REPLICAS, refused=said, volumes=volumes))))[0] == "persistentvolumeclaim notebook-explore is not in namespace delays-dev"
    claim = made("PersistentVolumeClaim", "notebook-explore", {"phase": "Pending"})
    waiting = pod(owner=REPLICAS, refused="pod has unbound immediate PersistentVolumeClaims", volumes=volumes)
    told = warning(claim, "ProvisioningFailed", 'storageclass.storage.k8s.io "fast" not found')
    found = why(*served(waiting, claim, told))
    assert root(found)[0] == 'its volume notebook-explore is not bound: storageclass.storage.k8s.io "fast" not found'
    assert found and found.chain[-1].id == "PersistentVolumeClaim/notebook-explore"


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName"])
def test_an_image_that_cannot_be_pulled(reason: str) -> None:
    assert on_pods(waits(reason, "not found"))[0] == "image registry.example.com/mlx@sha256:aa cannot be pulled: not found"


def test_a_crash_is_told_with_its_exit_code_and_its_last_words() -> None:
    crash = waits("CrashLoopBackOff", "back-off", lastState={"terminated": ended(3)})
    assert on_pods(crash) == ("container kserve-container ended with exit code 3", "mlx logs delay-api shows what it wrote")
    said = {"delay-api-1/kserve-container": "ValueError: no model.json\n"}
    assert on_pods(crash, words=said)[0] == "container kserve-container ended with exit code 3: ValueError: no model.json"


def test_too_little_memory_says_which_field_to_raise() -> None:
    over = waits("CrashLoopBackOff", lastState={"terminated": ended(137, "OOMKilled")})
    assert on_pods(over) == ("container kserve-container was killed: it needs more memory than its limit of 1Gi", "raise compute.memory of Inference/delay-api")


def test_a_model_that_cannot_be_fetched_points_to_the_storage() -> None:
    failing = {"name": "storage-initializer", **waits("CrashLoopBackOff", lastState={"terminated": ended(1, message="403 Forbidden")})}
    found = why(*served(pod(owner=REPLICAS, init=failing, container=waits("PodInitializing"))))
    assert root(found)[0] == "the model cannot be fetched (exit code 1): 403 Forbidden"


@pytest.mark.parametrize(
    ("message", "missing", "hint"),
    [
        ('secret "feast-online" not found', "secret feast-online", "make it: kubectl create secret generic feast-online --from-literal=KEY=VALUE --namespace"),
        ('configmap "delay-api-0a" not found', "configmap delay-api-0a", "mlx apply makes it again"),
    ],
)
def test_a_missing_secret_or_config_map_is_named(message: str, missing: str, hint: str) -> None:
    said = on_pods(waits("CreateContainerConfigError", message))
    assert said[0] == f"{missing} is not in namespace delays-dev"
    assert said[1].startswith(hint)
    mounting = pod(owner=REPLICAS, container=waits("ContainerCreating"))
    told = warning(mounting, "FailedMount", f'MountVolume.SetUp failed for volume "object" : {message}')
    assert root(why(*served(mounting, told)))[0] == f"{missing} is not in namespace delays-dev"


def test_a_probe_that_fails_is_told_in_the_kubelets_words() -> None:
    running = pod(owner=REPLICAS, phase="Running", container={"state": {"running": {}}, "ready": False})
    told = warning(running, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")
    expected = "kserve-container runs and does not answer as ready: Readiness probe failed: HTTP probe failed with statuscode: 503"
    assert root(why(*served(running, told)))[0] == expected


def test_an_evicted_pod_says_why() -> None:
    gone = pod(owner=REPLICAS, phase="Failed")
    gone["status"] |= {"reason": "Evicted", "message": "The node was low on resource: memory."}
    assert root(why(*served(gone)))[0] == "the pod was ended: Evicted: The node was low on resource: memory."


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            'pods "x" is forbidden: exceeded quota: team, requested: cpu=2, used: cpu=7, limited: cpu=8',
            "the namespace's quota team is used up: requested: cpu=2, used: cpu=7, limited: cpu=8",
        ),
        (
            'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
            'the namespace does not let its pod in: it violates PodSecurity "restricted:latest": runAsNonRoot != true',
        ),
        ('error looking up service account a/mlx-run: serviceaccount "mlx-run" not found', "serviceaccount mlx-run is not in namespace delays-dev"),
    ],
)
def test_pods_that_may_not_be_made(message: str, expected: str) -> None:
    refused = {**NOT_ALL, "conditions": [{"type": "ReplicaFailure", "status": "True", "message": message}]}
    deployment = made("Deployment", "delay-api-predictor", refused, owner=service(), spec={"replicas": 1})
    assert root(why(service(), deployment))[0] == expected
    job = made("Job", "dataset-a", {"active": 0}, spec={})
    assert root(why(job, warning(job, "FailedCreate", message)))[0] == expected


def test_of_a_failed_job_the_last_pod_tells() -> None:
    failed = {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}]}
    job = made("Job", "dataset-a", failed, spec={})
    assert root(why(job, id="Dataset/a"))[0] == "dataset-a failed: Job has reached the specified backoff limit"
    last = pod(owner=job, phase="Failed", container={"state": {"terminated": ended(2)}})
    assert root(why(job, last, id="Dataset/a")) == ("container kserve-container ended with exit code 2", "mlx logs a shows what it wrote")


def test_a_job_that_works_again_after_a_failed_pod_has_no_cause() -> None:
    job = made("Job", "dataset-a", {"active": 1, "failed": 1}, spec={})
    first = pod("a", owner=job, phase="Failed", container={"state": {"terminated": ended(2)}})
    second = pod("b", owner=job, phase="Running", container={"state": {"running": {}}, "ready": True})
    second["metadata"]["creationTimestamp"] = "2026-11-21T21:21:50Z"
    second["status"]["conditions"].append({"type": "Ready", "status": "True"})
    assert why(job, first, second) is None


def queued(used: str, asked: str = "1", *, message: str = "couldn't assign flavors") -> tuple[str, str]:
    """Of a suspended Job whose workload Kueue does not admit: the queue has two GPUs."""
    job = made("Job", "dataset-a", {}, spec={"suspend": True})
    template = {"spec": {"containers": [{"resources": {"requests": {"nvidia.com/gpu": asked}}}]}}
    waiting = made("Workload", "job-dataset-a", {"conditions": [{"type": "QuotaReserved", "status": "False", "message": message}]}, owner=job)
    waiting["spec"] = {"queueName": "gpu", "podSets": [{"count": 1, "template": template}]}
    notebook = made("Notebook", "explore", {}, of="Notebook/explore")
    holder = made(
        "Workload", "notebook-explore", {"admission": {"clusterQueue": "gpu"}, "conditions": [{"type": "Admitted", "status": "True"}]}, owner=notebook
    )
    local = made("LocalQueue", "gpu", {}, spec={"clusterQueue": "gpu"})
    quota = {"resourceGroups": [{"flavors": [{"name": "gpu", "resources": [{"name": "nvidia.com/gpu", "nominalQuota": "2"}]}]}]}
    reserved = {"flavorsReservation": [{"name": "gpu", "resources": [{"name": "nvidia.com/gpu", "total": used}]}]}
    return root(why(job, waiting, holder, notebook, local, made("ClusterQueue", "gpu", reserved, spec=quota), id="Dataset/a"))


def test_a_queue_without_quota_left_is_named_with_who_holds_it() -> None:
    assert queued("2") == (
        "waiting for GPU: queue gpu has no quota left, 2 of 2 GPUs in use by notebook explore",
        "add a node and raise nodePools.gpu.max in Cluster/main, or free one",
    )


def test_more_than_a_queues_whole_quota_never_starts() -> None:
    assert queued("0", "4")[0] == "it asks for 4 GPUs, and the quota of queue gpu is 2 GPUs in all"


def test_kueues_own_words_where_the_figures_do_not_tell() -> None:
    assert queued("0")[0] == "queue gpu has no quota for it: couldn't assign flavors"


def test_a_queue_that_is_not_there_and_a_kueue_that_does_not_answer() -> None:
    job = made("Job", "dataset-a", {}, spec={"suspend": True})
    waiting = made("Workload", "job-dataset-a", {}, owner=job, spec={"queueName": "gpu"})
    assert root(why(job, waiting))[0] == "there is no queue gpu in namespace delays-dev"
    job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = "gpu"
    assert root(why(job)) == ("it waits in queue gpu, and Kueue has not taken it up", "does kueue run? mlx status --cluster main")


def test_a_pod_that_its_queue_holds_back_is_the_queues_trouble() -> None:
    held = pod(owner=REPLICAS, gated=True)
    waiting = made("Workload", "pod-delay-api", {}, owner=held, spec={"queueName": "gpu"})
    assert root(why(*served(held, waiting)))[0] == "there is no queue gpu in namespace delays-dev"


def waiting_for(*objects: Any) -> tuple[str, str]:
    return root(cause_of_waiting(objects[0], Scene("Inference/delay-api", live(*objects), cluster())))


def test_an_endpoint_that_no_controller_has_answered_points_to_the_add_on() -> None:
    unanswered = {key: value for key, value in service().items() if key != "status"}
    assert waiting_for(unanswered) == (
        "no controller has answered: nothing was made of InferenceService/delay-api",
        "does kserve run? mlx status --cluster main",
    )


def test_an_endpoint_whose_pod_only_starts_is_on_its_way() -> None:
    starting = pod(owner=REPLICAS, container=waits("ContainerCreating"))
    assert why(*served(starting)) is None
    found = cause_of_waiting(service(), Scene("Inference/delay-api", live(*served(starting)), cluster()))
    assert (found.root, [link.id for link in found.chain][-1]) == ("NotYet", "Pod/delay-api-1")
    assert found.hint == "nothing is wrong that can be seen: look again in a minute"


def test_a_cause_goes_through_json_and_back() -> None:
    found = why(service(), DEPLOYMENT, REPLICAS, pod(owner=REPLICAS, container=waits("ErrImagePull", "no such host")))
    assert found and Cause.read({"cause": found.wire()}) == found
    assert Cause.read({}) is None
