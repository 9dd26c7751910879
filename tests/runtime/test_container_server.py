"""The model server inside KServe: the rendered container as a process, over a folder as the storage initializer leaves it."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from built_tools import free_port
from made_cluster import ANSWERS_WITHIN, Server, container_of, of_kind, place
from made_flights import FEATURES, Packaged, as_rows, ask, flights, v2_body
from made_logs import log_of, rows

from mlx_components.kubernetes.inference import MODELS, endpoint_objects
from mlx_runtime.scorer import load
from mlx_runtime.server.container import DRAIN
from mlx_specs.base import Compute, Metadata
from mlx_specs.inference import Inference, InferenceSpec, Realtime
from mlx_specs.resources import Version

DATATYPES = {
    "distance": ("FP64", np.float64),
    "hour": ("INT64", np.int64),
    "refundable": ("BOOL", np.bool_),
    "booked": ("BYTES", object),
    "carrier": ("BYTES", object),
}
NAME = "delay-api"
Start = Callable[..., Server]


def inference(**settings: Any) -> Inference:
    spec = InferenceSpec(mode="realtime", model="delay@champion", compute=Compute(cpu=1, memory="1Gi"), **settings)
    return Inference(metadata=Metadata(name=NAME, owner="ml-engineering"), spec=spec)


@pytest.fixture
def start(models: Callable[[str], Packaged], tmp_path: Path) -> Iterator[Start]:
    """Lays an artifact down as KServe does, in a folder without its digest, and starts the endpoint's container over it."""
    started: list[Server] = []

    def starting(name: str = "boosting", number: str = "3", damage: Callable[[Path], Any] = lambda _: None, log: str = "", **settings: Any) -> Server:
        packed = models(name)
        folder, home = tmp_path / "models", tmp_path / "home"
        shutil.copytree(packed.folder, folder)
        home.mkdir()
        damage(folder)
        artifact = f"s3://models/prod/models/delay/{packed.folder.name}"
        version = Version(fingerprint=packed.folder.name, version=number, artifact=artifact, artifact_digest=packed.digest)
        objects = endpoint_objects(inference(**settings), place(), version, watched=bool(log))
        started.append(Server(objects, folder, home, storage=log))
        return started[-1]

    yield starting
    for server in started:
        server.end()


def whole(rows: int) -> pyarrow.Table:
    """Rows without gaps: KServe's numpy tensors know no null."""
    table = flights(rows, seed=11)
    carriers = [value or "UA" for value in table["carrier"].to_pylist()]
    distances = [100.0 if value is None else value for value in table["distance"].to_pylist()]
    return table.set_column(0, "distance", pyarrow.array(distances)).set_column(4, "carrier", pyarrow.array(carriers))


def infer(server: Server, rows: pyarrow.Table) -> Any:
    from kserve import InferenceRESTClient, InferInput, InferRequest
    from kserve.inference_client import RESTConfig

    inputs = []
    for name in FEATURES:
        values = [value.isoformat() if hasattr(value, "isoformat") else value for value in rows[name].to_pylist()]
        tensor = InferInput(name, [len(values)], DATATYPES[name][0])
        tensor.set_data_from_numpy(np.array(values, dtype=DATATYPES[name][1]), binary_data=True)
        inputs.append(tensor)

    async def session() -> Any:
        client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
        assert await client.is_server_live(server.url)
        assert await client.is_server_ready(server.url)
        assert await client.is_model_ready(server.url, NAME)
        return await client.infer(server.url, InferRequest(model_name=NAME, infer_inputs=inputs), model_name=NAME)

    return asyncio.run(session())


