"""A model is trained on a cluster, and released to another environment there, against a real API server, bucket and MLflow.

Each pod's exact command and environment is a process. The version that an apply has made is run by KFP's own local runner, for KFP's API
server and Argo cannot be had here; each step sees what the version tells it, the bucket, and the token of its service account. Nothing
else is shared between them.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow.compute as compute
import pyarrow.parquet as parquet
import pytest
import yaml
from flights_on_cluster import OnCluster
from remote_environment import LIVE, LIVE_SPACE, SPACE, access, account, add_pinned, remote_environment, run, run_dataset, run_job, variables
from servers import NAME, Server

from mlx_pipelines.registered import RegisteredModel
from mlx_pipelines.registry_rest import champion, model_of, versions_of
from mlx_pipelines.run import run_pipeline
from mlx_runtime.artifact import verify
from mlx_runtime.cluster.score import fetch_version
from mlx_runtime.cluster.storage import open_storage
from mlx_specs.digests import digest
from mlx_specs.pipeline_resources import SubmittedRun
from mlx_specs.resources import Version

SERVICES = f"/apis/serving.kserve.io/v1beta1/namespaces/{SPACE}/inferenceservices"
JOBS = f"/apis/batch/v1/namespaces/{SPACE}/jobs"
LIVE_SERVICES = f"/apis/serving.kserve.io/v1beta1/namespaces/{LIVE_SPACE}/inferenceservices"


@pytest.fixture(scope="module")
def remote(flights: OnCluster, bucket: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnCluster]:
    """The environment, whose rows were prepared by what its own Jobs run."""
    with remote_environment(flights, bucket) as workspace:
        for name in ("flights", "weather", "flight-delays"):
            run_dataset(workspace, name, bucket, tmp_path_factory.mktemp(name))
        yield workspace


@pytest.fixture(scope="module")
def trained(remote: OnCluster, bucket: Server, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the run of the model delay has said."""
    return train(remote, "delay", bucket, tmp_path_factory.mktemp("run"))


def train(remote: OnCluster, model: str, bucket: Server, folder: Path) -> list[str]:
    """As KFP does what it was asked for last; what the steps said."""
    asked = [each for each in remote.pipelines.runs if each["display_name"].rpartition("-")[0].endswith(f"/{model}")][-1]
    at = f"/apis/pipelines.kubeflow.org/v2beta1/namespaces/{SPACE}/pipelineversions"
    wanted = asked["pipeline_version_reference"]["pipeline_version_id"]
    (version,) = [item for item in remote.objects(at) if item["metadata"]["uid"] == wanted]
    ir = folder / "pipeline.yaml"
    ir.write_text(yaml.safe_dump(version["spec"]["pipelineSpec"]))
    steps = version["spec"]["pipelineSpec"]["deploymentSpec"]["executors"]
    workspace = folder / "nothing"
    workspace.mkdir()
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for key, value in variables(steps["exec-train"]["container"], bucket, account(remote, asked["service_account"])).items():
            patch.setenv(key, value)
        run_pipeline(ir, asked["runtime_config"]["parameters"], folder / "run", workspace=workspace, report=lines.append)
    assert list(workspace.iterdir()) == []
    return [*lines, *(folder / "run/run.log").read_text().splitlines()]


def test_a_run_ends_with_a_champion_whose_artifact_is_in_the_bucket(remote: OnCluster, trained: list[str], mlflow: str, bucket: Server, tmp_path: Path) -> None:
    steps = ["ingest", "validate", "split", "train", "evaluate", "package", "gate", "register", "mlx-complete"]
    assert [line.split()[2] for line in trained if line.startswith("step ") and line.endswith("...")] == steps
    (made,) = versions_of(mlflow, f"{SPACE}.delay")
    version = champion(mlflow, f"{SPACE}.delay", "champion")
    assert (made.version, made.aliases, made.reference()) == ("1", ("champion",), version)
    assert version.artifact == f"s3://{NAME}/lake/models/delay/{version.fingerprint}"
    assert model_of(mlflow, f"{SPACE}.delay") == RegisteredModel(
        "Will this flight arrive more than 15 minutes late?", {"owner": "data-science", "mlx.tags": '["owner"]'}
    )
    assert measured(version, bucket, tmp_path)["roc_auc"] > 0.6
    assert made.fingerprint == digest([submitted(remote, "delay").version.fingerprint, made.tags["mlx.data_digest"]])


