"""Distances between two samples of a column: known values, SciPy's own, and what missing, new and infinite values count for."""

import math

import numpy as np
import pytest
from scipy import stats

from mlx_runtime.monitor.distances import LEAST_SHARE, METHODS, binned, distance, measurable

RANDOM = np.random.default_rng(5)
BEFORE = RANDOM.normal(size=4_000)
TEXTS = np.array(["a"] * 60 + ["b"] * 40, dtype=object)


@pytest.mark.parametrize("method", METHODS)
def test_a_sample_is_at_no_distance_from_itself(method: str) -> None:
    assert distance(method, BEFORE, BEFORE) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_a_larger_shift_is_a_larger_distance(method: str) -> None:
    found = [distance(method, BEFORE, RANDOM.normal(shift, size=4_000)) for shift in (0, 0.3, 1, 3)]
    assert found == sorted(found)
    assert found[0] < 0.1 < found[2]


def test_psi_is_the_sum_over_bins_of_the_formula() -> None:
    now = np.array(["a"] * 30 + ["b"] * 70, dtype=object)
    assert distance("psi", TEXTS, now) == pytest.approx((0.3 - 0.6) * math.log(0.3 / 0.6) + (0.7 - 0.4) * math.log(0.7 / 0.4))


def test_an_empty_bin_counts_as_the_least_share() -> None:
    now = np.array(["a"] * 50, dtype=object)
    assert distance("psi", TEXTS, now) == pytest.approx((1 - 0.6) * math.log(1 / 0.6) + (LEAST_SHARE - 0.4) * math.log(LEAST_SHARE / 0.4))


def test_the_measures_of_numbers_are_those_of_scipy() -> None:
    now = RANDOM.gamma(2, size=3_000)
    assert distance("kolmogorov-smirnov", BEFORE, now) == stats.ks_2samp(BEFORE, now).statistic
    assert distance("wasserstein", BEFORE, now) == stats.wasserstein_distance(BEFORE, now) / BEFORE.std()
    assert distance("wasserstein", BEFORE * 1_000, now * 1_000) == pytest.approx(distance("wasserstein", BEFORE, now))


def test_chi_squared_does_not_grow_with_the_rows() -> None:
    now = np.array(["a"] * 40 + ["b"] * 60, dtype=object)
    found = distance("chi-squared", TEXTS, now)
    assert found == pytest.approx(math.sqrt(stats.chi2_contingency([[60, 40], [40, 60]], correction=False).statistic / 200))
    assert distance("chi-squared", np.tile(TEXTS, 50), np.tile(now, 50)) == pytest.approx(found)


def test_samples_without_anything_in_common_are_as_far_as_can_be() -> None:
    other = np.array(["c"] * 100, dtype=object)
    assert (distance("jensen-shannon", TEXTS, other), distance("chi-squared", TEXTS, other)) == (pytest.approx(1), pytest.approx(1))
    assert distance("kolmogorov-smirnov", BEFORE, BEFORE + 100) == 1


def test_bins_are_made_of_the_earlier_values_and_hold_missing_and_other_ones_apart() -> None:
    texts = binned(TEXTS, np.array(["b", "c", None, "d"], dtype=object))
    assert texts.labels == ("a", "b", "(all others)", "(missing)")
    assert (texts.before.tolist(), texts.now.tolist()) == ([60, 40, 0, 0], [0, 1, 2, 1])
    few = binned(np.array([1.0, 2, 2, 3]), np.array([0.0, 2, 9, np.nan]))
    assert few.labels == ((1, 1), (2, 2), (3, 3), "(missing)")
    assert (few.before.tolist(), few.now.tolist()) == ([1, 2, 1, 0], [1, 1, 1, 1])
    many = binned(np.arange(1000.0), np.arange(10.0))
    assert many.before.tolist() == [100] * 10 + [0]
    assert (many.labels[0][0], many.labels[-2][1]) == (-math.inf, math.inf)


def test_missing_values_are_drift_of_what_is_binned_and_no_numbers_at_all_of_the_others() -> None:
    gaps = np.where(RANDOM.random(4_000) < 0.5, np.nan, BEFORE)
    assert distance("psi", BEFORE, gaps) > 1
    assert distance("kolmogorov-smirnov", BEFORE, gaps) < 0.05
    nothing = np.full(9, np.nan)
    assert [distance("wasserstein", *pair) for pair in ((BEFORE, nothing), (nothing, BEFORE), (nothing, nothing))] == [1, 1, 0]


@pytest.mark.parametrize("method", METHODS)
def test_infinite_and_constant_numbers_have_a_distance_that_is_a_number(method: str) -> None:
    for before, now in ((BEFORE, np.append(BEFORE, [np.inf, -np.inf])), (np.ones(50), np.ones(20)), (np.ones(50), np.full(20, 3.0))):
        assert math.isfinite(distance(method, before, now))


def test_texts_have_no_order() -> None:
    assert [method for method in METHODS if not measurable(method, np.object_)] == ["kolmogorov-smirnov", "wasserstein"]
    assert all(measurable(method, np.float64) for method in METHODS)