def files(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


@pytest.mark.parametrize("name", ["boosting", "regression"])
def test_kserves_client_gets_the_scorers_predictions_and_nothing_is_written(start: Start, models: Callable[[str], Packaged], name: str) -> None:
    server = start(name)
    before = files(server.artifact)
    answer, rows = infer(server.ready(), whole(200)), whole(200)
    expected = load(models(name).folder, models(name).digest).score_table(rows)
    assert {output.name: np.asarray(output.as_numpy()).tolist() for output in answer.outputs} == expected.to_pydict()
    assert (files(server.artifact), files(server.home)) == (before, {})


def test_the_metadata_are_those_of_the_inference_and_of_the_version(start: Start, models: Callable[[str], Packaged]) -> None:
    server = start(realtime=Realtime(timeout="7s", max_rows=3)).ready()
    parameters = ask(server.port, "GET", f"/v2/models/{NAME}").json["parameters"]
    said = {key: parameters[key] for key in ("model_version", "fingerprint", "artifact_digest", "timeout", "max_rows", "owner")}
    assert said == {
        "model_version": "3", "fingerprint": "boosting", "artifact_digest": models("boosting").digest, "timeout": 7, "max_rows": 3, "owner": "ml-engineering",
    }  # fmt: skip
    assert ask(server.port, "POST", f"/v1/models/{NAME}:predict", {"instances": [[1.0, 9, True, "2013-01-01T00:00:00", "UA"]] * 4}).status == 413


def test_sigterm_makes_it_unready_while_it_still_answers_and_then_ends_it(start: Start) -> None:
    server = start().ready()
    server.process.send_signal(signal.SIGTERM)
    server.await_status("/v2/health/ready", 503)
    assert ask(server.port, "GET", "/v2/health/ready").json["error"] == "the server is stopping"
    assert server.status("/v2/health/live") == 200
    instances = [[1.0, 9, True, "2013-01-01T00:00:00", "UA"]]
    assert ask(server.port, "POST", f"/v1/models/{NAME}:predict", {"instances": instances}).status == 200
    assert server.process.wait(DRAIN + 5) == 0
    assert "stopping in 5 s" in server.end()


def test_sigterm_writes_what_a_watched_endpoint_has_predicted_into_the_storage(start: Start, models: Callable[[str], Packaged], tmp_path: Path) -> None:
    server, table = start(log=f"file://{tmp_path}/lake/prod").ready(), whole(2)
    assert ask(server.port, "POST", f"/v2/models/{NAME}/infer", v2_body(as_rows(table), id="41")).status == 200
    server.process.send_signal(signal.SIGTERM)
    server.await_status("/v2/health/ready", 503)
    assert ask(server.port, "POST", f"/v2/models/{NAME}/infer", v2_body(as_rows(table), id="42")).status == 200
    assert server.process.wait(DRAIN + 5) == 0
    scored = load(models("boosting").folder, models("boosting").digest).score_table(table).to_pylist()
    told = {"model_version": "3", "model_fingerprint": "boosting"}
    assert rows(log_of(tmp_path / "lake" / "prod", NAME, "")).drop(["time"]).to_pylist() == [
        {"id": id, "row": row, **inputs, **scored[row], **told} for id in ("41", "42") for row, inputs in enumerate(table.to_pylist())
    ]


@pytest.mark.parametrize("log", ["nowhere://lake", "file:///dev/null/lake"])
def test_a_storage_that_is_none_or_away_loses_no_request(start: Start, log: str) -> None:
    server = start(log=log).ready()
    assert ask(server.port, "POST", f"/v2/models/{NAME}/infer", v2_body(as_rows(whole(2)))).status == 200
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(DRAIN + 5) == 0
    assert "ERROR prediction log: the last 2 rows are lost: " in server.end()


def test_the_runtime_of_a_watched_endpoint_is_told_where_to_log_and_nothing_else_changes() -> None:
    version = Version(fingerprint="f", version="1", artifact="s3://models/f", artifact_digest="d")
    plain, watched = (endpoint_objects(inference(), place("gs://lake/prod"), version, watched=each) for each in (False, True))
    container = of_kind(watched, "ServingRuntime")["spec"]["containers"][0]
    assert container["args"][-2:] == ["--log", "gs://lake/prod"]
    container["args"] = container["args"][:-2]
    assert plain == watched == endpoint_objects(inference(), place("gs://lake/prod"), version)


def wait_for_a_writer(folder: Path) -> None:
    """Whoever reads the manifest waits until somebody writes it."""
    (folder / "manifest.json").rename(folder.with_name("manifest.json"))
    os.mkfifo(folder / "manifest.json")


def test_it_is_alive_and_not_ready_while_it_loads(start: Start) -> None:
    server = start(damage=wait_for_a_writer)
    server.await_status("/v2/health/ready", 503)
    assert ask(server.port, "GET", "/v2/health/ready").json == {"ready": False, "error": "the model is being loaded"}
    assert ask(server.port, "POST", f"/v1/models/{NAME}:predict", {"instances": []}).json == {"error": "the model is being loaded"}
    assert server.status("/v2/health/live") == 200
    (server.artifact / "manifest.json").write_bytes(server.artifact.with_name("manifest.json").read_bytes())
    server.ready()


def test_sigterm_ends_it_while_it_loads(start: Start) -> None:
    server = start(damage=wait_for_a_writer)
    server.await_status("/v2/health/ready", 503)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(DRAIN + 5) == 0


def test_the_grace_period_covers_draining_and_the_longest_request() -> None:
    version = Version(fingerprint="f", version="1", artifact="s3://models/f", artifact_digest="d")
    service = of_kind(endpoint_objects(inference(realtime=Realtime(timeout="50s")), place(), version), "InferenceService")
    assert service["spec"]["predictor"]["terminationGracePeriodSeconds"] > 50 + DRAIN


def truncate(folder: Path) -> None:
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:-1])


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a file that is cut off": (truncate, "{folder}/model.onnx has sha256 "),
    "a file that is not there": (lambda folder: (folder / "model.onnx").unlink(), "{folder}/model.onnx is missing"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "{folder}/manifest.json cannot be read (No such file or directory)"),
    "another artifact": (lambda folder: (folder / "manifest.json").write_text("{}"), "{folder}/manifest.json has sha256 "),
    "nothing": (lambda folder: shutil.rmtree(folder), "{folder}/manifest.json cannot be read (No such file or directory)"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_artifact_ends_it_with_one_line(start: Start, damage: str) -> None:
    change, message = DAMAGES[damage]
    server = start(damage=change)
    assert server.process.wait(ANSWERS_WITHIN) == 1
    errors = [line.split(" ERROR ")[1] for line in server.end().splitlines() if " ERROR " in line]
    assert len(errors) == 1 and errors[0].startswith(message.format(folder=server.artifact)), errors


def run(folder: Path, arguments: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    process = container_of({"command": ["python", "-m", "mlx_runtime.server.container"], "args": arguments, "env": []}).start(folder, {}, env)
    out, err = process.communicate(timeout=ANSWERS_WITHIN)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def test_without_a_version_the_artifact_says_what_it_is(models: Callable[[str], Packaged], tmp_path: Path) -> None:
    port = str(free_port())
    rendered = {"command": ["python", "-m", "mlx_runtime.server.container"], "args": ["--model", NAME, "--folder", MODELS, "--port", port], "env": []}
    process = container_of(rendered).start(tmp_path, {MODELS: str(models("boosting").folder)}, {}, ["--host", "127.0.0.1"])
    assert process.stderr is not None
    try:
        lines = [process.stderr.readline().strip().partition(" INFO ")[2] for _ in range(2)]
    finally:
        process.kill()
        process.communicate()
    assert sorted(lines) == [f"listening on http://127.0.0.1:{port}", "serving version boosting (onnx)"]


def test_a_folder_without_a_model_and_variables_that_are_none_are_said(tmp_path: Path) -> None:
    base = ["--model", NAME, "--folder", str(tmp_path), "--host", "127.0.0.1", "--port", str(free_port())]
    empty = run(tmp_path, base, {})
    assert (empty.returncode, empty.stderr.rpartition(" ERROR ")[2].splitlines()[0]) == (
        1, f"{tmp_path} holds no model.json: nothing laid down an artifact of mlx",
    )  # fmt: skip
    wrong = run(tmp_path, base, {"MLX_THREADS": "many"})
    assert wrong.stderr.strip().endswith("ERROR MLX_ABOUT is a JSON object and MLX_THREADS a number: they come with the ServingRuntime")
    assert wrong.returncode == 1
