"""CSV, JSON lines and Parquet into the table ``mlx_raw``: the wanted columns, rows in the order of the files.

Plain files enter, ``Raw`` leaves. CSV and JSON are read as text without guessing: what their values are is decided later,
over all rows, so that the same bytes always give the same table.
"""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from mlx_runtime.prepare.database import Connection, columns, one, quoted, text
from mlx_runtime.prepare.errors import PrepareError, first_line, listing, nearest
from mlx_runtime.prepare.files import Plain
from mlx_specs.dataset import ColumnType, CsvSource

JSON_TYPES: dict[str, ColumnType] = {"BIGINT": "integer", "UBIGINT": "integer", "DOUBLE": "float", "BOOLEAN": "boolean", "VARCHAR": "string"}


@dataclass(frozen=True)
class Raw:
    """What was read."""

    parts: tuple[tuple[str, int], ...]
    """Name and number of rows of each file."""
    known: Mapping[str, ColumnType] = field(default_factory=dict[str, ColumnType])
    """Types that the source itself has."""

    def place(self, row: int) -> str:
        """``row 7 of flights.csv`` for a row number of the whole table."""
        for name, rows in self.parts:
            if row <= rows:
                return f"row {row:,} of {name}"
            row -= rows
        return f"row {row:,}"


def read_csv(connection: Connection, source: CsvSource, files: Iterable[Plain], wanted: Sequence[str]) -> Raw:
    """All values are text; the null values are null."""
    parts: list[tuple[str, int]] = []
    names = list(wanted)
    for file in files:
        header = csv_header(file, source)
        names = names or header
        require(names, header, file.name)
        parts.append((file.name, insert(connection, names, csv_query(file, source, header), file)))
    return Raw(tuple(parts))


def csv_header(file: Plain, source: CsvSource) -> list[str]:
    """The names in the first line, each once."""
    try:
        with file.path.open(encoding="utf-8-sig", newline="") as lines:
            header = next(csv.reader(lines, delimiter=source.delimiter), [])
    except UnicodeDecodeError as error:
        raise PrepareError(f"{file.name} is not UTF-8 text", hint="convert it to UTF-8") from error
    if not header:
        raise PrepareError(f"{file.name} is empty: expected a first line with the columns' names")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice or "" in header:
        raise PrepareError(f"{file.name}: {'a column has no name' if '' in header else f'two columns are named {twice[0]!r}'}", hint="correct the first line")
    return header


def csv_query(file: Plain, source: CsvSource, header: Sequence[str]) -> str:
    types = ", ".join(f"{text(name)}: 'VARCHAR'" for name in header)
    nulls = ", ".join(text(value) for value in source.null_values)
    quoting = "quote = '\"', escape = '\"', strict_mode = true, auto_detect = false, header = true"
    null_option = f", nullstr = [{nulls}]" if nulls else ""
    return f"read_csv({text(str(file.path))}, delim = {text(source.delimiter)}, columns = {{{types}}}, {quoting}{null_option})"


def require(wanted: Sequence[str], found: Sequence[str], where: str) -> None:
    """Every wanted column is there."""
    absent = [name for name in wanted if name not in found]
    if absent:
        raise PrepareError(f"{where} has no column '{absent[0]}'{nearest(absent[0], found)}", hint=f"it has: {listing(found)}")


def insert(connection: Connection, names: Sequence[str], query: str, file: Plain) -> int:
    """Append the rows of one file to ``mlx_raw``; their number."""
    chosen = f"select {', '.join(quoted(name) for name in names)} from {query}"
    first = not one(connection, "select count(*) from duckdb_tables() where table_name = 'mlx_raw'")
    try:
        return one(connection, f"create table mlx_raw as {chosen}" if first else f"insert into mlx_raw by name {chosen}")
    except duckdb.Error as error:
        raise PrepareError(f"{file.name}: {csv_words(error)}", hint="correct the file") from error


