"""From a source to the table ``source``: the declared columns, no others, in their types.

A value that does not fit its type stops here with its row and file, unless a cast step says what to do with such rows: then
the column is read as text and the step decides.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

from mlx_runtime.prepare.casts import canonical_type, convert, family, infer_texts, misfit_message
from mlx_runtime.prepare.database import Connection, columns, one
from mlx_runtime.prepare.errors import PrepareError, counted
from mlx_runtime.prepare.files import locate, unpacked
from mlx_runtime.prepare.read_files import Raw, read_csv, read_jsonl, read_parquet
from mlx_runtime.prepare.read_sql import read_sql
from mlx_specs.dataset import CastStep, ColumnType, CsvSource, DatasetSpec, JsonLinesSource, ParquetSource, SqlSource, SqlStep


def files_of(spec: DatasetSpec, workspace: Path) -> list[Path]:
    """The files that the source reads; none for a database and for a dataset without a source."""
    return [] if spec.source is None or isinstance(spec.source, SqlSource) else locate(spec.source, workspace)


@dataclass(frozen=True)
class Reading:
    """What a reader needs to know."""

    connection: Connection
    spec: DatasetSpec
    workspace: Path
    folder: Path
    """For what is unpacked."""
    files: Sequence[Path] = field(default=())


def read_source(reading: Reading, report: Callable[[str], None]) -> None:
    """Make the table ``source``."""
    raw = read_raw(reading)
    types = types_of(reading.spec, raw, reading.connection)
    wrong = convert(reading.connection, "mlx_raw", "source", types)
    if wrong:
        messages = [misfit_message(one, raw.place(one.first[0][0])) for one in wrong]
        raise PrepareError("; ".join(messages), hint="correct the type, name the text in nullValues, or add a cast step with onError: reject or null")
    reading.connection.execute("drop table mlx_raw")
    report(f"read {counted(one(reading.connection, 'select count(*) from source'))}")


def read_raw(reading: Reading) -> Raw:
    """Make the table ``mlx_raw`` of the wanted columns, as text or in the types that the source has."""
    source, connection, wanted = reading.spec.source, reading.connection, list(reading.spec.columns)
    match source:
        case CsvSource():
            return read_csv(connection, source, unpacked(reading.files, reading.folder), wanted)
        case JsonLinesSource():
            return read_jsonl(connection, unpacked(reading.files, reading.folder), wanted)
        case ParquetSource():
            return read_parquet(connection, reading.files, wanted)
        case SqlSource():
            return read_sql(connection, source, reading.workspace, reading.folder, wanted)
        case None:
            raise PrepareError("the dataset has no source")
        case _:
            assert_never(source)


def types_of(spec: DatasetSpec, raw: Raw, connection: Connection) -> dict[str, ColumnType]:
    """Declared, or known to the source, or told by all texts of the column."""
    types: dict[str, ColumnType | None] = {name: known_type(name, duckdb_type, spec, raw) for name, duckdb_type in columns(connection, "mlx_raw").items()}
    inferred = infer_texts(connection, "mlx_raw", [name for name, type in types.items() if type is None])
    return {name: inferred[name] if type is None else type for name, type in types.items()}


def known_type(name: str, duckdb_type: str, spec: DatasetSpec, raw: Raw) -> ColumnType | None:
    """None for a text whose type is neither declared nor known to the source."""
    is_text = family(duckdb_type) == "text"
    if is_text and name in lenient(spec):
        return "string"
    declared = spec.columns[name].type if name in spec.columns else None
    if declared is not None or is_text:
        return declared or raw.known.get(name)
    return canonical_type(name, duckdb_type)


def lenient(spec: DatasetSpec) -> set[str]:
    """Columns whose misfits a cast step rejects or makes null, before any sql step may rename them."""
    names: set[str] = set()
    for step in spec.prepare:
        if isinstance(step, SqlStep):
            break
        if isinstance(step, CastStep) and step.cast.on_error != "fail":
            names |= set(step.cast.columns)
    return names
