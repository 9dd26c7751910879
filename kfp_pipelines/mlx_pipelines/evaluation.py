"""How good a fitted estimator is on held-out rows: metrics, what it looks at, and the plots that show both.

Enters: the estimator and the rows. Leaves: a folder with metrics.json, importance.json and plots/*.png.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlx_pipelines.contract import METRICS, PLOTS
from mlx_pipelines.rows import feature_frame, labels
from mlx_runtime.curves import curves
from mlx_runtime.engines.native import native_outputs
from mlx_runtime.metrics import evaluate
from mlx_runtime.scorer import output_tensors

if TYPE_CHECKING:
    import pandas
    import pyarrow

IMPORTANCE = "importance.json"
SAMPLE = 2000
"""Rows on which columns are shuffled, once each for every repeat."""
REPEATS = 2


def measure(
    estimator: Any, rows: pyarrow.Table, target: str, features: Sequence[str], task: str, criteria: Sequence[str], seed: int, folder: Path
) -> dict[str, float]:
    """The metrics by name; ``criteria`` are the metrics of the success criteria, which choose the plots."""
    from mlx_pipelines.plots import draw

    frame, truth = feature_frame(rows, features), labels(rows, target, task)
    predicted, classes = predictions(estimator, frame, task)
    metrics = evaluate(task, truth, predicted, classes)
    importance = _importance(estimator, frame, truth, seed)
    (folder / PLOTS).mkdir(parents=True, exist_ok=True)
    _write(folder / METRICS, metrics)
    _write(folder / IMPORTANCE, importance)
    draw(curves(task, truth, predicted, classes), importance, criteria, folder / PLOTS)
    return metrics


def predictions(estimator: Any, frame: pandas.DataFrame, task: str) -> tuple[pyarrow.Table, list[Any]]:
    """As the scorer would give them: label and probabilities, or prediction; and the classes."""
    import pyarrow

    classes = np.asarray(estimator.classes_).tolist() if task == "classification" else []
    tensors = output_tensors(task, classes, "FP64", probabilities=hasattr(estimator, "predict_proba"))
    return pyarrow.table(dict(native_outputs(estimator, frame, [tensor.name for tensor in tensors]))), classes


def _importance(estimator: Any, frame: pandas.DataFrame, truth: Any, seed: int) -> dict[str, float]:
    """How much the estimator's own score falls when a column is shuffled, on a sample; the largest first."""
    from sklearn.inspection import permutation_importance

    chosen = np.unique(np.linspace(0, len(frame) - 1, min(len(frame), SAMPLE)).astype(int))
    found: Any = permutation_importance(estimator, frame.iloc[chosen], truth[chosen], n_repeats=REPEATS, random_state=seed)
    pairs = sorted(zip(frame.columns, found.importances_mean.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    return dict(pairs)


def _write(path: Path, values: dict[str, float]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n")
