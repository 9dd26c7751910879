"""How a value of one type becomes a value of another, strictly: what does not fit becomes null here and is told by its row.

``FITS`` is the one table of conversions. NaN is a missing value everywhere. Timestamps are UTC.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from mlx_runtime.prepare.database import Connection, columns, quoted, select_list
from mlx_runtime.prepare.errors import PrepareError, counted, shown
from mlx_specs.dataset import ColumnType

Family = Literal["text", "integer", "number", "boolean", "timestamp", "zoned", "date"]
"""DuckDB's types, as far as conversions tell them apart; ``zoned`` is a timestamp with time zone."""

FITS: dict[tuple[Family, ColumnType], str] = {
    ("text", "string"): "{c}",
    ("text", "integer"): r"case when regexp_full_match(trim({c}), '[+-]?[0-9]+(\.0*)?') then try_cast(split_part(trim({c}), '.', 1) as bigint) end",
    ("text", "float"): "nullif(try_cast({c} as double), 'nan'::double)",
    ("text", "boolean"): "try_cast(trim({c}) as boolean)",
    ("text", "timestamp"): "case when isfinite(try_cast(trim({c}) as timestamptz)) then try_cast(trim({c}) as timestamptz) at time zone 'UTC' end",
    (
        "text",
        "date",
    ): r"case when regexp_full_match(trim({c}), '\d{{4}}-\d\d?-\d\d?([T ]00:00(:00(\.0+)?)?Z?)?') then try_cast(left(trim({c}), 10) as date) end",
    ("integer", "string"): "cast({c} as varchar)",
    ("integer", "integer"): "try_cast({c} as bigint)",
    ("integer", "float"): "try_cast({c} as double)",
    ("integer", "boolean"): "case {c} when 0 then false when 1 then true end",
    ("number", "string"): "cast({c} as varchar)",
    ("number", "integer"): "case when {c} = trunc({c}) then try_cast({c} as bigint) end",
    ("number", "float"): "nullif(try_cast({c} as double), 'nan'::double)",
    ("number", "boolean"): "case {c} when 0 then false when 1 then true end",
    ("boolean", "string"): "cast({c} as varchar)",
    ("boolean", "integer"): "cast({c} as bigint)",
    ("boolean", "float"): "cast({c} as double)",
    ("boolean", "boolean"): "{c}",
    ("timestamp", "string"): "strftime({c}, '%Y-%m-%dT%H:%M:%S.%fZ')",
    ("timestamp", "timestamp"): "case when isfinite({c}) then cast({c} as timestamp) end",
    ("timestamp", "date"): "case when {c} = date_trunc('day', {c}) then cast({c} as date) end",
    ("zoned", "string"): "strftime({c} at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')",
    ("zoned", "timestamp"): "case when isfinite({c}) then {c} at time zone 'UTC' end",
    ("zoned", "date"): "case when {c} at time zone 'UTC' = date_trunc('day', {c} at time zone 'UTC') then cast({c} at time zone 'UTC' as date) end",
    ("date", "string"): "cast({c} as varchar)",
    ("date", "timestamp"): "cast({c} as timestamp)",
    ("date", "date"): "case when isfinite({c}) then {c} end",
}
CANONICAL: dict[Family, ColumnType] = {
    "text": "string", "integer": "integer", "number": "float", "boolean": "boolean", "timestamp": "timestamp", "zoned": "timestamp", "date": "date",
}  # fmt: skip
TYPES = re.compile(
    r"(?P<integer>U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER)|(?P<number>FLOAT|DOUBLE|DECIMAL.*)|(?P<boolean>BOOLEAN)|(?P<zoned>TIMESTAMP WITH TIME ZONE)"
    r"|(?P<timestamp>TIMESTAMP(_\w+)?)|(?P<date>DATE)|(?P<text>VARCHAR|UUID|ENUM.*|JSON)"
)
INFERRED: tuple[tuple[ColumnType, str], ...] = (
    ("integer", "regexp_full_match({c}, '[+-]?(0|[1-9][0-9]*)') and try_cast({c} as bigint) is not null"),
    ("float", "try_cast({c} as double) is not null and not regexp_matches({c}, '^[+-]?0[0-9]')"),
    ("boolean", "lower({c}) in ('true', 'false')"),
    ("date", r"regexp_full_match({c}, '\d{{4}}-\d\d-\d\d') and try_cast({c} as date) is not null"),
    ("timestamp", r"regexp_matches({c}, '^\d{{4}}-\d\d-\d\d[T ]\d\d:\d\d') and try_cast({c} as timestamptz) is not null"),
)
"""What texts become where no type is declared, tried in this order; a number with leading zeros is a code, not a number."""


