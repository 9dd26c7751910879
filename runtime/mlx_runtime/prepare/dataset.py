"""Prepare one dataset: read, run the steps, check, write; the order of the page.

``PreparedDatasetInputs`` and a workspace enter; the committed folder and ``PreparedDatasetOutputs`` leave.
"""

import errno
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from mlx_runtime.prepare.checks import Verdict, run_checks
from mlx_runtime.prepare.content import Content, canonical, write
from mlx_runtime.prepare.database import Connection, columns, connect, quoted, set_threads, text
from mlx_runtime.prepare.errors import PrepareError, counted, first_line
from mlx_runtime.prepare.folder import DATA, REJECTED, commit, workbench
from mlx_runtime.prepare.read import Reading, files_of, read_source
from mlx_runtime.prepare.steps import REASON, Rejected, run_steps
from mlx_specs import layout
from mlx_specs.dataset import DatasetSpec
from mlx_specs.dataset_resources import PreparedDatasetInputs, PreparedDatasetOutputs
from mlx_specs.resources import ColumnType

Report = Callable[[str], None]


def prepare(inputs: PreparedDatasetInputs, workspace: Path, report: Report, *, threads: int | None = None) -> PreparedDatasetOutputs:
    """Prepare the rows of a dataset; idempotent: the same content is the same folder. Raises ``PrepareError``."""
    spec = DatasetSpec.model_validate(inputs.definition)
    dataset = (workspace / layout.dataset(inputs.home, inputs.name, "content")).parent
    try:
        with workbench(dataset) as folder:
            return prepare_in(folder, spec, inputs, workspace, report, threads)
    except PrepareError as error:
        raise PrepareError(f"Dataset/{inputs.name}: {error}", hint=error.hint) from error
    except (OSError, duckdb.Error) as error:
        full = (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "No space left" in str(error)
        message = "the disk is full" if full else first_line(error)
        raise PrepareError(f"Dataset/{inputs.name}: {message}", hint=f"free some space for {dataset}" if full else "") from error


def prepare_in(folder: Path, spec: DatasetSpec, inputs: PreparedDatasetInputs, workspace: Path, report: Report, threads: int | None) -> PreparedDatasetOutputs:
    """The stages, each on the table ``source``."""
    made = folder / "made"
    made.mkdir()
    files, tables = files_of(spec, workspace), input_files(inputs, workspace)
    connection = connect(folder, [*files, *tables.values()], threads)
    try:
        name_inputs(connection, tables)
        if spec.source is not None:
            read_source(Reading(connection, spec, workspace, folder, files), report)
        set_threads(connection, 1)
        rejected = run_steps(connection, spec, report)
        types = canonical(connection, spec)
        verdicts = run_checks(connection, spec)
        set_threads(connection, threads)
        content = write(connection, types, spec.keys, made / DATA)
        write_rejected(connection, rejected, made / REJECTED)
    finally:
        connection.close()
    return finish(made, content, rejected, verdicts, inputs, workspace, report)


def input_files(inputs: PreparedDatasetInputs, workspace: Path) -> dict[str, Path]:
    """The Parquet file of each input, by its name in SQL."""
    files: dict[str, Path] = {}
    for name, digest in inputs.inputs.items():
        path = workspace / layout.dataset(inputs.home, name, digest) / DATA
        if not path.is_file():
            raise PrepareError(f"its input Dataset/{name} is not prepared: {path} is missing", hint="refresh, then apply again: mlx refresh")
        files[name.replace("-", "_")] = path
    return files


def name_inputs(connection: Connection, tables: Mapping[str, Path]) -> None:
    """A view for each input; timestamps in UTC without a zone, so that hour() and isodow() mean UTC's."""
    for name, path in tables.items():
        table = f"read_parquet({text(str(path))})"
        zoned = [column for column, kind in columns(connection, table).items() if kind == "TIMESTAMP WITH TIME ZONE"]
        replacing = ", ".join(f"{quoted(column)} at time zone 'UTC' as {quoted(column)}" for column in zoned)
        connection.execute(f"create view {quoted(name)} as select *{f' replace ({replacing})' if replacing else ''} from {table}")


def write_rejected(connection: Connection, rejected: Sequence[Rejected], path: Path) -> None:
    """All rejected rows with their step and reason; as JSON text in ``row`` where the steps saw different columns."""
    tables = {one.table: one.step for one in rejected}
    schemas = {tuple(columns(connection, table).items()) for table in tables}
    if not tables:
        query = "select * from (select 0 as _step, '' as _reason, '{}' as row) where false"
    elif len(schemas) == 1:
        query = " union all ".join(f"select {step} as _step, {REASON} as _reason, * exclude ({REASON}) from {table}" for table, step in tables.items())
    else:
        rows = "(select {step} as _step, {reason} as _reason, to_json(r) as row from (select * exclude ({reason}) from {table}) r positional join {table})"
        query = " union all ".join(f"from {rows.format(step=step, reason=REASON, table=table)}" for table, step in tables.items())
    connection.execute(f"copy (select * from ({query}) order by all) to {text(str(path))} (format parquet, compression zstd)")


def finish(
    made: Path, content: Content, rejected: Sequence[Rejected], verdicts: Sequence[Verdict], inputs: PreparedDatasetInputs, workspace: Path, report: Report
) -> PreparedDatasetOutputs:
    """Commit the folder and say what came out."""
    folder = layout.dataset(inputs.home, inputs.name, content.digest)
    warnings = [f"{verdict.name}: {verdict.message}" for verdict in verdicts if not verdict.passed]
    for line in warnings:
        report(f"warning: {line}")
    passed = sum(verdict.passed for verdict in verdicts)
    warned = f", {counted(len(warnings), 'check')} warned" if warnings else ""
    report(f"{counted(passed, 'check')} passed{warned}; wrote {counted(content.rows)}, content {content.digest[:12]}")
    commit(made, manifest(content, rejected, verdicts, inputs), workspace / folder)
    return PreparedDatasetOutputs(
        **inputs.model_dump(),
        content_digest=content.digest,
        path=str(folder / DATA),
        rows=content.rows,
        rejected=sum(one.rows for one in rejected),
        columns=[ColumnType(name=name, type=type) for name, type in content.types.items()],
        warnings=warnings,
    )


def manifest(content: Content, rejected: Sequence[Rejected], verdicts: Sequence[Verdict], inputs: PreparedDatasetInputs) -> dict[str, Any]:
    """What the folder says of itself; the files' hashes are added when it is committed."""
    return {
        "schemaVersion": 1,
        "dataset": inputs.name,
        "about": inputs.about.wire(),
        "contentDigest": content.digest,
        "sourceDigest": inputs.source_digest,
        "inputs": inputs.inputs,
        "definition": inputs.definition,
        "columns": [{"name": name, "type": type} for name, type in content.types.items()],
        "rows": content.rows,
        "rejected": sum(one.rows for one in rejected),
        "rejectedBy": [{"step": one.step, "reason": one.reason, "rows": one.rows} for one in rejected],
        "checks": [
            {"name": one.name, "severity": one.severity, "passed": one.passed, "failing": one.failing, "message": one.message, "samples": list(one.samples)}
            for one in verdicts
        ],
    }
