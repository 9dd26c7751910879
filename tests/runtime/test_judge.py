"""The judge: bars, and a comparison with the champion on the same rows, in sentences."""

import time

import numpy as np
import pyarrow
import pytest

from mlx_runtime.judge import judge

RANDOM = np.random.default_rng(0)
ROWS = 4000
TRUTH = RANDOM.random(ROWS) < 0.3
SIGNAL = 0.3 * TRUTH + RANDOM.normal(size=ROWS) * 0.2


def predictions(noise: float, seed: int = 1) -> pyarrow.Table:
    share = np.clip(0.35 + SIGNAL + np.random.default_rng(seed).normal(size=len(SIGNAL)) * noise, 0, 1)
    return pyarrow.table({"label": share > 0.5, "probability_false": 1 - share, "probability_true": share})


GOOD, POOR = predictions(0.0), predictions(0.4)


def test_bars_are_judged_in_words() -> None:
    verdict = judge([{"metric": "roc_auc", "atLeast": 0.95}, {"metric": "brier", "atMost": 0.05}], "classification", TRUTH, POOR, None, classes=[False, True])
    auc, brier = verdict.metrics["roc_auc"], verdict.metrics["brier"]
    assert not verdict.passed
    assert verdict.reasons == (f"roc_auc {auc:.3g} is below 0.95", f"brier {brier:.3g} is above 0.05")


def test_a_value_just_below_its_bar_does_not_read_as_the_bar() -> None:
    auc = judge([], "classification", TRUTH, GOOD, None, classes=[False, True]).metrics["roc_auc"]
    bar = round(auc + 1e-5, 5)
    verdict = judge([{"metric": "roc_auc", "atLeast": bar}], "classification", TRUTH, GOOD, None, classes=[False, True])
    shown = verdict.reasons[0].split()[1]
    assert float(shown) < bar


def test_a_candidate_that_is_worse_than_the_champion_does_not_pass() -> None:
    criteria = [{"metric": "roc_auc", "tolerance": 0.005}]
    verdict = judge(criteria, "classification", TRUTH, POOR, GOOD, classes=[False, True], champion_version="3")
    (found,) = verdict.comparisons
    assert found.low < found.worse < found.high
    assert verdict.reasons == (f"roc_auc is {found.worse:.3g} (95 % interval {found.low:.3g} to {found.high:.3g}) below champion version 3; allowed 0.005",)


@pytest.mark.parametrize(("metric", "word"), [("brier", "above"), ("log_loss", "above"), ("average_precision", "below"), ("f1", "below")])
def test_worse_is_above_for_losses_and_below_for_the_others(metric: str, word: str) -> None:
    verdict = judge([{"metric": metric, "tolerance": 0.0}], "classification", TRUTH, POOR, GOOD, classes=[False, True])
    assert f" {word} the champion; allowed 0" in verdict.reasons[0]


def test_a_better_candidate_passes_and_an_equal_one_does() -> None:
    criteria = [{"metric": "roc_auc", "tolerance": 0.0}, {"metric": "brier", "tolerance": 0.0}]
    assert judge(criteria, "classification", TRUTH, GOOD, POOR, classes=[False, True]).passed
    equal = judge(criteria, "classification", TRUTH, GOOD, GOOD, classes=[False, True])
    assert equal.passed and [(found.low, found.high) for found in equal.comparisons] == [(0.0, 0.0), (0.0, 0.0)]


def test_an_interval_that_reaches_too_far_is_said_as_such() -> None:
    few = np.arange(0, ROWS, 40)
    ours, theirs = predictions(0.3, 7).take(few), predictions(0.3, 8).take(few)
    better, worse = sorted((ours, theirs), key=lambda table: -judge([], "classification", TRUTH[few], table, None, classes=[False, True]).metrics["roc_auc"])
    verdict = judge([{"metric": "roc_auc", "tolerance": 0.0}], "classification", TRUTH[few], better, worse, classes=[False, True])
    (found,) = verdict.comparisons
    assert found.worse < 0 < found.high
    assert verdict.reasons == (f"roc_auc is {-found.worse:.3g} above the champion, but its 95 % interval reaches {found.high:.3g} below; allowed 0",)


def test_without_a_tolerance_the_champion_is_not_looked_at() -> None:
    verdict = judge([{"metric": "roc_auc", "atLeast": 0.5}], "classification", TRUTH, POOR, GOOD, classes=[False, True])
    assert (verdict.passed, verdict.comparisons) == (True, ())


def test_a_metric_that_cannot_be_computed_says_why() -> None:
    criteria = [{"metric": "roc_auc", "atLeast": 0.5}]
    only = judge(criteria, "classification", np.zeros(ROWS, dtype=bool), GOOD, None, classes=[False, True])
    assert only.reasons == ("roc_auc cannot be computed: all held-out rows have the same label",)
    bare = judge(criteria, "classification", TRUTH, GOOD.select(["label"]), None, classes=[False, True])
    assert bare.reasons == ("roc_auc cannot be computed: the model gives no probabilities",)
    none = judge(criteria, "classification", TRUTH[:0], GOOD.slice(0, 0), None, classes=[False, True])
    assert none.reasons == ("roc_auc cannot be computed: there are no held-out rows",)


def test_the_verdict_is_the_same_every_time() -> None:
    criteria = [{"metric": "roc_auc", "tolerance": 0.01}]
    first, second = (judge(criteria, "classification", TRUTH, POOR, GOOD, classes=[False, True]) for _ in range(2))
    assert first == second


def test_regressions_are_compared_by_their_errors() -> None:
    truth = RANDOM.normal(size=500)
    near, far = (pyarrow.table({"prediction": truth + scale * np.random.default_rng(2).normal(size=500)}) for scale in (0.1, 0.5))
    verdict = judge([{"metric": "rmse", "atMost": 1.0, "tolerance": 0.05}], "regression", truth, far, near)
    assert verdict.reasons[0].startswith("rmse is 0.") and verdict.reasons[0].endswith(" above the champion; allowed 0.05")


def test_eighty_thousand_rows_are_compared_in_seconds() -> None:
    rows = 80_000
    truth = np.resize(TRUTH, rows)
    tables = [pyarrow.table({name: np.resize(table[name].to_numpy(zero_copy_only=False), rows) for name in table.column_names}) for table in (GOOD, POOR)]
    start = time.perf_counter()
    judge([{"metric": "roc_auc", "tolerance": 0.005}], "classification", truth, *tables, classes=[False, True])
    assert time.perf_counter() - start < 10  # 0.7 s on an idle machine
