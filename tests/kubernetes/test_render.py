"""`mlx render` of the reference workspace: every object that it writes is taken by a real API server with the projects' real definitions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from flights_on_cluster import OnCluster, make_champion

APPLY = "application/apply-patch+yaml"
SPACE = "delays-other"


@pytest.fixture(scope="module")
def out(flights: OnCluster, mlflow: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment other, whose model delay has a champion, as files."""
    make_champion(mlflow, "other", "delay")
    folder = tmp_path_factory.mktemp("rendered")
    flights.mlx("render", "--env", "other", "--out", str(folder))
    return folder


@pytest.fixture
def space(flights: OnCluster) -> Iterator[str]:
    """The namespace of the environment, as nothing stands in one that is not there."""
    flights.plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": SPACE}})
    yield SPACE
    at = f"/api/v1/namespaces/{SPACE}"
    flights.plane.request("DELETE", at)
    flights.plane.until(lambda: not any(item["metadata"]["name"] == SPACE for item in flights.objects("/api/v1/namespaces")), "the namespace is gone")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def objects(folder: Path) -> list[dict[str, Any]]:
    """In the order in which the kustomization lists them."""
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    return [item for name in listed for item in yaml.safe_load_all((folder / name).read_text())]


def path_of(flights: OnCluster, item: dict[str, Any]) -> str:
    version = item["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = next(one["name"] for one in flights.plane.request("GET", root)["resources"] if one["kind"] == item["kind"] and "/" not in one["name"])
    space = f"/namespaces/{item['metadata']['namespace']}" if "namespace" in item["metadata"] else ""
    return f"{root}{space}/{plural}/{item['metadata']['name']}"


def test_every_object_of_an_environment_is_accepted_by_the_server(flights: OnCluster, out: Path, space: str) -> None:
    for item in objects(out):
        flights.plane.request("PATCH", path_of(flights, item), item, type=APPLY, dryRun="All", fieldManager="render", force="true")
    kinds = {item["kind"] for item in objects(out)}
    assert {"InferenceService", "SparkApplication", "CronJob", "FeatureStore", "PipelineVersion", "TrainJob", "Notebook", "LocalQueue"} <= kinds


def test_every_object_of_a_cluster_is_accepted_by_the_server(flights: OnCluster, tmp_path: Path) -> None:
    flights.mlx("render", "--cluster", "main", "--out", str(tmp_path))
    made = objects(tmp_path)
    assert sorted({item["kind"] for item in made}) == ["ClusterQueue", "ResourceFlavor"]
    for item in made:
        flights.plane.request("PATCH", path_of(flights, item), item, type=APPLY, dryRun="All", fieldManager="render", force="true")


def test_it_writes_the_same_bytes_again(flights: OnCluster, out: Path, tmp_path: Path) -> None:
    before = contents(out)
    flights.mlx("render", "--env", "other", "--out", str(out))
    flights.mlx("render", "--env", "other", "--out", str(tmp_path))
    assert contents(out) == before == contents(tmp_path)


def test_there_is_a_file_for_each_object_and_kustomize_reads_them_in_order(flights: OnCluster, out: Path) -> None:
    some = {"environment.yaml", "dataset-flights.yaml", "model-minutes.yaml", "inference-delay-api.yaml", "monitor-delay-watch.yaml", "pipelines/tabular.yaml"}
    assert some <= contents(out).keys()
    built = list(yaml.safe_load_all(flights.plane.kubectl("kustomize", str(out))))
    assert [(item["kind"], item["metadata"]["name"]) for item in built] == [(item["kind"], item["metadata"]["name"]) for item in objects(out)]
    assert built == objects(out)


def test_what_no_manifest_does_is_told(flights: OnCluster, tmp_path: Path) -> None:
    said = flights.mlx("render", "--env", "other", "--out", str(tmp_path), "-o", "json").json
    assert "Model/delay: its training run is submitted to Kubeflow Pipelines by mlx apply" in said["notes"]
    assert "Model/delay: its recurring run (0 4 * * 1) is kept in Kubeflow Pipelines by mlx apply" in said["notes"]
    readme = (tmp_path / "README.md").read_text()
    assert all(f"- {note}" in readme for note in said["notes"])


def test_a_compiled_pipeline_is_its_versions(out: Path) -> None:
    versions = [item for item in objects(out) if item["kind"] == "PipelineVersion"]
    compiled = [list(yaml.safe_load_all(path.read_text())) for path in sorted((out / "pipelines").iterdir())]
    assert len(compiled) == len(versions)
    assert all([item["spec"]["pipelineSpec"], *filter(None, [item["spec"].get("platformSpec")])] in compiled for item in versions)


def test_an_object_that_is_gone_takes_its_file_with_it(flights: OnCluster, tmp_path: Path) -> None:
    flights.mlx("render", "--env", "other", "--out", str(tmp_path))
    (tmp_path / "mine.yaml").write_text("mine")
    flights.workspace.edit("specs/on-cluster.yaml", "- other\n", "")
    said = flights.mlx("render", "--env", "other", "--out", str(tmp_path), "-o", "json").json
    flights.workspace.edit("specs/on-cluster.yaml", "- dev\n", "- dev\n- other\n")
    assert said["removed"] == ["notebook-explore.yaml"]
    assert (tmp_path / "mine.yaml").is_file()


def test_an_mlflow_that_does_not_answer_is_named_by_the_field_that_says_where_it_is(flights: OnCluster, mlflow: str, tmp_path: Path) -> None:
    flights.workspace.edit("stacks/other.yaml", f"mlflow: {mlflow}", "mlflow: http://127.0.0.1:1")
    told = flights.mlx("render", "--env", "other", "--out", str(tmp_path), code=1).err
    flights.workspace.edit("stacks/other.yaml", "mlflow: http://127.0.0.1:1", f"mlflow: {mlflow}")
    assert told.splitlines()[-2:] == [
        "error: MLflow at http://127.0.0.1:1 does not answer: [Errno 111] Connection refused",
        "  hint: target.mlflow of environment other (stacks/other.yaml) is asked which version of a model is champion: "
        "it must be MLflow's URL from here and from pods, such as that of an ingress",
    ]


def test_secrets_are_references_only(flights: OnCluster, out: Path) -> None:
    (store,) = [item for item in objects(out) if item["kind"] == "FeatureStore"]
    assert store["spec"]["services"]["onlineStore"]["persistence"]["store"]["secretRef"] == {"name": "redis"}
    (job,) = [item for item in objects(out) if item["kind"] == "Job" and item["metadata"]["name"].startswith("features-flights-")]
    (runtime,) = [item for item in objects(out) if item["metadata"]["name"] == "mlx-delay-checkin-api"]
    for pod in (job["spec"]["template"]["spec"], runtime["spec"]):
        references = {one["name"]: one["valueFrom"]["secretKeyRef"] for one in pod["containers"][0]["env"] if "valueFrom" in one}
        assert references == {"MLX_ONLINE_STORE": {"name": "redis", "key": "redis"}}
    assert [item["kind"] for item in objects(out) if item["kind"] == "Secret"] == []


def test_verbs_over_this_machines_online_stores_say_that_these_are_on_a_cluster(flights: OnCluster) -> None:
    said = flights.mlx("features", "materialize", "--env", "other", code=1)
    assert "the feature stores of environment other are on a cluster, which this verb does not look into yet" in said.err


def test_verbs_over_this_machines_files_say_what_to_do_on_a_cluster(flights: OnCluster, tmp_path: Path) -> None:
    job = "kubectl create job delay-nightly-now --from=cronjob/batch-delay-nightly --namespace delays-other"
    for words, reason, hint in (
        (
            ("run", "delay-nightly", "--yes"),
            "a batch runs there by its schedule, and where its model or its data are new",
            f"{job} runs what the schedule would",
        ),
        (("profile", "flights"), "the rows of Dataset/flights are in its storage", "describe the dataset of an environment on this machine"),
        (
            ("export", "delay", "--to", str(tmp_path / "edge")),
            "the versions of model 'delay' are in its storage",
            "mlx promote --from other --to ENVIRONMENT --only delay",
        ),
    ):
        said = flights.mlx(*words, "--env", "other", code=1).err
        assert said.startswith(f"error: environment other is on a cluster: {reason}"), said
        assert hint in said
