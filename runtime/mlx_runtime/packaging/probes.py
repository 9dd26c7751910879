"""Rows that tell two implementations of one model apart: next to every threshold of its trees, null, never seen.

Held-out rows seldom lie within one float of a threshold, and there float32 and float64 take different branches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlx_runtime.columns import frame_of
from mlx_specs.artifact import Tensor

MOST_THRESHOLDS = 2000
"""Thresholds that are probed, evenly over all (column, threshold) pairs of a larger model; both numbers are recorded."""
BASE_ROWS = 8
"""Held-out rows that each null and each unseen value is tried in."""
SAMPLE = 400
UNSEEN = ("a value never seen", "", "ÉTÉ à B-c, déjà-vu 12_3\n東京 İ ß x\u0301 don't")
"""The last one has what two tokenizers are likely to see differently: case, accents, scripts, marks, single letters."""

Rows = dict[str, NDArray]


@dataclass(frozen=True)
class Probes:
    """Rows in the model's columns, and how many thresholds they surround."""

    rows: Rows
    thresholds: int
    thresholds_total: int


def make_probes(estimator: Any, rows: Rows, inputs: list[Tensor]) -> Probes:
    """Probing rows, each a held-out row with one column changed (and one row with all nullable columns null)."""
    pairs = _thresholds_by_column(estimator, rows, inputs)
    chosen = [pairs[index] for index in np.linspace(0, len(pairs) - 1, min(len(pairs), MOST_THRESHOLDS)).astype(int)] if pairs else []
    changed = [*_near_thresholds(rows, inputs, chosen), *_nulls(rows, inputs), *_infinities(rows, inputs), *_unseen(rows, inputs)]
    return Probes(_concatenate(rows, changed), len(chosen), len(pairs))


def _near_thresholds(rows: Rows, inputs: list[Tensor], pairs: list[tuple[str, float]]) -> Iterator[Rows]:
    whole = {tensor.name for tensor in inputs if tensor.type in ("integer", "boolean")}
    orders = {name: np.argsort(rows[name]) for name in {name for name, _ in pairs}}
    for name, threshold in pairs:
        order = orders[name]
        nearest = order[min(int(np.searchsorted(rows[name], threshold, sorter=order)), len(order) - 1)]
        values = np.array([np.floor(threshold), np.ceil(threshold)]) if name in whole else _neighbours(threshold)
        yield _changed(rows, np.full(len(values), nearest), name, values)


def _neighbours(threshold: float) -> NDArray:
    """The threshold, the floats beside it, and the same for float32."""
    single = np.float32(threshold)
    singles = [np.nextafter(single, np.float32(-np.inf)), single, np.nextafter(single, np.float32(np.inf))]
    doubles = [np.nextafter(threshold, -np.inf), threshold, np.nextafter(threshold, np.inf)]
    return np.array([*doubles, *(float(value) for value in singles)])


def _nulls(rows: Rows, inputs: list[Tensor]) -> Iterator[Rows]:
    nullable = [tensor for tensor in inputs if tensor.nullable]
    base = _base(rows)
    for tensor in nullable:
        yield _changed(rows, base, tensor.name, _null_values(tensor, len(base)))
    if nullable:
        row = {name: values[base] for name, values in rows.items()}
        yield row | {tensor.name: _null_values(tensor, len(base)) for tensor in nullable}


def _infinities(rows: Rows, inputs: list[Tensor]) -> Iterator[Rows]:
    base = _base(rows)
    for tensor in inputs:
        if tensor.type == "float" and not tensor.finite:
            for value in (np.inf, -np.inf, 1e300, -1e300):
                yield _changed(rows, base, tensor.name, np.full(len(base), value))


def _unseen(rows: Rows, inputs: list[Tensor]) -> Iterator[Rows]:
    base = _base(rows)
    for tensor in inputs:
        if tensor.type == "string" and tensor.categories is None:
            for text in UNSEEN:
                yield _changed(rows, base, tensor.name, np.full(len(base), text, dtype=object))


