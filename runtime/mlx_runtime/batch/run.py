"""The batch run itself: blocks of a fixed size through the scorer, a folder committed by one rename.

Blocks do not follow the file's row groups, so that how a file was written changes no bit of the predictions.
"""

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet

from mlx_runtime.batch import BatchError
from mlx_runtime.scorer import BLOCK, Scorer, load, output_schema
from mlx_runtime.signature import ScoreError
from mlx_specs import layout
from mlx_specs.digests import digest
from mlx_specs.inference_resources import BatchPredictionsInputs, BatchPredictionsOutputs

PREDICTIONS_FILE = "predictions.parquet"
REJECTED_FILE = "rejected.parquet"
MANIFEST_FILE = "manifest.json"
LATEST_FILE = "latest.json"
PROVENANCE = ("model_version", "model_fingerprint")
REASON = "_reason"
REPORT_SECONDS = 1.0

Report = Callable[[str], None]


def run(inputs: BatchPredictionsInputs, workspace: Path, report: Report) -> BatchPredictionsOutputs:
    """Scores what has not been scored, points ``latest.json`` to it, returns where it stands."""
    place = layout.predictions(inputs.home, inputs.name, run_digest(inputs))
    folder = workspace / place
    if not _is_whole(folder):
        _score_into(folder, inputs, workspace, report)
    rows = json.loads((folder / MANIFEST_FILE).read_bytes())["rows"]
    _point_latest(folder.parent, place, inputs, rows)
    return BatchPredictionsOutputs(**dict(inputs), path=str(place / PREDICTIONS_FILE), rows=rows, status="Done")


def run_digest(inputs: BatchPredictionsInputs) -> str:
    """sha256 of what the predictions are made of: version, rows, columns."""
    version, data = inputs.version, inputs.input
    return digest(
        {
            "artifact": version.artifact_digest, "version": version.version, "fingerprint": version.fingerprint,
            "input": data.digest, "keys": data.keys, "columns": inputs.columns,
        }
    )  # fmt: skip


