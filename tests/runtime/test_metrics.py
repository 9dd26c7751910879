"""Metrics equal scikit-learn's; the weighted ones equal a table in which each row stands as often as it was drawn."""

import numpy as np
import pyarrow
import pytest
from sklearn import metrics as reference

from mlx_runtime.curves import curves
from mlx_runtime.metrics import METRICS, evaluate, read, value_of, weighted

RANDOM = np.random.default_rng(3)
ROWS = 400
TRUTH = RANDOM.random(ROWS) < 0.3
SHARE = np.clip(0.3 + 0.3 * TRUTH + 0.2 * RANDOM.normal(size=ROWS), 0.01, 0.99).round(2)
BINARY = pyarrow.table({"label": SHARE > 0.5, "probability_false": 1 - SHARE, "probability_true": SHARE})
WORDS = RANDOM.choice(["a", "b", "c"], ROWS)
SHARES = RANDOM.dirichlet([1, 1, 1], ROWS) * 0.5 + 0.5 * np.column_stack([word == WORDS for word in "abc"])
MULTI = pyarrow.table({"label": np.array(list("abc"))[SHARES.argmax(axis=1)], **{f"probability_{word}": SHARES[:, place] for place, word in enumerate("abc")}})
NUMBERS = RANDOM.normal(size=ROWS) * 10
GUESSES = NUMBERS + RANDOM.normal(size=ROWS)
REGRESSION = pyarrow.table({"prediction": GUESSES})


def test_binary_metrics_are_those_of_scikit_learn() -> None:
    assert evaluate("classification", TRUTH, BINARY, [False, True]) == pytest.approx(
        {
            "roc_auc": reference.roc_auc_score(TRUTH, SHARE),
            "average_precision": reference.average_precision_score(TRUTH, SHARE),
            "log_loss": reference.log_loss(TRUTH, SHARE),
            "brier": reference.brier_score_loss(TRUTH, SHARE),
            "accuracy": reference.accuracy_score(TRUTH, SHARE > 0.5),
            "f1": reference.f1_score(TRUTH, SHARE > 0.5),
            "precision": reference.precision_score(TRUTH, SHARE > 0.5),
            "recall": reference.recall_score(TRUTH, SHARE > 0.5),
        }
    )


def test_metrics_of_several_classes_are_macro_averages() -> None:
    label = MULTI["label"].to_numpy()
    one_hot = np.column_stack([word == WORDS for word in "abc"])
    assert evaluate("classification", pyarrow.array(WORDS), MULTI, ["a", "b", "c"]) == pytest.approx(
        {
            "roc_auc": reference.roc_auc_score(WORDS, SHARES, multi_class="ovr", average="macro"),
            "average_precision": reference.average_precision_score(one_hot, SHARES, average="macro"),
            "log_loss": reference.log_loss(WORDS, SHARES),
            "brier": float(((SHARES - one_hot) ** 2).sum(axis=1).mean()),
            "accuracy": reference.accuracy_score(WORDS, label),
            "f1": reference.f1_score(WORDS, label, average="macro"),
            "precision": reference.precision_score(WORDS, label, average="macro"),
            "recall": reference.recall_score(WORDS, label, average="macro"),
        }
    )


def test_regression_metrics_are_those_of_scikit_learn() -> None:
    assert evaluate("regression", NUMBERS, REGRESSION, []) == pytest.approx(
        {
            "rmse": reference.root_mean_squared_error(NUMBERS, GUESSES),
            "mae": reference.mean_absolute_error(NUMBERS, GUESSES),
            "r2": reference.r2_score(NUMBERS, GUESSES),
            "median_absolute_error": reference.median_absolute_error(NUMBERS, GUESSES),
        }
    )


@pytest.mark.parametrize("metric", METRICS)
def test_a_weight_is_a_number_of_copies(metric: str) -> None:
    scored = (
        read("regression", NUMBERS, REGRESSION, [])
        if metric in ("rmse", "mae", "r2", "median_absolute_error")
        else read("classification", WORDS, MULTI, list("abc"))
    )
    drawn = np.random.default_rng(1).integers(0, ROWS, ROWS)
    weights = np.bincount(drawn, minlength=ROWS).astype(float)
    assert weighted(metric, scored)(weights) == pytest.approx(value_of(metric, scored.take(drawn)))


def test_what_is_not_defined_on_the_rows_is_left_out() -> None:
    same = evaluate("classification", np.zeros(ROWS, dtype=bool), BINARY, [False, True])
    assert "roc_auc" not in same and "accuracy" in same
    labels_only = evaluate("classification", TRUTH, BINARY.select(["label"]), [False, True])
    assert sorted(labels_only) == ["accuracy", "f1", "precision", "recall"]
    assert evaluate("regression", [], pyarrow.table({"prediction": pyarrow.array([], "double")}), []) == {}


def test_a_class_that_was_never_learned_counts_against_the_model() -> None:
    truth = np.where(np.arange(ROWS) < 10, "d", WORDS)
    found = evaluate("classification", truth, MULTI, ["a", "b", "c"])
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(truth, MULTI["label"].to_numpy()))
    assert found["log_loss"] > evaluate("classification", WORDS, MULTI, ["a", "b", "c"])["log_loss"]


def test_curves_end_where_they_must() -> None:
    found = curves("classification", TRUTH, BINARY, [False, True])
    assert sorted(found) == ["calibration", "confusion", "precision_recall", "roc"]
    roc = found["roc"]
    assert (roc["false_positive_rate"][0], roc["true_positive_rate"][0]) == (0.0, 0.0)
    assert (roc["false_positive_rate"][-1], roc["true_positive_rate"][-1]) == (1.0, 1.0)
    area = np.trapezoid(roc["true_positive_rate"], roc["false_positive_rate"])
    assert area == pytest.approx(reference.roc_auc_score(TRUTH, SHARE))
    assert found["confusion"] == {"classes": [False, True], "counts": reference.confusion_matrix(TRUTH, SHARE > 0.5).tolist()}
    assert sum(found["calibration"]["rows"]) == ROWS
    assert sorted(curves("regression", NUMBERS, REGRESSION, [])) == ["error_by_quantile", "predicted_actual", "residuals"]
    assert list(curves("classification", WORDS, MULTI, list("abc"))) == ["confusion"]


def test_the_error_by_quantile_is_of_all_rows_from_the_lowest_predictions_to_the_highest() -> None:
    truth = np.arange(1000.0)
    predicted = truth + np.where(truth < 500, 1.0, -3.0)
    curve = curves("regression", truth, pyarrow.table({"prediction": predicted}), [])["error_by_quantile"]
    assert curve["rows"] == [100] * 10
    assert curve["error"] == pytest.approx([1.0] * 5 + [3.0] * 5, abs=0.1)
    assert curve["bias"] == pytest.approx([-1.0] * 5 + [3.0] * 5, abs=0.1)
    assert curve["predicted"] == sorted(curve["predicted"])
