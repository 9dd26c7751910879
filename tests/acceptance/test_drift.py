"""What people do by hand behind mlx: `mlx refresh` finds it, says what it was and what it is now, and exits 4; apply mends it."""

import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from end_state import end_state
from tiny_workspace import tiny_workspace
from workspaces import Adopt, UserWorkspace


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, adopt: Adopt) -> UserWorkspace:
    workspace = adopt(tiny_workspace(tmp_path_factory.mktemp("drift") / "tiny"))
    workspace.mlx("apply", "--yes")
    return workspace


def kill_the_server(workspace: UserWorkspace) -> None:
    os.kill(workspace.status()["Inference/tumour-api"]["fields"]["pid"], signal.SIGKILL)


def take_the_alias_away(workspace: UserWorkspace) -> None:
    with sqlite3.connect(workspace.root / ".mlx/local/mlflow/mlflow.db") as registry:
        registry.execute("delete from registered_model_aliases where alias = 'champion'")


def delete_the_rows(workspace: UserWorkspace) -> None:
    next((workspace.root / ".mlx/local/datasets").rglob("data.parquet")).unlink()


def delete_the_predictions(workspace: UserWorkspace) -> None:
    shutil.rmtree(workspace.root / ".mlx/local/predictions")


def change_a_byte_of_the_model(workspace: UserWorkspace) -> None:
    path = next((workspace.root / ".mlx/local/models").rglob("model.onnx"))
    data = path.read_bytes()
    path.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])


HARMS: dict[str, Callable[[UserWorkspace], None]] = {
    "Inference/tumour-api": kill_the_server,
    "Model/tumour": take_the_alias_away,
    "Dataset/tumours": delete_the_rows,
    "Inference/tumour-batch": delete_the_predictions,
}
GONE = {
    "Inference/tumour-api": ("Stopped", "the server is not running"),
    "Dataset/tumours": ("Missing", "its prepared rows are gone"),
    "Inference/tumour-batch": ("Missing", "its predictions are gone"),
}


def test_refresh_finds_what_was_done_by_hand_with_old_and_new_and_apply_mends_it(tiny: UserWorkspace) -> None:
    before = end_state(tiny.root, "tiny")
    for harm in HARMS.values():
        harm(tiny)
    found = by_id(tiny.mlx("refresh", "-o", "json", code=4).json["drift"])
    assert {id: (item["status"], item["detail"]) for id, item in found.items() if item["gone"]} == GONE
    versions = [(change["path"], change["old"], change["new"]) for change in found["Model/tumour"]["changes"] if change["path"] == "current.version"]
    assert versions == [("current.version", "1", "")]
    tiny.mlx("apply", "--yes")
    assert end_state(tiny.root, "tiny") == before
    assert tiny.plan() == {}
    assert tiny.mlx("refresh").out == "No drift: everything is as it was applied.\n"


def test_an_artifact_whose_bytes_changed_is_refused_by_its_digest_and_packaged_again(tiny: UserWorkspace) -> None:
    before = end_state(tiny.root, "tiny")
    change_a_byte_of_the_model(tiny)
    found = by_id(tiny.mlx("refresh", "-o", "json", code=4).json["drift"])
    assert {id: item["detail"] for id, item in found.items()} == {
        "Model/tumour": "its packaged model or its registered version is gone, or its bytes are not those of its digest"
    }
    said = tiny.mlx("apply", "--yes")
    assert "step" not in said.err
    assert end_state(tiny.root, "tiny") == before


@pytest.mark.parametrize("folder", ["datasets", "pipelines", "models", "predictions", "endpoints"])
def test_a_deleted_folder_is_named_and_apply_brings_it_back(folder: str, tiny: UserWorkspace) -> None:
    before = end_state(tiny.root, "tiny")
    remove(tiny.root / ".mlx/local" / folder)
    said = tiny.mlx("refresh", code=4).out
    assert said.endswith("1 object drifted; mlx apply puts it back\n")
    tiny.mlx("apply", "--yes")
    assert end_state(tiny.root, "tiny") == before


def test_without_its_state_apply_finds_what_is_there_and_trains_nothing(tiny: UserWorkspace) -> None:
    before = end_state(tiny.root, "tiny")
    pid = tiny.status()["Inference/tumour-api"]["fields"]["pid"]
    remove(tiny.root / ".mlx/state")
    said = tiny.mlx("apply", "--yes")
    assert "step 1/" not in said.err
    assert end_state(tiny.root, "tiny") == before
    assert tiny.status()["Inference/tumour-api"]["fields"]["pid"] == pid


def test_a_data_source_that_is_gone_is_named_with_the_place_that_was_looked_at(tiny: UserWorkspace) -> None:
    source = tiny.root / "data/tumours.csv"
    source.rename(source.with_suffix(".away"))
    said = tiny.mlx("apply", "--yes", code=1).err
    source.with_suffix(".away").rename(source)
    assert f"error: Dataset/tumours: file 'data/tumours.csv' is not in the workspace\n  hint: looked at {source}\n" in said
    assert tiny.plan() == {}


def remove(folder: Path) -> None:
    assert folder.is_dir()
    shutil.rmtree(folder)


def by_id(drift: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["id"]: item for item in drift}
