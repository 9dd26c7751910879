"""Workspaces on other data work from their own specs with no change in the code: a regression and a classification."""

import csv
import json
import urllib.request
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from sklearn_workspaces import diabetes_model, objects, write_diabetes
from workspaces import Make, UserWorkspace


@pytest.fixture(scope="module")
def diabetes(make: Make) -> UserWorkspace:
    workspace = make("diabetes", objects("patients", "data/diabetes.csv", diabetes_model()))
    write_diabetes(workspace.root)
    workspace.mlx("apply", "--yes")
    return workspace


def first_rows(path: Path, count: int, without: str) -> list[dict[str, float]]:
    with path.open() as file:
        rows = list(csv.DictReader(file))[:count]
    return [{key: float(value) for key, value in row.items() if key not in ("patient", without)} for row in rows]


def test_a_regression_is_trained_served_and_scored_from_its_specs(diabetes: UserWorkspace) -> None:
    status = diabetes.status()
    assert {id: item["status"] for id, item in status.items()} == {
        "Dataset/patients": "Ready",
        "Pipeline/tabular": "Ready",
        "Model/progression": "Ready",
        "Inference/progression-api": "Ready",
        "Inference/progression-all": "Done",
    }
    assert status["Dataset/patients"]["fields"]["rows"] == 442
    assert status["Model/progression"]["fields"]["metrics"]["r2"] > 0.3


def test_the_endpoint_and_the_batch_agree_on_every_row(diabetes: UserWorkspace) -> None:
    rows = first_rows(diabetes.root / "data/diabetes.csv", 5, "target")
    diabetes.write("rows.json", json.dumps(rows))
    answered = diabetes.mlx("predict", "progression-api", "--data", "rows.json", "-o", "json").json
    scored = parquet.read_table(diabetes.root / diabetes.status()["Inference/progression-all"]["fields"]["path"]).to_pylist()
    by_patient = {row["patient"]: row["prediction"] for row in scored}
    assert len(by_patient) == 442
    assert [row["prediction"] for row in answered["predictions"]] == pytest.approx([by_patient[number] for number in range(5)], abs=1e-3)


def test_plan_after_apply_is_empty_and_a_second_apply_does_nothing(diabetes: UserWorkspace) -> None:
    assert diabetes.plan() == {}
    diabetes.mlx("plan", "--detailed-exitcode")
    before = diabetes.status()
    diabetes.mlx("apply", "--yes")
    assert diabetes.status() == before


def test_a_classification_answers_v2_requests_with_a_version(tumours: UserWorkspace) -> None:
    url = tumours.status()["Inference/malignant-api"]["fields"]["url"]
    row = first_rows(tumours.root / "data/tumours.csv", 1, "target")[0]
    inputs = [{"name": name, "shape": [1], "datatype": "FP64", "data": [value]} for name, value in row.items()]
    request = urllib.request.Request(f"{url}/v2/models/malignant-api/infer", data=json.dumps({"inputs": inputs}).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as response:
        answer = json.load(response)
    outputs = {output["name"]: output["data"][0] for output in answer["outputs"]}
    assert (answer["model_name"], answer["model_version"]) == ("malignant-api", "1")
    assert outputs["label"] == 0
    assert outputs["probability_0"] + outputs["probability_1"] == pytest.approx(1.0, abs=1e-6)


def test_destroy_leaves_no_process_and_no_resource_and_apply_works_again(tumours: UserWorkspace) -> None:
    pid = tumours.status()["Inference/malignant-api"]["fields"]["pid"]
    tumours.mlx("destroy", "--yes")
    assert not Path(f"/proc/{pid}").exists()
    assert {item["status"] for item in tumours.status().values()} == {"NotApplied"}
    tumours.mlx("apply", "--yes")
    status = tumours.status()
    assert (status["Model/malignant"]["fields"]["version"], status["Inference/malignant-api"]["status"]) == ("1", "Ready")
