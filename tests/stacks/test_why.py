"""`why` of data: a dataset and one that reads it, prepared by a real apply, then each thing that goes wrong with them."""

from dataclasses import replace
from pathlib import Path

import pytest

from mlx_engine.host import Event, UpdateFailed
from mlx_engine.state.files import files_of
from mlx_engine.state.lock import locked
from mlx_specs.graph import make_graph
from mlx_stacks.apply import apply, destroy
from mlx_stacks.faults import Rank
from mlx_stacks.plan import make_plan
from mlx_stacks.status import status
from mlx_stacks.why import Why, why
from mlx_stacks.workspace import open_workspace

SPECS = """\
apiVersion: mlx/v1
kind: Dataset
metadata: {name: rows}
spec: {source: {type: csv, path: rows.csv}}
---
apiVersion: mlx/v1
kind: Dataset
metadata: {name: twice}
spec:
  inputs: [rows]
  prepare: [{sql: "select a * 2 as a from rows"}]
"""


MODEL = """\
apiVersion: mlx/v1
kind: Pipeline
metadata: {name: tabular}
spec: {entry: "mlx_pipelines.tabular:pipeline"}
---
apiVersion: mlx/v1
kind: Model
metadata: {name: m}
spec: {task: regression, pipeline: tabular, data: rows, target: a, algorithm: sklearn.linear_model.Ridge}
---
apiVersion: mlx/v1
kind: Inference
metadata: {name: api}
spec: {mode: realtime, model: m@champion}
"""


@pytest.fixture
def two(tiny: Path) -> Path:
    (tiny / "specs" / "rows.yaml").write_text(SPECS)
    return tiny


@pytest.fixture
def applied(two: Path) -> Path:
    make_it_so(two)
    return two


def unheard(event: Event) -> None:
    """Nobody watches."""


def make_it_so(root: Path) -> None:
    workspace = open_workspace(root)
    apply(workspace, make_plan(workspace, unheard), unheard)


def asked(root: Path, id: str = "Dataset/twice") -> Why:
    return why(open_workspace(root, needs_specs=False), id)


def edit(root: Path, old: str, new: str) -> None:
    path = root / "specs" / "rows.yaml"
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))


def cause(answer: Why) -> tuple[str, Rank, str]:
    assert answer.cause is not None
    return answer.cause.object, answer.cause.rank, answer.cause.reason


def test_of_what_is_well_the_lineage_is_told_from_the_data_on(applied: Path) -> None:
    answer = asked(applied)
    assert (answer.cause, answer.others) == (None, ())
    assert [origin.id for origin in answer.lineage] == ["Dataset/rows", "Dataset/twice"]
    assert [origin.text.partition(", ")[2] for origin in answer.lineage] == ["2 rows", "2 rows"]
    assert (answer.tree.id, answer.tree.status, [child.id for child in answer.tree.children]) == ("Dataset/twice", "Ready", ["Dataset/rows"])


def test_what_was_never_applied_says_so_and_how(two: Path) -> None:
    answer = asked(two)
    assert cause(answer) == ("Dataset/rows", Rank.NOT_APPLIED, "it is declared, not applied")
    assert answer.cause and answer.cause.fix == "mlx apply"


def test_a_spec_that_was_edited_is_named_with_its_field_and_file(applied: Path) -> None:
    edit(applied, "a * 2", "a * 3")
    answer = asked(applied)
    assert cause(answer)[:2] == ("Dataset/twice", Rank.CHANGED)
    assert "prepare" in cause(answer)[2] and "changed in specs/rows.yaml, not applied yet" in cause(answer)[2]


def test_other_rows_in_the_source_are_the_cause_below(applied: Path) -> None:
    (applied / "rows.csv").write_text("a\n1\n2\n3\n")
    object, rank, reason = cause(asked(applied))
    assert (object, rank, reason.partition(";")[0]) == ("Dataset/rows", Rank.CHANGED, "the source has other rows")


def test_a_source_that_is_gone_is_the_cause_of_all_behind_it(applied: Path) -> None:
    (applied / "rows.csv").unlink()
    answer = asked(applied)
    assert cause(answer)[:2] == ("Dataset/rows", Rank.FAILED)
    assert "file 'rows.csv' is not in the workspace" in cause(answer)[2]
    assert answer.tree.children[0].is_cause and not answer.tree.is_cause


