"""The one scorer: an Arrow record batch of a model's input columns goes in, a record batch of its predictions comes out.

The model server, the batch run, the gates and the monitor all predict through it. Rows are checked against the signature
before an engine sees them; no artifact is opened before its bytes were verified.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlx_runtime.artifact import verify
from mlx_runtime.columns import Columns
from mlx_runtime.engines import Engine, Load, Outputs
from mlx_runtime.engines.native import load_native
from mlx_runtime.engines.onnx import load_onnx
from mlx_runtime.signature import ScoreError, check_columns
from mlx_specs.artifact import Datatype, ModelFile, Tensor

if TYPE_CHECKING:
    import pyarrow

__all__ = ["BLOCK", "ScoreError", "Scorer", "load"]

BLOCK = 8192
"""Rows in one call of an engine for whatever is scored in bulk: sums in a fixed order give the same bits everywhere."""

ENGINES: dict[str, Load] = {"onnx": load_onnx, "native": load_native}


def load(folder: Path, digest: str, threads: int = 1) -> Scorer:
    """The scorer of an artifact; ``ArtifactError`` when its bytes are not those of the digest, ``EngineError`` when it cannot run here."""
    model = verify(folder, digest)
    return Scorer(model, ENGINES[model.engine](folder, model, threads))


@dataclass(frozen=True)
class Scorer:
    """A loaded model; safe to use from several threads at once."""

    model: ModelFile
    engine: Engine

    def score(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        """Predictions for the rows of a batch, in their order; ``ScoreError`` when they do not fit the signature."""
        columns = check_columns(self.model, batch)
        return to_batch(self.model, self.score_columns(columns, batch.num_rows))

    def score_columns(self, columns: Columns, rows: int) -> Outputs:
        """The same for arrays that have been checked: what the server calls, which has no Arrow to begin with."""
        if rows == 0:
            return {tensor.name: np.empty(0, _DTYPES[tensor.datatype]) for tensor in self.model.outputs}
        return self.engine.predict(columns)

    def score_table(self, table: pyarrow.Table) -> pyarrow.Table:
        """All rows of a table in blocks of ``BLOCK`` rows."""
        import pyarrow

        batches = [self.score(block) for block in blocks(table)]
        return pyarrow.Table.from_batches(batches, schema=output_schema(self.model))


def blocks(table: pyarrow.Table) -> Iterator[pyarrow.RecordBatch]:
    """The table cut into blocks of exactly ``BLOCK`` rows (the last one is shorter), however its chunks lie."""
    import pyarrow

    for start in range(0, table.num_rows, BLOCK):
        part = table.slice(start, BLOCK).combine_chunks()
        yield pyarrow.RecordBatch.from_arrays([column.chunk(0) for column in part.columns], schema=part.schema)


def to_batch(model: ModelFile, outputs: Outputs) -> pyarrow.RecordBatch:
    """The engine's arrays as a record batch of the model's output schema."""
    import pyarrow

    schema = output_schema(model)
    arrays = [pyarrow.array(outputs[field.name], type=field.type, from_pandas=False) for field in schema]
    return pyarrow.RecordBatch.from_arrays(arrays, schema=schema)


def output_schema(model: ModelFile) -> pyarrow.Schema:
    """label and probability_CLASS, or prediction."""
    import pyarrow

    kinds: dict[Datatype, pyarrow.DataType] = {
        "BOOL": pyarrow.bool_(),
        "INT64": pyarrow.int64(),
        "FP32": pyarrow.float32(),
        "FP64": pyarrow.float64(),
        "BYTES": pyarrow.string(),
    }
    return pyarrow.schema([pyarrow.field(tensor.name, kinds[tensor.datatype], nullable=False) for tensor in model.outputs])


def output_tensors(task: str, classes: list[str | int | float | bool], datatype: Datatype, *, probabilities: bool = True) -> list[Tensor]:
    """The outputs of a model of this task; ``datatype`` is that of probabilities and of the regression's prediction."""
    if task != "classification":
        return [Tensor(name="prediction", datatype=datatype, type="float", nullable=False)]
    datatypes: dict[type, tuple[Datatype, str]] = {bool: ("BOOL", "boolean"), int: ("INT64", "integer"), float: ("FP64", "float"), str: ("BYTES", "string")}
    label, kind = datatypes[type(classes[0])]
    shares = [Tensor(name=f"probability_{_spelled(value)}", datatype=datatype, type="float", nullable=False) for value in classes]
    return [Tensor(name="label", datatype=label, type=kind, nullable=False), *(shares if probabilities else [])]


def _spelled(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_DTYPES: dict[Datatype, type] = {"BOOL": np.bool_, "INT64": np.int64, "FP32": np.float32, "FP64": np.float64, "BYTES": object}
