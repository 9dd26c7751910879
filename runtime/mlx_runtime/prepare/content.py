"""The prepared rows in their one canonical order, written as Parquet and digested by content.

A connection with the table ``source`` enters; a Parquet file and a digest over its values leave.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow
import pyarrow.parquet

from mlx_features.content import ARROW, BATCH, RowsDigest
from mlx_runtime.prepare.casts import canonical_type, convert, misfit_message
from mlx_runtime.prepare.database import Connection, columns, quoted, select_list
from mlx_runtime.prepare.errors import PrepareError, listing, nearest
from mlx_specs.dataset import ColumnType, DatasetSpec


@dataclass(frozen=True)
class Content:
    """What was written."""

    digest: str
    rows: int
    types: Mapping[str, ColumnType]


def canonical(connection: Connection, spec: DatasetSpec) -> dict[str, ColumnType]:
    """Bring ``source`` to column types: declared ones, else the nearest to what the SQL yields."""
    found = columns(connection, "source")
    declared: dict[str, ColumnType] = {}
    if spec.source is None:
        declared = {name: column.type for name, column in spec.columns.items() if column.type is not None}
    needed = [*spec.keys, *([spec.event_time] if spec.event_time else []), *declared]
    absent = [name for name in needed if name not in found]
    if absent:
        raise PrepareError(f"the result has no column '{absent[0]}'{nearest(absent[0], list(found))}", hint=f"it has: {listing(list(found))}")
    unusable = [name for name in found if not (name.isascii() and name.isidentifier())]
    if unusable:
        raise PrepareError(f"column '{unusable[0]}' is no usable name", hint=f'rename it in a sql step: select "{unusable[0]}" as NAME')
    types: dict[str, ColumnType] = {name: declared.get(name) or canonical_type(name, duckdb_type) for name, duckdb_type in found.items()}
    wrong = convert(connection, "source", "mlx_result", types)
    if wrong:
        raise PrepareError(
            "; ".join(misfit_message(one, f"row {one.first[0][0]:,} of the result") for one in wrong), hint="correct the type, or cast in a step"
        )
    connection.execute("drop table source")
    connection.execute("alter table mlx_result rename to source")
    return types


def write(connection: Connection, types: Mapping[str, ColumnType], keys: Sequence[str], path: Path) -> Content:
    """``source`` in canonical order: by the keys, then by all other columns, missing values first."""
    order = ", ".join(f"{quoted(name)} asc nulls first" for name in [*keys, *(name for name in types if name not in keys)])
    query = f"select {select_list({name: stored(name, type) for name, type in types.items()})} from source order by {order}"
    schema = pyarrow.schema([(name, ARROW[type]) for name, type in types.items()])
    content = RowsDigest(types)
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in connection.sql(query).to_arrow_reader(BATCH):
            table = pyarrow.table([column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)], schema=schema)
            writer.write_table(table, row_group_size=BATCH)
            content.update(table)
    return Content(content.hex(), content.rows, types)


def stored(name: str, type: ColumnType) -> str:
    """Timestamps as moments in UTC; zero without a sign, because equal values must be equal bytes."""
    if type == "timestamp":
        return f"{quoted(name)} at time zone 'UTC'"
    return f"{quoted(name)} + 0.0::double" if type == "float" else quoted(name)