def _score_into(folder: Path, inputs: BatchPredictionsInputs, workspace: Path, report: Report) -> None:
    scorer = load(workspace / inputs.version.artifact, inputs.version.artifact_digest, inputs.cpu or 1)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name[:12]}.", dir=folder.parent))
    try:
        with _open(workspace / inputs.input.path, inputs) as source:
            counts = _score_all(source, scorer, inputs, temporary, report)
        _write_manifest(temporary, inputs, counts)
        _commit(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@dataclass(frozen=True)
class Counts:
    """Rows by their fate."""

    rows: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class Shape:
    """Which columns are read, carried and written."""

    read: list[str]
    carried: list[str]
    predictions: pyarrow.Schema
    rejected: pyarrow.Schema


def _open(path: Path, inputs: BatchPredictionsInputs) -> parquet.ParquetFile:
    try:
        return parquet.ParquetFile(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise BatchError(f"dataset '{inputs.input.name}' cannot be read: {error}", hint="mlx refresh, then mlx apply: the dataset is prepared again") from error


def _score_all(source: parquet.ParquetFile, scorer: Scorer, inputs: BatchPredictionsInputs, folder: Path, report: Report) -> Counts:
    shape = _shape(source.schema_arrow, scorer, inputs)
    total, counts, progress = source.metadata.num_rows, Counts(), _Progress(report)
    with parquet.ParquetWriter(folder / PREDICTIONS_FILE, shape.predictions) as good, parquet.ParquetWriter(folder / REJECTED_FILE, shape.rejected) as bad:
        for block in _blocks(source, shape.read):
            scored, rejected = _score_block(scorer, block, shape, inputs)
            good.write_table(scored)
            bad.write_table(rejected)
            counts = Counts(counts.rows + scored.num_rows, counts.rejected + rejected.num_rows)
            progress.show(counts.rows + counts.rejected, total)
    suffix = f", {counts.rejected:,} rejected (see {REJECTED_FILE})" if counts.rejected else ""
    report(f"scored {counts.rows:,} rows in {progress.seconds:.1f} s ({progress.rate(counts.rows):,} a second){suffix}")
    return counts


def _shape(schema: pyarrow.Schema, scorer: Scorer, inputs: BatchPredictionsInputs) -> Shape:
    """Every name is looked at before the first row is scored."""
    features = [tensor.name for tensor in scorer.model.inputs]
    carried = list(dict.fromkeys([*inputs.input.keys, *inputs.columns]))
    read = list(dict.fromkeys([*carried, *features]))
    if lacking := [name for name in read if name not in schema.names]:
        use = "a feature of the model" if lacking[0] in features else "asked for by keys or columns"
        raise BatchError(f"dataset '{inputs.input.name}' has no column '{lacking[0]}', {use}", hint=f"it has {', '.join(schema.names)}")
    outputs = output_schema(scorer.model)
    if doubled := [name for name in carried if name in (*outputs.names, *PROVENANCE)]:
        raise BatchError(f"column '{doubled[0]}' of '{inputs.input.name}' has the name of a prediction", hint="rename it in the Dataset's prepare")
    texts = [pyarrow.field(name, pyarrow.string(), nullable=False) for name in PROVENANCE]
    predictions = pyarrow.schema([*(schema.field(name) for name in carried), *outputs, *texts])
    rejected = pyarrow.schema([*(schema.field(name) for name in read), pyarrow.field(REASON, pyarrow.string(), nullable=False)])
    return Shape(read, carried, predictions, rejected)


def _blocks(source: parquet.ParquetFile, columns: list[str]) -> Iterator[pyarrow.Table]:
    """Tables of exactly BLOCK rows, the last one shorter."""
    waiting: list[pyarrow.RecordBatch] = []
    rows = 0
    for batch in source.iter_batches(batch_size=BLOCK, columns=columns):
        waiting, rows = [*waiting, batch], rows + batch.num_rows
        while rows >= BLOCK:
            table = pyarrow.Table.from_batches(waiting)
            yield table.slice(0, BLOCK)
            rest = table.slice(BLOCK)
            waiting, rows = rest.to_batches(), rest.num_rows
    if rows:
        yield pyarrow.Table.from_batches(waiting)


def _score_block(scorer: Scorer, block: pyarrow.Table, shape: Shape, inputs: BatchPredictionsInputs) -> tuple[pyarrow.Table, pyarrow.Table]:
    """Predictions of the rows that fit the signature, and the others with their reasons."""
    block = block.select(shape.read)
    features = [tensor.name for tensor in scorer.model.inputs]
    rejected = [shape.rejected.empty_table()]
    while True:
        try:
            predicted = scorer.score_table(block.select(features))
        except ScoreError as error:
            if not error.rows:
                raise BatchError(f"dataset '{inputs.input.name}' does not fit the model: {error}", hint="the model was trained on other types") from error
            bad = np.isin(np.arange(block.num_rows), error.rows)
            rejected.append(_with_reason(block.filter(pyarrow.array(bad)), str(error).rpartition(" (row ")[0], shape))
            block = block.filter(pyarrow.array(~bad))
        else:
            return _with_predictions(block, predicted, shape, inputs), pyarrow.concat_tables(rejected)


def _with_reason(rows: pyarrow.Table, reason: str, shape: Shape) -> pyarrow.Table:
    return pyarrow.Table.from_arrays([*rows.columns, pyarrow.array([reason] * rows.num_rows, pyarrow.string())], schema=shape.rejected)


def _with_predictions(rows: pyarrow.Table, predicted: pyarrow.Table, shape: Shape, inputs: BatchPredictionsInputs) -> pyarrow.Table:
    provenance = [pyarrow.repeat(value, rows.num_rows) for value in (inputs.version.version, inputs.version.fingerprint)]
    return pyarrow.Table.from_arrays([*rows.select(shape.carried).columns, *predicted.columns, *provenance], schema=shape.predictions)


class _Progress:
    """A line a second with the rate."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._start = self._shown = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    def rate(self, rows: int) -> int:
        return int(rows / max(self.seconds, 1e-9))

    def show(self, rows: int, total: int) -> None:
        if rows < total and time.monotonic() - self._shown >= REPORT_SECONDS:
            self._shown = time.monotonic()
            self._report(f"scored {rows:,} of {total:,} rows ({self.rate(rows):,} a second)")


def _write_manifest(folder: Path, inputs: BatchPredictionsInputs, counts: Counts) -> None:
    manifest = {
        "schemaVersion": 1,
        "rows": counts.rows,
        "rejected": counts.rejected,
        "model": inputs.model,
        "version": inputs.version.wire(),
        "input": {"name": inputs.input.name, "digest": inputs.input.digest},
        "columns": inputs.columns,
        "files": {name: _sha256(folder / name) for name in (PREDICTIONS_FILE, REJECTED_FILE)},
    }
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest, indent=1, sort_keys=True))


def _commit(temporary: Path, folder: Path) -> None:
    """A folder that is not whole (somebody removed a file of it) gives way."""
    if folder.exists():
        shutil.rmtree(folder)
    temporary.chmod(0o755)
    temporary.rename(folder)


def _is_whole(folder: Path) -> bool:
    try:
        files: dict[str, str] = json.loads((folder / MANIFEST_FILE).read_bytes())["files"]
        return all(_sha256(folder / name) == expected for name, expected in files.items())
    except (OSError, ValueError, KeyError):
        return False


def _point_latest(folder: Path, place: PurePosixPath, inputs: BatchPredictionsInputs, rows: int) -> None:
    latest: dict[str, Any] = {
        "path": str(place / PREDICTIONS_FILE), "rows": rows, "version": inputs.version.version, "fingerprint": inputs.version.fingerprint,
        "input": inputs.input.digest, "about": inputs.about.wire(),
    }  # fmt: skip
    _write_latest(folder, latest)


def set_about(folder: Path, about: Mapping[str, Any]) -> None:
    """Change who the inference is without scoring; nothing happens before the first run."""
    if (folder / LATEST_FILE).is_file():
        _write_latest(folder, {**json.loads((folder / LATEST_FILE).read_bytes()), "about": dict(about)})


def _write_latest(folder: Path, latest: Mapping[str, Any]) -> None:
    temporary = folder / f".{LATEST_FILE}.new"
    temporary.write_text(json.dumps(latest, indent=1))
    temporary.replace(folder / LATEST_FILE)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
