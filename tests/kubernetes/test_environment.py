"""The reference workspace on a real API server, with the projects' real definitions: a CPU pool, a memory pool and a tainted GPU pool.

No cheaper engine can say whether an object is accepted, where its pods land, or what a controller changes. The controllers of
KServe, Kueue, Spark, Feast, Trainer and Notebooks and the API of KFP are stand-ins, named so.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from flights_on_cluster import POOL_OF, OnCluster, make_champion

from mlx_components.kubernetes.place import QUEUE

MERGE = "application/merge-patch+json"
OWNED = "mlx.dev/owner"


@pytest.fixture(scope="module")
def dev(flights: OnCluster, mlflow: str) -> Iterator[OnCluster]:
    """The environment dev, applied; its model delay has a champion."""
    make_champion(mlflow, "dev", "delay")
    flights.mlx("apply", "--env", "dev", "--yes")
    yield flights
    flights.mlx("destroy", "--env", "dev", "--yes")


def test_a_plan_after_an_apply_is_empty_for_the_cluster_and_the_environment(dev: OnCluster) -> None:
    assert dev.plan("dev") == {}
    said = dev.mlx("plan", "--cluster", "main", "-o", "json").json
    assert [item["action"] for item in said["objects"]] == ["same"]


def test_every_kind_becomes_what_the_design_says(dev: OnCluster) -> None:
    found = {
        "sparkoperator.k8s.io/v1beta2": ("sparkapplications", ["dataset-weather", "stream-departures"]),
        "feast.dev/v1": ("featurestores", ["flights"]),
        "pipelines.kubeflow.org/v2beta1": ("pipelineversions", ["tabular", "delay-checkin"]),
        "trainer.kubeflow.org/v1alpha1": ("trainjobs", ["train-minutes"]),
        "serving.kserve.io/v1beta1": ("inferenceservices", ["delay-api"]),
        "kubeflow.org/v1": ("notebooks", ["explore"]),
    }
    for version, (plural, names) in found.items():
        there = [item["metadata"]["name"] for item in dev.objects(f"/apis/{version}/namespaces/delays-dev/{plural}")]
        assert [any(one.startswith(name) for one in there) for name in names] == [True] * len(names), (plural, there)
    schedules = {item["metadata"]["name"]: item["spec"]["schedule"] for item in dev.objects("/apis/batch/v1/namespaces/delays-dev/cronjobs")}
    assert schedules == {
        "batch-delay-nightly": "0 5 * * *", "dataset-flights": "0 3 * * *", "features-flights": "30 3 * * *", "monitor-delay-watch": "0 6 * * *",
    }  # fmt: skip
    assert sorted(run["display_name"].rpartition("-")[0] for run in dev.pipelines.runs) == ["delays-dev/delay", "delays-dev/delay-checkin"]
    assert [(item["display_name"], item["trigger"]["cron_schedule"]["cron"]) for item in dev.pipelines.live] == [("delay", "0 0 4 * * 1")]
    assert [(item["display_name"], item["namespace"]) for item in dev.pipelines.experiments] == [("mlx", "delays-dev")]


def test_pods_land_on_the_pool_they_name_and_on_no_other(dev: OnCluster) -> None:
    def placed() -> dict[str, set[str]]:
        pods = dev.objects("/api/v1/namespaces/delays-dev/pods")
        return {name: {pod["spec"].get("nodeName", "") for pod in pods if pod["metadata"]["name"].startswith(name)} for name in POOL_OF}

    wanted = {name: {f"{pool}-1"} for name, pool in POOL_OF.items()}
    assert dev.plane.until(lambda: placed() == wanted or None, f"pods on their pools: {placed()}")
    on_gpu = [pod["metadata"]["name"] for pod in dev.objects("/api/v1/pods") if pod["spec"].get("nodeName") == "gpu-1"]
    assert [name for name in on_gpu if not name.startswith(("explore", "train-minutes"))] == []


def test_whatever_runs_waits_in_the_queue_of_its_pool(dev: OnCluster) -> None:
    """Kueue sees a Job or a TrainJob as a whole; of all others it sees the pods."""

    def queues(path: str) -> dict[str, str]:
        return {item["metadata"]["name"].rpartition("-")[0]: item["metadata"]["labels"].get(QUEUE, "") for item in dev.objects(path)}

    space = "namespaces/delays-dev"
    assert queues(f"/apis/trainer.kubeflow.org/v1alpha1/{space}/trainjobs") == {"train-minutes": "gpu"}
    jobs = queues(f"/apis/batch/v1/{space}/jobs")
    assert (jobs["dataset-flights"], jobs["batch-delay-nightly"]) == ("memory", "memory")
    applications = dev.objects(f"/apis/sparkoperator.k8s.io/v1beta2/{space}/sparkapplications")
    assert [[item["spec"][role]["labels"][QUEUE] for role in ("driver", "executor")] for item in applications] == [["memory", "memory"]] * 2
    assert queues(f"/apis/serving.kserve.io/v1beta1/{space}/inferenceservices") == {"delay": "general"}
    assert [item["metadata"]["labels"][QUEUE] for item in dev.objects(f"/apis/kubeflow.org/v1/{space}/notebooks")] == ["gpu"]
    found = dev.objects(f"/apis/pipelines.kubeflow.org/v2beta1/{space}/pipelineversions")
    versions = {item["metadata"]["name"].rpartition("-")[0]: item["spec"] for item in found}
    steps = versions["tabular"]["platformSpec"]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert {name for name, step in steps.items() if step.get("podMetadata") == {"labels": {QUEUE: "gpu"}}} == {"exec-train"}


def test_a_stream_is_changed_where_it_stands_and_never_runs_twice(dev: OnCluster) -> None:
    """The operator ends the driver of an application that is changed before it starts another one; both would follow one checkpoint."""
    at = "/apis/sparkoperator.k8s.io/v1beta2/namespaces/delays-dev/sparkapplications/stream-departures"
    before = dev.plane.request("GET", at)
    dev.workspace.edit("specs/on-cluster.yaml", "watermark: 1h", "watermark: 2h")
    planned = dev.plan("dev")
    assert {id: (item["effect"], item["effect_text"]) for id, item in planned.items()} == {
        "Inference/departures": ("redeploy", "create ConfigMap, go on where the stream stands, ConfigMap is deleted")
    }
    dev.mlx("apply", "--env", "dev", "--yes")
    after = dev.plane.request("GET", at)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    told = [item["spec"]["driver"]["template"]["spec"]["volumes"][0]["configMap"]["name"] for item in (before, after)]
    assert told[0] != told[1]
    maps = [item["metadata"]["name"] for item in dev.objects("/api/v1/namespaces/delays-dev/configmaps")]
    assert [name for name in maps if name.startswith("stream-departures")] == [told[1]]
    dev.workspace.edit("specs/on-cluster.yaml", "watermark: 2h", "watermark: 1h")
    dev.mlx("apply", "--env", "dev", "--yes")
    assert dev.plan("dev") == {}
    dev.workspace.edit("specs/on-cluster.yaml", ":9092/departures", ":9092/arrivals")
    assert dev.plan("dev")["Inference/departures"]["effect_text"] == "create ConfigMap, begin another stream anew, ConfigMap is deleted"
    dev.workspace.edit("specs/on-cluster.yaml", ":9092/arrivals", ":9092/departures")


LEVELS = ("audit", "enforce", "warn")


def test_every_pod_of_ours_passes_the_restricted_security_level_and_only_feasts_servers_do_not(dev: OnCluster) -> None:
    labels = dev.plane.request("GET", "/api/v1/namespaces/delays-dev")["metadata"]["labels"]
    assert [labels[f"pod-security.kubernetes.io/{mode}"] for mode in LEVELS] == ["restricted", "baseline", "restricted"]
    refused = [event for event in dev.objects("/api/v1/namespaces/delays-dev/events") if "violates PodSecurity" in event.get("message", "")]
    assert refused == []
    strict = {"metadata": {"name": "strict", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    dev.plane.request("POST", "/api/v1/namespaces", strict)
    dev.plane.until(lambda: dev.objects("/api/v1/namespaces/strict/serviceaccounts"), "the namespace has an account")
    let_in: dict[str, bool] = {}
    for pod in dev.objects("/api/v1/namespaces/delays-dev/pods"):
        spec = {key: value for key, value in pod["spec"].items() if key not in ("nodeName", "serviceAccount", "serviceAccountName", "priority", "volumes")}
        for container in (*spec["containers"], *spec.get("initContainers", [])):
            container.pop("volumeMounts", None)
        url = f"{dev.plane.url}/api/v1/namespaces/strict/pods?dryRun=All"
        answer = dev.plane.session.post(url, json={"metadata": {"name": pod["metadata"]["name"]}, "spec": spec}, timeout=30)
        let_in[pod["metadata"]["name"].partition("-")[0]] = answer.ok
        assert answer.ok or "violates PodSecurity" in answer.text, answer.text
    assert {"batch", "dataset", "delay", "explore", "features", "stream", "train"} <= let_in.keys()
    assert [name for name, ok in let_in.items() if not ok] == ["feast"]


def test_a_run_is_submitted_once_for_a_fingerprint(dev: OnCluster) -> None:
    runs, both = len(dev.pipelines.runs), 2  # delay and delay-checkin learn with it
    dev.workspace.edit("stacks/dev.yaml", "max_depth: 6", "max_depth: 7")
    planned = dev.plan("dev")
    assert (planned["Model/delay"]["effect"], planned["Model/delay"]["effect_text"]) == ("retrain", "retrain (submitted, not waited for)")
    dev.mlx("apply", "--env", "dev", "--yes")
    dev.workspace.edit("stacks/dev.yaml", "max_depth: 7", "max_depth: 6")
    dev.mlx("apply", "--env", "dev", "--yes")
    assert len(dev.pipelines.runs) == runs + both
    assert len(dev.pipelines.live) == 1
    assert dev.plan("dev") == {}


def test_another_schedule_is_another_recurring_run_and_one_is_live(dev: OnCluster) -> None:
    dev.workspace.edit("stacks/dev.yaml", "0 4 * * 1", "0 6 * * 1")
    assert dev.plan("dev")["Model/delay"]["effect_text"] == "reschedule retraining"
    dev.mlx("apply", "--env", "dev", "--yes")
    assert [item["trigger"]["cron_schedule"]["cron"] for item in dev.pipelines.live] == ["0 0 6 * * 1"]
    assert len(dev.pipelines.recurring) > 1
    dev.workspace.edit("stacks/dev.yaml", "0 6 * * 1", "0 4 * * 1")
    dev.mlx("apply", "--env", "dev", "--yes")


def test_a_replica_count_of_an_autoscaler_and_a_suspend_of_kueue_are_no_changes(dev: OnCluster) -> None:
    deployment = "/apis/apps/v1/namespaces/delays-dev/deployments/delay-api-predictor/scale"
    dev.plane.request("PATCH", deployment, {"spec": {"replicas": 3}}, type=MERGE, fieldManager="horizontal-pod-autoscaler")
    name = next(job["metadata"]["name"] for job in dev.objects("/apis/batch/v1/namespaces/delays-dev/jobs") if job["metadata"]["name"].startswith("batch-"))
    dev.plane.request("PATCH", f"/apis/batch/v1/namespaces/delays-dev/jobs/{name}", {"spec": {"suspend": True}}, type=MERGE, fieldManager="kueue")
    assert dev.plan("dev") == {}


def test_a_hand_edit_is_found_and_mended(dev: OnCluster) -> None:
    at = "/apis/batch/v1/namespaces/delays-dev/cronjobs/dataset-flights"
    dev.plane.request("PATCH", at, {"spec": {"schedule": "1 1 * * *"}}, type=MERGE)
    drift = dev.mlx("refresh", "--env", "dev", "-o", "json", code=4).json["drift"]
    assert [(item["id"], [(change["path"], change["new"]) for change in item["changes"]]) for item in drift] == [
        ("Dataset/flights", [("spec.schedule", "1 1 * * *")])
    ]
    assert dev.plan("dev")["Dataset/flights"]["effect_text"] == "reschedule"
    dev.mlx("apply", "--env", "dev", "--yes")
    assert dev.plane.request("GET", at)["spec"]["schedule"] == "0 3 * * *"
    assert dev.plan("dev") == {}


def test_an_endpoint_waits_for_its_first_model_and_the_next_apply_completes_it(dev: OnCluster, mlflow: str) -> None:
    services = "/apis/serving.kserve.io/v1beta1/namespaces/delays-dev/inferenceservices"
    assert [item["metadata"]["name"] for item in dev.objects(services)] == ["delay-api"]
    make_champion(mlflow, "dev", "delay-checkin")
    assert dev.plan("dev")["Inference/delay-checkin-api"]["effect_text"] == "start the endpoint"
    said = dev.mlx("apply", "--env", "dev", "--yes")
    assert "WaitingForModel" not in said.out
    assert [item["metadata"]["name"] for item in dev.objects(services)] == ["delay-api", "delay-checkin-api"]
    assert dev.plan("dev") == {}


def test_two_environments_on_one_cluster_do_not_touch_each_other(dev: OnCluster) -> None:
    before = owned(dev, "delays-dev")
    dev.mlx("apply", "--env", "other", "--yes")
    assert owned(dev, "delays-dev") == before
    assert {one[2] for one in owned(dev, "delays-other")} == {"flights.other"}
    assert dev.objects("/apis/serving.kserve.io/v1beta1/namespaces/delays-other/inferenceservices") == []
    assert dev.plan("dev") == {} == dev.plan("other")
    dev.mlx("destroy", "--env", "other", "--yes")
    assert owned(dev, "delays-dev") == before
    assert everything_of(dev, "flights.other") == []


def test_a_run_that_was_under_way_when_its_environment_was_destroyed_is_submitted_anew(dev: OnCluster) -> None:
    ended = [run["run_id"] for run in dev.pipelines.runs if run["display_name"].startswith("delays-other/")]
    dev.mlx("apply", "--env", "other", "--yes")
    assert dev.plan("other") == {}
    again = [run["run_id"] for run in dev.pipelines.runs if run["display_name"].startswith("delays-other/") and run["run_id"] not in ended]
    assert (len(ended), len(again)) == (2, 2)
    dev.mlx("destroy", "--env", "other", "--yes")


def test_a_workload_that_no_node_can_hold_is_refused_before_anything_is_changed(dev: OnCluster) -> None:
    dev.workspace.edit("stacks/dev.yaml", "memory: 16Gi", "memory: 500Gi")
    said = dev.mlx("apply", "--env", "dev", "--yes", code=1)
    dev.workspace.edit("stacks/dev.yaml", "memory: 500Gi", "memory: 16Gi")
    assert "'compute' asks for 2 cpu, 500Gi" in said.err
    assert "pool 'memory'" in said.err
    assert dev.plan("dev") == {}


def test_a_cluster_that_cannot_be_reached_or_asked_is_one_line_and_nothing_is_changed(dev: OnCluster) -> None:
    kubeconfig = dev.plane.kubeconfig()
    text = kubeconfig.read_text()
    broken = kubeconfig.with_name("broken")
    broken.write_text(text.replace(f":{dev.plane.port}", ":1"))
    unreachable = dev.mlx("apply", "--env", "dev", "--yes", code=1, kubeconfig=broken)
    broken.write_text(text.replace(dev.plane.tokens["admin"], "expired"))
    expired = dev.mlx("apply", "--env", "dev", "--yes", code=1, kubeconfig=broken)
    forbidden = dev.mlx("apply", "--env", "dev", "--yes", code=1, kubeconfig=dev.plane.kubeconfig("narrow"))
    assert "error: the API server https://127.0.0.1:1 (context test) cannot be reached: Connection refused\n" in unreachable.err
    assert f"error: {dev.plane.url} does not know who asks: the credentials of context test are wrong or have expired\n" in expired.err
    assert 'User "narrow" cannot' in forbidden.err
    assert dev.plan("dev") == {}


def test_a_cluster_with_an_environment_on_it_is_not_destroyed(dev: OnCluster) -> None:
    refused = dev.mlx("destroy", "--cluster", "main", "--yes", code=3)
    assert refused.err == "error: Cluster 'main' has 1 environment on it: dev\n  hint: first `mlx destroy --env dev`\n"
    assert dev.plan("dev") == {}


def test_where_kubeflow_pipelines_is_asked_prepares_nothing_again_and_a_silent_one_is_told_by_the_plan(dev: OnCluster) -> None:
    file, there = "stacks/dev.yaml", f"pipelines: {dev.pipelines.url}"
    elsewhere = dev.pipelines.url.replace("127.0.0.1", "localhost")
    dev.workspace.edit(file, there, f"pipelines: {elsewhere}")
    meant = {id: item["effect_text"] for id, item in dev.plan("dev").items()}
    assert meant == {"Environment/dev": "metadata only", "Model/delay": "reschedule retraining", "Model/delay-checkin": "metadata only"}
    dev.workspace.edit(file, f"pipelines: {elsewhere}", "pipelines: http://127.0.0.1:1")
    silent = dev.mlx("plan", "--env", "dev", code=1)
    assert "model 'delay': Kubeflow Pipelines at http://127.0.0.1:1 does not answer: [Errno 111] Connection refused" in silent.err
    dev.workspace.edit(file, "pipelines: http://127.0.0.1:1", f"pipelines: {elsewhere}")
    dev.pipelines.multi_user = False
    single = dev.mlx("plan", "--env", "dev", code=1)
    assert f"model 'delay': Kubeflow Pipelines at {elsewhere} is installed for a single user: it runs nothing in an environment's namespace" in single.err
    dev.pipelines.multi_user = True
    dev.workspace.edit(file, f"pipelines: {elsewhere}", there)
    assert dev.plan("dev") == {}


def test_doctor_asks_each_server_that_a_plan_asks(dev: OnCluster, mlflow: str) -> None:
    def examined(code: int) -> dict[str, tuple[bool, str]]:
        said = dev.mlx("doctor", "--env", "dev", "-o", "json", code=code).json["checks"]
        return {item["name"]: (item["ok"], item["detail"]) for item in said if item["name"] in ("cluster", "mlflow", "pipelines", "images", "state")}

    well = {
        "cluster": (True, f"{dev.plane.url} answers as Kubernetes v1.36.3"),
        "mlflow": (True, f"{mlflow} answers"),
        "pipelines": (True, f"{dev.pipelines.url} answers"),
        "images": (True, "in registry.example.com/ml, by digest"),
        "state": (True, "readable; what should run does"),
    }
    assert examined(0) == well
    file, there = "stacks/dev.yaml", f"pipelines: {dev.pipelines.url}"
    dev.workspace.edit(file, there, "pipelines: http://127.0.0.1:1")
    assert examined(1) == {**well, "pipelines": (False, "Kubeflow Pipelines at http://127.0.0.1:1 does not answer: [Errno 111] Connection refused")}
    dev.workspace.edit(file, "pipelines: http://127.0.0.1:1", there)


def owned(on_cluster: OnCluster, namespace: str) -> list[tuple[str, str, str]]:
    """Kind, name and owner of every object of mlx in a namespace."""
    return sorted((item["kind"], item["name"], item["owner"]) for item in labelled(on_cluster) if item["namespace"] == namespace)


def everything_of(on_cluster: OnCluster, owner: str) -> list[dict[str, str]]:
    return [item for item in labelled(on_cluster) if item["owner"] == owner]


def labelled(on_cluster: OnCluster) -> list[dict[str, str]]:
    """Every object in the cluster with the label of an owner, but those that a controller made of them."""
    found: list[dict[str, str]] = []
    for group in groups(on_cluster):
        for resource in on_cluster.plane.request("GET", group).get("resources", ()):
            if "/" not in resource["name"] and {"list", "get"} <= set(resource["verbs"]):
                items = on_cluster.plane.request("GET", f"{group}/{resource['name']}", labelSelector=OWNED)["items"]
                found += [described(item, resource["kind"]) for item in items if not item["metadata"].get("ownerReferences")]
    return found


def groups(on_cluster: OnCluster) -> list[str]:
    listed: list[Any] = on_cluster.plane.request("GET", "/apis")["groups"]
    return ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in listed)]


def described(item: dict[str, Any], kind: str) -> dict[str, str]:
    metadata = item["metadata"]
    return {"kind": kind, "name": metadata["name"], "namespace": metadata.get("namespace", ""), "owner": metadata["labels"][OWNED]}
