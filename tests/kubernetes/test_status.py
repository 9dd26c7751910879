"""`mlx status` and `mlx logs` of an environment on a real API server, and of its cluster: what live objects, runs and the registry tell.

No cheaper engine makes pods of Jobs and Deployments, places them, and writes their conditions; KFP and the projects' controllers are
stand-ins, named so.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from flights_on_cluster import OnCluster, make_champion

SERVES_MINUTES = {
    "apiVersion": "mlx/v1", "kind": "Inference", "metadata": {"name": "minutes-api"}, "environments": ["dev"],
    "spec": {"mode": "realtime", "model": "nobody@champion"},
}  # fmt: skip
NOBODY = {
    "apiVersion": "mlx/v1", "kind": "Model", "metadata": {"name": "nobody"}, "environments": ["dev"],
    "spec": {
        "task": "regression", "pipeline": "tabular", "data": "flight-minutes", "target": "minutes_late", "predictAt": "departure",
        "features": ["distance"], "algorithm": "sklearn.linear_model.Ridge",
    },
}  # fmt: skip
"""A model that no test makes a champion of, and its endpoint."""
NO_QUOTA = "couldn't assign flavors to pod set node: insufficient unused quota for nvidia.com/gpu in flavor gpu, 1 more needed"
MINUTE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\dZ")
SPACE = "delays-dev"


@pytest.fixture(scope="module")
def dev(flights: OnCluster, mlflow: str) -> Iterator[OnCluster]:
    """The environment dev, applied; delay and delay-checkin have champions."""
    flights.workspace.write("specs/of-status.yaml", yaml.safe_dump_all([SERVES_MINUTES, NOBODY]))
    for model in ("delay", "delay-checkin"):
        make_champion(mlflow, "dev", model)
    flights.mlx("apply", "--env", "dev", "--yes")
    finished = f"/apis/batch/v1/namespaces/{SPACE}/jobs"
    flights.plane.until(lambda: all(job.get("status", {}).get("succeeded") for job in flights.objects(finished)), "the Jobs are complete")
    yield flights
    flights.mlx("destroy", "--env", "dev", "--yes")
    (flights.workspace.root / "specs" / "of-status.yaml").unlink()


def statuses(dev: OnCluster, *where: str) -> dict[str, Any]:
    said = dev.mlx("status", *(where or ("--env", "dev")), "-o", "json").json
    return {item["id"]: item for item in said["objects"]}


def words(found: dict[str, Any], *ids: str) -> list[tuple[str, str]]:
    return [(found[id]["status"], MINUTE.sub("MOMENT", found[id]["detail"])) for id in ids]


def test_every_object_has_a_word_and_a_detail(dev: OnCluster) -> None:
    found = statuses(dev)
    assert {id: item["status"] for id, item in found.items()} == {
        "Cluster/main": "Applied",
        "Environment/dev": "Ready",
        **{id: "Prepared" for id in found if id.startswith("Dataset/")},
        "FeatureStore/flights": "Ready",
        "Pipeline/tabular": "Ready",
        "Model/delay": "Training",
        "Model/delay-checkin": "Training",
        "Model/minutes": "Challenger",
        "Model/nobody": "Training",
        "Inference/delay-api": "Ready",
        "Inference/delay-checkin-api": "Ready",
        "Inference/delay-nightly": "Done",
        "Inference/departures": "Running",
        "Inference/minutes-api": "WaitingForModel(nobody@champion)",
        "Monitor/delay-watch": "Scheduled",
        "Notebook/explore": "Ready",
    }
    champion = found["Model/delay"]["fields"]["champion"]
    assert words(found, "Dataset/flights", "Inference/delay-nightly", "Inference/delay-api", "Environment/dev", "Cluster/main") == [
        ("Prepared", "at MOMENT; next at MOMENT"),
        ("Done", "at MOMENT; next at MOMENT"),
        ("Ready", f"http://delay-api-delays-dev.example.com serves version {champion}"),
        ("Ready", "namespace delays-dev of Cluster/main"),
        ("Applied", "a stack of its own: mlx status --cluster main"),
    ]
    run = found["Model/delay"]["fields"]["run"][:8]
    assert found["Model/delay"]["detail"] == f"run {run} is PENDING; version {champion} is champion"


def test_a_model_follows_its_run(dev: OnCluster) -> None:
    run = next(item for item in dev.pipelines.runs if item["run_id"] == statuses(dev)["Model/nobody"]["fields"]["run"])
    seen: list[tuple[str, str]] = []
    for state in ("RUNNING", "FAILED", "SUCCEEDED"):
        run["state"] = state
        seen += words(statuses(dev), "Model/nobody")
    short = f"run {run['run_id'][:8]}"
    assert seen == [
        ("Training", f"{short} is RUNNING; no version has passed its gates yet"),
        ("TrainingFailed", f"{short} is FAILED; no version has passed its gates yet; {short} of Kubeflow Pipelines is FAILED, and its pods are gone"),
        ("Challenger", "the version that was trained last is not the champion; no version has passed its gates yet"),
    ]


def test_a_run_that_has_failed_is_submitted_again_by_the_next_apply_and_one_that_was_cancelled_is_not(dev: OnCluster) -> None:
    def run() -> dict[str, Any]:
        (recorded,) = (item for item in dev.pipelines.runs if item["run_id"] == statuses(dev)["Model/nobody"]["fields"]["run"])
        return recorded

    first = run()
    before = first["state"]
    first["state"] = "CANCELED"
    assert dev.plan("dev") == {}
    hint = "its page in Kubeflow Pipelines shows the step; mlx apply --env dev leaves it so: start it again there"
    assert statuses(dev)["Model/nobody"]["fields"]["cause"]["hint"] == hint
    first["state"] = "FAILED"
    assert statuses(dev)["Model/nobody"]["fields"]["cause"]["hint"] == "its page in Kubeflow Pipelines shows the step; mlx apply --env dev submits it again"
    meant = {id: (item["effect"], item["effect_text"]) for id, item in dev.plan("dev").items()}
    assert meant == {"Model/nobody": ("retrain", "train (submitted, not waited for), as it has failed")}
    dev.mlx("apply", "--env", "dev", "--yes")
    second = run()
    assert (second["run_id"] != first["run_id"], second["display_name"]) == (True, first["display_name"])
    assert dev.plan("dev") == {}
    second["state"] = before


def test_what_was_deleted_by_hand_is_missing(dev: OnCluster) -> None:
    at = f"/apis/batch/v1/namespaces/{SPACE}/cronjobs/dataset-flights"
    dev.plane.request("DELETE", at)
    assert words(statuses(dev), "Dataset/flights") == [("Missing", "its CronJob dataset-flights is gone; mlx apply --env dev brings it back")]
    dev.mlx("apply", "--env", "dev", "--yes")
    assert words(statuses(dev), "Dataset/flights") == [("Prepared", "at MOMENT; next at MOMENT")]


def test_an_endpoint_whose_pods_cannot_run_says_so(dev: OnCluster) -> None:
    pods = f"/api/v1/namespaces/{SPACE}/pods"
    pod = next(item for item in dev.objects(pods) if item["metadata"]["name"].startswith("delay-checkin-api"))
    name, image = pod["metadata"]["name"], pod["spec"]["containers"][0]["image"]
    waiting = {"name": "kserve-container", "image": image, "imageID": "", "ready": False, "restartCount": 0}
    waiting["state"] = {"waiting": {"reason": "ImagePullBackOff", "message": "manifest unknown"}}
    status = {"phase": "Pending", "conditions": [{"type": "Ready", "status": "False"}], "containerStatuses": [waiting]}
    dev.plane.request("PATCH", f"{pods}/{name}/status", {"status": status}, type="application/strategic-merge-patch+json")
    not_ready = {"conditions": [{"type": "Ready", "status": "False", "reason": "MinimumReplicasUnavailable"}]}
    service = f"/apis/serving.kserve.io/v1beta1/namespaces/{SPACE}/inferenceservices/delay-checkin-api"
    dev.plane.until(lambda: available(dev, "delay-checkin-api-predictor") == 0, "the Deployment has seen it")
    dev.plane.request("PATCH", f"{service}/status", {"status": not_ready}, type="application/merge-patch+json")
    found = statuses(dev)["Inference/delay-checkin-api"]
    assert (found["status"], found["detail"]) == ("NotReady", f"image {image} cannot be pulled: manifest unknown")
    assert [link["id"].partition("/")[0] for link in found["fields"]["cause"]["chain"]] == ["InferenceService", "Deployment", "ReplicaSet", "Pod"]
    said = dev.mlx("why", "delay-checkin-api", "--env", "dev")
    assert re.search(r"Cause  Inference/delay-checkin-api: image \S+ cannot be pulled: manifest unknown\nFix    is it in the registry", said.out)
    assert re.search(r"Pod/delay-checkin-api-\S+ +Pending +on node \S+  <- the cause\n", said.out)
    dev.plane.request("DELETE", f"{pods}/{name}")
    dev.plane.until(lambda: statuses(dev)["Inference/delay-checkin-api"]["status"] == "Ready", "another pod serves")


def test_a_monitor_that_alerts_has_drifted_after_one_try(dev: OnCluster) -> None:
    """On no node, so that its pod ends as it is told here and not as KWOK has it."""
    template = dev.plane.request("GET", f"/apis/batch/v1/namespaces/{SPACE}/cronjobs/monitor-delay-watch")["spec"]["jobTemplate"]
    jobs, pods = f"/apis/batch/v1/namespaces/{SPACE}/jobs", f"/api/v1/namespaces/{SPACE}/pods"
    template["spec"]["template"]["spec"]["nodeSelector"] = {"nowhere": "true"}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "look-now", "labels": template["metadata"]["labels"]}, "spec": template["spec"]}
    dev.plane.request("POST", jobs, job)

    def of_look() -> list[str]:
        return [item["metadata"]["name"] for item in dev.objects(pods) if item["metadata"]["name"].startswith("look-now-")]

    (pod,) = dev.plane.until(of_look, "the Job has a pod")
    ended = {"name": "mlx", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": {"terminated": {"exitCode": 4, "reason": "Error"}}}
    failed = {"status": {"phase": "Failed", "containerStatuses": [ended]}}
    dev.plane.request("PATCH", f"{pods}/{pod}/status", failed, type="application/strategic-merge-patch+json")
    dev.plane.until(lambda: statuses(dev)["Monitor/delay-watch"]["status"] == "Drifted", "the Job has failed")
    assert words(statuses(dev), "Monitor/delay-watch") == [("Drifted", "at MOMENT: mlx logs --env dev Monitor/delay-watch names the columns; next at MOMENT")]
    assert of_look() == [pod]
    dev.plane.request("DELETE", f"{jobs}/look-now", propagationPolicy="Background")


def available(dev: OnCluster, deployment: str) -> int:
    found = dev.plane.request("GET", f"/apis/apps/v1/namespaces/{SPACE}/deployments/{deployment}")
    return int(found["status"].get("availableReplicas") or 0)


def test_logs_say_what_the_api_answers_and_why_there_is_no_pod(dev: OnCluster) -> None:
    refused = dev.mlx("logs", "delay-api", "--env", "dev", code=1).err
    assert re.match(r"error: Inference/delay-api: pod delay-api-predictor-\S+/kserve-container has no log that can be read: \S+", refused)
    none = dev.mlx("logs", "minutes-api", "--env", "dev", code=1).err
    expected = "error: Inference/minutes-api has no pod: it is WaitingForModel(nobody@champion), until one passes its gates"
    assert none == f"{expected}\n  hint: mlx why --env dev minutes-api says more\n"


def test_a_look_reads_the_state_of_the_clusters_stack_once(dev: OnCluster) -> None:
    assert dev.reads("status", "--env", "dev") == 1
    assert dev.reads("logs", "delay-api", "--env", "dev", code=1) == 1


def test_why_of_what_waits_names_the_training_below_it(dev: OnCluster) -> None:
    run = next(item for item in dev.pipelines.runs if item["run_id"] == statuses(dev)["Model/nobody"]["fields"]["run"])
    run["state"] = "RUNNING"
    said = dev.mlx("why", "minutes-api", "--env", "dev", "-o", "json").json
    short = f"run {run['run_id'][:8]}"
    assert said["cause"] == {
        "object": "Model/nobody",
        "kind": "waiting",
        "reason": f"{short} is RUNNING; no version has passed its gates yet",
        "fix": "wait for it: mlx logs --env dev nobody --follow shows it",
    }


def test_a_cluster_shows_its_add_ons_pools_and_queues(dev: OnCluster) -> None:
    found = statuses(dev, "--cluster", "main")
    assert {id: item["status"] for id, item in found.items()} == {
        "Cluster/main": "Ready",
        "AddOn/kserve": "Ready",
        "AddOn/kueue": "Ready",
        "NodePool/general": "Ready",
        "NodePool/gpu": "Ready",
        "NodePool/memory": "Ready",
        "Queue/general": "Ready",
        "Queue/gpu": "Ready",
        "Queue/memory": "Ready",
    }
    assert found["NodePool/gpu"]["detail"].startswith("1 of 1 node ready, max 1, 1 of 2 GPUs in use, 4.1Gi of 64Gi memory in use, 1.05 of 8 cpu in use")
    assert found["Queue/gpu"]["detail"] == "0 workloads wait, 0 admitted"


def test_a_cluster_whose_add_on_is_gone_and_whose_queue_is_full_says_so(dev: OnCluster) -> None:
    at = "/apis/apps/v1/namespaces/kueue-system/deployments/kueue-controller-manager"
    dev.plane.request("PATCH", at, {"spec": {"replicas": 2, "template": {"spec": {"nodeSelector": {"pool": "none"}}}}}, type="application/merge-patch+json")
    queue = "/apis/kueue.x-k8s.io/v1beta2/clusterqueues/gpu"
    dev.plane.request("PATCH", f"{queue}/status", {"status": {"pendingWorkloads": 3}}, type="application/merge-patch+json")
    dev.plane.until(lambda: statuses(dev, "--cluster", "main")["AddOn/kueue"]["status"] == "NotReady", "its Deployment is not ready")
    found = statuses(dev, "--cluster", "main")
    assert found["AddOn/kueue"]["fields"]["cause"]["hint"] == "its pods tell why: kubectl get pods --namespace kueue-system"
    assert (found["Queue/gpu"]["status"], found["Queue/gpu"]["detail"]) == ("Waiting", "3 workloads wait, 0 admitted")
    dev.plane.request("PATCH", f"{queue}/status", {"status": {"pendingWorkloads": 0}}, type="application/merge-patch+json")
    dev.plane.request("PATCH", at, {"spec": {"replicas": 1, "template": {"spec": {"nodeSelector": None}}}}, type="application/merge-patch+json")
    dev.plane.until(lambda: statuses(dev, "--cluster", "main")["AddOn/kueue"]["status"] == "Ready", "its Deployment is ready again")


def test_a_training_on_several_nodes_that_waits_in_its_queue_says_what_for(dev: OnCluster) -> None:
    """As Kueue leaves it: suspended, without pods, and a Workload of its own that says why."""
    jobs = f"/apis/trainer.kubeflow.org/v1alpha1/namespaces/{SPACE}/trainjobs"
    (job,) = dev.objects(jobs)
    at, merge = f"{jobs}/{job['metadata']['name']}", "application/merge-patch+json"
    dev.plane.request("PATCH", at, {"spec": {"suspend": True}}, type=merge)
    held = {"type": "Suspended", "status": "True", "reason": "Suspended", "message": "TrainJob is suspended", "lastTransitionTime": "2026-11-22T16:10:26Z"}
    dev.plane.request("PATCH", f"{at}/status", {"status": {"conditions": [held]}}, type=merge)
    owner = {"apiVersion": job["apiVersion"], "kind": "TrainJob", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"], "controller": True}
    container = {"name": "node", "image": "node", "resources": {"requests": {"nvidia.com/gpu": "1"}}}
    pods = {"name": "node", "count": 2, "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}
    metadata = {"name": "trainjob-minutes", "ownerReferences": [owner]}
    spec = {"queueName": "gpu", "podSets": [pods]}
    waiting = {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "Workload", "metadata": metadata, "spec": spec}
    workloads = f"/apis/kueue.x-k8s.io/v1beta2/namespaces/{SPACE}/workloads"
    dev.plane.request("POST", workloads, waiting)
    said = {"type": "QuotaReserved", "status": "False", "reason": "Pending", "message": NO_QUOTA, "lastTransitionTime": "2026-11-22T16:10:26Z"}
    dev.plane.request("PATCH", f"{workloads}/trainjob-minutes/status", {"status": {"conditions": [said]}}, type=merge)
    found = statuses(dev, "--env", "dev")["Model/minutes"]
    assert (found["status"], NO_QUOTA in found["detail"]) == ("Training", True), found
    why = dev.mlx("why", "Model/minutes", "--env", "dev").out
    assert f"Cause  Model/minutes: queue gpu has no quota for it: {NO_QUOTA}" in why
