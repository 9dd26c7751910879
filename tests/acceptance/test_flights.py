"""The main job on New York's flights: the reference workspace as `mlx init` gives it, applied once, then looked at."""

import asyncio
import json
import shutil
import urllib.request
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from workspaces import Adopt, UserWorkspace

ROW = {
    "month": 12, "weekday": 5, "hour": 18, "sched_dep_time": 1829, "sched_arr_time": 2125,
    "carrier": "UA", "origin": "EWR", "dest": "SFO", "distance": 2565.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory, adopt: Adopt) -> UserWorkspace:
    folder = tmp_path_factory.mktemp("ny")
    UserWorkspace(folder).mlx("init", "flights", "--template", "flights")
    flights = adopt(folder / "flights")
    flights.mlx("apply", "--yes")
    return flights


def test_yaml_has_become_data_a_model_an_endpoint_and_predictions(flights: UserWorkspace) -> None:
    status = flights.status()
    assert {id: item["status"] for id, item in status.items()} == {
        "Dataset/carrier-days": "Ready",
        "Dataset/december-flights": "Ready",
        "Dataset/flight-delays": "Ready",
        "Dataset/flight-minutes": "Ready",
        "Dataset/flights": "Ready",
        "Dataset/forecast": "Ready",
        "Dataset/planes": "Ready",
        "Dataset/route-days": "Ready",
        "Dataset/weather": "Ready",
        "FeatureStore/flights": "Ready",
        "Inference/delay-api": "Ready",
        "Inference/delay-checkin-api": "Ready",
        "Inference/delay-nightly": "Done",
        "Model/delay": "Ready",
        "Model/delay-checkin": "Ready",
        "Model/minutes": "Ready",
        "Monitor/delay-watch": "Ready",
        "Pipeline/tabular": "Ready",
    }
    fields = status["Dataset/flight-delays"]["fields"]
    assert (fields["rows"], fields["rejected"]) == (327_346, 9_430)
    assert status["Model/delay"]["fields"]["metrics"]["roc_auc"] == pytest.approx(0.63, abs=0.02)
    assert status["Model/delay-checkin"]["fields"]["metrics"]["roc_auc"] == pytest.approx(0.717, abs=0.01)
    assert status["Model/minutes"]["fields"]["metrics"]["r2"] == pytest.approx(0.81, abs=0.02)
    assert {status[f"Model/{name}"]["fields"]["engine"] for name in ("delay", "delay-checkin", "minutes")} == {"onnx"}


def test_the_endpoint_answers_a_v2_request_by_http(flights: UserWorkspace) -> None:
    url = flights.status()["Inference/delay-api"]["fields"]["url"]
    datatypes = {str: "BYTES", int: "INT64", float: "FP64"}
    inputs = [{"name": name, "shape": [1], "datatype": datatypes[type(value)], "data": [value]} for name, value in ROW.items()]
    request = urllib.request.Request(f"{url}/v2/models/delay-api/infer", data=json.dumps({"inputs": inputs}).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as response:
        answer = json.load(response)
    outputs = {output["name"]: output["data"][0] for output in answer["outputs"]}
    assert (answer["model_name"], answer["model_version"]) == ("delay-api", "1")
    assert set(outputs) == {"label", "probability_false", "probability_true"}
    assert outputs["probability_false"] + outputs["probability_true"] == pytest.approx(1.0, abs=1e-6)


def test_kserves_own_client_gets_the_same_answer(flights: UserWorkspace) -> None:
    url = flights.status()["Inference/delay-api"]["fields"]["url"]
    flights.write("row.json", json.dumps([ROW]))
    expected = flights.mlx("predict", "delay-api", "--data", "row.json", "-o", "json").json["predictions"][0]

    async def ask() -> float:
        client = InferenceRESTClient(RESTConfig(protocol="v2"))
        inputs = []
        for name, value in ROW.items():
            tensor = InferInput(name, [1], {str: "BYTES", int: "INT64", float: "FP64"}[type(value)])
            tensor.set_data_from_numpy(np.array([value], dtype=object if isinstance(value, str) else None))
            inputs.append(tensor)
        answer = await client.infer(url, InferRequest(model_name="delay-api", infer_inputs=inputs), model_name="delay-api")
        return {output.name: output.as_numpy()[0] for output in answer.outputs}["probability_true"]

    assert asyncio.run(ask()) == pytest.approx(expected["probability_true"], abs=1e-6)


def test_the_batch_scored_december_with_keys_and_the_version(flights: UserWorkspace) -> None:
    fields = flights.status()["Inference/delay-nightly"]["fields"]
    table = parquet.read_table(flights.root / fields["path"])
    assert table.num_rows == 27_020
    keys = ["year", "month", "day", "carrier", "flight", "origin", "sched_dep_time"]
    assert table.column_names[: len(keys)] == keys
    assert {"dest", "label", "probability_true", "model_version"} <= set(table.column_names)
    assert set(table.column("model_version").to_pylist()) == {"1"}


def test_plan_after_apply_says_no_changes_and_a_parameter_names_the_endpoint_behind_it(flights: UserWorkspace) -> None:
    assert flights.plan() == {}
    flights.edit("stacks/local.yaml", "max_depth: 6", "max_depth: 8")
    plan = flights.plan()
    flights.edit("stacks/local.yaml", "max_depth: 8", "max_depth: 6")
    assert {id: item["effect_text"] for id, item in plan.items()} == {
        "Model/delay": "retrain",
        "Model/delay-checkin": "retrain",
        "Inference/delay-checkin-api": "switch if the new version passes, no restart",
        "Inference/delay-api": "switch if the new version passes, no restart",
        "Inference/delay-nightly": "score again if the new version passes",
    }


def test_a_departure_delay_renamed_in_sql_is_caught_as_the_future(flights: UserWorkspace) -> None:
    shutil.copytree(flights.root, flights.root.parent / "leak", ignore=shutil.ignore_patterns(".mlx"))
    leak = UserWorkspace(flights.root.parent / "leak")
    leak.edit("specs/flights.yaml", "f.dep_delay,", "f.dep_delay as minutes_waiting,")
    leak.edit("specs/delay.yaml", "features: [month,", "features: [minutes_waiting, month,")
    leak.edit("specs/flights.yaml", "exclude (late, dep_delay)", "exclude (late)")
    said = leak.mlx("validate", code=1)
    assert "minutes_waiting" in said.out
    assert "dep_delay" in said.out
    assert "departure" in said.out


def test_mlflows_own_client_opens_the_run_with_its_metrics_and_plots(flights: UserWorkspace) -> None:
    from mlflow import MlflowClient

    store = f"sqlite:///{flights.root / '.mlx/local/mlflow/mlflow.db'}"
    client = MlflowClient(tracking_uri=store, registry_uri=store)
    version = client.get_model_version_by_alias("delay", "champion")
    run = client.get_run(version.run_id)
    plots = {Path(item.path).name for item in client.list_artifacts(run.info.run_id, "plots")}
    assert run.data.metrics["roc_auc"] == pytest.approx(flights.status()["Model/delay"]["fields"]["metrics"]["roc_auc"], abs=1e-4)
    assert {"roc.png", "precision_recall.png", "calibration.png", "importance.png"} <= plots
