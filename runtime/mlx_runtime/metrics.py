"""Metrics of predictions whose truth is known, each as a function of row weights.

One weighted implementation serves both the figure itself (all weights 1) and the bootstrap of a comparison (weights are
how often a row was drawn), so that a gate never judges another quantity than the one that is shown. The definitions are
scikit-learn's: binary metrics of the second class, macro averages over several; tested equal to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlx_specs.model import CLASSIFICATION_METRICS, REGRESSION_METRICS

if TYPE_CHECKING:
    import pyarrow

Weighted = Callable[[NDArray], float]
"""Weights of the rows in; the metric out, NaN where it is not defined on these rows."""

NEEDS_PROBABILITIES = frozenset({"roc_auc", "average_precision", "log_loss", "brier"})
SMALLEST = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Scored:
    """Rows with truth and prediction, as numbers. ``truth`` and ``label`` are class indices, or the values of a regression."""

    truth: NDArray
    label: NDArray
    probabilities: NDArray
    """[rows, classes], or [rows, 0] for a model without probabilities."""
    classes: tuple[Any, ...]

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.truth)

    def take(self, chosen: NDArray) -> Scored:
        """These rows only."""
        return Scored(self.truth[chosen], self.label[chosen], self.probabilities[chosen], self.classes)


def evaluate(task: str, labels: Any, predictions: pyarrow.Table | pyarrow.RecordBatch, classes: Sequence[Any]) -> dict[str, float]:
    """All metrics of the task that are defined on these rows, by name.

    ``labels`` are the true values (Arrow, NumPy or a list), ``predictions`` what the scorer returned for the same rows.
    """
    scored = read(task, labels, predictions, classes)
    names = CLASSIFICATION_METRICS if task == "classification" else REGRESSION_METRICS
    values = {name: value_of(name, scored) for name in names}
    return {name: value for name, value in values.items() if np.isfinite(value)}


def value_of(metric: str, scored: Scored) -> float:
    """The metric over all rows; NaN where it is not defined."""
    return weighted(metric, scored)(np.ones(scored.rows))


def weighted(metric: str, scored: Scored) -> Weighted:
    """The metric, prepared (sorted) once for many sets of weights."""
    if scored.rows == 0 or (metric in NEEDS_PROBABILITIES and scored.probabilities.shape[1] == 0):
        return lambda weights: float("nan")
    return METRICS[metric](scored)


def read(task: str, labels: Any, predictions: pyarrow.Table | pyarrow.RecordBatch, classes: Sequence[Any]) -> Scored:
    """Arrow columns as numbers. A true class that the model never saw gets a probability of 0."""
    truth, first = _values(labels), _values(predictions.column(0))
    if task != "classification":
        return Scored(truth.astype(float), first.astype(float), np.empty((len(truth), 0)), ())
    strange = sorted({value for value in truth.tolist() if value not in set(classes)}, key=str)
    known = (*classes, *strange)
    index = {value: place for place, value in enumerate(known)}
    shares = [_values(predictions.column(place)).astype(float) for place in range(1, predictions.num_columns)]
    probabilities = np.column_stack([*shares, *(np.zeros(len(truth)) for _ in strange)]) if shares else np.empty((len(truth), 0))
    return Scored(_indices(truth, index), _indices(first, index), probabilities, known)


def _roc_auc(scored: Scored) -> Weighted:
    return _macro([_binary_roc_auc(scored.truth == place, scored.probabilities[:, place]) for place in _positives(scored)])


def _average_precision(scored: Scored) -> Weighted:
    return _macro([_binary_average_precision(scored.truth == place, scored.probabilities[:, place]) for place in _positives(scored)])


def _log_loss(scored: Scored) -> Weighted:
    share = scored.probabilities[np.arange(scored.rows), scored.truth]
    return _mean(-np.log(np.clip(share, SMALLEST, 1 - SMALLEST)))


def _brier(scored: Scored) -> Weighted:
    if len(scored.classes) == 2:
        return _mean((scored.probabilities[:, 1] - scored.truth) ** 2)
    truth = np.eye(len(scored.classes))[scored.truth]
    return _mean(((scored.probabilities - truth) ** 2).sum(axis=1))


def _accuracy(scored: Scored) -> Weighted:
    return _mean((scored.truth == scored.label).astype(float))


def _precision(scored: Scored) -> Weighted:
    return _from_counts(scored, lambda hit, predicted, true: hit / predicted if predicted else 0.0)


def _recall(scored: Scored) -> Weighted:
    return _from_counts(scored, lambda hit, predicted, true: hit / true if true else 0.0)


def _f1(scored: Scored) -> Weighted:
    return _from_counts(scored, lambda hit, predicted, true: 2 * hit / (predicted + true) if predicted + true else 0.0)


def _rmse(scored: Scored) -> Weighted:
    square = _mean((scored.truth - scored.label) ** 2)
    return lambda weights: float(np.sqrt(square(weights)))


def _mae(scored: Scored) -> Weighted:
    return _mean(np.abs(scored.truth - scored.label))


def _r2(scored: Scored) -> Weighted:
    error = (scored.truth - scored.label) ** 2

    def value(weights: NDArray) -> float:
        spread = weights @ (scored.truth - np.average(scored.truth, weights=weights)) ** 2
        return float(1 - weights @ error / spread) if spread > 0 else float("nan")

    return value


def _median_absolute_error(scored: Scored) -> Weighted:
    errors = np.abs(scored.truth - scored.label)
    order = np.argsort(errors)
    ascending = errors[order]

    def value(weights: NDArray) -> float:
        """The mean of the two middle errors, as a row drawn twice stands there twice."""
        total = np.cumsum(weights[order])
        low, high = np.searchsorted(total, total[-1] / 2, side="left"), np.searchsorted(total, total[-1] / 2, side="right")
        return float((ascending[low] + ascending[min(high, len(ascending) - 1)]) / 2)

    return value


METRICS: dict[str, Callable[[Scored], Weighted]] = {
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
    "log_loss": _log_loss,
    "brier": _brier,
    "accuracy": _accuracy,
    "f1": _f1,
    "precision": _precision,
    "recall": _recall,
    "rmse": _rmse,
    "mae": _mae,
    "r2": _r2,
    "median_absolute_error": _median_absolute_error,
}


def _positives(scored: Scored) -> list[int]:
    """The classes whose one-against-the-rest curves are averaged: the second of two, each that is there of more."""
    return [1] if len(scored.classes) == 2 else [place for place in range(len(scored.classes)) if (scored.truth == place).any()]


def _macro(parts: Sequence[Weighted]) -> Weighted:
    return lambda weights: float(np.mean([part(weights) for part in parts])) if parts else float("nan")


def _mean(losses: NDArray) -> Weighted:
    return lambda weights: float(weights @ losses / weights.sum())


def _binary_roc_auc(positive: NDArray, score: NDArray) -> Weighted:
    """The share of (positive, negative) pairs in the right order; equal scores count half."""
    order = np.argsort(score, kind="stable")
    ascending, true = score[order], positive[order].astype(float)
    starts = np.flatnonzero(np.concatenate([[True], ascending[1:] != ascending[:-1]]))

    def value(weights: NDArray) -> float:
        drawn = weights[order]
        positives, all_rows = np.add.reduceat(drawn * true, starts), np.add.reduceat(drawn, starts)
        negatives = all_rows - positives
        below = np.cumsum(negatives) - negatives
        pairs = positives.sum() * negatives.sum()
        return float(positives @ (below + negatives / 2) / pairs) if pairs else float("nan")

    return value


def _binary_average_precision(positive: NDArray, score: NDArray) -> Weighted:
    order = np.argsort(-score, kind="stable")
    descending, true = score[order], positive[order].astype(float)
    starts = np.flatnonzero(np.concatenate([[True], descending[1:] != descending[:-1]]))

    def value(weights: NDArray) -> float:
        drawn = weights[order]
        hits, all_rows = np.add.reduceat(drawn * true, starts), np.add.reduceat(drawn, starts)
        total, so_far = hits.sum(), np.cumsum(all_rows)
        precision = np.divide(np.cumsum(hits), so_far, out=np.zeros_like(so_far), where=so_far > 0)
        return float(hits @ precision / total) if total else float("nan")

    return value


def _from_counts(scored: Scored, measure: Callable[[float, float, float], float]) -> Weighted:
    """A measure of (hits, predicted, true) counts: of the second of two classes, else averaged over classes that are there."""
    count = len(scored.classes)
    hit = scored.truth == scored.label
    places = [1] if count == 2 else sorted(set(scored.truth.tolist()) | set(scored.label.tolist()))

    def value(weights: NDArray) -> float:
        hits = np.bincount(scored.truth[hit], weights[hit], minlength=count)
        predicted, true = np.bincount(scored.label, weights, minlength=count), np.bincount(scored.truth, weights, minlength=count)
        return float(np.mean([measure(hits[place], predicted[place], true[place]) for place in places]))

    return value


def _values(values: Any) -> NDArray:
    if hasattr(values, "combine_chunks"):
        values = values.combine_chunks()
    return values.to_numpy(zero_copy_only=False) if hasattr(values, "type") else np.asarray(values)


def _indices(values: NDArray, index: dict[Any, int]) -> NDArray:
    return np.fromiter((index[value] for value in values.tolist()), dtype=np.int64, count=len(values))
