"""How far a column's values lie from those that the model knows: one number, larger for more drift; one row in ``METHODS`` a measure.

Enters: two arrays as mlx_runtime.columns makes them, before and now. Sources: Siddiqi, Credit Risk Scorecards (2006), for PSI; Lin (1991) for the
Jensen-Shannon divergence, whose square root is the distance; Cramér (1946) for V; SciPy for the rest.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlx_runtime.columns import missing

Array = NDArray
BINS = 10
"""Of numbers: as many of the earlier values in each."""
CATEGORIES = 50
"""The commonest of the earlier values; all others count as one."""
OTHERS, MISSING = "(all others)", "(missing)"
LEAST_SHARE = 1e-4
"""What PSI takes for an empty bin."""


@dataclass(frozen=True)
class Method:
    """A measure. ``measure`` takes values, or the rows in each bin where it is ``binned``."""

    measure: Callable[[Array, Array], float]
    binned: bool = True


def psi(before: Array, now: Array) -> float:
    """The population stability index: 0 where both are alike; below 0.1 is called stable, above 0.25 a major shift."""
    one, other = (np.maximum(counts / counts.sum(), LEAST_SHARE) for counts in (before, now))
    return float(np.sum((other - one) * np.log(other / one)))


def jensen_shannon(before: Array, now: Array) -> float:
    """The distance, to the base of 2: from 0 to 1."""
    from scipy.spatial.distance import jensenshannon

    return float(np.nan_to_num(jensenshannon(before, now, base=2)))


def chi_squared(before: Array, now: Array) -> float:
    """Cramér's V of the chi-squared test of both samples: from 0 to 1, whatever the number of rows."""
    from scipy.stats import chi2_contingency

    seen = np.array([before, now])[:, (before + now) > 0]
    if seen.shape[1] < 2:
        return 0.0
    found: Any = chi2_contingency(seen, correction=False)
    return float(np.sqrt(found.statistic / seen.sum()))


def kolmogorov_smirnov(before: Array, now: Array) -> float:
    """The largest gap between both distribution functions: from 0 to 1."""
    from scipy.stats import ks_2samp

    found: Any = ks_2samp(before, now, method="asymp")
    return float(found.statistic)


def wasserstein(before: Array, now: Array) -> float:
    """The earth mover's distance, in standard deviations of the earlier values (in their unit where these are all the same)."""
    from scipy.stats import wasserstein_distance

    return float(wasserstein_distance(before, now)) / (float(before.std()) or 1.0)


METHODS: Mapping[str, Method] = {
    "psi": Method(psi),
    "jensen-shannon": Method(jensen_shannon),
    "chi-squared": Method(chi_squared),
    "kolmogorov-smirnov": Method(kolmogorov_smirnov, binned=False),
    "wasserstein": Method(wasserstein, binned=False),
}


def measurable(method: str, kind: type) -> bool:
    """Whether it compares columns of this dtype's type: texts have no order."""
    return METHODS[method].binned or kind is not np.object_


def distance(method: str, before: Array, now: Array, bins: "Binned | None" = None) -> float:
    """Missing values are a bin of their own; a measure of numbers leaves them out, and is 1 where only one side has any number.

    Infinite numbers count as missing. ``bins`` are those of both, where they are known already.
    """
    chosen = METHODS[method]
    if chosen.binned:
        found = bins or binned(before, now)
        return chosen.measure(found.before, found.now)
    one, other = (values[~missing(values)] for values in (_finite(before), _finite(now)))
    if len(one) and len(other):
        return chosen.measure(one, other)
    return float(len(one) != len(other))


@dataclass(frozen=True)
class Binned:
    """Rows in each bin, before and now; the last bin is of missing values."""

    labels: tuple[str | tuple[float, float], ...]
    """A text, or from where to below where a number lies; a bin of one number has it twice."""
    before: Array
    now: Array


def binned(before: Array, now: Array) -> Binned:
    """The bins are made of the earlier values alone."""
    if before.dtype == np.object_:
        return _of_texts(before, now)
    before, now = _finite(before), _finite(now)
    known = before[~missing(before)]
    distinct = np.unique(known)
    if len(distinct) <= BINS:
        # Whole numbers of a few values, and booleans: a bin for each, so that none hides in a neighbour's.
        edges = (distinct[1:] + distinct[:-1]) / 2
        spans = [(float(value), float(value)) for value in distinct] or [(-math.inf, math.inf)]
    else:
        edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))
        ends = [-math.inf, *edges.tolist(), math.inf]
        spans = list(itertools.pairwise(ends))
    return Binned((*spans, MISSING), _sorted_into(before, edges), _sorted_into(now, edges))


def _of_texts(before: Array, now: Array) -> Binned:
    names, counts = np.unique([value for value in before if value is not None], return_counts=True)
    commonest = [str(name) for name in names[np.argsort(-counts, kind="stable")][:CATEGORIES]]
    places = {name: place for place, name in enumerate(commonest)}
    return Binned((*commonest, OTHERS, MISSING), _counted(before, places), _counted(now, places))


def _finite(values: Array) -> Array:
    return values if values.dtype == np.object_ else np.where(np.isinf(values), np.nan, values)


def _counted(values: Array, places: Mapping[str, int]) -> Array:
    """The known ones, all others, and the missing."""
    found = [len(places) + 1 if value is None else places.get(value, len(places)) for value in values]
    return np.bincount(np.array(found, dtype=np.intp), minlength=len(places) + 2).astype(float)


def _sorted_into(values: Array, edges: Array) -> Array:
    """The bins between the edges, and the missing."""
    lacking = missing(values)
    places = np.searchsorted(edges, values[~lacking], side="right")
    return np.append(np.bincount(places, minlength=len(edges) + 1), lacking.sum()).astype(float)
