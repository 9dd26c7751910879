"""The PreparedDataset resource: what a plan asks and what an apply does, on real files."""

from pathlib import Path
from typing import Any

import pytest

from mlx_provider.dataset import PreparedDataset
from mlx_provider.protocol import CheckError, Difference, ResourceError
from mlx_specs.dataset_resources import DatasetAbout, PreparedDatasetInputs

RESOURCE = PreparedDataset()


def declared(**spec: Any) -> dict[str, Any]:
    definition = {"source": {"type": "csv", "path": "d.csv"}, **spec}
    wire = PreparedDatasetInputs(name="d", home=".mlx/local", definition=definition, about=DatasetAbout(owner="me")).wire()
    return {**wire, "sourceDigest": None}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "d.csv").write_text("a\n1\n2\n")
    return tmp_path


def created(workspace: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    inputs = dict(RESOURCE.check(declared(), workspace))
    made = RESOURCE.create(inputs, workspace, lambda line: None)
    assert made.id == "d"
    return inputs, dict(made.outputs)


def test_check_fills_in_the_source_digest_and_creating_again_adopts_the_content(workspace: Path) -> None:
    inputs, outputs = created(workspace)
    assert len(inputs["sourceDigest"]) == 64
    assert (outputs["rows"], outputs["rejected"], outputs["columns"]) == (2, 0, [{"name": "a", "type": "integer"}])
    assert RESOURCE.create(inputs, workspace, lambda line: None).outputs == outputs
    assert RESOURCE.diff(inputs, outputs, inputs, workspace) == Difference()
    assert RESOURCE.read("d", inputs, outputs, workspace) == outputs


def test_changed_rows_are_prepared_again_and_the_old_content_stays(workspace: Path) -> None:
    inputs, outputs = created(workspace)
    (workspace / "d.csv").write_text("a\n1\n2\n3\n")
    changed = dict(RESOURCE.check(declared(), workspace))
    assert RESOURCE.diff(inputs, outputs, changed, workspace) == Difference(("sourceDigest",))
    assert "contentDigest" not in RESOURCE.planned(changed, outputs)
    updated = RESOURCE.update("d", inputs, outputs, changed, workspace, lambda line: None)
    assert updated["rows"] == 3
    assert (workspace / outputs["path"]).is_file()


def test_a_new_owner_prepares_nothing_and_its_content_is_known_in_the_plan(workspace: Path) -> None:
    inputs, outputs = created(workspace)
    renamed = {**inputs, "about": {**inputs["about"], "owner": "you"}}
    assert RESOURCE.diff(inputs, outputs, renamed, workspace) == Difference(("about",))
    assert RESOURCE.planned(renamed, outputs) == {**outputs, **renamed}
    reports: list[str] = []
    assert RESOURCE.update("d", inputs, outputs, renamed, workspace, reports.append) == {**outputs, **renamed}
    assert reports == []
    assert '"owner": "you"' in (workspace / outputs["path"]).with_name("manifest.json").read_text()


def test_rows_that_are_gone_or_damaged_are_noticed_and_made_again(workspace: Path) -> None:
    inputs, outputs = created(workspace)
    data = workspace / outputs["path"]
    data.write_bytes(b"damaged")
    assert RESOURCE.read("d", inputs, outputs, workspace) is None
    data.unlink()
    assert RESOURCE.diff(inputs, outputs, inputs, workspace) == Difference(("path",))
    assert RESOURCE.update("d", inputs, outputs, inputs, workspace, lambda line: None) == outputs
    assert RESOURCE.read("d", inputs, outputs, workspace) == outputs


def test_deleting_removes_all_contents_and_deleting_again_succeeds(workspace: Path) -> None:
    inputs, outputs = created(workspace)
    RESOURCE.delete("d", inputs, outputs, workspace)
    RESOURCE.delete("d", inputs, outputs, workspace)
    assert not (workspace / ".mlx/local/datasets/d").exists()
    assert RESOURCE.read("d", inputs, outputs, workspace) is None


def test_another_name_or_home_needs_a_new_object(workspace: Path) -> None:
    inputs, outputs = created(workspace)
    assert RESOURCE.diff(inputs, outputs, {**inputs, "home": ".mlx/other"}, workspace).replaces == ("home",)


def test_a_missing_source_is_told_by_the_plan_and_a_failed_check_by_the_apply(workspace: Path) -> None:
    with pytest.raises(CheckError, match=r"Dataset/d: file 'none\.csv' is not in the workspace"):
        RESOURCE.check(declared(source={"type": "csv", "path": "none.csv"}), workspace)
    inputs = RESOURCE.check(declared(checks=[{"type": "rows", "min": 9}]), workspace)
    with pytest.raises(ResourceError, match=r"Dataset/d: 1 quality check failed\n  rows: 2 rows, wanted at least 9"):
        RESOURCE.create(inputs, workspace, lambda line: None)
