"""What `mlx status` says of each kind on a cluster, from the live objects, its run and the registry alone."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from live_objects import cluster, ended, live, made, pod, service, waits

from mlx_specs.dataset import Dataset
from mlx_specs.environment import Environment
from mlx_specs.feature_store import FeatureStore
from mlx_specs.inference import Inference
from mlx_specs.kinds import AnyObject
from mlx_specs.model import Model
from mlx_specs.monitor import Monitor
from mlx_specs.notebook import Notebook
from mlx_specs.pipeline import Pipeline
from mlx_specs.pipeline_resources import PipelineRun, TrainingRunOutputs
from mlx_specs.resources import Version
from mlx_stacks.live_status import Facts, Unanswered, live_status
from mlx_stacks.object_status import ObjectStatus

RUN_ID = "8efd0f2c-0000"
RUN = PipelineRun(api="http://kfp", namespace="n", pipeline="p", pipeline_version="p-1", service_account="mlx-train")
TRAINED = TrainingRunOutputs(model="delay", fingerprint="f" * 64, run=RUN, run_id=RUN_ID)
CHAMPION = Version(fingerprint="f" * 64, version="3", artifact="s3://a", artifact_digest="d" * 64)
DONE = {"conditions": [{"type": "Complete", "status": "True"}], "completionTime": "2026-11-21T21:20:59Z"}
READY = {"conditions": [{"type": "Ready", "status": "True"}]}
SERVED = {"conditions": [{"type": "FeatureStore", "status": "True"}]}
"""How Feast's operator says that a store is ready."""
NOTHING = Version()
NOW = datetime(2026, 11, 21, 21, 30, tzinfo=UTC)


def facts(*objects: Any, state: str | Unanswered | None = "RUNNING", champion: Version | Unanswered = NOTHING, **more: Any) -> Facts:
    ids = frozenset(f"{item['metadata']['labels']['mlx.dev/kind']}/{item['metadata']['labels']['mlx.dev/name']}" for item in objects)
    current = frozenset({"delay"} if champion == CHAMPION else ())
    known = {"applied": ids, "recorded": {}, "declared": {}, "awaited": {}, **more}
    return Facts(
        NOW,
        live(*objects),
        cluster(),
        champions={"delay": champion},
        current=current,
        released_from="",
        runs={"delay": TRAINED},
        states={"delay": state},
        **known,
    )


def said(kind: type[AnyObject], id: str, known: Facts, **spec: Any) -> tuple[str, str]:
    found = told(kind, id, known, **spec)
    return found.status, found.detail


def told(kind: type[AnyObject], id: str, known: Facts, **spec: Any) -> ObjectStatus:
    return live_status(id, kind.model_construct(spec=kind.model_fields["spec"].annotation.model_construct(**spec)), known)  # type: ignore[union-attr]


def dataset(*objects: Any) -> tuple[str, str]:
    return said(Dataset, "Dataset/a", facts(*objects))


def test_a_dataset_that_runs_is_done_or_has_failed() -> None:
    assert dataset(made("Job", "a", {"active": 1}, of="Dataset/a", spec={})) == ("Preparing", "since 2026-11-21 21:20Z")
    assert dataset(made("Job", "a", DONE, of="Dataset/a", spec={})) == ("Prepared", "at 2026-11-21 21:20Z")
    failed = made("Job", "a", {"conditions": [{"type": "Failed", "status": "True", "message": "too often"}]}, of="Dataset/a", spec={})
    assert dataset(failed) == ("Failed", "a failed: too often")


def test_a_monitor_whose_look_has_found_drift_and_alerts_has_drifted() -> None:
    cron = made("CronJob", "a", {}, of="Monitor/a", spec={"schedule": "0 3 * * *"})
    assert said(Monitor, "Monitor/a", facts(cron)) == ("Scheduled", "next at 2026-11-22 03:00Z")
    assert said(Monitor, "Monitor/a", facts(cron, made("Job", "a", DONE, of="Monitor/a", spec={})))[0] == "Done"

    def failed(reason: str) -> ObjectStatus:
        condition = {"type": "Failed", "status": "True", "reason": reason, "message": "too often", "lastTransitionTime": "2026-11-21T21:22:00Z"}
        return told(Monitor, "Monitor/a", facts(cron, made("Job", "a", {"conditions": [condition]}, of="Monitor/a", spec={})))

    drifted = failed("PodFailurePolicy")
    assert (drifted.status, drifted.detail) == ("Drifted", "at 2026-11-21 21:22Z: mlx logs Monitor/a names the columns; next at 2026-11-22 03:00Z")
    assert drifted.fields["fix"] == "mlx logs Monitor/a names what has moved; a model that is trained on newer rows knows them"
    assert failed("BackoffLimitExceeded").status == "Failed"


