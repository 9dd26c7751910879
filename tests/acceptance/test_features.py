"""A feature store from YAML to an endpoint that answers requests which carry only keys; what changes mean; drift, kill and destroy."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
from shops_workspace import shops_workspace
from workspaces import Adopt, UserWorkspace, edited

EVERYTHING_BEHIND = {
    "FeatureStore/shops": "register again",
    "Model/demand": "retrain unless the data comes out equal",
    "Inference/demand-api": "switch if the new version passes, no restart",
    "Inference/demand-all": "score again",
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, adopt: Adopt) -> UserWorkspace:
    """Applied."""
    made = adopt(shops_workspace(tmp_path_factory.mktemp("shops") / "shops"))
    made.mlx("apply", "--yes")
    return made


def effects(workspace: UserWorkspace) -> dict[str, str]:
    return {id: item["effect_text"] for id, item in workspace.plan().items()}


def test_a_store_is_registered_materialised_joined_and_served(workspace: UserWorkspace) -> None:
    status = workspace.status()
    assert status["FeatureStore/shops"]["status"] == "Ready"
    assert status["FeatureStore/shops"]["detail"] == "2 views, 1 service; 4 keys online, latest 2024-01-10T00:00:00+00:00"
    assert {id: item["status"] for id, item in status.items() if id != "FeatureStore/shops"} == {
        "Dataset/sales": "Ready", "Dataset/shop-days": "Ready", "Pipeline/tabular": "Ready", "Model/demand": "Ready",
        "Inference/demand-api": "Ready", "Inference/demand-all": "Done",
    }  # fmt: skip
    assert workspace.plan() == {}


def test_the_features_of_a_day_are_those_of_the_day_before_and_defaults_stand_where_there_is_none(workspace: UserWorkspace) -> None:
    (path,) = (workspace.root / ".mlx/local/joined/model.demand").glob("*/data.parquet")
    rows = {row["id"]: row for row in parquet.read_table(path).to_pylist()}
    assert len(rows) == 400
    assert (rows[0]["mean_sold"], rows[0]["price_share"]) == (0.0, 1.0)
    first_day = [row for row in rows.values() if row["shop"] == "a" and row["ordered"].day == 1]
    (second_day, *_) = [row for row in rows.values() if row["shop"] == "a" and row["ordered"].day == 2]
    assert second_day["mean_sold"] == pytest.approx(sum(row["sold"] for row in first_day) / len(first_day))
    assert second_day["price_share"] == pytest.approx(second_day["price"] / max(row["price"] for row in first_day))


def test_a_request_with_keys_only_is_answered_as_one_that_carries_its_features(workspace: UserWorkspace) -> None:
    days = parquet.read_table(workspace.root / workspace.status()["Dataset/shop-days"]["fields"]["path"]).to_pylist()
    newest = max((day for day in days if day["shop"] == "b"), key=lambda day: day["known_at"])
    keys = {"shop": "b", "price": 12.0, "ordered": "2024-01-10T09:00:00Z"}
    features = {"mean_sold": newest["mean_sold"], "price_share": 12.0 / newest["top_price"]}
    looked_up, carried = (_predicted(workspace, row) for row in (keys, {"price": 12.0, **features}))
    assert looked_up == pytest.approx(carried)


def test_a_row_that_is_older_than_a_views_ttl_allows_gets_defaults(workspace: UserWorkspace) -> None:
    late = {"shop": "b", "price": 12.0, "ordered": "2024-06-01T09:00:00Z"}
    assert _predicted(workspace, late) == pytest.approx(_predicted(workspace, {"price": 12.0, "mean_sold": 0.0, "price_share": 1.0}))


def _predicted(workspace: UserWorkspace, row: dict[str, Any]) -> float:
    workspace.write("row.json", json.dumps([row]))
    (answer,) = workspace.mlx("predict", "demand-api", "--data", "row.json", "-o", "json").json["predictions"]
    return answer["prediction"]


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("specs/objects.yaml", "ttl: 30d", "ttl: 20d"),
        ("specs/objects.yaml", "top_price: 0.0", "top_price: 1.0"),
        ("feature_repo/shop_features.py", "price / top_price", "2 * price / top_price"),
    ],
    ids=["ttl", "default", "code"],
)
def test_a_change_of_a_view_lists_every_model_and_endpoint_behind_it(path: str, old: str, new: str, workspace: UserWorkspace) -> None:
    with edited(workspace, path, old, new):
        assert effects(workspace) == EVERYTHING_BEHIND


def test_a_features_owner_or_a_functions_comment_trains_nothing(workspace: UserWorkspace) -> None:
    with edited(workspace, "specs/objects.yaml", "owner: sales-team", "owner: data-team"):
        assert effects(workspace) == {"FeatureStore/shops": "metadata only, no retrain"}
    with edited(workspace, "feature_repo/shop_features.py", '"""The price as', '"""Price as'):
        assert workspace.plan() == {}
    with edited(workspace, "feature_repo/shop_features.py", "    return price", "    # a comment\n    return price"):
        assert workspace.plan() == {}


def test_a_feature_that_the_champion_reads_is_not_dropped(workspace: UserWorkspace) -> None:
    before = (workspace.root / "specs/objects.yaml").read_text()
    dropped = before.replace("{mean_sold: float, top_price: float}", "{top_price: float}").replace("{mean_sold: 0.0, top", "{top")
    workspace.write("specs/objects.yaml", dropped.replace("[price, mean_sold, price_share]", "[price, price_share]"))
    try:
        for verb in (("plan",), ("apply", "--yes")):
            said = workspace.mlx(*verb, code=3)
            assert "feature 'mean_sold' of service 'selling' would be dropped" in said.err
            assert "Model/demand version 1 (champion, which Inference/demand-all, Inference/demand-api serve) reads it" in re.sub(r"\s+", " ", said.err)
            assert "list the features of Model/demand without it and apply" in re.sub(r"\s+", " ", said.err)
    finally:
        workspace.write("specs/objects.yaml", before)
    assert workspace.plan() == {}


def _delete_registry(folder: Path) -> None:
    (folder / "registry.db").unlink()


def _spoil_registry(folder: Path) -> None:
    (folder / "registry.db").write_bytes(b"no registry")


def _delete_online(folder: Path) -> None:
    (folder / "online.db").unlink()


def _delete_rows(folder: Path) -> None:
    with sqlite3.connect(folder / "online.db") as connection:
        connection.execute('delete from "shops_days"')


@pytest.mark.parametrize("harm", [_delete_registry, _spoil_registry, _delete_online, _delete_rows])
def test_what_happens_to_registry_or_online_store_is_found_by_refresh_and_mended_by_apply(harm: Any, workspace: UserWorkspace) -> None:
    harm(workspace.root / ".mlx/local/features/shops")
    said = workspace.mlx("refresh", code=4)
    assert "FeatureStore/shops" in said.out
    assert set(workspace.plan()) == {"FeatureStore/shops"}
    workspace.mlx("apply", "--yes")
    assert workspace.plan() == {}
    assert workspace.status()["FeatureStore/shops"]["detail"].startswith("2 views, 1 service; 4 keys online")
    workspace.mlx("refresh")


def test_an_apply_that_is_killed_while_feast_works_is_finished_by_the_next(workspace: UserWorkspace) -> None:
    workspace.edit("feature_repo/shop_features.py", "price / top_price", "3 * price / top_price")
    # A group of its own, as a terminal gives it; the worker is no part of it and ends with its standard input.
    process = subprocess.Popen(workspace.command("apply", "--yes"), cwd=workspace.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if "starting Feast" in line:
            os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 30
    while _workers(workspace.root) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _workers(workspace.root) == []
    workspace.mlx("apply", "--yes")
    assert workspace.plan() == {}


def _workers(root: Path) -> list[int]:
    """Feast workers of this workspace."""
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"mlx_features.worker" in (process / "cmdline").read_bytes() and (process / "cwd").readlink() == root:
                found.append(int(process.name))
        except OSError:
            continue
    return found


def test_destroy_leaves_nothing_of_the_store(workspace: UserWorkspace) -> None:
    workspace.mlx("destroy", "--yes")
    home = workspace.root / ".mlx/local"
    assert not (home / "features/shops").exists()
    assert not (home / "joined/model.demand").exists()
    assert not (home / "joined/inference.demand-all").exists()
    assert _workers(workspace.root) == []
