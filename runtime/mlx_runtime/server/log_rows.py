"""Answered requests as rows of the prediction log.

Columns: ``time`` (of the request, UTC), ``id`` (V2's, or null), ``row`` (its place in the request), the model's inputs as they were
scored, its outputs and its version, both as in batch predictions. An input that has another column's name is ``inputs.NAME``.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import cast

import numpy as np
import pyarrow
from numpy.typing import NDArray

from mlx_features.content import ARROW
from mlx_runtime.scorer import output_schema, to_batch
from mlx_runtime.server.scored import Block
from mlx_specs.artifact import ModelFile, Tensor
from mlx_specs.dataset import ColumnType

TIME, TEXT = pyarrow.timestamp("us", tz="UTC"), pyarrow.string()
REQUEST = (
    pyarrow.field("time", TIME, nullable=False),
    pyarrow.field("id", TEXT),
    pyarrow.field("row", pyarrow.int32(), nullable=False),
)
PROVENANCE = tuple(pyarrow.field(name, TEXT, nullable=False) for name in ("model_version", "model_fingerprint"))
LEAST, MOST = -(2.0**63), 2.0**63 - 1024
"""What an int64 holds, as floats."""
DAY = 86_400


def log_schema(model: ModelFile) -> pyarrow.Schema:
    """The columns of a model's rows. Inputs are nullable, so that versions with stricter signatures are read together."""
    outputs = output_schema(model)
    taken = {*(field.name for field in (*REQUEST, *PROVENANCE)), *outputs.names}
    inputs = [pyarrow.field(f"inputs.{tensor.name}" if tensor.name in taken else tensor.name, _type(tensor)) for tensor in model.inputs]
    return pyarrow.schema([*REQUEST, *inputs, *outputs, *PROVENANCE])


def log_rows(block: Block) -> pyarrow.RecordBatch:
    """The rows of a block, in its order."""
    counts, requests = np.array(block.counts), len(block.counts)
    times = np.repeat(np.array(block.moments, np.int64), counts)
    ids = pyarrow.array(block.ids, TEXT).take(pyarrow.array(np.repeat(np.arange(requests), counts)))
    places = np.arange(block.rows) - np.repeat(np.cumsum(counts) - counts, counts)
    inputs, outputs = _columns(block)
    told = [pyarrow.repeat(value, block.rows) for value in (block.version.version, block.version.fingerprint)]
    model = block.layout.model
    arrays = [
        pyarrow.array(times, TIME), ids, pyarrow.array(places, pyarrow.int32()),
        *[_input(tensor, inputs[tensor.name]) for tensor in model.inputs], *to_batch(model, outputs).columns, *told,
    ]  # fmt: skip
    return pyarrow.RecordBatch.from_arrays(arrays, schema=log_schema(model))


def _columns(block: Block) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
    """Inputs and outputs as they were scored."""
    layout, records = block.layout, _records(block)
    names = records[0].dtype.names or ()
    numbers = [_joined([record[name].reshape(-1) for record in records]) for name in names]
    kinds = len(layout.input_texts) + len(layout.output_texts)
    texts = [_joined(block.texts[kind::kinds]) for kind in range(kinds)]
    before, text_before = len(layout.inputs), len(layout.input_texts)
    inputs = dict(zip([*layout.inputs, *layout.input_texts], [*numbers[:before], *texts[:text_before]], strict=True))
    outputs = dict(zip([*[name for name, _ in layout.outputs], *layout.output_texts], [*numbers[before:], *texts[text_before:]], strict=True))
    return inputs, outputs


def _joined(arrays: Sequence[NDArray]) -> NDArray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _records(block: Block) -> list[NDArray]:
    """The numbers; neighbours with as many rows are read at once."""
    records, start = list[NDArray](), 0
    for rows, same in groupby(block.counts):
        end = start + len(list(same))
        records.append(np.frombuffer(b"".join(block.numbers[start:end]), block.layout.record(rows)))
        start = end
    return records


def _type(tensor: Tensor) -> pyarrow.DataType:
    return pyarrow.float32() if tensor.datatype == "FP32" else ARROW[cast(ColumnType, tensor.type)]


def _input(tensor: Tensor, values: NDArray) -> pyarrow.Array:
    """The scorer's array in the column's own type; NaN is null. An integer that none of 64 bits is becomes the nearest one."""
    kind = _type(tensor)
    if values.dtype == object:
        return pyarrow.array(values, kind)
    missing = np.isnan(values)
    nulls = missing if missing.any() else None
    match tensor.type:
        case "boolean":
            return pyarrow.array(values != 0, kind, mask=nulls)
        case "integer":
            return pyarrow.array(_whole(values), kind, mask=nulls)
        case "timestamp":
            return pyarrow.array(_whole(values * 1e6), kind, mask=nulls)
        case "date":
            return pyarrow.array(_whole(values / DAY).astype(np.int32), kind, mask=nulls)
        case _:
            return pyarrow.array(values.astype(kind.to_pandas_dtype(), copy=False), kind, mask=nulls)


def _whole(values: NDArray) -> NDArray:
    return np.clip(np.rint(np.nan_to_num(values)), LEAST, MOST).astype(np.int64)
