"""Preparation steps: every row in is a row out or a rejected row with its step and reason."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlx_runtime.prepare.errors import PrepareError

COLUMNS = {"id": {"type": "integer"}, "x": {"type": "float"}, "n": {"type": "integer"}, "s": {"type": "string"}}
CSV = "id,x,n,s\n1,1.0,10,a\n2,,20,b\n3,3.0,,\n4,2.0,31,a\n5,100.0,10,a\n"


def values(workspace: Any, step: dict[str, Any], column: str) -> list[Any]:
    outputs = workspace.csv(CSV, columns=COLUMNS, keys=["id"], prepare=[step])
    return [row[column] for row in workspace.rows(outputs)]


MISSING: list[tuple[dict[str, Any], str, list[Any]]] = [
    ({"columns": ["x"], "strategy": "mean"}, "x", [1.0, 26.5, 3.0, 2.0, 100.0]),
    ({"columns": ["x"], "strategy": "median"}, "x", [1.0, 2.5, 3.0, 2.0, 100.0]),
    ({"columns": ["n"], "strategy": "mean"}, "n", [10, 20, 18, 31, 10]),
    ({"columns": ["n"], "strategy": "mode"}, "n", [10, 20, 10, 31, 10]),
    ({"columns": ["s"], "strategy": "mode"}, "s", ["a", "b", "a", "a", "a"]),
    ({"columns": ["s"], "strategy": "constant", "value": "?"}, "s", ["a", "b", "?", "a", "a"]),
    ({"columns": ["n"], "strategy": "constant", "value": 0}, "n", [10, 20, 0, 31, 10]),
    ({"columns": ["x", "s"], "strategy": "reject"}, "id", [1, 4, 5]),
]


@pytest.mark.parametrize(("missing", "column", "expected"), MISSING, ids=[f"{row[0]['strategy']} of {row[1]}" for row in MISSING])
def test_missing_values_are_filled_or_rejected(workspace: Any, missing: dict[str, Any], column: str, expected: list[Any]) -> None:
    assert values(workspace, {"missing": missing}, column) == expected


OUTLIERS: list[tuple[dict[str, Any], str, list[Any]]] = [
    ({"columns": ["x"]}, "id", [1, 2, 3, 4]),
    ({"columns": ["x"], "action": "null"}, "x", [1.0, None, 3.0, 2.0, None]),
    ({"columns": ["x"], "method": "range", "min": 2, "max": 50, "action": "clip"}, "x", [2.0, None, 3.0, 2.0, 50.0]),
    ({"columns": ["n"], "method": "range", "min": 10.5, "max": 30.5, "action": "clip"}, "n", [11, 20, None, 30, 11]),
    ({"columns": ["x"], "method": "zscore", "factor": 1.4}, "id", [1, 2, 3, 4]),
    ({"columns": ["x"], "method": "range", "min": 2}, "id", [2, 3, 4, 5]),
]


@pytest.mark.parametrize(("outliers", "column", "expected"), OUTLIERS, ids=[str(row[0]) for row in OUTLIERS])
def test_outliers_are_rejected_clipped_or_made_null(workspace: Any, outliers: dict[str, Any], column: str, expected: list[Any]) -> None:
    assert values(workspace, {"outliers": outliers}, column) == expected


DUPLICATES = "k,v,t\na,1,2\nb,2,1\na,3,1\na,1,2\n"


@pytest.mark.parametrize(
    ("deduplicate", "expected"),
    [
        ({"keys": ["k"]}, [("a", 1), ("b", 2)]),
        ({"keys": ["k"], "keep": "last"}, [("a", 1), ("b", 2)]),
        ({"keys": ["k"], "orderBy": ["t"]}, [("a", 3), ("b", 2)]),
        ({}, [("a", 1), ("a", 3), ("b", 2)]),
    ],
)
def test_duplicates_leave_one_row_of_each_group(workspace: Any, deduplicate: dict[str, Any], expected: list[tuple[str, int]]) -> None:
    outputs = workspace.csv(DUPLICATES, prepare=[{"deduplicate": deduplicate}])
    assert sorted((row["k"], row["v"]) for row in workspace.rows(outputs)) == expected
    assert outputs.rejected == 4 - len(expected)


def test_rejected_rows_are_kept_with_their_step_and_reason_and_counted(workspace: Any) -> None:
    steps = [{"reject": {"where": "n is null", "reason": "no n"}}, {"outliers": {"columns": ["x"], "method": "range", "max": 50}}]
    outputs = workspace.csv(CSV, columns=COLUMNS, prepare=steps)
    assert workspace.rejected(outputs) == [
        {"_step": 1, "_reason": "no n", "id": 3, "x": 3.0, "n": None, "s": None},
        {"_step": 2, "_reason": "x is an outlier, normal is at most 50", "id": 5, "x": 100.0, "n": 10, "s": "a"},
    ]
    assert workspace.manifest(outputs)["rejectedBy"] == [
        {"step": 1, "reason": "no n", "rows": 1},
        {"step": 2, "reason": "x is an outlier, normal is at most 50", "rows": 1},
    ]
    assert workspace.reports[1:3] == ["step 1 reject: 1 row rejected (no n)", "step 2 outliers: 1 row rejected (x is an outlier, normal is at most 50)"]


def test_rows_rejected_with_different_columns_are_kept_as_json(workspace: Any) -> None:
    steps = [
        {"reject": {"where": "n is null", "reason": "no n"}},
        {"sql": "select id, x from source"},
        {"reject": {"where": "x > 50", "reason": "far"}},
    ]
    outputs = workspace.csv(CSV, columns=COLUMNS, prepare=steps)
    assert workspace.rejected(outputs) == [
        {"_step": 1, "_reason": "no n", "row": '{"id":3,"x":3.0,"n":null,"s":null}'},
        {"_step": 3, "_reason": "far", "row": '{"id":5,"x":100.0}'},
    ]


def test_sql_sees_the_table_so_far_and_its_inputs_under_their_names(workspace: Any) -> None:
    workspace.write("names.csv", "s,name\na,Alpha\nb,Beta\n")
    workspace.prepare({"source": {"type": "csv", "path": "names.csv"}}, name="long-names")
    steps = [{"sql": "select id, name from source left join long_names using (s) order by id desc limit 2 -- the last;"}]
    outputs = workspace.csv(CSV, columns=COLUMNS, inputs=["long-names"], prepare=steps)
    assert workspace.rows(outputs) == [{"id": 4, "name": "Alpha"}, {"id": 5, "name": "Alpha"}]


def test_timestamps_of_inputs_are_utc_in_sql(workspace: Any) -> None:
    workspace.write("t.csv", "t\n2013-01-06T23:30:00-05:00\n")
    workspace.prepare({"source": {"type": "csv", "path": "t.csv"}, "columns": {"t": {"type": "timestamp"}}}, name="times")
    outputs = workspace.prepare({"inputs": ["times"], "prepare": [{"sql": "select isodow(t) as weekday, hour(t) as hour, t from times"}]}, name="made")
    assert workspace.rows(outputs)[0]["weekday"] == 1
    assert workspace.rows(outputs)[0]["hour"] == 4


def test_types_that_sql_makes_become_column_types(workspace: Any) -> None:
    sql = "select sum(n) as total, avg(x) as mean, 1.5 as decimal, count(*) > 2 as many, date '2013-01-02' as day, 0.0 / 0 as nothing from source"
    outputs = workspace.csv(CSV, columns=COLUMNS, prepare=[{"sql": sql}])
    assert {column.name: column.type for column in outputs.columns} == {
        "total": "integer", "mean": "float", "decimal": "float", "many": "boolean", "day": "date", "nothing": "float",
    }  # fmt: skip
    assert workspace.rows(outputs)[0]["nothing"] is None


def test_casts_stop_reject_or_blank(workspace: Any) -> None:
    cast = {"columns": {"s": "integer"}}
    with pytest.raises(PrepareError, match=r"step 1 cast: row 1 of the table: 's' is 'a', not an integer \(and 3 more rows\)"):
        workspace.csv(CSV, columns=COLUMNS, prepare=[{"cast": cast}])
    assert values(workspace, {"cast": {**cast, "onError": "null"}}, "s") == [None] * 5
    assert values(workspace, {"cast": {**cast, "onError": "reject"}}, "id") == [3]


def test_declared_types_of_a_derived_dataset_hold(workspace: Any) -> None:
    workspace.csv(CSV, columns=COLUMNS)
    spec: dict[str, Any] = {"inputs": ["d"], "prepare": [{"sql": "select x from d"}], "columns": {"x": {"type": "integer"}}}
    assert workspace.rows(workspace.prepare(spec, name="whole")) == [{"x": None}, {"x": 1}, {"x": 2}, {"x": 3}, {"x": 100}]
    with pytest.raises(PrepareError, match=r"row 1 of the result: 'x' is '0\.5', not an integer"):
        workspace.prepare({**spec, "prepare": [{"sql": "select x / 2 as x from d where x = 1"}]}, name="half")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"sql": "select nope from source"}, 'step 1 sql: Referenced column "nope" not found'),
    ({"sql": "select id, x as id from source"}, "step 1 sql: two columns are named 'id'"),
    ({"sql": "select * from read_csv('/etc/passwd')"}, "step 1 sql: Cannot access file"),
    ({"reject": {"where": "nope > 1", "reason": "x"}}, 'step 1 reject: Referenced column "nope" not found'),
    ({"missing": {"columns": ["xx"], "strategy": "mean"}}, "step 1 missing: unknown column 'xx', did you mean 'x'?"),
    ({"missing": {"columns": ["s"], "strategy": "mean"}}, "step 1 missing: column 's' is varchar: it has no mean"),
    ({"missing": {"columns": ["n"], "strategy": "constant", "value": 1.5}}, "step 1 missing: the value 1.5 does not fit column 'n', which is bigint"),
    ({"missing": {"columns": ["n"], "strategy": "constant", "value": "x"}}, "step 1 missing: the value 'x' does not fit column 'n', which is bigint"),
    ({"outliers": {"columns": ["s"]}}, "step 1 outliers: column 's' is varchar, not a number"),
    ({"sql": "select id, [1] as l from source"}, "column 'l' is INTEGER[], which a dataset does not hold"),
    ({"sql": "select 1 as x"}, "the result has no column 'id'"),
]


@pytest.mark.parametrize(("step", "message"), WRONG, ids=[row[1] for row in WRONG])
def test_a_step_that_cannot_be_done_is_told_with_its_number(workspace: Any, step: dict[str, Any], message: str) -> None:
    with pytest.raises(PrepareError) as caught:
        workspace.csv(CSV, columns=COLUMNS, keys=["id"], prepare=[step])
    assert str(caught.value).startswith(f"Dataset/d: {message}")


CLEANING = st.lists(
    st.sampled_from([
        {"missing": {"columns": ["x"], "strategy": "reject"}},
        {"outliers": {"columns": ["x"], "method": "range", "min": -5, "max": 5}},
        {"outliers": {"columns": ["x", "n"]}},
        {"deduplicate": {"keys": ["n"]}},
        {"deduplicate": {}},
        {"reject": {"where": "n % 3 = 0", "reason": "third"}},
        {"cast": {"columns": {"s": "integer"}, "onError": "reject"}},
    ]),
    max_size=4,
)  # fmt: skip
ROW = st.tuples(st.one_of(st.none(), st.floats(-10, 10)), st.one_of(st.none(), st.integers(-3, 3)), st.sampled_from(["", "1", "b"]))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, max_size=12), steps=CLEANING)
def test_every_row_in_is_a_row_out_or_a_rejected_row(workspace: Any, rows: list[tuple[float | None, int | None, str]], steps: list[dict[str, Any]]) -> None:
    content = "x,n,s\n" + "".join(f"{'' if x is None else x},{'' if n is None else n},{s}\n" for x, n, s in rows)
    outputs = workspace.csv(content, columns={name: COLUMNS[name] for name in ("x", "n", "s")}, prepare=steps)
    assert outputs.rows + outputs.rejected == len(rows)
    assert len(workspace.rejected(outputs)) == outputs.rejected
