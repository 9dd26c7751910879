"""A model is trained on a cluster: each pod's exact command and environment as processes, against a real API server, bucket and MLflow.

The version that an apply has made is run by KFP's own local runner, for KFP's API server and Argo cannot be had here; each step sees what
the version tells it, the bucket, and the token of its service account. Nothing else is shared between them.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from flights_on_cluster import OnCluster
from remote_environment import SPACE, access, account, remote_environment, run, run_dataset, variables
from servers import NAME, Server

from mlx_pipelines.registered import RegisteredModel
from mlx_pipelines.registry_rest import champion, model_of, versions_of
from mlx_pipelines.run import run_pipeline
from mlx_runtime.artifact import verify
from mlx_runtime.cluster.score import fetch_version
from mlx_specs.resources import SubmittedRun, Version, digest

SERVICES = f"/apis/serving.kserve.io/v1beta1/namespaces/{SPACE}/inferenceservices"
JOBS = f"/apis/batch/v1/namespaces/{SPACE}/jobs"


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
    asked = [each for each in remote.pipelines.runs if each["display_name"].rpartition("-")[0] == model][-1]
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
    (made,) = versions_of(mlflow, "delay")
    version = champion(mlflow, "delay", "champion")
    assert (made.version, made.aliases, made.reference()) == ("1", ("champion",), version)
    assert version.artifact == f"s3://{NAME}/lake/models/delay/{version.fingerprint}"
    assert model_of(mlflow, "delay") == RegisteredModel(
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
    assert service["spec"]["predictor"]["model"]["storageUri"] == champion(mlflow, "delay", "champion").artifact
    assert remote.plan("remote") == {}


def test_a_run_over_the_same_rows_makes_no_second_version(remote: OnCluster, trained: list[str], mlflow: str, bucket: Server, tmp_path: Path) -> None:
    before = versions_of(mlflow, "delay")
    assert "    version 1 is champion" in train(remote, "delay", bucket, tmp_path)
    assert versions_of(mlflow, "delay") == before


def test_features_are_joined_before_a_model_learns_from_them(remote: OnCluster, trained: list[str], mlflow: str, bucket: Server, tmp_path: Path) -> None:
    for name in ("planes", "forecast", "carrier-days", "route-days"):
        (tmp_path / name).mkdir()
        run_dataset(remote, name, bucket, tmp_path / name)
    train(remote, "delay-checkin", bucket, tmp_path)
    plain, featured = (measured(champion(mlflow, model, "champion"), bucket, tmp_path / f"fetched-{model}") for model in ("delay", "delay-checkin"))
    assert featured["roc_auc"] > plain["roc_auc"] + 0.01


def submitted(remote: OnCluster, model: str) -> SubmittedRun:
    """What the last run of a model was told."""
    asked = [each for each in remote.pipelines.runs if each["display_name"].rpartition("-")[0] == model][-1]
    return SubmittedRun.model_validate_json(asked["runtime_config"]["parameters"]["mlx_run"])


def measured(version: Version, bucket: Server, folder: Path) -> dict[str, float]:
    """The metrics of a version, from its artifact in the bucket."""
    with pytest.MonkeyPatch.context() as patch:
        for key, value in access(bucket).items():
            patch.setenv(key, value)
        fetch_version(version, folder)
    return verify(folder, version.artifact_digest).metrics
