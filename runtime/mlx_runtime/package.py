"""Packages a fitted scikit-learn estimator as an artifact: ONNX where it predicts the same, else the native format.

In: the estimator, held-out rows of its feature columns with their original types. Out: the artifact's folder, written
atomically, and its digest. The estimator is called to compare; nothing is fitted here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from mlx_runtime.artifact import write_artifact
from mlx_runtime.columns import frame_of, to_columns
from mlx_runtime.engines import EngineError, Outputs
from mlx_runtime.engines.native import PICKLE_FILE, SKOPS_FILE, native_outputs, trusted_types
from mlx_runtime.engines.onnx import load_onnx
from mlx_runtime.errors import RuntimeFailure
from mlx_runtime.packaging.convert import Precision, parts, to_onnx
from mlx_runtime.packaging.errors import ConversionError
from mlx_runtime.packaging.parity import Parity, compare
from mlx_runtime.packaging.probes import Probes, Rows, make_probes
from mlx_runtime.packaging.texts import lowered_columns
from mlx_runtime.scorer import BLOCK, output_tensors
from mlx_runtime.signature import tensor_of
from mlx_specs.artifact import REFERENCE_FILE, Datatype, ModelFile, Tensor

MOST_ROWS = 20_000
"""Held-out rows that are compared, evenly over all of them."""
EXAMPLES = 2
REFERENCE_ROWS = BLOCK
"""The most that a monitor compares with."""
ONNX_FILE = "model.onnx"
PRECISIONS: tuple[Precision, ...] = ("float32", "float64")
"""In order of speed; the first that predicts the same is taken."""


class PackageError(RuntimeFailure):
    """The model cannot be packaged as asked."""


def package(
    *,
    estimator: Any,
    data: pyarrow.Table,
    labels: Sequence[Any] | pyarrow.Array | pyarrow.ChunkedArray,
    model: str,
    fingerprint: str,
    task: str,
    target: str,
    format: Literal["auto", "onnx", "native"],
    folder: Path,
    metrics: Mapping[str, float],
    report: Callable[[str], None] = lambda line: None,
) -> str:
    """Writes the artifact to ``folder`` and returns its digest; ``PackageError`` when ``format: onnx`` is not possible.

    ``data`` are held-out rows with the feature columns only, in the order in which the estimator was fitted; ``labels``
    are theirs: the artifact's example shows one row of each of two labels.
    """
    # One thread: on shared cores OpenMP's threads wait for each other, and a prediction takes many times longer.
    with tempfile.TemporaryDirectory() as temporary, threadpool_limits(1):
        rows = to_columns(data)
        description = ModelFile(
            model=model, fingerprint=fingerprint, task=task, target=target, inputs=_inputs(estimator, data, rows), outputs=[],
            classes=_classes(estimator, task), engine="native", engine_file="", example=_example(data, labels), metrics=dict(metrics),
        )  # fmt: skip
        described, engine_file = _choose(estimator, _evenly(rows), description, format, Path(temporary), report)
        return write_artifact(folder, described, {described.engine_file: engine_file, REFERENCE_FILE: _reference(data)})


def _choose(estimator: Any, rows: Rows, model: ModelFile, format: str, folder: Path, report: Callable[[str], None]) -> tuple[ModelFile, Path]:
    if format == "native":
        return _native(estimator, model, folder, "package: native", report)
    probes = make_probes(estimator, rows, model.inputs)
    reasons = dict[str, str]()
    for precision in PRECISIONS:
        compiled, reason = _compiled(estimator, rows, probes, model, precision, folder)
        if compiled is not None:
            report(f"packaged as ONNX: {compiled.parity['rows']:,} rows agree, the largest difference is {compiled.parity['max_difference']:.1g}")
            return compiled, folder / ONNX_FILE
        reasons.setdefault(reason, precision)
    why = "; ".join(f"{precision}: {reason}" for reason, precision in reasons.items()) if len(reasons) > 1 else next(iter(reasons))
    if format == "onnx":
        raise PackageError(
            f"model '{model.model}' does not package as ONNX: {why}", hint="package: auto takes scikit-learn's own format where ONNX does not agree"
        )
    return _native(estimator, model, folder, f"ONNX does not predict the same ({why})", report)


def _compiled(estimator: Any, rows: Rows, probes: Probes, model: ModelFile, precision: Precision, folder: Path) -> tuple[ModelFile | None, str]:
    """The model.json of an ONNX graph that agrees with the estimator, or the reason why there is none."""
    described = model.model_copy(update={"engine": "onnx", "engine_file": ONNX_FILE, "outputs": _outputs(estimator, model, "FP32")})
    try:
        described = described.model_copy(update={"inputs": _lowered(model.inputs, lowered_columns(estimator))})
        graph = _graph(estimator, model.inputs, rows, precision)
        (folder / ONNX_FILE).write_bytes(graph)
        parity = _parity(estimator, described, folder, rows, probes)
    except (ConversionError, EngineError) as error:
        return None, str(error).replace(f"{folder}/", "")
    except Exception as error:  # onnxruntime refuses a graph's types only when it runs
        return None, f"{type(error).__name__}: {str(error).splitlines()[0][:300]}"
    if not parity.holds:
        return None, parity.reason
    record = parity.record() | {"probes": len(next(iter(probes.rows.values()))), "thresholds": probes.thresholds, "thresholds_total": probes.thresholds_total}
    return described.model_copy(update={"parity": record | {"precision": precision}}), ""


def _graph(estimator: Any, inputs: list[Tensor], rows: Rows, precision: Precision) -> bytes:
    """scikit-learn's estimators are converted; one of another library may know how to make its own graph."""
    if not hasattr(estimator, "to_onnx"):
        return to_onnx(estimator, inputs, frame_of(_first(rows)), precision)
    if precision != PRECISIONS[0]:
        raise ConversionError("it has one precision only")
    return estimator.to_onnx(inputs)


