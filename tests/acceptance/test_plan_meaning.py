"""What a change means for the model, as the plan says it: a workspace with a pipeline and a factory of its own, trained once."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sklearn_workspaces import objects, tumour_model, write_breast_cancer
from workspaces import Make, UserWorkspace

FACTORY = '''"""Estimators of this workspace."""

from sklearn.ensemble import RandomForestClassifier

TREES = 10


def forest(max_depth: int, random_state: int = 0) -> RandomForestClassifier:
    """A small forest."""
    return RandomForestClassifier(n_estimators=TREES, max_depth=max_depth, random_state=random_state)
'''
RETRAINED = {
    "Model/malignant": "retrain",
    "Inference/malignant-api": "switch if the new version passes, no restart",
    "Inference/malignant-all": "score again if the new version passes",
}


@pytest.fixture(scope="module")
def workspace(make: Make) -> UserWorkspace:
    model = tumour_model()
    model["spec"] |= {"algorithm": "forests.forest", "parameters": {"max_depth": 5}, "success": [{"metric": "roc_auc", "atLeast": 0.9}]}
    monitor = {"kind": "Monitor", "metadata": {"name": "watch"}, "spec": {"inference": "malignant-api", "dataDrift": {"threshold": 0.2}}}
    made = make("meaning", [*objects("tumours", "data/tumours.csv", model), monitor])
    write_breast_cancer(made.root)
    made.write("kfp_pipelines/forests.py", FACTORY)
    made.mlx("apply", "--yes")
    return made


@contextmanager
def edited(workspace: UserWorkspace, path: str, old: str, new: str) -> Iterator[None]:
    """A change of one file, taken back afterwards."""
    before = (workspace.root / path).read_text()
    workspace.edit(path, old, new)
    try:
        yield
    finally:
        (workspace.root / path).write_text(before)


def effects(plan: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {id: item["effect_text"] for id, item in plan.items()}


def tree(root: Path) -> dict[str, tuple[int, int]]:
    """Every file below .mlx with its size and time: what a plan must leave as it is. A server's log is the server's."""
    files = [path for path in sorted((root / ".mlx").rglob("*")) if path.is_file() and path.suffix != ".log"]
    return {str(path.relative_to(root)): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def test_a_parameter_retrains_and_the_endpoint_and_the_batch_behind_it_are_named(workspace: UserWorkspace) -> None:
    with edited(workspace, "specs/objects.yaml", "max_depth: 5", "max_depth: 6"):
        plan = workspace.plan()
        text = workspace.mlx("plan", "--detailed-exitcode", code=2).out
    assert effects(plan) == RETRAINED
    assert plan["Model/malignant"]["changes"] == [{"path": "parameters.max_depth", "old": 5, "new": 6}]
    assert (plan["Inference/malignant-api"]["indirect"], plan["Inference/malignant-api"]["because"]) == (True, ["follows Model/malignant"])
    assert "parameters.max_depth 5 -> 6" in text


def test_another_label_retrains_and_another_bar_only_judges_again(workspace: UserWorkspace) -> None:
    with edited(workspace, "specs/objects.yaml", "atLeast: 0.9", "atLeast: 0.8"):
        assert effects(workspace.plan()) == {"Model/malignant": "judge the gates, no retrain"}
    with edited(workspace, "specs/objects.yaml", "target: target", "target: mean_radius"):
        assert effects(workspace.plan())["Model/malignant"] == "retrain"


def test_a_data_row_retrains_unless_the_data_comes_out_equal(workspace: UserWorkspace) -> None:
    lines = (workspace.root / "data/tumours.csv").read_text().splitlines()
    with edited(workspace, "data/tumours.csv", lines[-1], ",".join([*lines[-1].split(",")[:-1], "0" if lines[-1].endswith("1") else "1"])):
        plan = workspace.plan()
    assert effects(plan)["Dataset/tumours"] == "prepare again"
    assert plan["Dataset/tumours"]["because"] == ["the source has other rows"]
    assert effects(plan)["Model/malignant"] == "retrain unless the data comes out equal"


def test_the_code_that_changed_is_named_and_a_comment_or_docstring_trains_nothing(workspace: UserWorkspace) -> None:
    with edited(workspace, "kfp_pipelines/forests.py", "TREES = 10", "TREES = 20"):
        plan = workspace.plan()
    assert effects(plan) == RETRAINED
    assert plan["Model/malignant"]["because"] == ["the module in forests.py changed"]
    with edited(workspace, "kfp_pipelines/forests.py", "TREES = 10", "# as many as it takes\nTREES = 10"):
        assert workspace.plan() == {}
    with edited(workspace, "kfp_pipelines/forests.py", '"""A small forest."""', '"""A forest, small."""'):
        assert workspace.plan() == {}


def test_a_comment_in_the_specs_changes_nothing(workspace: UserWorkspace) -> None:
    with edited(workspace, "specs/objects.yaml", "kind: Monitor", "kind: Monitor # watch it"):
        assert workspace.plan() == {}


def test_a_monitors_threshold_retrains_nothing_and_restarts_nothing(workspace: UserWorkspace) -> None:
    with edited(workspace, "specs/objects.yaml", "threshold: 0.2", "threshold: 0.1"):
        plan = workspace.plan()
    assert effects(plan) == {"Monitor/watch": "no retrain, no restart"}
    assert plan["Monitor/watch"]["changes"] == [{"path": "dataDrift.threshold", "old": 0.2, "new": 0.1}]


def test_a_plan_writes_nothing(workspace: UserWorkspace) -> None:
    before = tree(workspace.root)
    with edited(workspace, "specs/objects.yaml", "max_depth: 5", "max_depth: 7"):
        workspace.plan()
    assert tree(workspace.root) == before


def test_a_saved_plan_is_applied_exactly_and_a_stale_one_is_refused(workspace: UserWorkspace) -> None:
    workspace.edit("specs/objects.yaml", "threshold: 0.2", "threshold: 0.3")
    workspace.mlx("plan", "--out", "plan.json")
    workspace.edit("specs/objects.yaml", "threshold: 0.3", "threshold: 0.4")
    refused = workspace.mlx("apply", "plan.json", code=3)
    assert "its inputs are not those of the plan" in refused.err
    workspace.edit("specs/objects.yaml", "threshold: 0.4", "threshold: 0.3")
    workspace.mlx("apply", "plan.json")
    assert workspace.plan() == {}
    stale = workspace.mlx("apply", "plan.json", code=3)
    assert "stale" in stale.err


def test_a_version_that_fails_its_gate_stays_a_challenger_and_the_endpoint_keeps_its_champion(workspace: UserWorkspace) -> None:
    workspace.edit("specs/objects.yaml", "max_depth: 5", "max_depth: 1")
    workspace.edit("specs/objects.yaml", "atLeast: 0.9", "atLeast: 0.9999")
    blocked = workspace.mlx("apply", "--yes", code=3)
    assert "stays a challenger: roc_auc" in blocked.err
    assert workspace.plan() == {}
    (note,) = workspace.mlx("plan", "-o", "json").json["notes"]
    assert note.startswith("Model/malignant: version 2 stays a challenger: roc_auc")
    assert note.endswith("; version 1 stays champion")
    assert workspace.mlx("apply", "-o", "json").json["notes"] == [note]
    status = workspace.status()
    assert status["Model/malignant"]["status"] == "Challenger"
    assert (status["Model/malignant"]["fields"]["champion"], status["Model/malignant"]["fields"]["version"]) == ("1", "2")
    assert status["Inference/malignant-api"]["fields"]["version"] == "1"


def test_going_back_to_what_was_trained_trains_nothing(workspace: UserWorkspace) -> None:
    workspace.edit("specs/objects.yaml", "max_depth: 1", "max_depth: 5")
    workspace.edit("specs/objects.yaml", "atLeast: 0.9999", "atLeast: 0.9")
    planned = workspace.mlx("plan", "-o", "json").json
    (model,) = [item for item in planned["objects"] if item["id"] == "Model/malignant"]
    assert (model["effect"], planned["summary"]["retrain"]) == ("redeploy", 0)
    assert re.fullmatch(r"version 1 \([0-9a-f]{8}…\) is already trained: reused", model["effect_text"])
    said = workspace.mlx("apply", "--yes")
    assert "version 1 has this fingerprint: nothing is trained" in said.err
    assert workspace.status()["Model/malignant"]["status"] == "Ready"


def test_a_training_that_fails_is_in_the_status_and_the_next_plan_still_names_the_field(workspace: UserWorkspace) -> None:
    with edited(workspace, "specs/objects.yaml", "max_depth: 5", "max_depth: 0"):
        workspace.mlx("apply", "--yes", code=1)
        plan = workspace.plan()
        model = workspace.status()["Model/malignant"]
    assert plan["Model/malignant"]["changes"] == [{"path": "parameters.max_depth", "old": 5, "new": 0}]
    assert (model["status"], model["fields"]["failure"]["step"], model["fields"]["champion"]) == ("TrainingFailed", "train", "1")
    assert "The 'max_depth' parameter of RandomForestClassifier must be an int" in model["detail"]
    workspace.mlx("apply", "--yes")
    assert workspace.status()["Model/malignant"]["status"] == "Ready"
    assert workspace.plan() == {}


def test_a_batch_that_is_run_twice_keeps_its_predictions(workspace: UserWorkspace) -> None:
    (batch,) = workspace.mlx("run", "malignant-all", "--yes", "-o", "json").json["batches"]
    assert (batch["id"], batch["kept"], batch["rows"], batch["version"]) == ("Inference/malignant-all", True, 569, "1")
    assert (workspace.root / batch["path"]).is_file()
