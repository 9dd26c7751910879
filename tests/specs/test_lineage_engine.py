"""Lineage against the engine that runs the SQL: DuckDB names and types the same columns.

Only DuckDB itself can say what its SQL yields; the tables are empty, so each query takes a millisecond.
"""

import duckdb
import pytest

from mlx_runtime.prepare.casts import CANONICAL, family
from mlx_specs.dataset import Dataset
from mlx_specs.lineage import lineage_of

TYPES = {"integer": "bigint", "float": "double", "string": "varchar", "timestamp": "timestamp", "date": "date", "boolean": "boolean"}
TABLES = {
    "flights": {
        "id": "integer",
        "carrier": "string",
        "time_hour": "timestamp",
        "distance": "float",
        "delay": "float",
        "day": "date",
        "late": "boolean",
        "Mixed": "integer",
    },
    "weather": {"time_hour": "timestamp", "temp": "float", "Origin": "string"},
}
QUERIES = [
    "select * from flights",
    "select f.*, temp from flights f left join weather w on f.time_hour = w.time_hour",
    "select * from flights join weather using (time_hour)",
    "select * from flights natural join weather",
    "select * exclude (delay, id) replace (distance * 2 as distance) from flights",
    "select * rename (delay as wait) from flights",
    "select w.* exclude (temp), f.id from weather w, flights f",
    "select ID, mixed, origin from flights, weather where flights.time_hour = weather.time_hour",
    "with a as (select id as k, delay from flights), b(x, y) as (select k, delay from a) select x, y, y > 3 as z from b",
    "select * from (select id, delay from flights) union all select id, temp from flights, weather",
    "select id from flights union by name select temp from weather",
    "select carrier, count(*) as n, avg(delay) as mean, min(day) as first, bool_or(late) as any_late, sum(distance) as far from flights group by carrier",
    "select id, lag(delay) over (order by time_hour) as p, row_number() over () as n, sum(distance) over w as s from flights window w as (order by id)",
    "select carrier, 1 as one, 2.5 as two, 'x' as three, true as four, null as five from flights group by all",
    "select id + 1 as a, id * 2.0::double as b, id / 2 as c, -id as d, abs(delay) as e, coalesce(delay, 0.0::double) as f from flights",
    "select lower(carrier) as l, carrier || 'x' as c, length(carrier) as n, substring(carrier, 1, 1) as s, trim(carrier) as t from flights",
    "select isodow(time_hour) as w, year(day) as y, extract(hour from time_hour) as h, day + 1 as next, date_trunc('day', time_hour) as d from flights",
    "select cast(id as varchar) as a, try_cast(carrier as integer) as b, delay::date is null as c from (select id, carrier, day as delay from flights)",
    "select case when late then 1 else 0 end as a, if(late, delay, 0) as b, greatest(delay, distance) as c, round(delay, 1) as d from flights",
    "select id in (1, 2) as a, carrier like 'U%' as b, delay between 1 and 2 as c, not late as d, exists (select 1 from weather) as e from flights",
    "select (select max(temp) from weather) as t, arg_max(id, delay) as i, any_value(carrier) as c, count(distinct carrier) as n from flights",
    "select distinct on (carrier) id, carrier from flights qualify row_number() over (partition by id) = 1 order by carrier, delay limit 3",
    "select v.a, v.b from (values (1, 'x'), (2, 'y')) v(a, b)",
    "from flights select id where late",
    "select q.y, id from flights f cross join lateral (select f.delay as y) q",
    "select id, t from flights asof join (select time_hour as h, temp as t from weather) w on flights.time_hour >= w.h",
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 3) select i from n",
    "select j.id, j.temp from (flights join weather using (time_hour)) j",
    "select id, list_transform([delay], lambda x: x + 1) as l, {'a': delay}.a as s from flights",
    "select id as a, a + 1 as b from flights where a > 1 order by b",
]  # fmt: skip


@pytest.fixture(scope="module")
def engine() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for table, columns in TABLES.items():
        connection.execute(f"create table {table} ({', '.join(f'{name} {TYPES[type]}' for name, type in columns.items())})")
    return connection


@pytest.mark.parametrize("sql", QUERIES)
def test_columns_have_the_names_and_types_that_duckdb_gives_them(engine: duckdb.DuckDBPyConnection, sql: str) -> None:
    described = engine.execute(f"describe {sql}").fetchall()
    sources = [
        {"metadata": {"name": name}, "spec": {"source": {"type": "csv", "path": "x"}, "columns": {n: {"type": t} for n, t in columns.items()}}}
        for name, columns in TABLES.items()
    ]
    made = {"metadata": {"name": "made"}, "spec": {"inputs": list(TABLES), "prepare": [{"sql": sql}]}}
    found = lineage_of(Dataset.model_validate(one) for one in [*sources, made])
    columns = found.datasets[-1].columns
    assert found.problems == () and columns is not None
    assert [column.name for column in columns] == [row[0] for row in described]
    kinds = {row[0]: family(row[1]) for row in described}
    wrong = {
        column.name: (column.type, kind)
        for column in columns
        if column.type is not None and ((kind := kinds[column.name]) is None or CANONICAL[kind] != column.type)
    }
    assert wrong == {}
