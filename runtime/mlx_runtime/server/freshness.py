"""How fresh an answer's features are, as the open inference protocol can say it.

In ``parameters`` of every answer: ``features.VIEW.age`` (seconds, of the oldest value used), ``features.VIEW.no_row`` and
``features.VIEW.too_old`` (rows for which a default, or null, stands). As outputs that a request asks for by name:
``features.VIEW.age`` and ``features.VIEW.status`` row by row, and ``inputs.NAME``, an input as the model read it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from mlx_runtime.features import Freshness
from mlx_runtime.server.accepted import Accepted, Completed

NO_ROW, TOO_OLD = "no row", "too old"
FOUND, CARRIED = "found", "carried"
"""What a row's status is besides: its values stand in the store, or came with the request."""


def parameters(views: Iterable[Freshness]) -> dict[str, float | int]:
    """The flat map of numbers that the protocol allows; nothing was looked up: empty."""
    said = dict[str, float | int]()
    for view in views:
        if view.oldest is not None:
            said[f"features.{view.view}.age"] = view.oldest
        said[f"features.{view.view}.no_row"] = view.reasons.count(NO_ROW)
        said[f"features.{view.view}.too_old"] = view.reasons.count(TOO_OLD)
    return said


def output_names(accepted: Accepted) -> list[str]:
    """What a request may ask for besides the model's outputs."""
    if accepted.join is None:
        return []
    views = [f"features.{view.name}.{what}" for view in accepted.join.whole.views for what in ("age", "status")]
    return [*views, *(f"inputs.{tensor.name}" for tensor in accepted.model.inputs)]


def outputs(wanted: Collection[str], completed: Completed, rows: int) -> dict[str, NDArray]:
    """The arrays of those that are asked for; NaN is the age of what was not looked up, or not there."""
    views = {view.view: view for view in completed.views}
    return {name: _output(name, completed, views, rows) for name in wanted}


def _output(name: str, completed: Completed, views: Mapping[str, Freshness], rows: int) -> NDArray:
    kind, _, rest = name.partition(".")
    if kind == "inputs":
        return completed.columns[rest]
    view, _, what = rest.rpartition(".")
    found = views.get(view)
    if what == "age":
        return np.array([np.nan if age is None else age for age in found.ages] if found else [np.nan] * rows, dtype=np.float64)
    return np.array([reason or FOUND for reason in found.reasons] if found else [CARRIED] * rows, dtype=object)
