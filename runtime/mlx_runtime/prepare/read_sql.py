"""The rows of a query against SQLite or PostgreSQL into the table ``mlx_raw``."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow

from mlx_runtime.prepare.database import Connection, quoted
from mlx_runtime.prepare.databases import postgres, resolved, sqlite, sqlite_file, statement
from mlx_runtime.prepare.errors import PrepareError
from mlx_runtime.prepare.files import Plain
from mlx_runtime.prepare.read_files import Raw, common_type, read_csv, require
from mlx_specs.dataset import ColumnType, CsvSource, SqlSource

BATCH = 10_000
POSTGRES_TYPES: dict[str, ColumnType] = {
    "bool": "boolean", "int2": "integer", "int4": "integer", "int8": "integer", "float4": "float", "float8": "float", "numeric": "float", "date": "date",
    "timestamp": "timestamp", "timestamptz": "timestamp", "text": "string", "varchar": "string", "bpchar": "string", "uuid": "string", "name": "string",
    "json": "string", "jsonb": "string",
}  # fmt: skip
PYTHON_TYPES: dict[type, ColumnType] = {
    bool: "boolean", int: "integer", float: "float", Decimal: "float", str: "string", datetime: "timestamp", date: "date",
}  # fmt: skip


def read_sql(connection: Connection, source: SqlSource, workspace: Path, folder: Path, wanted: Sequence[str]) -> Raw:
    """The rows of the query."""
    url = resolved(source.url, workspace)
    if url.startswith("sqlite:"):
        return read_sqlite(connection, sqlite_file(url, workspace), source, wanted)
    return read_postgres(connection, url, source, folder, wanted)


def read_sqlite(connection: Connection, path: Path, source: SqlSource, wanted: Sequence[str]) -> Raw:
    """SQLite's values have types, its columns do not: all become text, and the types of the values are noted."""
    with sqlite(path) as client:
        cursor = client.execute(statement(source.query))
        found = [column[0] for column in cursor.description]
        names = list(wanted) or found
        require(names, found, "the query")
        connection.execute(f"create table mlx_raw ({', '.join(f'{quoted(name)} varchar' for name in names)})")
        kinds: dict[str, set[type]] = {name: set() for name in names}
        rows = 0
        while batch := cursor.fetchmany(BATCH):
            rows += len(batch)
            append(connection, names, [[row[found.index(name)] for row in batch] for name in names], kinds)
    known: dict[str, ColumnType] = {
        name: common_type(PYTHON_TYPES.get(kind, "string") for kind in seen if kind is not type(None)) for name, seen in kinds.items()
    }
    return Raw(((f"the query on {path.name}", rows),), known)


def append(connection: Connection, names: Sequence[str], values: Sequence[Sequence[Any]], kinds: dict[str, set[type]]) -> None:
    for name, column in zip(names, values, strict=True):
        kinds[name] |= {type(value) for value in column}
        if bytes in kinds[name]:
            raise PrepareError(f"column '{name}' holds bytes", hint="leave it out of the query, or convert it: hex(column)")
    texts = [pyarrow.array([None if value is None else str(value) for value in column], pyarrow.string()) for column in values]
    connection.register("mlx_batch", pyarrow.table(texts, names=list(names)))
    connection.execute("insert into mlx_raw select * from mlx_batch")
    connection.unregister("mlx_batch")


def read_postgres(connection: Connection, url: str, source: SqlSource, folder: Path, wanted: Sequence[str]) -> Raw:
    """Streamed as CSV by COPY into a file, then read as such; a null is an empty field without quotes."""
    plain = Plain(folder / "query.csv", "the query")
    query = statement(source.query)
    with postgres(url) as client:
        described = client.execute(f"select * from ({query}) as mlx_rows limit 0".encode()).description or []
        types = {column.name: client.adapters.types.get(column.type_code) for column in described}
        nulls = "\x01"  # a control character, so that empty strings and nulls stay apart
        copy = f"copy (select * from ({query}) as mlx_rows) to stdout (format csv, header true, null '{nulls}')"
        with plain.path.open("wb") as out, client.cursor().copy(copy.encode()) as rows:
            for block in rows:
                out.write(block)
    require(wanted, list(types), "the query")
    names = {name: info.name if info is not None else "" for name, info in types.items()}
    known: dict[str, ColumnType] = {name: POSTGRES_TYPES[type] for name, type in names.items() if type in POSTGRES_TYPES}
    unknown = [name for name in wanted or names if name not in known]
    if unknown:
        raise PrepareError(f"column '{unknown[0]}' is {names[unknown[0]] or 'of an unknown type'}", hint=f"convert it in the query: {unknown[0]}::text")
    raw = read_csv(connection, CsvSource(type="csv", path="", null_values=[nulls]), [plain], list(wanted) or list(types))
    plain.path.unlink()
    return Raw(raw.parts, known)
