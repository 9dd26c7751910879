"""An endpoint declared before its model exists waits, and the first version that passes its gates completes it."""

import json
import urllib.error
import urllib.request

import pytest
import yaml
from sklearn_workspaces import objects, tumour_model, write_breast_cancer
from workspaces import Make, UserWorkspace


@pytest.fixture(scope="module")
def workspace(make: Make) -> UserWorkspace:
    api = next(item for item in objects("tumours", "data/tumours.csv", tumour_model()) if item["kind"] == "Inference")
    made = make("waiting", [api])
    write_breast_cancer(made.root)
    return made


def declare_model(workspace: UserWorkspace, bar: float) -> None:
    model = tumour_model()
    model["spec"]["success"] = [{"metric": "roc_auc", "atLeast": bar}]
    declared = [{"apiVersion": "mlx/v1", **item} for item in objects("tumours", "data/tumours.csv", model)]
    workspace.write("specs/objects.yaml", yaml.safe_dump_all(declared, sort_keys=False))


def test_without_its_model_apply_succeeds_and_says_that_the_endpoint_waits(workspace: UserWorkspace) -> None:
    said = workspace.mlx("apply", "--yes")
    assert "Inference/malignant-api: WaitingForModel(malignant@champion)" in said.out
    api = workspace.status()["Inference/malignant-api"]
    assert api["status"] == "WaitingForModel(malignant@champion)"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{api['fields']['url']}/v2/health/ready", timeout=10)
    assert refused.value.code == 503
    assert workspace.plan() == {}


def test_a_version_that_fails_its_gates_leaves_it_waiting_and_the_next_plan_is_empty(workspace: UserWorkspace) -> None:
    declare_model(workspace, bar=0.99999)
    assert "stays a challenger" in workspace.mlx("apply", "--yes", code=3).err
    assert workspace.status()["Inference/malignant-api"]["status"] == "WaitingForModel(malignant@champion)"
    assert workspace.plan() == {}


def test_the_first_version_that_passes_completes_it_in_the_same_process_without_a_second_training(workspace: UserWorkspace) -> None:
    before = workspace.status()["Inference/malignant-api"]["fields"]
    declare_model(workspace, bar=0.9)
    said = workspace.mlx("apply", "--yes")
    assert "step" not in said.err
    api = workspace.status()["Inference/malignant-api"]
    assert (api["status"], api["fields"]["version"], api["fields"]["pid"]) == ("Ready", "1", before["pid"])
    with urllib.request.urlopen(f"{api['fields']['url']}/v2/health/ready", timeout=10) as answer:
        assert json.load(answer) == {"ready": True}


def test_in_the_middle_of_an_edit_one_can_still_look_read_logs_and_destroy(workspace: UserWorkspace) -> None:
    workspace.write("specs/broken.yaml", "kind: [\n")
    workspace.mlx("plan", code=1)
    status = workspace.status()
    assert status["Inference/malignant-api"]["status"] == "Ready"
    assert "listening on" in workspace.mlx("logs", "malignant-api").out
    assert workspace.mlx("history", "-o", "json").json["updates"]
    workspace.mlx("destroy", "--yes")
    workspace.write("specs/broken.yaml", "")
    (workspace.root / "specs/broken.yaml").unlink()
    assert {item["status"] for item in workspace.status().values()} == {"NotApplied"}
