"""What plots of a model are drawn from: ROC, precision and recall, calibration, confusion, residuals, error.

Points only, thinned to what a picture shows; nothing here draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlx_runtime.metrics import Scored, read

if TYPE_CHECKING:
    import pyarrow

POINTS = 200
BINS = 10
SHOWN_ROWS = 2000

Curve = dict[str, list[Any]]


def curves(task: str, labels: Any, predictions: pyarrow.Table | pyarrow.RecordBatch, classes: Sequence[Any]) -> dict[str, Curve]:
    """By name, columns of points.

    Classification: ``confusion`` (rows = truth, in the order of ``classes``) and, for two classes with probabilities, ``roc``
    (false_positive_rate, true_positive_rate), ``precision_recall`` (recall, precision), ``calibration`` (predicted,
    observed, rows). Otherwise ``residuals`` (predicted, residual), ``predicted_actual`` (predicted, actual) and
    ``error_by_quantile`` (predicted, error, bias, rows: means over tenths of the rows, from the lowest predictions to the highest).
    """
    scored = read(task, labels, predictions, classes)
    if task != "classification":
        return _regression(scored)
    confusion = {"classes": list(scored.classes), "counts": _confusion(scored).tolist()}
    if len(scored.classes) != 2 or scored.probabilities.shape[1] != 2 or len(set(scored.truth.tolist())) < 2:
        return {"confusion": confusion}
    positive, score = scored.truth == 1, scored.probabilities[:, 1]
    return {"confusion": confusion, **_ranked(positive, score), "calibration": _calibration(positive, score)}


def _ranked(positive: NDArray, score: NDArray) -> dict[str, Curve]:
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.concatenate([score[order][1:] != score[order][:-1], [True]]))
    hits, rows = np.cumsum(positive[order])[ends], ends + 1
    shown = np.unique(np.linspace(0, len(ends) - 1, min(len(ends), POINTS)).astype(int))
    misses, all_positive = rows - hits, positive.sum()
    false_rate, true_rate = misses / (len(positive) - all_positive), hits / all_positive
    return {
        "roc": {"false_positive_rate": [0.0, *false_rate[shown].tolist()], "true_positive_rate": [0.0, *true_rate[shown].tolist()]},
        "precision_recall": {"recall": [0.0, *true_rate[shown].tolist()], "precision": [1.0, *(hits / rows)[shown].tolist()]},
    }


def _calibration(positive: NDArray, score: NDArray) -> Curve:
    """Means of bins that hold equally many rows."""
    bins = [part for part in np.array_split(np.argsort(score, kind="stable"), BINS) if len(part)]
    return {
        "predicted": [float(score[part].mean()) for part in bins],
        "observed": [float(positive[part].mean()) for part in bins],
        "rows": [len(part) for part in bins],
    }


def _confusion(scored: Scored) -> NDArray:
    count = len(scored.classes)
    return np.bincount(scored.truth * count + scored.label, minlength=count * count).reshape(count, count)


def _regression(scored: Scored) -> dict[str, Curve]:
    shown = np.unique(np.linspace(0, scored.rows - 1, min(scored.rows, SHOWN_ROWS)).astype(int))
    predicted, actual = scored.label[shown], scored.truth[shown]
    return {
        "residuals": {"predicted": predicted.tolist(), "residual": (actual - predicted).tolist()},
        "predicted_actual": {"predicted": predicted.tolist(), "actual": actual.tolist()},
        "error_by_quantile": _error_by_quantile(scored),
    }


def _error_by_quantile(scored: Scored) -> Curve:
    """All rows, not the shown ones: a mean over few rows would tell of those rows."""
    bins = [part for part in np.array_split(np.argsort(scored.label, kind="stable"), BINS) if len(part)]
    error = scored.truth - scored.label
    return {
        "predicted": [float(scored.label[part].mean()) for part in bins],
        "error": [float(np.abs(error[part]).mean()) for part in bins],
        "bias": [float(error[part].mean()) for part in bins],
        "rows": [len(part) for part in bins],
    }