def csv_words(error: duckdb.Error) -> str:
    """``line 3: expected 2 values, found 3``"""
    lines = [line.strip() for line in str(error).splitlines()]
    place = next((f"line {line.rpartition(': ')[2]}: " for line in lines if "CSV Error on Line" in line), "")
    for line in lines:
        if line.startswith("Expected Number of Columns"):
            expected, found = line.removeprefix("Expected Number of Columns: ").split(" Found: ")
            return f"{place}expected {expected} values, found {found}"
        if line.startswith("Invalid unicode"):
            return f"{place}not UTF-8 text"
    return place + (lines[2] if place and len(lines) > 2 else first_line(error))


def read_jsonl(connection: Connection, files: Iterable[Plain], wanted: Sequence[str]) -> Raw:
    """Values are text, nested ones JSON text; without wanted columns: all keys in the order in which they appear."""
    connection.execute("create table mlx_json (json json)")
    parts = [(file.name, insert_json(connection, file)) for file in files]
    raw = Raw(tuple(parts))
    bad = connection.execute("select rowid + 1, json_type(json) from mlx_json where json_type(json) <> 'OBJECT' limit 1").fetchall()
    if bad:
        raise PrepareError(f"{raw.place(bad[0][0])}: expected a JSON object, found {bad[0][1].lower()}")
    names = list(wanted) or json_names(connection)
    known = json_types(connection, names)
    connection.execute(f"create table mlx_raw as select {', '.join(f'json ->> {json_path(name)} as {quoted(name)}' for name in names)} from mlx_json")
    connection.execute("drop table mlx_json")
    return Raw(raw.parts, known)


def insert_json(connection: Connection, file: Plain) -> int:
    try:
        return one(connection, f"insert into mlx_json select json from read_json_objects({text(str(file.path))}, format = 'newline_delimited')")
    except duckdb.Error as error:
        raise PrepareError(f"{file.name}: {bad_json(file) or first_line(error)}", hint="each line has to be one JSON object") from error


def bad_json(file: Plain) -> str:
    """The first line that is no JSON: DuckDB's own line numbers count what it had buffered."""
    with file.path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                json.loads(line or b"null") if line.strip() else None
            except ValueError as error:
                return f"line {number}: {error}"
    return ""


def json_names(connection: Connection) -> list[str]:
    keys = "select unnest(json_keys(json)) as name, generate_subscripts(json_keys(json), 1) as place, rowid as row from mlx_json"
    rows = connection.execute(f"select name from ({keys}) group by name order by min(row), arg_min(place, row)").fetchall()
    names = [row[0] for row in rows]
    if not names:
        raise PrepareError("the JSON lines have no rows, so their columns cannot be told", hint="declare the columns")
    return names


def json_path(name: str) -> str:
    return text('$."' + name.replace('"', '\\"') + '"')


def json_types(connection: Connection, names: Sequence[str]) -> dict[str, ColumnType]:
    """What the values of each key are; integers and floats make floats, any other mixture strings."""
    distinct = ", ".join(f"list(distinct json_type(json, {json_path(name)}))" for name in names)
    row = connection.execute(f"select {distinct} from mlx_json").fetchall()[0]
    types: dict[str, ColumnType] = {}
    for name, kinds in zip(names, row, strict=True):
        types[name] = common_type(JSON_TYPES.get(kind, "string") for kind in kinds or () if kind not in (None, "NULL"))
    return types


def common_type(kinds: Iterable[ColumnType]) -> ColumnType:
    """The type that holds all of these: integers and floats are floats, any other mixture is text."""
    found = set(kinds)
    if found == {"integer", "float"}:
        return "float"
    return found.pop() if len(found) == 1 else "string"


def read_parquet(connection: Connection, files: Sequence[Path], wanted: Sequence[str]) -> Raw:
    """In the types of the first file."""
    parts: list[tuple[str, int]] = []
    names = list(wanted)
    for path in files:
        query = f"read_parquet({text(str(path))})"
        try:
            found = columns(connection, query)
        except duckdb.Error as error:
            raise PrepareError(f"{path.name} is no readable Parquet file: {first_line(error)}") from error
        names = names or list(found)
        require(names, list(found), path.name)
        parts.append((path.name, insert(connection, names, query, Plain(path, path.name))))
    return Raw(tuple(parts))