def _lowered(inputs: list[Tensor], columns: frozenset[str]) -> list[Tensor]:
    return [tensor.model_copy(update={"lowercase": True}) if tensor.name in columns else tensor for tensor in inputs]


def _parity(estimator: Any, model: ModelFile, folder: Path, rows: Rows, probes: Probes) -> Parity:
    """The original on the original values against the graph, on held-out rows and on the probes, in one figure."""
    engine = load_onnx(folder, model, 1)
    found = [compare(_original(estimator, part, model), engine.predict(part)) for part in (rows, probes.rows) if len(next(iter(part.values())))]
    return replace(
        found[0],
        rows=sum(part.rows for part in found),
        labels_differ=sum(part.labels_differ for part in found),
        ties=sum(part.ties for part in found),
        max_difference=max(part.max_difference for part in found),
    )


def _native(estimator: Any, model: ModelFile, folder: Path, reason: str, report: Callable[[str], None]) -> tuple[ModelFile, Path]:
    path, why_pickle = _write_native(estimator, folder)
    reason = f"{reason}; {why_pickle}" if why_pickle else reason
    report(f"packaged as {path.name}: {reason}")
    described = {"engine": "native", "engine_file": path.name, "reason": reason, "outputs": _outputs(estimator, model, "FP64")}
    return model.model_copy(update=described), path


def _write_native(estimator: Any, folder: Path) -> tuple[Path, str]:
    """skops where it knows every type, else a pickle with the reason."""
    from skops.io import dump, get_untrusted_types, load

    path = folder / SKOPS_FILE
    try:
        dump(estimator, path)
        found = get_untrusted_types(file=path)
        unknown = sorted(set(found) - set(trusted_types(found)))
        if not unknown:
            load(path, trusted=found)
            return path, ""
        reason = f"a pickle because it holds {', '.join(unknown[:3])}"
    except Exception as error:  # skops raises whatever an unusual estimator's state makes it raise
        reason = f"a pickle because skops cannot store it ({type(error).__name__})"
    import joblib

    joblib.dump(estimator, folder / PICKLE_FILE)
    return folder / PICKLE_FILE, reason


