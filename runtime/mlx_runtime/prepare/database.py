"""The DuckDB database in which a dataset is prepared: in memory, spilling to disk, without network and without other files.

``source`` is the table so far; what runs here sees only tables that were put here.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import duckdb

Connection: TypeAlias = duckdb.DuckDBPyConnection


def connect(folder: Path, readable: Sequence[Path], threads: int | None) -> Connection:
    """A database that spills to ``folder`` and can read nothing but the folder and the readable paths."""
    connection = duckdb.connect(":memory:")  # what does not fit into memory goes to ``spill``
    for setting in (
        "set timezone = 'UTC'",
        "set preserve_insertion_order = true",
        "set autoinstall_known_extensions = false",
        "set python_enable_replacements = false",
        f"set temp_directory = {text(str(folder / 'spill'))}",
        f"set allowed_directories = [{', '.join(text(str(path) + '/') for path in (folder, *(one for one in readable if one.is_dir())))}]",
        f"set allowed_paths = [{', '.join(text(str(path)) for path in readable if not path.is_dir())}]",
        "set enable_external_access = false",
    ):
        connection.execute(setting)
    set_threads(connection, threads)
    return connection


def set_threads(connection: Connection, threads: int | None) -> None:
    """None: as many as DuckDB thinks right."""
    connection.execute("reset threads" if threads is None else f"set threads = {threads}")


def quoted(name: str) -> str:
    """An identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("'", "''") + "'"


def literal(value: str | int | float | bool) -> str:
    """A literal of any scalar."""
    return text(value) if isinstance(value, str) else str(value)


def one(connection: Connection, query: str) -> Any:
    """The first value of the first row."""
    return connection.execute(query).fetchall()[0][0]


def columns(connection: Connection, relation: str) -> dict[str, str]:
    """Name and DuckDB type of each column of a table, view or parenthesised query."""
    return {row[0]: row[1] for row in connection.execute(f"describe select * from {relation}").fetchall()}


def replace_source(connection: Connection, query: str) -> None:
    """Let ``source`` be what the query yields; the query may read the old one."""
    connection.execute(f"create table mlx_next as {query}")
    connection.execute("drop table if exists source")
    connection.execute("alter table mlx_next rename to source")


def select_list(expressions: Mapping[str, str]) -> str:
    """``expression as "name", …``"""
    return ", ".join(f"{expression} as {quoted(name)}" for name, expression in expressions.items())
