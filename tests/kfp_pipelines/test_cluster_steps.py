"""Pipelines of users as a cluster runs them: each step a process that shares only the storage with the others, MLflow a real server.

KFP's own local runner stands for its API server and Argo. The API server of Kubernetes is a mock that has no objects: what is there is
tested in tests/kubernetes/test_training.py.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path += [str(Path(__file__).parents[1] / "runtime"), str(Path(__file__).parents[1] / "engine/remote_state")]

from made_cluster import place
from made_storage import Bucket, Buckets, buckets_in
from mlflow_server import mlflow_server

from mlx_components.kubernetes.model import train_job
from mlx_components.kubernetes.pipeline import Compiled, on_cluster
from mlx_pipelines.cluster.known import Settled
from mlx_pipelines.code_bundle import packed
from mlx_pipelines.compile import compile_pipeline, pipeline_parameters, read_ir
from mlx_pipelines.contract import EVERY_COLUMN, RUN, arguments_for, offered
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.registry_rest import champion, versions_of
from mlx_pipelines.run import run_pipeline
from mlx_runtime.cluster.datasets import Prepared, content_key, definition_key, write_prepared
from mlx_runtime.cluster.score import fetch_version
from mlx_runtime.cluster.storage import Storage, open_storage, sha256
from mlx_runtime.scorer import load
from mlx_specs.base import Compute, Metadata
from mlx_specs.digests import digest
from mlx_specs.model import Model, ModelSpec
from mlx_specs.model_resources import ModelVersionInputs
from mlx_specs.pipeline import Pipeline, PipelineSpec, StepSpec
from mlx_specs.pipeline_resources import SubmittedRun
from mlx_specs.resources import PreparedData

from .conftest import THRESHOLD, write_flights

Write = Callable[[str, str], Path]
HOME = ".mlx/prod"
DEFINITION, CONTENT, OTHER = "d" * 64, "c" * 64, "e" * 64
FINGERPRINT = "f" * 64

MINE = '''
    """An inner pipeline, a module of its own, a step that asks for a package; it registers nothing itself."""
    from kfp import dsl

    @dsl.component(base_image="python:3.11")
    def names(features: str) -> list:
        import json
        return [name for name in json.loads(features) if name != "carrier"]

    @dsl.component(base_image="python:3.11", packages_to_install=["scikit-learn"])
    def look(data: str, name: str, run_folder: str):
        from pathlib import Path
        from mlx_pipelines.rows import read
        (Path(run_folder) / f"{name}.txt").write_text(str(read(data).num_rows))

    @dsl.component(base_image="python:3.11")
    def learn(data: str, target: str, features: str, model: str, fingerprint: str, artifact_folder: str, run_folder: str, column: str):
        import json
        from pathlib import Path
        from own_models import Threshold
        from mlx_pipelines.rows import feature_frame, labels, read
        from mlx_runtime.package import package
        rows = read(data)
        seen = sorted(path.stem for path in Path(run_folder).glob("*.txt"))
        assert seen == ["weekday", "wind"] and {"weekday", "wind"} < set(json.loads(features)), (seen, features)
        package(
            estimator=Threshold(column).fit(feature_frame(rows, [column]), labels(rows, target, "classification")), data=rows.select([column]),
            labels=labels(rows, target, "classification").tolist(), model=model, fingerprint=fingerprint, task="classification", target=target,
            format="auto", folder=Path(artifact_folder), metrics={"accuracy": 0.75},
        )

    @dsl.pipeline(name="looking")
    def looking(data: str, run_folder: str):
        first = look(data=data, name="wind", run_folder=run_folder)
        look(data=data, name="weekday", run_folder=run_folder).after(first)

    @dsl.pipeline(name="threshold")
    def pipeline(data: str, target: str, features: str, model: str, fingerprint: str, artifact_folder: str, run_folder: str, column: str = "wind"):
        found = names(features=features)
        looked = looking(data=data, run_folder=run_folder).after(found)
        learn(
            data=data, target=target, features=features, model=model, fingerprint=fingerprint, artifact_folder=artifact_folder,
            run_folder=run_folder, column=column,
        ).after(looked)

    @dsl.pipeline(name="loop")
    def loop(data: str, features: str, run_folder: str):
        with dsl.ParallelFor(names(features=features).output, name="each") as name:
            look(data=data, name=name, run_folder=run_folder)
        looking(data=data, run_folder=run_folder)

    @dsl.pipeline(name="forgetful")
    def forgetful(features: str):
        names(features=features)
'''


@dataclass(frozen=True)
class Cluster:
    """What pods reach."""

    bucket: Bucket
    mlflow: str
    folder: Path

    @property
    def opened(self) -> Storage:
        return open_storage(self.bucket.url)

    def lay_rows(self, content: str, rows: int) -> None:
        """What a definition has come to."""
        made = self.folder / content[:4]
        made.mkdir()
        write_flights(made / "data.parquet", rows=rows)
        facts = {"data.parquet": {"sha256": sha256(made / "data.parquet"), "size": (made / "data.parquet").stat().st_size}}
        (made / "manifest.json").write_text(json.dumps({"files": facts}))
        self.opened.send_folder(made, content_key("flights", content))
        write_prepared(self.opened, definition_key("flights", DEFINITION), Prepared(definition=DEFINITION, content_digest=content, rows=rows))


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.fixture
def kubernetes(tmp_path: Path) -> Iterator[Path]:
    """A kubeconfig of a mock that has no objects."""

    class Nothing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Nothing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    named = {
        "clusters": [{"name": "mock", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "contexts": [{"name": "mock", "context": {"cluster": "mock", "user": "mock"}}],
        "users": [{"name": "mock", "user": {}}],
        "current-context": "mock",
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(named))
    yield tmp_path / "kubeconfig"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def buckets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buckets]:
    yield from buckets_in(tmp_path_factory.mktemp("buckets"))


@pytest.fixture
def cluster(mlflow: str, buckets: Buckets, kubernetes: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    bucket = buckets("s3")
    for name, value in {**bucket.variables, "KUBECONFIG": str(kubernetes)}.items():
        monkeypatch.setenv(name, value)
    made = Cluster(bucket, mlflow, tmp_path_factory.mktemp("cluster"))
    made.lay_rows(CONTENT, 120)
    return made


@pytest.fixture
def mine(workspace: Path, write_module: Write) -> Path:
    write_module("mine", MINE)
    write_module("own_models", THRESHOLD)
    return workspace


def version(entry: str, workspace: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A pipeline's version as it goes to a cluster: its IR, and where steps may run."""
    ir = read_ir(compile_pipeline(entry, {}, workspace, workspace / "compiled").path)
    completing = read_ir(compile_pipeline("mlx_pipelines.steps.complete:completing", {RUN: ""}, workspace, workspace / "compiled").path)
    spec = PipelineSpec(entry=entry, steps={"learn": StepSpec(compute=Compute(cpu=2, memory="2Gi"))})
    return on_cluster(Compiled(ir, packed(entry, workspace, []), completing), Pipeline(metadata=Metadata(name="mine"), spec=spec), place())


