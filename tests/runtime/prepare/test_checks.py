"""Quality checks stop the line or warn, with counts and sample rows."""

from typing import Any

import pytest

from mlx_runtime.prepare.errors import PrepareError

CSV = "id,x,s\n1,1.5,ab\n2,,b\n3,99.0,\n3,2.5,ab\n"
COLUMNS = {"id": {"type": "integer"}, "x": {"type": "float"}, "s": {"type": "string"}}

FAILING: list[tuple[dict[str, Any], str]] = [
    ({"type": "notNull", "columns": ["x", "s"]}, "notNull of x, s: 2 rows of 4 have no value\n    id=2, x=null, s='b'\n    id=3, x=99.0, s=null"),
    ({"type": "unique", "columns": ["id"]}, "unique of id: 2 rows of 4 share their values with another row\n    id=3\n    id=3"),
    ({"type": "range", "columns": ["x"], "min": 0, "max": 10}, "range of x: 1 row of 4 outside 0 to 10\n    id=3, x=99.0"),
    ({"type": "range", "columns": ["x"], "min": 2}, "range of x: 1 row of 4 are not at least 2\n    id=1, x=1.5"),
    ({"type": "values", "columns": ["s"], "values": ["ab", "c"]}, "values of s: 1 row of 4 are none of ab, c\n    id=2, s='b'"),
    ({"type": "pattern", "columns": ["s"], "pattern": "a."}, "pattern of s: 1 row of 4 do not match a.\n    id=2, s='b'"),
    ({"type": "condition", "condition": "x < id * 10 -- near", "name": "near"}, "near: 1 row of 4 do not fulfil x < id * 10 -- near\n    id=3"),
    ({"type": "rows", "min": 5}, "rows: 4 rows, wanted at least 5"),
    ({"type": "rows", "min": 1, "max": 3}, "rows: 4 rows, wanted at least 1 and at most 3"),
    ({"type": "notNull", "columns": ["x"], "tolerance": 0.1}, "notNull of x: 1 row of 4 have no value, tolerated 10.00%\n    id=2, x=null"),
]


@pytest.mark.parametrize(("check", "message"), FAILING, ids=[row[1].partition("\n")[0] for row in FAILING])
def test_a_check_that_fails_stops_with_counts_and_sample_rows(workspace: Any, check: dict[str, Any], message: str) -> None:
    with pytest.raises(PrepareError) as caught:
        workspace.csv(CSV, columns=COLUMNS, keys=["id"], checks=[check])
    assert str(caught.value) == f"Dataset/d: 1 quality check failed\n  {message}"
    assert [path.name for path in (workspace.root / ".mlx/local/datasets/d").iterdir()] == [".lock"]


PASSING: list[dict[str, Any]] = [
    {"type": "notNull", "columns": ["x"], "tolerance": 0.25},
    {"type": "unique", "columns": ["id", "x"]},
    {"type": "range", "columns": ["x"], "min": 1.5, "max": 99},
    {"type": "values", "columns": ["id"], "values": [1, 2, 3]},
    {"type": "rows", "min": 4, "max": 4},
    {"type": "condition", "condition": "x > 0"},
]


@pytest.mark.parametrize("check", PASSING, ids=[str(check) for check in PASSING])
def test_a_check_that_holds_passes_and_missing_values_are_for_not_null(workspace: Any, check: dict[str, Any]) -> None:
    assert workspace.csv(CSV, columns=COLUMNS, checks=[check]).warnings == []


def test_a_warning_goes_on_and_is_recorded(workspace: Any) -> None:
    outputs = workspace.csv(CSV, columns=COLUMNS, checks=[{"type": "range", "columns": ["x"], "max": 10, "severity": "warn"}])
    assert outputs.warnings == ["range of x: 1 row of 4 are not at most 10"]
    assert "warning: range of x: 1 row of 4 are not at most 10" in workspace.reports
    assert workspace.reports[-1].startswith("0 checks passed, 1 check warned; wrote 4 rows, content ")
    assert workspace.manifest(outputs)["checks"] == [
        {
            "name": "range of x", "severity": "warn", "passed": False, "failing": 1,
            "message": "1 row of 4 are not at most 10", "samples": ["x=99.0"],
        }
    ]  # fmt: skip


def test_all_failing_checks_are_told_at_once_and_a_column_that_may_not_be_null_is_one(workspace: Any) -> None:
    columns = {**COLUMNS, "s": {"type": "string", "nullable": False}}
    with pytest.raises(PrepareError) as caught:
        workspace.csv(CSV, columns=columns, checks=[{"type": "rows", "min": 9}])
    assert str(caught.value) == "Dataset/d: 2 quality checks failed\n  notNull of s: 1 row of 4 have no value\n    s=null\n  rows: 4 rows, wanted at least 9"


def test_a_check_on_a_column_that_is_not_there_is_told(workspace: Any) -> None:
    with pytest.raises(PrepareError, match=r"check notNull of xx: unknown column 'xx'"):
        workspace.csv(CSV, checks=[{"type": "notNull", "columns": ["xx"]}])