def test_a_schedule_says_when_it_runs_next() -> None:
    nightly = made("CronJob", "a", {}, of="Dataset/a", spec={"schedule": "0 3 * * *"})
    assert dataset(nightly) == ("Scheduled", "next at 2026-11-22 03:00Z")
    assert dataset(nightly, made("Job", "a", DONE, of="Dataset/a", spec={})) == ("Prepared", "at 2026-11-21 21:20Z; next at 2026-11-22 03:00Z")
    assert dataset({**nightly, "spec": {"schedule": "0 3 * * *", "suspend": True}}) == ("Scheduled", "its schedule is suspended")


def test_a_job_that_cannot_start_is_pending_with_the_cause() -> None:
    job = made("Job", "a", {"active": 1}, of="Dataset/a", spec={})
    waiting = pod(owner=job, refused="0/1 nodes are available", nodeSelector={"pool": "gpu"})
    found = told(Dataset, "Dataset/a", facts(job, waiting))
    assert (found.status, found.detail) == ("Pending", "pool gpu has no node: none has pool=gpu")
    assert [link["id"] for link in found.fields["cause"]["chain"]] == ["Job/a", "Pod/delay-api-1", "NodePool/gpu"]


def endpoint(*objects: Any, **more: Any) -> tuple[str, str]:
    return said(Inference, "Inference/delay-api", facts(*objects, **more), mode="realtime")


def test_an_endpoint_is_ready_with_its_url_and_version() -> None:
    ready = service(url="http://delay-api.example.com", **READY)
    ready["metadata"]["annotations"] = {"mlx.dev/version": "3"}
    assert endpoint(ready) == ("Ready", "http://delay-api.example.com serves version 3")


def test_an_endpoint_that_is_not_ready_says_the_root_cause() -> None:
    broken = pod(owner=service(), container=waits("ErrImagePull", "no such host"))
    assert endpoint(service(), broken) == ("NotReady", "image registry.example.com/mlx@sha256:aa cannot be pulled: no such host")


def test_an_endpoint_waits_for_its_model_until_an_apply_after_the_first_champion() -> None:
    awaited = {"Inference/delay-api": "delay@champion"}
    assert endpoint(awaited=awaited) == ("WaitingForModel(delay@champion)", "until one passes its gates")
    assert endpoint(awaited=awaited, champion=CHAMPION)[1] == "version 3 is champion now: mlx apply completes it"


def test_a_batch_inference_runs_and_is_done() -> None:
    job = made("Job", "batch", {"active": 1}, of="Inference/nightly", spec={})
    assert said(Inference, "Inference/nightly", facts(job), mode="batch")[0] == "Running"
    assert said(Inference, "Inference/nightly", facts({**job, "status": DONE}), mode="batch") == ("Done", "at 2026-11-21 21:20Z")


@pytest.mark.parametrize(
    ("state", "champion", "expected"),
    [
        ("RUNNING", Version(), ("Training", "run 8efd0f2c is RUNNING; no version has passed its gates yet")),
        ("PENDING", CHAMPION, ("Training", "run 8efd0f2c is PENDING; version 3 is champion")),
        ("SUCCEEDED", CHAMPION, ("Ready", "version 3 is champion")),
        ("SUCCEEDED", Version(), ("Challenger", "the version that was trained last is not the champion; no version has passed its gates yet")),
        (None, CHAMPION, ("Missing", "run 8efd0f2c is gone from Kubeflow Pipelines; mlx apply submits it again; version 3 is champion")),
        (Unanswered("connection refused"), CHAMPION, ("Unknown", "run 8efd0f2c is not known: connection refused; version 3 is champion")),
        ("SUCCEEDED", Unanswered("MLflow is down"), ("Unknown", "its champion is not known: MLflow is down")),
    ],
)
def test_a_model_is_its_run_and_its_champion(state: Any, champion: Any, expected: tuple[str, str]) -> None:
    assert said(Model, "Model/delay", facts(state=state, champion=champion)) == expected


def test_a_training_that_failed_is_told_by_its_pod_while_there_is_one() -> None:
    step = pod(phase="Failed", container={"state": {"terminated": ended(1, message="no column late")}}, of="Model/delay")
    step["metadata"]["labels"]["pipeline/runid"] = RUN_ID
    failed = told(Model, "Model/delay", facts(step, state="FAILED"))
    assert failed.status == "TrainingFailed"
    assert failed.fields["cause"]["root"] == "container kserve-container ended with exit code 1: no column late"
    assert failed.fields["cause"]["chain"][0] == {"id": f"Run/{RUN_ID}", "status": "FAILED", "detail": ""}
    gone = told(Model, "Model/delay", facts(state="FAILED"))
    assert gone.fields["cause"]["root"] == "run 8efd0f2c of Kubeflow Pipelines is FAILED, and its pods are gone"