def told(model: str, entry: str) -> SubmittedRun:
    data = PreparedData(name="flights", digest=DEFINITION, path=f"{HOME}/datasets/flights/{DEFINITION}/data.parquet", keys=["flight"])
    made = ModelVersionInputs(
        model=model, task="classification", entry=entry, target="late", home=HOME, data=data, split={}, fingerprint=FINGERPRINT, ir="", code_digest="0" * 64,
    )  # fmt: skip
    return SubmittedRun(version=made)


def run(entry: str, model: str, workspace: Path, cluster: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the steps said. The container's variables are those of the version, but for where storage and MLflow are."""
    spec, _ = version(entry, workspace)
    asked = told(model, entry)
    (container,) = {json.dumps(each["container"]["env"]) for name, each in spec["deploymentSpec"]["executors"].items() if name == "exec-names"}
    for each in json.loads(container):
        monkeypatch.setenv(each["name"], each["value"])
    monkeypatch.setenv("MLX_STORAGE", cluster.bucket.url)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", cluster.mlflow)
    (folder / "nothing").mkdir(parents=True)
    (folder / "ir.yaml").write_text(yaml.safe_dump(spec))
    taken = {name: each for name, each in pipeline_parameters(spec).items() if name != RUN}
    arguments = {**arguments_for(taken, offered(asked.version, [EVERY_COLUMN]), {}), RUN: json.dumps(asked.wire(), sort_keys=True)}
    run_pipeline(folder / "ir.yaml", arguments, folder / "run", workspace=folder / "nothing", report=lambda line: None)
    return [line.strip() for line in (folder / "run/run.log").read_text().splitlines()]


def test_a_users_pipeline_is_completed_and_other_rows_are_another_version(
    mine: Path, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = run("mine:pipeline", "own", mine, cluster, tmp_path / "first", monkeypatch)
    assert [line for line in said if line.startswith(("version", "the state"))] == [
        "version 1 is now champion",
        "the state is not kept where pods can read it: the next mlx apply rolls this version out",
    ]
    made = champion(cluster.mlflow, "prod.own", "champion")
    assert made.fingerprint == digest([FINGERPRINT, CONTENT])
    fetch_version(made, tmp_path / "fetched")
    monkeypatch.syspath_prepend(str(mine / "kfp_pipelines"))
    assert [tensor.name for tensor in load(tmp_path / "fetched", made.artifact_digest).model.inputs] == ["wind"]
    cluster.lay_rows(OTHER, 140)
    run("mine:pipeline", "own", mine, cluster, tmp_path / "second", monkeypatch)
    assert [one.fingerprint for one in versions_of(cluster.mlflow, "prod.own")] == [made.fingerprint, digest([FINGERPRINT, OTHER])]


def test_a_run_learns_from_the_rows_that_its_first_step_found(mine: Path, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("mine:pipeline", "steady", mine, cluster, tmp_path / "first", monkeypatch)
    (started,) = cluster.bucket.data.glob(f"runs/steady/{FINGERPRINT}/started/*.json")
    settled = Settled.model_validate_json(started.read_bytes())
    assert (settled.content_digest, settled.key, settled.path) == (CONTENT, f"datasets/flights/{CONTENT}", f"{HOME}/datasets/flights/{CONTENT}/data.parquet")
    assert "carrier" in settled.features and "late" not in settled.features


def test_a_pipeline_that_leaves_no_model_fails_in_its_last_step(mine: Path, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PipelineError, match=r"step 'mlx-complete' failed: .*the pipeline mine:forgetful ended without a packaged model"):
        run("mine:forgetful", "none", mine, cluster, tmp_path / "run", monkeypatch)


def test_every_step_of_ours_is_told_its_run_and_none_is_cached(mine: Path) -> None:
    spec, _ = version("mine:loop", mine)
    inner = [component for component in spec["components"].values() if "dag" in component]
    tasks = [task for dag in (spec["root"], *inner) for task in dag["dag"]["tasks"].values()]
    assert sorted(task["taskInfo"]["name"] for task in tasks) == ["each", "look", "look", "look-2", "looking", "mlx-complete", "names"]
    assert all(task["inputs"]["parameters"][RUN] == {"componentInputParameter": RUN} for task in tasks)
    assert all(task["cachingOptions"] == {} for task in tasks)
    assert spec["root"]["dag"]["tasks"]["mlx-complete"]["dependentTasks"] == sorted(spec["root"]["dag"]["tasks"].keys() - {"mlx-complete"})
    assert all(component["inputDefinitions"]["parameters"][RUN] == {"parameterType": "STRING"} for component in spec["components"].values())
    images = {each["container"]["image"] for each in spec["deploymentSpec"]["executors"].values()}
    assert images == {place().image("pipelines")}
    assert not any("pip install" in part for each in spec["deploymentSpec"]["executors"].values() for part in each["container"]["command"])


def test_a_step_has_the_compute_that_it_asks_for_and_as_many_threads(mine: Path) -> None:
    spec, platforms = version("mine:pipeline", mine)
    container = spec["deploymentSpec"]["executors"]["exec-learn"]["container"]
    assert container["resources"]["resourceMemoryLimit"] == "2Gi"
    assert {"name": "MLX_THREADS", "value": "2"} in container["env"]
    not_root = {"runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001}
    executors = {name: {"securityContext": not_root} for name in spec["deploymentSpec"]["executors"]}
    assert platforms == {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}


def test_the_code_that_travels_is_what_is_reached_and_the_same_text_each_time(mine: Path, write_module: Write) -> None:
    before = packed("mine:pipeline", mine, [])
    write_module("unrelated", "x = 1")
    assert packed("mine:pipeline", mine, []) == before
    write_module("own_models", THRESHOLD + "\n    more = 1\n")
    assert packed("mine:pipeline", mine, []) != before
    assert packed("mlx_pipelines.tabular:pipeline", mine, ["sklearn.linear_model.Ridge"]) == ""


def test_code_that_no_version_can_carry_is_refused_with_a_way_out(mine: Path, write_module: Write) -> None:
    import random

    text = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=200_000))
    write_module("own_models", THRESHOLD + f"\n    TABLE = '{text}'\n")
    with pytest.raises(PipelineError) as caught:
        packed("mine:pipeline", mine, [])
    assert str(caught.value).startswith("the modules of kfp_pipelines/ that mine:pipeline and its models import have ")
    assert caught.value.hint == "install the large ones in the pipelines image (target.images.pipelines), and import them from there"


TINY = """
    from torch import nn

    class Tiny(nn.Module):
        def __init__(self, numbers, categories, outputs):
            super().__init__()
            self.layer = nn.Linear(numbers, outputs)

        def forward(self, numbers, codes):
            return self.layer(numbers)
"""


def test_a_training_on_several_nodes_leaves_one_version_of_a_network_that_all_have_trained(
    workspace: Path, write_module: Write, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The TrainJob's own command and variables; two processes of one machine stand for its nodes, whose network is the same to torch."""
    pytest.importorskip("torch", reason="networks need the extra torch")
    write_module("tiny", TINY)
    entry = "mlx_pipelines.tabular:pipeline"
    asked = told("network", entry).version.model_copy(
        update={
            "algorithm": "tiny.Tiny", "parameters": {"epochs": 3, "batch_size": 32, "learning_rate": 0.05}, "features": ["wind", "weekday"],
            "split": {"by": "random", "test": 0.25}, "success": [{"metric": "accuracy", "atLeast": 0.1}],
        }
    )  # fmt: skip
    spec = ModelSpec.model_validate(
        {
            "task": "classification", "pipeline": "tabular", "data": "flights", "target": "late", "predictAt": "booking", "algorithm": "tiny.Tiny",
            "compute": {"nodes": 2, "cpu": 1, "memory": "1Gi"},
        }
    )  # fmt: skip
    job = train_job(Model(metadata=Metadata(name="network"), spec=spec), place(), SubmittedRun(version=asked), packed(entry, workspace, ["tiny.Tiny"]))
    trainer = job["spec"]["trainer"]
    assert (trainer["numNodes"], trainer["numProcPerNode"], trainer["command"][0]) == (2, 1, "torchrun")
    for each in trainer["env"]:
        monkeypatch.setenv(each["name"], each["value"])
    monkeypatch.setenv("MLX_STORAGE", cluster.bucket.url)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", cluster.mlflow)
    nodes = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*nodes, *trainer["command"][1:]], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("is now champion") == 1
    (made,) = versions_of(cluster.mlflow, "prod.network")
    assert made.fingerprint == digest([FINGERPRINT, CONTENT])
    kept = json.loads((cluster.bucket.data / f"runs/network/{made.fingerprint}/files.json").read_bytes())
    assert {"checkpoints/checkpoint.pt", "held_out.parquet", "kept.json", "run.log"} <= kept.keys()
    assert not any(name.startswith("steps/") for name in kept)
    again = subprocess.run([*nodes, *trainer["command"][1:]], capture_output=True, text=True, check=False, timeout=300)
    assert (again.returncode, again.stderr.count("a version has this fingerprint: nothing is trained")) == (0, 2), again.stderr
    assert versions_of(cluster.mlflow, "prod.network") == [made]
