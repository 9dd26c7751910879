"""ONNX Runtime: the compiled model. One tensor of shape [n, 1] an input column goes in; label and probabilities come out.

Must not import scikit-learn or pandas: a server is ready in under a second.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlx_runtime.columns import Columns, missing
from mlx_runtime.engines import EngineError, Outputs
from mlx_specs.artifact import ModelFile

NULL_TEXT = "\ue000null"
"""ONNX strings cannot be null: this private-use text stands for it inside the graph, and nowhere else."""

FEEDS = {"tensor(float)": np.float32, "tensor(double)": np.float64}


def load_onnx(folder: Path, model: ModelFile, threads: int) -> "OnnxEngine":
    """A session over the artifact's graph."""
    # Otherwise importing it makes an identity of this machine under HOME and reports what it runs.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A thread that spins after each request takes the core from the next request.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(str(folder / model.engine_file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen unrelated classes
        raise EngineError(f"{folder / model.engine_file} does not load in onnxruntime {onnxruntime.__version__}: {error}") from error
    return OnnxEngine(session, model)


class OnnxEngine:
    """A session and how its outputs become ours."""

    def __init__(self, session: Any, model: ModelFile) -> None:
        self.session = session
        self._feeds = [(feed.name, FEEDS.get(feed.type)) for feed in session.get_inputs()]
        self._fetches = [output.name for output in session.get_outputs()]
        self._outputs = [tensor.name for tensor in model.outputs]
        self._lowered = frozenset(tensor.name for tensor in model.inputs if tensor.lowercase)
        self._labels = _label_table(model) if model.classes else None

    def predict(self, columns: Columns) -> Outputs:
        """Runs the graph on all rows at once."""
        results = self.session.run(self._fetches, self.feeds(columns))
        if self._labels is None:
            return {self._outputs[0]: results[0].reshape(-1)}
        codes, classes = self._labels
        label = results[0].reshape(-1)
        if codes is not None:
            label = classes[np.searchsorted(codes, label)]
        probabilities = [results[1][:, index] for index in range(len(self._outputs) - 1)]
        return dict(zip(self._outputs, [label, *probabilities], strict=True))

    def feeds(self, columns: Columns) -> dict[str, NDArray]:
        """What goes into the graph for these columns."""
        return {name: _feed(_lower(columns[name]) if name in self._lowered else columns[name], dtype) for name, dtype in self._feeds}


def _feed(column: NDArray, dtype: type | None) -> NDArray:
    if dtype is not None:
        with np.errstate(over="ignore"):  # beyond single precision is infinity, as parity saw it
            return column.astype(dtype, copy=False).reshape(-1, 1)
    nulls = missing(column)
    return np.where(nulls, NULL_TEXT, column).reshape(-1, 1) if nulls.any() else column.reshape(-1, 1)


def _lower(column: NDArray) -> NDArray:
    lowered = np.empty(len(column), dtype=object)
    lowered[:] = [value if value is None else value.lower() for value in column]
    return lowered


def _label_table(model: ModelFile) -> tuple[NDArray | None, NDArray]:
    """The graph names classes by integer or by string; ours may also be booleans or whole floats."""
    classes = np.array(model.classes, dtype=object if isinstance(model.classes[0], str) else None)
    if isinstance(model.classes[0], str):
        return None, classes
    return classes.astype(np.int64), classes