def test_a_training_whose_pod_waits_says_for_what() -> None:
    step = pod(refused="0/1 nodes are available", nodeSelector={"pool": "gpu"})
    step["metadata"]["labels"]["pipeline/runid"] = RUN_ID
    assert said(Model, "Model/delay", facts(step)) == (
        "Training",
        "run 8efd0f2c is RUNNING; no version has passed its gates yet; pool gpu has no node: none has pool=gpu",
    )


def test_a_pipelines_version_is_accepted_or_refused_in_the_servers_words() -> None:
    version = made("PipelineVersion", "tabular-0a", {}, of="Pipeline/tabular")
    known = {"recorded": {"Pipeline/tabular": {("PipelineVersion", "tabular-0a"): {}}}}
    assert said(Pipeline, "Pipeline/tabular", facts(version, **known)) == ("Ready", "version tabular-0a accepted")
    version["status"] = {"conditions": [{"type": "PipelineVersionStatus", "status": "False", "message": "invalid pipeline spec"}]}
    assert said(Pipeline, "Pipeline/tabular", facts(version, **known)) == ("Failed", "invalid pipeline spec")


def test_a_notebook_is_ready_or_idle() -> None:
    notebook = {**made("Notebook", "explore", {"readyReplicas": 1}, of="Notebook/explore"), "apiVersion": "kubeflow.org/v1"}
    assert said(Notebook, "Notebook/explore", facts(notebook)) == ("Ready", "at /notebook/delays-dev/explore/ of the cluster's gateway")
    notebook["metadata"]["annotations"] = {"kubeflow-resource-stopped": "2026-11-21T20:00:00Z"}
    assert said(Notebook, "Notebook/explore", facts(notebook))[0] == "Idle"


def test_a_feature_store_is_ready_when_its_servers_are() -> None:
    store = {**made("FeatureStore", "flights", SERVED, of="FeatureStore/flights"), "apiVersion": "feast.dev/v1"}
    assert said(FeatureStore, "FeatureStore/flights", facts(store)) == ("Ready", "Feast's servers run")


def test_a_feature_store_with_a_shared_online_store_is_as_its_job_until_it_is_filled() -> None:
    store = {**made("FeatureStore", "flights", {}, of="FeatureStore/flights"), "apiVersion": "feast.dev/v1"}

    def filling(servers: dict[str, Any], job: dict[str, Any]) -> tuple[str, str]:
        run = made("Job", "features-flights", job, of="FeatureStore/flights", spec={})
        return said(FeatureStore, "FeatureStore/flights", facts({**store, "status": servers}, run))

    failed = {"conditions": [{"type": "Failed", "status": "True", "message": "too often"}]}
    assert filling({}, {"active": 1}) == ("Materialising", "since 2026-11-21 21:20Z")
    assert filling({}, failed) == ("Failed", "features-flights failed: too often")
    assert filling({}, DONE)[0] == "NotReady"
    assert filling(SERVED, DONE) == ("Ready", "materialised at 2026-11-21 21:20Z")


def test_a_feature_store_without_servers_is_as_its_job() -> None:
    run = made("Job", "features-flights", DONE, of="FeatureStore/flights", spec={})
    assert said(FeatureStore, "FeatureStore/flights", facts(run)) == ("Ready", "materialised at 2026-11-21 21:20Z")


def test_what_an_apply_did_not_come_to_is_incomplete() -> None:
    unfinished = ("Incomplete", "its last apply did not finish; apply again")
    assert said(FeatureStore, "FeatureStore/flights", facts()) == unfinished
    assert said(Pipeline, "Pipeline/tabular", facts()) == unfinished


def test_what_was_applied_and_is_gone_is_missing() -> None:
    recorded = {"Inference/delay-api": {("InferenceService", "delay-api"): {}, ("ConfigMap", "not looked for"): {}}}
    assert endpoint(recorded=recorded) == ("Missing", "its InferenceService delay-api is gone; mlx apply brings it back")
    known = facts(service(**READY))
    without = replace(known, live=replace(known.live, home=None))
    assert said(Environment, "Environment/dev", without) == ("Missing", "namespace delays-dev is gone; mlx apply brings it back")


def test_what_does_not_run_yet_is_declared_with_the_reason() -> None:
    known = facts(declared={"Inference/delay-api": "streams do not run on this machine yet"})
    assert said(Inference, "Inference/delay-api", known, mode="stream") == ("Declared", "streams do not run on this machine yet")