def test_a_check_that_stopped_the_line_is_told_after_the_apply_that_it_stopped(applied: Path) -> None:
    edit(applied, "path: rows.csv}}", "path: rows.csv}, checks: [{type: range, columns: [a], max: 1}]}")
    with pytest.raises(UpdateFailed):
        make_it_so(applied)
    answer = asked(applied)
    assert cause(answer)[:2] == ("Dataset/rows", Rank.FAILED)
    assert "1 quality check failed\n  range of a: 1 row of 2 are not at most 1" in cause(answer)[2]
    assert answer.cause and answer.cause.fix.endswith("use severity: warn; when that is mended: mlx apply")
    told = {item.id: (item.status, item.detail) for item in status(open_workspace(applied))}
    assert told["Dataset/rows"] == ("Ready", "2 rows; the last apply failed at it: mlx why Dataset/rows")
    assert told["Dataset/twice"] == ("Ready", "2 rows")
    destroy(open_workspace(applied), unheard)
    assert cause(asked(applied)) == ("Dataset/rows", Rank.NOT_APPLIED, "it is declared, not applied")


def test_a_failure_whose_change_was_taken_back_is_forgotten(applied: Path) -> None:
    edit(applied, "path: rows.csv}}", "path: rows.csv}, checks: [{type: range, columns: [a], max: 1}]}")
    with pytest.raises(UpdateFailed):
        make_it_so(applied)
    (applied / "specs" / "rows.yaml").write_text(SPECS)
    assert cause(asked(applied)) == ("Dataset/rows", Rank.CHANGED, "checks[0] changed in specs/rows.yaml, not applied yet (metadata only)")


def test_a_spec_with_an_error_is_named_by_its_place(applied: Path) -> None:
    edit(applied, "inputs: [rows]", "inputs: [row]")
    object, rank, reason = cause(asked(applied))
    assert (object, rank) == ("Dataset/twice", Rank.SPECS)
    assert reason.startswith("specs/rows.yaml:10:12: ")


def test_rows_that_somebody_deleted_are_missing(applied: Path) -> None:
    for file in applied.glob(".mlx/local/datasets/twice/*/data.parquet"):
        file.unlink()
    object, rank, reason = cause(asked(applied))
    assert (object, rank) == ("Dataset/twice", Rank.BROKEN)
    assert reason in ("its prepared rows are gone", "it is not there")


def test_an_update_that_runs_comes_before_all_else(applied: Path) -> None:
    edit(applied, "a * 2", "a * 3")
    with locked(files_of(open_workspace(applied).stack), 0, lambda _message: None):
        answer = asked(applied)
        object, rank, reason = cause(answer)
        assert (object, rank) == ("Dataset/twice", Rank.RUNNING)
        assert reason.startswith("an update by ") and reason.endswith(" is in progress")


def test_what_is_applied_and_no_longer_declared_can_be_asked_for(applied: Path) -> None:
    edit(applied, SPECS.partition("---\n")[2], "")
    object, rank, _ = cause(asked(applied))
    assert (object, rank) == ("Dataset/twice", Rank.CHANGED)


def test_what_was_never_released_to_a_pinned_environment_is_the_cause_of_its_waiting(two: Path) -> None:
    (two / "stacks" / "staging.yaml").write_text(
        "apiVersion: mlx/v1\nkind: Environment\nmetadata: {name: staging}\nspec: {models: pinned, promotedFrom: local}\n"
    )
    (two / "specs" / "model.yaml").write_text(MODEL)
    workspace = open_workspace(two, "staging", needs_specs=False)
    told = why(workspace, "Inference/api").cause
    assert told is not None
    assert (told.object, told.rank) == ("Model/m", Rank.CHANGED)
    assert told.reason.startswith("not released: ")
    assert told.fix == "mlx promote --from local --to staging releases it here"


def test_what_a_release_does_not_hold_is_no_part_of_a_pinned_environments_tree(two: Path) -> None:
    """A released model is not trained where it is released, so that its pipeline and its data are neither declared nor applied there."""
    (two / "stacks" / "staging.yaml").write_text(
        "apiVersion: mlx/v1\nkind: Environment\nmetadata: {name: staging}\nspec: {models: pinned, promotedFrom: local}\n"
    )
    (two / "specs" / "model.yaml").write_text(MODEL)
    pinned = open_workspace(two, "staging", needs_specs=False)
    assert pinned.released is not None
    released = replace(
        pinned, released=replace(pinned.released, unreleased=()), graph=make_graph([node for node in open_workspace(two).graph.objects if node.id == "Model/m"])
    )
    tree = why(released, "Model/m").tree
    assert (tree.id, tree.children) == ("Model/m", ())


def test_asking_writes_nothing(applied: Path) -> None:
    def everything() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in applied.rglob("*") if path.is_file() and "__pycache__" not in path.parts}

    before = everything()
    asked(applied)
    assert everything() == before