def _inputs(estimator: Any, data: pyarrow.Table, rows: Rows) -> list[Tensor]:
    """The signature: what the schema says, narrowed to what the estimator takes."""
    row = {name: array[:1] for name, array in rows.items()}
    return [_narrowed(estimator, tensor_of(field), row) for field in data.schema]


def _narrowed(estimator: Any, tensor: Tensor, row: Rows) -> Tensor:
    """Not nullable where a null makes the estimator fail; finite where infinity does; a closed set of categories where an unseen one does."""
    if tensor.datatype in ("FP32", "FP64"):
        tensor = tensor.model_copy(update={"finite": not _predicts(estimator, row | {tensor.name: np.array([np.inf])})})
    null = np.array([None], dtype=object) if tensor.type == "string" else np.array([np.nan])
    nullable = tensor.nullable and _predicts(estimator, row | {tensor.name: null})
    if tensor.type != "string" or _predicts(estimator, row | {tensor.name: np.array(["a value never seen"], dtype=object)}):
        return tensor.model_copy(update={"nullable": nullable})
    return tensor.model_copy(update={"nullable": nullable, "categories": _known(estimator, tensor.name)})


def _predicts(estimator: Any, row: Rows) -> bool:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            estimator.predict(frame_of(row))
        except Exception:  # broad: an estimator, also the user's own, may refuse a value in any way it likes
            return False
    return True


def _known(estimator: Any, column: str) -> list[str] | None:
    """The categories of the encoder that reads this column."""
    for part in parts(estimator):
        names = list(getattr(part, "feature_names_in_", ()))
        if column in names and hasattr(part, "categories_"):
            return sorted(str(value) for value in part.categories_[names.index(column)] if isinstance(value, str))
    return None


def _outputs(estimator: Any, model: ModelFile, datatype: Datatype) -> list[Tensor]:
    return output_tensors(model.task, model.classes, datatype, probabilities=hasattr(estimator, "predict_proba"))


def _classes(estimator: Any, task: str) -> list[str | int | float | bool]:
    return np.asarray(estimator.classes_).tolist() if task == "classification" else []


def _original(estimator: Any, rows: Rows, model: ModelFile) -> Outputs:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return native_outputs(estimator, frame_of(rows), [tensor.name for tensor in model.outputs])


def _example(data: pyarrow.Table, labels: Any) -> dict[str, list[Any]]:
    """The first row of each of two labels, as JSON values."""
    values = labels.to_pylist() if isinstance(labels, pyarrow.Array | pyarrow.ChunkedArray) else list(labels)
    if len(values) != data.num_rows:
        raise PackageError(f"{len(values)} labels for {data.num_rows} held-out rows: each row needs its label")
    first: dict[Any, int] = {}
    for row, value in enumerate(values):
        first.setdefault(value, row)
        if len(first) == EXAMPLES:
            break
    rows = data.take(pyarrow.array(sorted(first.values()), pyarrow.int64()))
    return {name: [_json(value) for value in rows.column(name).to_pylist()] for name in data.schema.names}


def _json(value: Any) -> Any:
    """A value as JSON has it: ISO 8601 for moments, null for what is not a number."""
    if value is None or isinstance(value, bool | str | int):
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return float(value) if np.isfinite(float(value)) else None


def _reference(data: pyarrow.Table) -> bytes:
    """As Parquet; the same rows are the same bytes."""
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(data.take(pyarrow.array(_spread(data.num_rows, REFERENCE_ROWS))).combine_chunks(), sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def _evenly(rows: Rows) -> Rows:
    count = len(next(iter(rows.values())))
    if count == 0:
        raise PackageError("no held-out rows: parity cannot be checked", hint="hold out more rows: split.test or split.testFrom")
    chosen = _spread(count, MOST_ROWS)
    return {name: array[chosen] for name, array in rows.items()}


def _spread(count: int, most: int) -> NDArray[np.intp]:
    """At most so many places, evenly over all."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.intp))


def _first(rows: Rows) -> Rows:
    return {name: array[:EXAMPLES] for name, array in rows.items()}
