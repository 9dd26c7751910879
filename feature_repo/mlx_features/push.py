"""Rows written to the online store beside what is materialised, as Feast's push does. Imports Feast; runs in the worker."""

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow
from feast import FeatureView
from feast.data_source import PushSource
from feast.errors import FeatureViewNotFoundException

from mlx_features import repository
from mlx_features.apply import ensure_tables
from mlx_features.errors import FeatureError
from mlx_features.online_rows import online_rows
from mlx_features.store import locked, open_store

READERS: Mapping[str, str] = {".parquet": "read_parquet", ".csv": "read_csv", ".json": "read_json", ".jsonl": "read_json", ".ndjson": "read_json"}
SQL: Mapping[str, str] = {"String": "varchar", "Int64": "bigint", "Float64": "double", "Bool": "boolean", "UnixTimestamp": "timestamptz"}
"""Feast's types as DuckDB casts to them."""


def push(home: str, store: str, view: str, rows: Path, workspace: Path) -> int:
    """Write the rows of a file to a view that is open for pushes; newer values stay. Returns how many rows there were."""
    folder = repository.folder(workspace, home, store)
    with locked(folder):
        opened = open_store(folder)
        try:
            found = opened.get_feature_view(repository.feast_name(view))
        except FeatureViewNotFoundException:
            known = ", ".join(one.name for one in opened.list_feature_views())
            raise FeatureError(f"feature store '{store}' has no view '{view}'", hint=f"it has: {known}") from None
        source = found.stream_source
        if not isinstance(source, PushSource):
            raise FeatureError(f"view '{view}' is not open for pushes", hint=f"say push: true of view '{view}', then apply")
        table = read_rows(found, view, rows)
        ensure_tables(opened)
        if table.num_rows:
            opened._get_provider().online_store.online_write_batch(opened.config, found, online_rows(table.combine_chunks(), found), None)
    return table.num_rows


def read_rows(found: FeatureView, view: str, path: Path) -> pyarrow.Table:
    """Keys, features and times of the file's rows, in the types of the view; without keys or time a row is an error."""
    reader = READERS.get(path.suffix.lower())
    if reader is None or not path.is_file():
        problem = f"{path} is not there" if reader is not None else f"{path.name}: rows are read from Parquet, CSV or JSON lines"
        raise FeatureError(problem, hint=f"name a file that ends in {', '.join(READERS)}")
    casts = _casts(found)
    source = f"{reader}('{str(path).replace(chr(39), chr(39) * 2)}')"
    with duckdb.connect(":memory:") as connection:
        connection.execute("set timezone = 'UTC'")
        try:
            present = {name for name, *_ in connection.execute(f"describe select * from {source}").fetchall()}
            absent = [name for name in casts if name not in present]
            if absent:
                raise FeatureError(f"{path.name} has no column '{absent[0]}'", hint=f"view '{view}' is pushed with: {', '.join(casts)}")
            columns = ", ".join(f'cast("{name}" as {type}) as "{name}"' for name, type in casts.items())
            table = connection.sql(f"select {columns} from {source}").to_arrow_table()
        except duckdb.Error as error:
            raise FeatureError(f"{path.name}: {str(error).splitlines()[0]}", hint=f"view '{view}' takes {_described(casts)}") from error
    _refuse_missing(found, table, path)
    return table


def _casts(found: FeatureView) -> dict[str, str]:
    """The SQL type of each column that a row must have."""
    source = found.batch_source
    assert source is not None
    times = [name for name in (source.timestamp_field, source.created_timestamp_column) if name]
    return {**{field.name: SQL[str(field.dtype)] for field in (*found.entity_columns, *found.features)}, **dict.fromkeys(times, "timestamptz")}


def _refuse_missing(found: FeatureView, table: pyarrow.Table, path: Path) -> None:
    assert found.batch_source is not None
    for name in (*(one.name for one in found.entity_columns), found.batch_source.timestamp_field):
        if table.column(name).null_count:
            raise FeatureError(f"{path.name}: column '{name}' has rows without a value", hint="a row is pushed for a key, as of a time")


def _described(casts: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({type})" for name, type in casts.items())
