"""Rows of a prepared file through the scorer: blocks of a fixed size in, two files out.

Blocks do not follow the file's row groups, so that how a file was written changes no bit of the predictions; nor does who scores which.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet as parquet

from mlx_runtime.batch import BatchError
from mlx_runtime.scorer import BLOCK, Scorer, output_schema
from mlx_runtime.signature import ScoreError
from mlx_specs.inference_resources import BatchPredictionsInputs

PREDICTIONS_FILE = "predictions.parquet"
REJECTED_FILE = "rejected.parquet"
PROVENANCE = ("model_version", "model_fingerprint")
REASON = "_reason"

Done = Callable[[int], None]
"""Told after each block how many rows are done."""


@dataclass(frozen=True)
class Counts:
    """Rows by their fate."""

    rows: int = 0
    rejected: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.rows + other.rows, self.rejected + other.rejected)


@dataclass(frozen=True)
class Shape:
    """Which columns are read, carried and written."""

    read: list[str]
    carried: list[str]
    predictions: pyarrow.Schema
    rejected: pyarrow.Schema


def open_rows(path: Path, inputs: BatchPredictionsInputs) -> parquet.ParquetFile:
    try:
        return parquet.ParquetFile(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise BatchError(f"dataset '{inputs.input.name}' cannot be read: {error}", hint="mlx refresh, then mlx apply: the dataset is prepared again") from error


def score_blocks(source: parquet.ParquetFile, scorer: Scorer, inputs: BatchPredictionsInputs, folder: Path, done: Done, part: range | None = None) -> Counts:
    """Writes predictions.parquet and rejected.parquet of these blocks; without ``part`` of all. Raises ``BatchError``."""
    shape = _shape(source.schema_arrow, scorer, inputs)
    part = part if part is not None else range(blocks_of(source.metadata.num_rows))
    counts = Counts()
    with parquet.ParquetWriter(folder / PREDICTIONS_FILE, shape.predictions) as good, parquet.ParquetWriter(folder / REJECTED_FILE, shape.rejected) as bad:
        for block in _blocks(source, shape.read, part):
            scored, rejected = _score_block(scorer, block, shape, inputs)
            good.write_table(scored)
            bad.write_table(rejected)
            counts += Counts(scored.num_rows, rejected.num_rows)
            done(counts.rows + counts.rejected)
    return counts


def blocks_of(rows: int) -> int:
    """How many they are."""
    return -(-rows // BLOCK)


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


def _blocks(source: parquet.ParquetFile, columns: list[str], part: range) -> Iterator[pyarrow.Table]:
    """Tables of exactly BLOCK rows, the file's last one shorter."""
    waiting: list[pyarrow.RecordBatch] = []
    rows = 0
    for batch in _batches(source, columns, part.start * BLOCK, part.stop * BLOCK):
        waiting, rows = [*waiting, batch], rows + batch.num_rows
        while rows >= BLOCK:
            table = pyarrow.Table.from_batches(waiting)
            yield table.slice(0, BLOCK)
            rest = table.slice(BLOCK)
            waiting, rows = rest.to_batches(), rest.num_rows
    if rows:
        yield pyarrow.Table.from_batches(waiting)


def _batches(source: parquet.ParquetFile, columns: list[str], first: int, last: int) -> Iterator[pyarrow.RecordBatch]:
    """The rows from ``first`` to before ``last``; of row groups that have none of them nothing is read."""
    start = 0
    for group in range(source.num_row_groups):
        end = start + source.metadata.row_group(group).num_rows
        if start < last and end > first:
            at = start
            for batch in source.iter_batches(batch_size=BLOCK, row_groups=[group], columns=columns):
                wanted = batch.slice(max(first - at, 0), max(min(last, at + batch.num_rows) - max(first, at), 0))
                at += batch.num_rows
                if wanted.num_rows:
                    yield wanted
        start = end


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