def test_the_last_step_has_started_the_job_that_completes_the_endpoint(remote: OnCluster, trained: list[str], mlflow: str, bucket: Server) -> None:
    assert remote.objects(SERVICES) == []
    (job,) = [item for item in remote.objects(JOBS) if item["metadata"]["name"].startswith("mlx-apply-")]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    done = run(container["command"], variables(container, bucket, account(remote, "mlx-apply")))
    assert done.returncode == 0, done.stdout + done.stderr
    (service,) = remote.objects(SERVICES)
    assert service["spec"]["predictor"]["model"]["storageUri"] == champion(mlflow, f"{SPACE}.delay", "champion").artifact
    assert remote.plan("remote") == {}


def test_a_run_over_the_same_rows_makes_no_second_version(remote: OnCluster, trained: list[str], mlflow: str, bucket: Server, tmp_path: Path) -> None:
    before = versions_of(mlflow, f"{SPACE}.delay")
    assert "    version 1 is champion" in train(remote, "delay", bucket, tmp_path)
    assert versions_of(mlflow, f"{SPACE}.delay") == before


@pytest.fixture(scope="module")
def live(remote: OnCluster, trained: list[str]) -> Iterator[OnCluster]:
    """A pinned environment beside it, that was applied before anything was released to it."""
    add_pinned(remote, "remote")
    remote.mlx("apply", "--env", LIVE, "--yes")
    yield remote
    remote.mlx("destroy", "--env", LIVE, "--yes")


def test_a_pinned_environment_trains_nothing_and_waits_for_its_first_release(live: OnCluster) -> None:
    assert status_of(live)["Inference/delay-api"][0] == "WaitingForModel(delay@champion)"
    assert live.objects(LIVE_SERVICES) == []
    assert live.objects(f"/apis/pipelines.kubeflow.org/v2beta1/namespaces/{LIVE_SPACE}/pipelines") == []
    accounts = [item["metadata"]["name"] for item in live.objects(f"/api/v1/namespaces/{LIVE_SPACE}/serviceaccounts")]
    assert accounts == ["default", "mlx-run", "mlx-serve", "mlx-spark"]
    assert live.plan(LIVE) == {}


def test_a_promotion_copies_the_bytes_of_the_champion_and_an_apply_serves_them(live: OnCluster, mlflow: str, bucket: Server, tmp_path: Path) -> None:
    version, runs = champion(mlflow, f"{SPACE}.delay", "champion"), len(live.pipelines.runs)
    said = live.mlx("promote", "--to", LIVE, "--yes", "-o", "json").json
    assert (said["copied"], [(gate["model"], gate["passed"]) for gate in said["gates"]]) == (["delay"], [("delay", True)])
    live.mlx("apply", "--env", LIVE, "--yes")
    (service,) = live.objects(LIVE_SERVICES)
    copied = version.model_copy(update={"artifact": f"s3://{NAME}/live/models/delay/{version.fingerprint}"})
    assert service["spec"]["predictor"]["model"]["storageUri"] == copied.artifact
    assert measured(copied, bucket, tmp_path / "copied") == measured(version, bucket, tmp_path / "source")
    assert live.plan(LIVE) == {}
    assert len(live.pipelines.runs) == runs
    assert status_of(live)["Model/delay"] == ("Ready", "released from remote; version 1 is champion")
    assert status_of(live)[f"Release/{LIVE}"][0] == "Ready"


def test_another_machine_reads_the_release_from_the_storage(live: OnCluster) -> None:
    shutil.rmtree(live.workspace.root / ".mlx" / LIVE)
    assert live.plan(LIVE) == {}


def test_a_promotion_of_the_same_champions_has_nothing_to_do(live: OnCluster) -> None:
    lock = (live.workspace.root / f"stacks/{LIVE}.lock.yaml").read_bytes()
    assert live.mlx("promote", "--to", LIVE, "--yes").err.startswith(f"Nothing to promote: {LIVE} is pinned to release ")
    assert (live.workspace.root / f"stacks/{LIVE}.lock.yaml").read_bytes() == lock


