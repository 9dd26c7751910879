"""Draws what shows how good a model is, as PNG files: which plots, the task and the success criteria decide.

Enters: curves as points (``mlx_runtime.curves``). Leaves: FOLDER/NAME.png. Needs no display.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib.axes import Axes
from matplotlib.figure import Figure

Curve = Mapping[str, Sequence[Any]]
Drawing = Callable[[Axes, Curve], None]

WANTED_BY: dict[str, frozenset[str]] = {
    "roc": frozenset({"roc_auc", "average_precision"}),
    "precision_recall": frozenset({"roc_auc", "average_precision", "f1", "precision", "recall"}),
    "calibration": frozenset({"brier", "log_loss"}),
}
"""A plot that is not here is always drawn; these are drawn for one of their criteria, or where there is no criterion."""
MOST_BARS = 20
MOST_NUMBERED = 12


def draw(curves: Mapping[str, Curve], importance: Mapping[str, float], criteria: Sequence[str], folder: Path) -> None:
    """One file for each plot."""
    for name, curve in curves.items():
        if not criteria or name not in WANTED_BY or WANTED_BY[name] & set(criteria):
            _save(folder / f"{name}.png", DRAWINGS[name], curve)
    top = list(importance.items())[:MOST_BARS]
    _save(folder / "importance.png", _importance, {"feature": [name for name, _ in top], "importance": [value for _, value in top]})


def _save(path: Path, drawing: Drawing, curve: Curve) -> None:
    figure = Figure(figsize=(5, 4), dpi=100, layout="constrained")
    drawing(figure.subplots(), curve)
    figure.savefig(path, metadata={"Software": None})


def _roc(axes: Axes, curve: Curve) -> None:
    axes.plot(curve["false_positive_rate"], curve["true_positive_rate"])
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    axes.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC")


def _precision_recall(axes: Axes, curve: Curve) -> None:
    axes.plot(curve["recall"], curve["precision"])
    axes.set(xlabel="recall", ylabel="precision", title="Precision and recall", ylim=(0, 1.02))


def _calibration(axes: Axes, curve: Curve) -> None:
    top = max(*curve["predicted"], *curve["observed"])
    axes.plot([0, top], [0, top], linestyle=":", color="grey")
    axes.plot(curve["predicted"], curve["observed"], marker="o")
    axes.set(xlabel="predicted probability", ylabel="observed share", title="Calibration, bins of equally many rows")


def _confusion(axes: Axes, curve: Curve) -> None:
    classes, counts = [str(value) for value in curve["classes"]], curve["counts"]
    axes.imshow(counts, cmap="Blues")
    axes.set(xlabel="predicted", ylabel="true", title="Confusion")
    if len(classes) > MOST_NUMBERED:
        return
    axes.set_xticks(range(len(classes)), classes, rotation=45)
    axes.set_yticks(range(len(classes)), classes)
    darkest = max(max(row) for row in counts)
    for true, row in enumerate(counts):
        for predicted, count in enumerate(row):
            axes.text(predicted, true, f"{count:,}", ha="center", va="center", color="white" if count > darkest / 2 else "black")


def _residuals(axes: Axes, curve: Curve) -> None:
    axes.scatter(curve["predicted"], curve["residual"], s=6, alpha=0.5)
    axes.axhline(0, linestyle=":", color="grey")
    axes.set(xlabel="predicted", ylabel="actual - predicted", title="Residuals")


def _predicted_actual(axes: Axes, curve: Curve) -> None:
    axes.scatter(curve["actual"], curve["predicted"], s=6, alpha=0.5)
    ends = [min(*curve["actual"], *curve["predicted"]), max(*curve["actual"], *curve["predicted"])]
    axes.plot(ends, ends, linestyle=":", color="grey")
    axes.set(xlabel="actual", ylabel="predicted", title="Predicted and actual")


def _error_by_quantile(axes: Axes, curve: Curve) -> None:
    tenths = range(1, len(curve["rows"]) + 1)
    axes.bar(tenths, curve["error"], label="mean absolute error")
    axes.plot(tenths, curve["bias"], marker="o", color="black", label="actual - predicted")
    axes.axhline(0, linestyle=":", color="grey")
    axes.set_xticks(tenths, [f"{value:.3g}" for value in curve["predicted"]], rotation=45)
    axes.set(xlabel="mean prediction in each tenth of the rows", ylabel="error", title="Error by quantile of the prediction")
    axes.legend(fontsize="small")


def _importance(axes: Axes, curve: Curve) -> None:
    axes.barh(list(reversed(curve["feature"])), list(reversed(curve["importance"])))
    axes.set(xlabel="fall of the score when shuffled", title="Importance")


DRAWINGS: dict[str, Drawing] = {
    "roc": _roc,
    "precision_recall": _precision_recall,
    "calibration": _calibration,
    "confusion": _confusion,
    "residuals": _residuals,
    "predicted_actual": _predicted_actual,
    "error_by_quantile": _error_by_quantile,
}
