"""`score` in a Job: the rendered command and environment as a process, against a real S3 server; predictions as on the laptop."""

import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from made_cluster import LIMIT, container_of, of_kind, place
from made_flights import Packaged
from made_scored import CONTENT, Cluster, cluster_with, numbered
from made_storage import Buckets, tree
from proxy import Fault, Request, proxy_to

from mlx_components.kubernetes.inference import MODELS, endpoint_objects
from mlx_runtime.artifact import verify
from mlx_runtime.batch import score_dataset
from mlx_runtime.cluster.datasets import content_key
from mlx_runtime.scorer import BLOCK, load
from mlx_specs.base import Compute, Metadata
from mlx_specs.inference import Inference, InferenceSpec
from mlx_specs.inference_resources import BatchPredictionsInputs
from mlx_specs.resources import PreparedData

Models = Callable[[str], Packaged]


@pytest.fixture
def cluster(buckets: Buckets, models: Models, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    return cluster_with(buckets, models("forest"), monkeypatch, tmp_path)


def on_the_laptop(cluster: Cluster, rows: Path) -> Path:
    workspace = cluster.folder / "laptop"
    shutil.copytree(cluster.packed.folder, workspace / "models")
    shutil.copy(rows, workspace / "data.parquet")
    data = PreparedData(name="flights", digest=CONTENT, path="data.parquet", keys=["flight"])
    version = cluster.version.model_copy(update={"artifact": "models"})
    asked = BatchPredictionsInputs(name="nightly", home=".mlx/local", model="delay", alias="champion", version=version, input=data, columns=["carrier"])
    return workspace / score_dataset(asked, workspace, lambda line: None).path


@pytest.mark.parametrize("cpu", [1, 3])
def test_the_predictions_are_those_of_the_laptop_to_the_bit(cluster: Cluster, cpu: int) -> None:
    rows = numbered(BLOCK + 500)
    file = cluster.lay_rows(rows)
    code, log = cluster.run(cpu=cpu)
    assert code == 0, log
    laptop = on_the_laptop(cluster, file)
    assert cluster.predictions().parent.name == laptop.parent.name
    assert cluster.predictions().read_bytes() == laptop.read_bytes()
    scored = load(cluster.packed.folder, cluster.packed.digest).score_table(rows.drop(["flight"]))
    assert parquet.read_table(cluster.predictions()).select(scored.column_names).to_pydict() == scored.to_pydict()
    manifest = json.loads(cluster.predictions().with_name("manifest.json").read_bytes())
    assert (manifest["version"], manifest["rows"], manifest["rejected"]) == (cluster.version.wire(), BLOCK + 500, 0)
    assert json.loads((cluster.bucket.data / "predictions" / "nightly" / "latest.json").read_bytes()) == {
        "path": f"predictions/nightly/{laptop.parent.name}/predictions.parquet", "rows": BLOCK + 500, "version": "4", "fingerprint": "forest", "input": CONTENT,
    }  # fmt: skip


def test_what_is_scored_is_not_scored_again_and_other_rows_are(cluster: Cluster) -> None:
    cluster.lay_rows(numbered(20))
    assert cluster.run()[0] == 0
    before = tree(cluster.bucket.data)
    code, log = cluster.run()
    assert (code, log[0]) == (0, "this version has scored these rows: nothing to score")
    assert tree(cluster.bucket.data) == before
    cluster.lay_rows(numbered(30), "d" * 64)
    old = cluster.predictions()
    assert cluster.run()[0] == 0
    assert (parquet.read_metadata(old).num_rows, parquet.read_metadata(cluster.predictions()).num_rows) == (20, 30)


def stall_at(name: str) -> Callable[[Request], Fault | None]:
    """Half of the object arrives, and then nothing more happens."""
    return lambda request: Fault.STALL if request.verb == "PUT" and request.path.partition("?")[0].endswith(name) else None


@pytest.mark.parametrize("name", ["predictions.parquet", "rejected.parquet", "manifest.json", "latest.json"])
def test_killed_while_it_writes_it_is_finished_by_the_next_run(cluster: Cluster, name: str) -> None:
    cluster.lay_rows(numbered(20))
    with proxy_to(cluster.bucket.port) as proxy:
        proxy.choose = stall_at(name)
        process = cluster.job().start(cluster.folder / "killed", {**cluster.bucket.variables, **cluster.bucket.by_proxy(proxy.port)})
        assert proxy.stalled.wait(60)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    left = [Path(key).name for key in tree(cluster.bucket.data / "predictions")]
    assert ("manifest.json" in left, "latest.json" in left) == (name == "latest.json", False)
    assert cluster.run()[0] == 0
    killed = {Path(key).name: data for key, (_, data) in tree(cluster.bucket.data / "predictions").items()}
    shutil.rmtree(cluster.bucket.data / "predictions")
    assert cluster.run()[0] == 0
    assert {Path(key).name: data for key, (_, data) in tree(cluster.bucket.data / "predictions").items()} == killed


def cut_off(cluster: Cluster) -> None:
    cluster.storage.write(f"{cluster.artifact}/model.onnx", (cluster.packed.folder / "model.onnx").read_bytes()[:-1])


def replace_manifest(cluster: Cluster) -> None:
    cluster.storage.write(f"{cluster.artifact}/manifest.json", b"{}")


def remove(name: str) -> Callable[[Cluster], None]:
    return lambda cluster: (cluster.bucket.data / cluster.artifact / name).unlink()


DAMAGES: dict[str, tuple[Callable[[Cluster], None], str]] = {
    "a file that is cut off": (cut_off, "/model.onnx has sha256 "),
    "a file that is gone": (remove("model.onnx"), "/model.onnx is not there"),
    "another manifest": (replace_manifest, "/manifest.json has sha256 "),
    "nothing": (remove("manifest.json"), "/manifest.json is not there"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_an_artifact_that_is_not_what_the_registry_says_is_refused(cluster: Cluster, name: str) -> None:
    damage, message = DAMAGES[name]
    cluster.lay_rows(numbered(20))
    damage(cluster)
    code, log = cluster.run()
    assert (code, message in log[0], log[0].startswith("error: Inference/nightly: "), log[1].startswith("hint: ")) == (1, True, True, True), log
    assert not (cluster.bucket.data / "predictions").exists()


def test_rows_that_are_not_those_of_the_manifest_are_refused(cluster: Cluster) -> None:
    file = cluster.lay_rows(numbered(20))
    key = f"{content_key('flights', CONTENT)}/data.parquet"
    cluster.storage.write(key, file.read_bytes()[:-1])
    code, log = cluster.run()
    assert (code, log[0].startswith(f"error: Inference/nightly: {cluster.bucket.url}/{key} has sha256 ")) == (1, True), log


def test_rows_that_do_not_fit_the_model_are_said_in_the_laptops_words(cluster: Cluster) -> None:
    cluster.lay_rows(numbered(20).drop(["hour"]))
    code, log = cluster.run()
    assert (code, log[0]) == (1, "error: Inference/nightly: dataset 'flights' has no column 'hour', a feature of the model")


def test_a_storage_that_does_not_answer_is_said(cluster: Cluster) -> None:
    cluster.lay_rows(numbered(20))
    elsewhere = replace(cluster.bucket, variables={**cluster.bucket.variables, "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"})
    code, log = cluster.job().run(cluster.folder / "pod", elsewhere.variables)
    assert (code, log[0]) == (
        1,
        f"error: Inference/nightly: {cluster.bucket.url}/datasets/flights/current.json could not be read: "
        f'Could not connect to the endpoint URL: "http://127.0.0.1:1/state/{cluster.bucket.url.rpartition("/")[2]}/datasets/flights/current.json"',
    )


@pytest.mark.parametrize("there", [True, False])
def test_an_endpoints_version_is_laid_down_before_its_server_starts(cluster: Cluster, there: bool) -> None:
    spec = InferenceSpec(mode="realtime", model="delay@champion", compute=Compute(cpu=1, memory="1Gi"))
    version = cluster.version if there else cluster.version.model_copy(update={"artifact": f"{cluster.bucket.url}/models/delay/gone"})
    objects = endpoint_objects(Inference(metadata=Metadata(name="delay-api"), spec=spec), place(cluster.bucket.url), version)
    (initializer,) = of_kind(objects, "InferenceService")["spec"]["predictor"]["initContainers"]
    models = cluster.folder / "models"
    process = container_of(initializer).start(cluster.folder, {MODELS: str(models)}, {**cluster.bucket.variables, "TMPDIR": str(cluster.folder)})
    _, log = process.communicate(timeout=LIMIT)
    fetching = f"fetching version 4 from {version.artifact}"
    if there:
        assert (process.returncode, log.splitlines()) == (0, [fetching])
        verify(models, cluster.packed.digest)
        return
    assert (process.returncode, log.splitlines()) == (
        1,
        [
            fetching,
            f"error: {version.artifact}/manifest.json is not there",
            "hint: the registry's version names an artifact that was removed",
        ],
    )