@dataclass(frozen=True)
class Misfits:
    """Values of a column that do not fit its type."""

    column: str
    type: ColumnType
    count: int
    first: tuple[tuple[int, str], ...]
    """Row number from 1 and the value, of up to five."""


def family(duckdb_type: str) -> Family | None:
    """None for types that are no column types: lists, structs, times, intervals, bytes."""
    found = TYPES.fullmatch(duckdb_type)
    names: tuple[Family, ...] = get_args(Family)
    return next((name for name in names if found is not None and found.group(name) is not None), None)


def canonical_type(name: str, duckdb_type: str) -> ColumnType:
    """The column type that holds a DuckDB type."""
    kind = family(duckdb_type)
    if kind is None:
        message = f"column '{name}' is {duckdb_type}, which a dataset does not hold"
        raise PrepareError(message, hint="declare it a string, convert it in a sql step, or leave it out")
    return CANONICAL[kind]


def fitted(name: str, duckdb_type: str, type: ColumnType) -> str:
    """The SQL expression of a column as another type: null where the value does not fit."""
    kind = family(duckdb_type)
    template = FITS.get((kind, type)) if kind is not None else "cast(to_json({c}) as varchar)" if type == "string" and duckdb_type != "BLOB" else None
    if template is None:
        raise PrepareError(f"column '{name}' is {duckdb_type}, which does not become {type}", hint="choose another type, or convert it in a sql step")
    column = f"cast({quoted(name)} as varchar)" if duckdb_type.startswith(("UUID", "ENUM", "JSON")) else quoted(name)
    return template.format(c=column)


def missing(name: str, duckdb_type: str, type: ColumnType) -> str:
    """The SQL condition under which a value is missing rather than wrong: null, and NaN."""
    column = quoted(name)
    if duckdb_type in ("FLOAT", "DOUBLE"):
        return f"({column} is null or isnan({column}))"
    if family(duckdb_type) == "text" and type in ("float", "integer"):
        return f"({column} is null or lower(trim({column})) in ('nan', '-nan', '+nan'))"
    return f"({column} is null)"


def convert(connection: Connection, table: str, into: str, types: Mapping[str, ColumnType]) -> tuple[Misfits, ...]:
    """Make the table ``into`` of the columns of another one in their types; returns what did not fit and is null there."""
    found = columns(connection, table)
    expressions = {name: fitted(name, found[name], type) for name, type in types.items()}
    connection.execute(f"create table {into} as select {select_list(expressions)} from {table}")
    lost = fewer_values(connection, table, into, list(types))
    return tuple(one for name in lost if (one := misfits(connection, table, name, found[name], types[name])) is not None)


def fewer_values(connection: Connection, table: str, into: str, names: Sequence[str]) -> list[str]:
    """The columns that have fewer values than they had."""
    counts = ", ".join(f"count({quoted(name)})" for name in names)
    before, after = (connection.execute(f"select {counts} from {one}").fetchall()[0] for one in (table, into))
    return [name for name, had, has in zip(names, before, after, strict=True) if has < had]


def misfits(connection: Connection, table: str, name: str, duckdb_type: str, type: ColumnType) -> Misfits | None:
    """How many values of a column do not fit, and the first of them."""
    where = f"not {missing(name, duckdb_type, type)} and ({fitted(name, duckdb_type, type)}) is null"
    count = connection.execute(f"select count(*) from {table} where {where}").fetchall()[0][0]
    rows = connection.execute(f"select rowid + 1, cast({quoted(name)} as varchar) from {table} where {where} order by rowid limit 5").fetchall()
    return Misfits(name, type, count, tuple((row[0], row[1]) for row in rows)) if count else None


def misfit_message(found: Misfits, place: str) -> str:
    """``row 7 of flights.csv: dep_time 'abc' is no integer (and 3 more rows)``"""
    article = "an" if found.type == "integer" else "a"
    more = f" (and {counted(found.count - 1, 'more row')})" if found.count > 1 else ""
    return f"{place}: '{found.column}' is {shown(found.first[0][1])}, not {article} {found.type}{more}"


def infer_texts(connection: Connection, table: str, names: Sequence[str]) -> dict[str, ColumnType]:
    """The narrowest type that all values of each text column have; a column without values is a string."""
    types: dict[str, ColumnType] = dict.fromkeys(names, "string")
    open_columns = list(names)
    for type, condition in INFERRED:
        if not open_columns:
            break
        tests = ", ".join(f"bool_and({condition.format(c=quoted(name))}) filter (where {quoted(name)} is not null)" for name in open_columns)
        verdicts = connection.execute(f"select {tests} from {table}").fetchall()[0]
        for name, verdict in zip(list(open_columns), verdicts, strict=True):
            if verdict or verdict is None:
                open_columns.remove(name)
            if verdict:
                types[name] = type
    return types