def test_features_are_joined_before_a_model_learns_from_them(remote: OnCluster, trained: list[str], mlflow: str, bucket: Server, tmp_path: Path) -> None:
    for name in ("planes", "forecast", "carrier-days", "route-days"):
        (tmp_path / name).mkdir()
        run_dataset(remote, name, bucket, tmp_path / name)
    train(remote, "delay-checkin", bucket, tmp_path)
    versions = {model: champion(mlflow, f"{SPACE}.{model}", "champion") for model in ("delay", "delay-checkin")}
    plain, featured = (measured(version, bucket, tmp_path / f"fetched-{model}") for model, version in versions.items())
    assert featured["roc_auc"] > plain["roc_auc"] + 0.01


CHECKIN_NIGHTLY = """\
apiVersion: mlx/v1
kind: Inference
metadata: {name: checkin-nightly}
environments: [remote]
spec:
  mode: batch
  model: delay-checkin@champion
  features: checkin
  batch: {input: december-flights, columns: [tailnum]}
"""


def test_a_batch_joins_the_features_that_its_model_has_learned_from(remote: OnCluster, trained: list[str], mlflow: str, bucket: Server, tmp_path: Path) -> None:
    run_dataset(remote, "december-flights", bucket, tmp_path)
    remote.workspace.write("specs/nightly.yaml", CHECKIN_NIGHTLY)
    remote.mlx("apply", "--env", "remote", "--yes")
    assert remote.plan("remote") == {}
    assert "joined 4 feature views to 27,020 rows" in run_job(remote, "batch-checkin-nightly", bucket, tmp_path).splitlines()
    (version,) = versions_of(mlflow, f"{SPACE}.delay-checkin")
    with pytest.MonkeyPatch.context() as patch:
        for key, value in access(bucket).items():
            patch.setenv(key, value)
        storage = open_storage(f"s3://{NAME}/lake")
        latest = storage.read_json("predictions/checkin-nightly/latest.json")
        assert latest is not None
        storage.fetch(latest["path"], tmp_path / "predictions.parquet")
        storage.fetch(f"joined/inference.checkin-nightly/{latest['input']}/data.parquet", tmp_path / "scored.parquet")
        storage.fetch(f"joined/model.delay-checkin/{version.tags['mlx.data_digest']}/data.parquet", tmp_path / "learned.parquet")
    predictions, scored, learned = (parquet.read_table(tmp_path / f"{name}.parquet") for name in ("predictions", "scored", "learned"))
    assert predictions["tailnum"] == scored["tailnum"]
    assert scored == learned.filter(compute.field("month") == 12).select(scored.column_names)


def test_a_rollback_goes_back_to_the_release_before(live: OnCluster) -> None:
    live.mlx("promote", "--to", LIVE, "--yes", "--apply")
    assert [item["metadata"]["name"] for item in live.objects(LIVE_SERVICES)] == ["delay-api", "delay-checkin-api"]
    shutil.rmtree(live.workspace.root / ".mlx" / LIVE)
    live.mlx("rollback", "--env", LIVE, "--yes")
    assert [item["metadata"]["name"] for item in live.objects(LIVE_SERVICES)] == ["delay-api"]
    history = live.mlx("history", "--env", LIVE, "-o", "json").json["releases"]
    assert [(each["number"], each["kept"], each["source"]) for each in history] == [(1, True, "remote"), (2, True, "remote"), (3, True, "remote")]
    assert live.plan(LIVE) == {}


def status_of(live: OnCluster) -> dict[str, tuple[str, str]]:
    """Word and detail of each object of the pinned environment."""
    return {item["id"]: (item["status"], item["detail"]) for item in live.mlx("status", "--env", LIVE, "-o", "json").json["objects"]}


def submitted(remote: OnCluster, model: str) -> SubmittedRun:
    """What the last run of a model was told."""
    asked = [each for each in remote.pipelines.runs if each["display_name"].rpartition("-")[0].endswith(f"/{model}")][-1]
    return SubmittedRun.model_validate_json(asked["runtime_config"]["parameters"]["mlx_run"])


def measured(version: Version, bucket: Server, folder: Path) -> dict[str, float]:
    """The metrics of a version, from its artifact in the bucket."""
    with pytest.MonkeyPatch.context() as patch:
        for key, value in access(bucket).items():
            patch.setenv(key, value)
        fetch_version(version, folder)
    return verify(folder, version.artifact_digest).metrics