def _null_values(tensor: Tensor, rows: int) -> NDArray:
    return np.full(rows, None, dtype=object) if tensor.type == "string" else np.full(rows, np.nan)


def _changed(rows: Rows, base: NDArray, name: str, values: NDArray) -> Rows:
    return {column: values if column == name else array[base] for column, array in rows.items()}


def _base(rows: Rows) -> NDArray:
    count = len(next(iter(rows.values())))
    return np.unique(np.linspace(0, count - 1, BASE_ROWS).astype(int))


def _concatenate(rows: Rows, parts: list[Rows]) -> Rows:
    if not parts:
        return {name: array[:0] for name, array in rows.items()}
    return {name: np.concatenate([part[name] for part in parts]) for name in rows}


def _thresholds_by_column(estimator: Any, rows: Rows, inputs: list[Tensor]) -> list[tuple[str, float]]:
    """Every distinct (column, threshold), carried back through whatever stands before the trees.

    A transformed feature belongs to a column when it is an affine function of it (passed through, imputed, scaled), seen
    on a sample; thresholds on other features (one-hot, products) have no single column and are left to the held-out rows.
    """
    by_feature = _thresholds_by_feature(estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator)
    if not by_feature:
        return []
    sample = {name: array[:: max(1, len(array) // SAMPLE)] for name, array in rows.items()}
    features = _transformed(estimator, sample)
    found = set[tuple[str, float]]()
    for tensor in inputs:
        if tensor.type == "string":
            continue
        for feature, thresholds in by_feature.items():
            if line := _affine(sample[tensor.name], features[:, feature]):
                slope, offset = line
                found |= {(tensor.name, float(value)) for value in (thresholds - offset) / slope}
    return sorted(found)


def _thresholds_by_feature(model: Any) -> dict[int, NDArray]:
    pairs = [pair for features, thresholds in _trees(model) for pair in zip(features.tolist(), thresholds.tolist(), strict=True)]
    grouped: dict[int, set[float]] = {}
    for feature, threshold in pairs:
        if np.isfinite(threshold):
            grouped.setdefault(feature, set()).add(threshold)
    return {feature: np.array(sorted(values)) for feature, values in sorted(grouped.items())}


def _trees(model: Any) -> Iterator[tuple[NDArray, NDArray]]:
    """(features, thresholds) of the inner nodes of each tree: histogram boosting, forests, boosting, a single tree."""
    for iteration in getattr(model, "_predictors", ()):
        for tree in iteration:
            inner = tree.nodes[(tree.nodes["is_leaf"] == 0) & (tree.nodes["is_categorical"] == 0)]
            yield inner["feature_idx"], inner["num_threshold"]
    for estimator in [model, *np.ravel(np.asarray(getattr(model, "estimators_", ()), dtype=object))]:
        tree = getattr(estimator, "tree_", None)
        if tree is not None:
            inner = tree.feature >= 0
            yield tree.feature[inner], tree.threshold[inner]


def _transformed(estimator: Any, sample: Rows) -> NDArray:
    frame = frame_of(sample)
    if not hasattr(estimator, "steps") or len(estimator.steps) == 1:
        return frame.to_numpy()
    features = estimator[:-1].transform(frame)
    dense = features.toarray() if hasattr(features, "toarray") else features
    return np.asarray(dense)


def _affine(values: NDArray, feature: NDArray) -> tuple[float, float] | None:
    """(slope, offset) where feature = slope * value + offset on all rows that have a value."""
    try:
        feature = feature.astype(float)
    except (TypeError, ValueError):
        return None
    known = np.isfinite(values) & np.isfinite(feature)
    if known.sum() < 2:
        return None
    x, y = values[known], feature[known]
    low, high = int(np.argmin(x)), int(np.argmax(x))
    if x[low] == x[high] or y[low] == y[high]:
        return None
    slope = (y[high] - y[low]) / (x[high] - x[low])
    offset = 0.0 if slope == 1.0 and y[low] == x[low] else float(y[low] - slope * x[low])
    return (float(slope), offset) if np.allclose(slope * x + offset, y, rtol=1e-9, atol=1e-12) else None
