"""Whether a compiled model predicts what the original does: labels equal, numbers within a tolerance."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlx_runtime.engines import Outputs

TOLERANCE = 1e-5
"""The largest difference of a probability; for a regression relative to the prediction where that is above 1."""
TIE = 1e-6
"""Two best classes this close are a tie: the last bit of a sum decides which one is the label, in the original as well."""


@dataclass(frozen=True)
class Parity:
    """What the comparison found."""

    rows: int
    labels_differ: int
    ties: int
    max_difference: float
    tolerance: float = TOLERANCE

    @property
    def holds(self) -> bool:
        """Whether the compiled model may stand for the original."""
        return self.labels_differ == 0 and self.max_difference <= self.tolerance

    @property
    def reason(self) -> str:
        """Why it may not."""
        return f"{self.labels_differ} of {self.rows} labels differ, the largest difference is {self.max_difference:.2g} (allowed {self.tolerance:g})"

    def record(self) -> dict[str, Any]:
        """As it stands in model.json."""
        return asdict(self)


def compare(original: Outputs, compiled: Outputs) -> Parity:
    """Row by row, output by output; both come in the model's output order."""
    names = list(original)
    if names == ["prediction"]:
        difference = _relative(original["prediction"], compiled["prediction"])
        return Parity(len(difference), 0, 0, _largest(difference))
    rows = len(original["label"])
    differ = original["label"] != compiled["label"]
    if len(names) == 1:
        return Parity(rows, int(differ.sum()), 0, 0.0)
    expected = np.column_stack([original[name] for name in names[1:]]).astype(float)
    found = np.column_stack([compiled[name] for name in names[1:]]).astype(float)
    ties = differ & _tied(expected)
    return Parity(rows, int((differ & ~ties).sum()), int(ties.sum()), _largest(np.abs(expected - found)))


def _relative(expected: NDArray, found: NDArray) -> NDArray:
    expected, found = expected.astype(float), found.astype(float)
    return np.abs(expected - found) / np.maximum(1.0, np.abs(expected))


def _tied(probabilities: NDArray) -> NDArray:
    best = np.sort(probabilities, axis=1)[:, -2:]
    return best[:, 1] - best[:, 0] < TIE


def _largest(difference: NDArray) -> float:
    """NaN where only one of the two predicts is a difference of infinity."""
    return float(np.nan_to_num(difference, nan=np.inf).max()) if difference.size else 0.0
