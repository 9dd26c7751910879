"""Column lineage: which columns a dataset has, and when each is known, read from SQL without running it."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlx_specs.dataset import Dataset
from mlx_specs.lineage import DatasetLineage, Lineage, lineage_of
from mlx_specs.timeline import Moment

REFERENCE = Path(__file__).parents[2] / "specs" / "flights.yaml"
TIMELINE = ["booking", "departure", "arrival"]
FLIGHTS = {
    "source": {"type": "csv", "path": "flights.csv"},
    "timeline": TIMELINE,
    "keys": ["id"],
    "columns": {
        "id": {"type": "integer", "availableAt": "booking"},
        "carrier": {"type": "string", "availableAt": "booking"},
        "time_hour": {"type": "timestamp", "availableAt": "booking"},
        "distance": {"type": "float", "availableAt": "booking"},
        "dep_delay": {"type": "float", "availableAt": "departure"},
        "arr_delay": {"type": "float", "availableAt": "arrival"},
        "arr_time": {"type": "timestamp", "availableAt": "arrival"},
        "note": {"type": "string"},
    },
}
WEATHER = {
    "source": {"type": "csv", "path": "weather.csv"},
    "timeline": TIMELINE,
    "columns": {"time_hour": {"type": "timestamp", "availableAt": "booking"}, "temp": {"type": "float", "availableAt": "departure"}},
}


def lineage(**specs: dict[str, Any]) -> Lineage:
    return lineage_of(Dataset.model_validate({"metadata": {"name": name}, "spec": spec}) for name, spec in specs.items())


def derived(*sql: str, **spec: Any) -> Lineage:
    """Flights, weather, and a dataset `made` of them by sql steps."""
    steps = [{"sql": one} for one in sql]
    return lineage(flights=FLIGHTS, weather=WEATHER, made={"inputs": ["flights", "weather"], "prepare": steps, **spec})


def made(*sql: str, **spec: Any) -> DatasetLineage:
    found = derived(*sql, **spec)
    assert found.problems == ()
    dataset = found.dataset("made")
    assert dataset is not None
    return dataset


def available(dataset: DatasetLineage) -> dict[str, str]:
    assert dataset.columns is not None
    return {column.name: str(column.availability or "") for column in dataset.columns}


def test_a_delay_renamed_in_sql_through_two_datasets_is_still_known_at_departure_only() -> None:
    found = lineage(
        flights=FLIGHTS,
        waits={"inputs": ["flights"], "prepare": [{"sql": "select id, dep_delay as minutes_waiting from flights"}]},
        scored={"inputs": ["waits"], "prepare": [{"sql": "select *, minutes_waiting + 0 as wait from waits"}]},
    )
    dataset = found.dataset("scored")
    assert dataset is not None and dataset.columns is not None
    wait = dataset.columns[-1]
    assert (wait.name, wait.availability, wait.origins) == ("wait", Moment("departure"), (("Dataset/flights", "dep_delay"),))
    assert " -> ".join(wait.chain) == "dep_delay (Dataset/flights, known at departure) -> minutes_waiting (Dataset/waits) -> wait (Dataset/scored)"
    assert wait.known_by(Moment("booking"), dataset.timeline) is False
    assert found.problems == ()


ID = {"id": "booking"}
EXPRESSIONS: list[tuple[str, dict[str, str]]] = [
    ("select dep_delay as wait, distance from flights", {"wait": "departure", "distance": "booking"}),
    ("SELECT Dep_Delay AS Wait FROM Flights", {"Wait": "departure"}),
    ("select f.* exclude (arr_delay, arr_time, note, distance, carrier) from flights f", {**ID, "time_hour": "booking", "dep_delay": "departure"}),
    (
        "select * exclude (id, carrier, time_hour, dep_delay, arr_time, note) replace (arr_delay as distance) from flights",
        {"distance": "arrival", "arr_delay": "arrival"},
    ),
    ("select * rename (temp as t) from weather", {"time_hour": "booking", "t": "departure"}),
    ("select id, case when arr_delay > 15 then 1 else 0 end as late from flights", {**ID, "late": "arrival"}),
    ("select distance + dep_delay + arr_delay as x from flights", {"x": "arrival"}),
    ("select distance * 2 as twice, twice + dep_delay as more from flights", {"twice": "booking", "more": "departure"}),
    ("with a as (select id, arr_delay as x from flights), b as (select x as y from a) select y from b", {"y": "arrival"}),
    ("with a(k, v) as (select id, arr_delay from flights) select k, v from a", {"k": "booking", "v": "arrival"}),
    ("select q.y from (select dep_delay as y from flights) q", {"y": "departure"}),
    ("select dep_delay as x from flights union all select arr_delay from flights", {"x": "arrival"}),
    ("select distance as x from flights union all by name select dep_delay as y from flights", {"x": "booking", "y": "departure"}),
    ("select id, w.temp from flights f left join weather w using (time_hour)", {**ID, "temp": "departure"}),
    ("select id, w.temp from flights f left join weather w on w.time_hour = f.arr_time", {**ID, "temp": "arrival"}),
    ("select f.id, w.temp from weather w right join flights f on w.time_hour = f.arr_time", {"id": "arrival", "temp": "arrival"}),
    ("select j.id, j.temp from (flights natural join weather) j", {**ID, "temp": "departure"}),
    ("select id, temp from flights f, weather w where f.time_hour = w.time_hour", {**ID, "temp": "departure"}),
    ("select carrier, avg(arr_delay) as rate from flights group by carrier", {"carrier": "booking", "rate": "arrival"}),
    ("select carrier, count(*) as n from flights where arr_delay > 15 group by all", {"carrier": "booking", "n": "arrival"}),
    ("select arr_delay > 15 as late, count(*) as n from flights group by 1", {"late": "arrival", "n": "arrival"}),
    ("select carrier, count(*) filter (where arr_delay > 15) as n from flights group by carrier", {"carrier": "booking", "n": "arrival"}),
    ("select carrier from flights where arr_delay > 15 order by arr_delay limit 3", {"carrier": "booking"}),
    ("select id, row_number() over (order by arr_time) as r from flights", {**ID, "r": "arrival"}),
    ("select id, lag(dep_delay) over w as previous from flights window w as (partition by carrier order by time_hour)", {**ID, "previous": "departure"}),
    ("select id, (select max(g.arr_delay) from flights g where g.carrier = f.carrier) as worst from flights f", {**ID, "worst": "arrival"}),
    ("select id, id in (select id from flights where arr_delay > 5) as late from flights", {**ID, "late": "arrival"}),
    ("select id, exists (select 1 from flights g where g.id = f.id and g.arr_delay > 5) as late from flights f", {**ID, "late": "arrival"}),
    ("select id, list_transform([dep_delay], lambda x: x + 1) as l from flights", {**ID, "l": "departure"}),
    ("select {'a': dep_delay}.a as s, f as whole from flights f", {"s": "departure", "whole": "arrival"}),
    ("select u.x from flights f, unnest([f.arr_delay]) as u(x)", {"x": "arrival"}),
    ("select q.y from flights f cross join lateral (select f.dep_delay as y) q", {"y": "departure"}),
    ("select v.a, v.b from (values (1, 'x')) v(a, b)", {"a": "", "b": ""}),
    ("from flights select note", {"note": ""}),
    ("select id from flights semi join weather on weather.time_hour = flights.arr_time", ID),
    ("select id, t, temp from flights asof join (select time_hour as t, temp from weather) w on time_hour >= t", {**ID, "t": "booking", "temp": "departure"}),
    ("with recursive n(i, d) as (select id, dep_delay from flights union all select i + 1, d from n where i < 3) select d from n", {"d": "departure"}),
]


@pytest.mark.parametrize(("sql", "expected"), EXPRESSIONS, ids=[sql for sql, _ in EXPRESSIONS])
def test_the_latest_part_decides_when_a_column_is_known(sql: str, expected: dict[str, str]) -> None:
    assert available(made(sql)) == expected


def test_steps_follow_each_other_and_source_is_the_table_so_far() -> None:
    dataset = made("select id, dep_delay as d from flights", "select *, d > 5 as waits from source", "select id, waits from source")
    assert dataset.columns is not None
    assert [(column.name, column.type, str(column.availability)) for column in dataset.columns] == [
        ("id", "integer", "booking"),
        ("waits", "boolean", "departure"),
    ]


def test_conditions_on_the_future_select_rows_and_are_noted_without_tainting_columns() -> None:
    steps = [{"sql": "select id, arr_delay from flights"}, {"reject": {"where": "arr_delay is null", "reason": "cancelled"}}]
    dataset = made(prepare=steps)
    assert available(dataset) == {"id": "booking", "arr_delay": "arrival"}
    assert [str(column.availability) for column in dataset.selected_by] == ["arrival"]


BELIEVED = [
    "select carrier, avg(arr_delay) as rate from flights group by carrier",
    "select id, lag(arr_delay) over (partition by carrier order by time_hour) as rate from flights",
    "select id, avg(arr_delay) over (partition by carrier order by time_hour rows between unbounded preceding and 1 preceding) as rate from flights",
    "select id, avg(arr_delay) over (order by time_hour range between interval 30 days preceding and interval 1 day preceding) as rate from flights",
    "with rates as (select carrier, avg(arr_delay) as rate from flights group by carrier) select id, r.rate from flights f join rates r using (carrier)",
]


@pytest.mark.parametrize("sql", BELIEVED)
def test_a_declared_moment_is_believed_where_other_rows_make_the_value(sql: str) -> None:
    assert available(made(sql, columns={"rate": {"availableAt": "booking"}}))["rate"] == "booking"


REFUSED = [
    "select id, arr_delay as rate from flights",
    "select id, arr_delay / 60 as rate from flights",
    "select id, coalesce(arr_delay, 0) as rate from flights",
    "select id, avg(arr_delay) over (partition by carrier order by time_hour) as rate from flights",
    "select id, avg(arr_delay) over (partition by id rows between unbounded preceding and 1 preceding) as rate from flights",
    "select id, max(arr_delay) as rate from flights group by id",
    "select id, lag(distance) over (order by arr_time) as rate from flights",
    "select f.id, avg(g.distance) over () + f.arr_delay as rate from flights f join flights g on f.id = g.id",
    "select id, (select any_value(g.arr_delay) + f.arr_delay from flights g) as rate from flights f",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_a_declared_moment_is_refused_where_it_would_hide_the_rows_own_future(sql: str) -> None:
    found = derived(sql, columns={"rate": {"availableAt": "booking"}})
    assert [(problem.path, problem.column) for problem in found.problems] == [(("columns", "rate", "availableAt"), "rate")]
    assert found.problems[0].message.startswith("availableAt: booking would hide that arr_")
    dataset = found.dataset("made")
    assert dataset is not None and available(dataset)["rate"] == "arrival"


def test_a_moment_that_an_input_declared_cannot_be_moved_by_renaming_it() -> None:
    sql = "select carrier, avg(arr_delay) as rate from flights group by carrier"
    found = lineage(
        flights=FLIGHTS,
        rates={"inputs": ["flights"], "prepare": [{"sql": sql}], "columns": {"rate": {"availableAt": "departure"}}},
        scored={"inputs": ["rates"], "prepare": [{"sql": "select rate as r from rates"}], "columns": {"r": {"availableAt": "booking"}}},
    )
    assert [problem.message for problem in found.problems] == [
        "availableAt: booking would hide that rate (Dataset/rates, known at departure) -> r (Dataset/scored) is known later"
    ]


WRONG: list[tuple[str, tuple[str, int | None, int | None]]] = [
    ("select id,\n  dep_dely as x from flights", ("unknown column 'dep_dely', did you mean 'dep_delay'?", 2, 3)),
    ("select f.xyz from flights f", ("unknown column 'xyz' of 'f'", 1, 8)),
    ("select g.id from flights f", ("unknown table 'g' in 'g.id'", 1, 8)),
    ("select * from flihgts", ("unknown table 'flihgts', did you mean 'flights'?", 1, 15)),
    ("select * from 'data.parquet'", ("unknown table 'data.parquet': SQL reads datasets, never files", 1, 15)),
    ("select * from read_csv('data.csv')", ("read_csv() reads what no dataset declares", None, None)),
    ("select * from source", ("unknown table 'source'", 1, 15)),
    ("select * exclude (dep_dely) from flights", ("unknown column 'dep_dely', did you mean 'dep_delay'?", 1, 19)),
    ("select time_hour from flights f join weather w on f.id = w.temp", ("ambiguous column 'time_hour': it is in f, w", 1, 8)),
    ("select flights.id from flights join weather using (id)", ("unknown column 'id' in using: weather has none", 1, 52)),
    ("select id, dep_delay + 1 from flights", ("column 2 has no name", None, None)),
    ("select id, carrier as id from flights", ("two columns are named 'id'", None, None)),
    ("select id from flights where", ("SQL that does not parse, at 'where'", 1, 24)),
    ("selct id from flights", ("SQL that does not parse, at 'from'", 1, 10)),
    ("select id from flights; select 2", ("expected one SELECT, found 2 statements", None, None)),
    ("create table x as select 1", ("expected a SELECT, found CREATE", 1, 1)),
    ("select id, random() as r from flights", ("random() gives something else each time; the same input must give the same data", None, None)),
    ("select id, now() as r from flights", ("now() gives something else each time; the same input must give the same data", None, None)),
    ("select id from flights union select id, carrier from flights", ("the two sides of UNION have 1 and 2 columns", 1, 8)),
]


@pytest.mark.parametrize(("sql", "expected"), WRONG, ids=[sql for sql, _ in WRONG])
def test_what_is_wrong_in_sql_is_told_with_its_place_and_the_nearest_name(sql: str, expected: tuple[str, int | None, int | None]) -> None:
    found = [(problem.dataset, problem.path, problem.message, problem.line, problem.position) for problem in derived(sql).problems]
    assert found == [("Dataset/made", ("prepare", 0, "sql"), *expected)]


def test_columns_that_steps_checks_and_declarations_name_have_to_be_there() -> None:
    spec = {
        "inputs": ["flights"],
        "prepare": [
            {"sql": "select id, dep_delay from flights"},
            {"missing": {"columns": ["dep_dely"], "strategy": "reject"}},
            {"cast": {"columns": {"idd": "string"}}},
            {"deduplicate": {"keys": ["id"], "orderBy": ["when"]}},
            {"reject": {"where": "dep_delai > 3", "reason": "late"}},
        ],
        "columns": {"dep_delays": {"type": "float"}},
        "checks": [{"type": "condition", "condition": "idx > 0"}],
    }
    found = lineage(flights=FLIGHTS, made=spec)
    assert [(problem.step, problem.path, problem.message) for problem in found.problems] == [
        (1, ("prepare", 1, "missing", "columns", 0), "unknown column 'dep_dely', did you mean 'dep_delay'?"),
        (2, ("prepare", 2, "cast", "columns", "idd"), "unknown column 'idd', did you mean 'id'?"),
        (3, ("prepare", 3, "deduplicate", "orderBy", 0), "unknown column 'when'"),
        (4, ("prepare", 4, "reject", "where"), "unknown column 'dep_delai', did you mean 'dep_delay'?"),
        (None, ("checks", 0, "condition"), "unknown column 'idx', did you mean 'id'?"),
        (None, ("columns", "dep_delays"), "unknown column 'dep_delays', did you mean 'dep_delay'?"),
    ]


def test_a_dataset_without_a_source_begins_with_sql() -> None:
    found = lineage(flights=FLIGHTS, made={"inputs": ["flights"], "prepare": [{"deduplicate": {}}]})
    assert [(problem.path, problem.message) for problem in found.problems] == [
        (("prepare", 0), "a dataset without a source begins with a sql step over its inputs")
    ]


def test_no_input_may_be_named_source() -> None:
    found = lineage(source=FLIGHTS, made={"inputs": ["source"], "prepare": [{"sql": "select id from source"}]})
    assert (found.problems[0].path, found.problems[0].message) == (("inputs", 0), "an input named 'source' would hide the table so far")


def test_timelines_of_inputs_are_inherited_and_may_not_contradict_each_other() -> None:
    assert made("select id from flights").timeline == ("booking", "departure", "arrival")
    backwards = {**WEATHER, "timeline": ["departure", "booking"]}
    found = lineage(flights=FLIGHTS, weather=backwards, made={"inputs": ["flights", "weather"], "prepare": [{"sql": "select id from flights"}]})
    assert [(problem.path, problem.message) for problem in found.problems] == [
        (("inputs",), "conflicting timelines: Dataset/flights has [booking, departure, arrival], Dataset/weather has [departure, booking]")
    ]


def test_a_source_without_declared_columns_has_columns_that_nobody_knows() -> None:
    raw = {"source": {"type": "parquet", "path": "x.parquet"}}
    found = lineage(raw=raw, made={"inputs": ["raw"], "prepare": [{"sql": "select a, b + 1 as c from raw"}]})
    assert found.datasets[0].columns is None
    assert available(found.datasets[1]) == {"a": "", "c": ""}
    assert found.problems == ()


def test_a_pivot_makes_columns_that_may_be_made_of_everything() -> None:
    dataset = made("select * from flights pivot (sum(arr_delay) for carrier in ('UA', 'AA'))")
    assert dataset.columns is None
    ua = dataset.column("UA")
    assert ua is not None and ua.availability == Moment("arrival")


def test_moments_that_the_timeline_cannot_order_are_all_kept() -> None:
    columns = {"a": {"availableAt": "booking"}, "b": {"availableAt": "1d"}}
    source = {"type": "csv", "path": "x"}
    dataset = lineage(raw={"source": source, "timeline": ["booking"], "columns": columns, "prepare": [{"sql": "select a + b as c from source"}]}).datasets[0]
    assert dataset.columns is not None
    assert set(dataset.columns[0].moments) == {Moment("booking"), Moment(None, 86400)}
    assert dataset.columns[0].known_by(Moment("booking"), dataset.timeline) is None


def test_the_reference_workspace_has_no_problems_and_its_label_is_known_at_arrival() -> None:
    found = lineage_of(Dataset.model_validate(one) for one in yaml.safe_load_all(REFERENCE.read_text()))
    assert found.problems == ()
    delays = found.dataset("flight-delays")
    assert delays is not None
    moments = {name: available(delays)[name] for name in ("late", "dep_delay", "weekday")}
    assert moments == {"late": "arrival", "dep_delay": "departure", "weekday": "booking"}
    late = delays.column("late")
    assert late is not None
    assert " -> ".join(late.chain) == "arr_delay (Dataset/flights, known at arrival) -> late (Dataset/flight-delays)"


def test_without_sql_the_parser_is_not_imported() -> None:
    program = (
        "import sys; from mlx_specs.dataset import Dataset; from mlx_specs.lineage import lineage_of;"
        "spec = {'source': {'type': 'csv', 'path': 'x'}, 'columns': {'a': {}}, 'prepare': [{'deduplicate': {}}]};"
        "lineage_of([Dataset.model_validate({'metadata': {'name': 'a'}, 'spec': spec})]); print('sqlglot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"


def two_hundred_datasets() -> Sequence[Dataset]:
    first = Dataset.model_validate({"metadata": {"name": "d0"}, "spec": FLIGHTS})
    sql = "select * exclude (note), dep_delay + {0} as x{0}, case when arr_delay > {0} then 1 else 0 end as note from d{1} where distance > {0}"
    specs = [{"inputs": [f"d{n % 20}"], "prepare": [{"sql": sql.format(n + 1, n % 20)}]} for n in range(200)]
    return [first, *(Dataset.model_validate({"metadata": {"name": f"d{n + 1}"}, "spec": spec}) for n, spec in enumerate(specs))]


def test_two_hundred_datasets_with_sql_take_less_than_a_second() -> None:
    datasets = two_hundred_datasets()
    start = time.process_time()
    assert lineage_of(datasets).problems == ()
    assert time.process_time() - start < 1.0


def nested_subqueries(depth: int) -> str:
    return f"(select {nested_subqueries(depth - 1)} as x)" if depth else "distance"


def test_subqueries_within_subqueries_take_no_longer_at_each_level() -> None:
    start = time.process_time()
    assert available(made(f"select id, {nested_subqueries(20)} as y from flights"))["y"] == "booking"
    assert time.process_time() - start < 1.0


def test_a_query_in_from_without_parentheses_is_refused_however_many_there_are() -> None:
    start = time.process_time()
    problems = derived(", ".join(["select * from flights"] * 60)).problems
    assert [(problem.message, problem.hint) for problem in problems] == [("a query in FROM without parentheses", "write (select ...) as NAME")]
    assert time.process_time() - start < 1.0
