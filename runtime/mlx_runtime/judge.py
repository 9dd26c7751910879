"""Whether a candidate may become champion: its bars, and a comparison with the champion on the same held-out rows.

Both are scored by the caller, now, on the same rows; a number stored at training time is never compared with. Reasons
are sentences for the person who reads why a version did not pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlx_runtime.metrics import NEEDS_PROBABILITIES, Scored, evaluate, read, value_of, weighted
from mlx_specs.model import HIGHER_IS_BETTER, Success

if TYPE_CHECKING:
    import pyarrow

RESAMPLES = 300
SEED = 20130101
MOST_ROWS = 100_000
"""Rows that the interval is computed on, evenly over all; the metrics themselves take all rows."""


@dataclass(frozen=True)
class Comparison:
    """Candidate and champion by one metric. ``worse`` is how much worse the candidate is, negative when it is better."""

    metric: str
    candidate: float
    champion: float
    worse: float
    low: float
    high: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the far end of the interval stays within the tolerance."""
        return self.high <= self.tolerance


@dataclass(frozen=True)
class Verdict:
    """The judgement; ``reasons`` say what failed and are empty when it passed."""

    passed: bool
    reasons: tuple[str, ...]
    metrics: Mapping[str, float]
    comparisons: tuple[Comparison, ...] = ()


def judge(
    success: Sequence[Mapping[str, Any]],
    task: str,
    labels: Any,
    candidate: pyarrow.Table | pyarrow.RecordBatch,
    champion: pyarrow.Table | pyarrow.RecordBatch | None,
    *,
    classes: Sequence[Any] = (),
    champion_classes: Sequence[Any] | None = None,
    champion_version: str = "",
) -> Verdict:
    """Judges predictions of the same rows by the criteria of a Model spec (``success`` as people write it)."""
    criteria = [Success.model_validate(item) for item in success]
    scored = read(task, labels, candidate, classes)
    metrics = evaluate(task, labels, candidate, classes)
    reasons = [reason for item in criteria for reason in _bars(item, scored, metrics)]
    compared = [item for item in criteria if item.tolerance is not None and item.metric in metrics]
    if champion is None or not compared:
        return Verdict(not reasons, tuple(reasons), metrics)
    other = read(task, labels, champion, classes if champion_classes is None else champion_classes)
    # A champion that has no such metric (no probabilities, say) cannot be compared with: the bars decide alone.
    comparisons = tuple(_compare(item, scored, other) for item in compared if np.isfinite(value_of(item.metric, other)))
    reasons += [_sentence(comparison, champion_version) for comparison in comparisons if not comparison.passed]
    return Verdict(not reasons, tuple(reasons), metrics, comparisons)


def _bars(item: Success, scored: Scored, metrics: Mapping[str, float]) -> list[str]:
    if item.metric not in metrics:
        return [f"{item.metric} cannot be computed: {_why_undefined(item.metric, scored)}"]
    value, reasons = metrics[item.metric], list[str]()
    if item.at_least is not None and value < item.at_least:
        reasons.append(f"{item.metric} {_number(value, item.at_least)} is below {item.at_least:g}")
    if item.at_most is not None and value > item.at_most:
        reasons.append(f"{item.metric} {_number(value, item.at_most)} is above {item.at_most:g}")
    return reasons


def _why_undefined(metric: str, scored: Scored) -> str:
    if scored.rows == 0:
        return "there are no held-out rows"
    if metric in NEEDS_PROBABILITIES and scored.probabilities.shape[1] == 0:
        return "the model gives no probabilities"
    if scored.classes and len(set(scored.truth.tolist())) < 2:
        return "all held-out rows have the same label"
    return "it is not defined for this task on the held-out rows"


def _compare(item: Success, candidate: Scored, champion: Scored) -> Comparison:
    assert item.tolerance is not None
    sign = 1.0 if HIGHER_IS_BETTER[item.metric] else -1.0
    ours, theirs = value_of(item.metric, candidate), value_of(item.metric, champion)
    low, high = _interval(item.metric, candidate, champion, sign)
    return Comparison(item.metric, ours, theirs, sign * (theirs - ours), low, high, item.tolerance)


def _interval(metric: str, candidate: Scored, champion: Scored, sign: float) -> tuple[float, float]:
    """The 95 % percentile interval of the paired bootstrap (Efron and Tibshirani 1993): both see the same draws."""
    shown = np.unique(np.linspace(0, candidate.rows - 1, min(candidate.rows, MOST_ROWS)).astype(int))
    ours, theirs = weighted(metric, candidate.take(shown)), weighted(metric, champion.take(shown))
    generator = np.random.default_rng(SEED)
    draws = (_draw(generator, len(shown)) for _ in range(RESAMPLES))
    differences = np.array([sign * (theirs(weights) - ours(weights)) for weights in draws])
    low, high = np.nanpercentile(differences, [2.5, 97.5])
    return float(low), float(high)


def _draw(generator: np.random.Generator, rows: int) -> NDArray:
    return np.bincount(generator.integers(0, rows, rows), minlength=rows).astype(float)


def _sentence(comparison: Comparison, version: str) -> str:
    champion = f"champion version {version}" if version else "the champion"
    worse, better = ("below", "above") if HIGHER_IS_BETTER[comparison.metric] else ("above", "below")
    if comparison.worse < 0:
        reach = f"but its 95 % interval reaches {comparison.high:.3g} {worse}"
        return f"{comparison.metric} is {-comparison.worse:.3g} {better} {champion}, {reach}; allowed {comparison.tolerance:g}"
    interval = f"95 % interval {comparison.low:.3g} to {comparison.high:.3g}"
    return f"{comparison.metric} is {comparison.worse:.3g} ({interval}) {worse} {champion}; allowed {comparison.tolerance:g}"


def _number(value: float, bar: float) -> str:
    """Three digits, or as many as it takes to differ from the bar."""
    for digits in (3, 6, 9):
        if f"{value:.{digits}g}" != f"{bar:.{digits}g}":
            return f"{value:.{digits}g}"
    return repr(value)
