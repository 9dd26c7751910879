"""The fields of a Model's candidates and of its search: two models that choose, and what their leaderboards say was tried."""

from collections.abc import Callable, Mapping
from typing import Any

from applied_trial import Seen
from trials import made

Looked = Callable[[list[Mapping[str, Any]]], Any]

SHARED = {"task": "regression", "pipeline": "quick", "data": "rows", "target": "y", "features": ["x", "z"], "split": {"by": "random", "test": 0.25}, "seed": 3}
GOOD = {"success": [{"metric": "rmse", "atMost": 1e9}], "package": "native"}
ONE = {"name": "one", "algorithm": "sklearn.linear_model.Ridge", "parameters": {"alpha": 1.0}}
FIRST = {"name": "first", "algorithm": "own_models:Slow", "parameters": {"kind": "given"}}
SEARCH = {"candidate": "one", "parameters": {"max_iter": {"int": [10, 20]}, "tol": {"float": [0.001, 1000.0]}}, "trials": 2}
RANGES = {"depth": {"int": [2, 5]}, "tol": {"float": [0.001, 1000.0], "log": True}, "shape": {"choice": ["round"]}}
OTHER = {"candidate": "first", "parameters": RANGES, "trials": 4, "timeout": "1s", "seed": 9}
CHOOSING: Mapping[str, dict[str, Any]] = {
    "chosen": {**SHARED, **GOOD, "candidates": [ONE], "search": SEARCH},
    "chosen-other": {**SHARED, **GOOD, "candidates": [FIRST, {"algorithm": "sklearn.dummy.DummyRegressor"}], "search": OTHER},
    "chosen-seed": {**SHARED, **GOOD, "candidates": [ONE], "search": {**SEARCH, "seed": 9, "trials": 3}},
}
SLOW = '''
    """An estimator that takes its time."""
    import time

    from sklearn.dummy import DummyRegressor

    class Slow(DummyRegressor):
        def __init__(self, kind="", depth=0, tol=1.0, shape=""):
            super().__init__()
            self.kind, self.depth, self.tol, self.shape = kind, depth, tol, shape

        def fit(self, frame, labels, sample_weight=None):
            ends = time.monotonic() + 1.1 * (self.depth > 0)
            while time.monotonic() < ends:
                pass
            return super().fit(frame, labels, sample_weight)
'''


def _model(search: Mapping[str, Any] | None = None, *candidates: Mapping[str, Any]) -> dict[str, Any]:
    spec = {**CHOOSING["chosen"], "candidates": [*candidates] or [ONE], **({"search": dict(search)} if search else {})}
    return made("Model", "trial", spec)


def _both(looked: Looked, one: str = "chosen", other: str = "chosen-other") -> Callable[[Seen], tuple[Any, Any]]:
    return lambda seen: (looked(_attempts(seen, one)), looked(_attempts(seen, other)))


def _attempts(seen: Seen, model: str) -> list[Mapping[str, Any]]:
    """All that was tried, by name."""
    return sorted(seen.first.status[f"Model/{model}"]["leaderboard"]["attempts"], key=lambda attempt: attempt["name"])


def _names(attempts: list[Mapping[str, Any]]) -> list[str]:
    return [attempt["name"] for attempt in attempts if "#" not in attempt["name"]]


def _drawn(attempts: list[Mapping[str, Any]], name: str) -> list[Any]:
    return [attempt["drawn"][name] for attempt in attempts if name in attempt["drawn"]]


def _searched(attempts: list[Mapping[str, Any]]) -> set[str]:
    return {attempt["name"].partition(" #")[0] for attempt in attempts if attempt["drawn"]}


WITHOUT = {"candidate": "one", "parameters": {"max_iter": {"int": [10, 20]}}}
CANDIDATE_ROWS: tuple[tuple[str, dict[str, Any], Any, Callable[[Seen], tuple[Any, Any]], tuple[Any, Any]], ...] = (
    ("candidates", _model(), [ONE, {**ONE, "name": "two"}], _both(lambda tried: len(_names(tried))), (1, 2)),
    ("candidates[].name", _model({**WITHOUT, "candidate": "two"}, ONE, {**ONE, "name": "two"}), "first", _both(_names), (["one"], ["DummyRegressor", "first"])),
    (
        "candidates[].algorithm", _model(WITHOUT), "sklearn.linear_model.Lasso",
        _both(lambda tried: tried[-1]["algorithm"]), ("sklearn.linear_model.Ridge", "own_models:Slow"),
    ),
    (
        "candidates[].parameters", _model(WITHOUT), {"alpha": 2.0},
        _both(lambda tried: next(each["parameters"] for each in tried if each["name"] in ("one", "first"))), ({"alpha": 1.0}, {"kind": "given"}),
    ),
    ("search.candidate", _model(WITHOUT, ONE, {**ONE, "name": "two"}), "two", _both(_searched), ({"one"}, {"first"})),
    (
        "search.parameters", _model(WITHOUT), {"tol": {"float": [0.1, 0.2]}},
        _both(lambda tried: sorted(tried[-1]["drawn"])), (["max_iter", "tol"], ["depth", "shape", "tol"]),
    ),
    (
        "search.parameters.*.int", _model(WITHOUT), [100, 200],
        lambda seen: (
            all(10 <= drawn <= 20 for drawn in _drawn(_attempts(seen, "chosen"), "max_iter")),
            all(2 <= drawn <= 5 for drawn in _drawn(_attempts(seen, "chosen-other"), "depth")),
        ),
        (True, True),
    ),
    (
        "search.parameters.*.float", _model({**WITHOUT, "parameters": {"tol": {"float": [0.1, 0.2]}}}), [0.2, 0.3],
        _both(lambda tried: all(0.001 <= drawn <= 1000 for drawn in _drawn(tried, "tol"))), (True, True),
    ),
    (
        "search.parameters.*.choice", _model({**WITHOUT, "parameters": {"solver": {"choice": ["svd"]}}}), ["lsqr"],
        _both(lambda tried: set(_drawn(tried, "shape"))), (set(), {"round"}),
    ),
    (
        "search.parameters.*.log", _model({**WITHOUT, "parameters": {"tol": {"float": [0.1, 0.2]}}}), True,
        lambda seen: (_drawn(_attempts(seen, "chosen-seed"), "tol")[0] > 100, _drawn(_attempts(seen, "chosen-other"), "tol")[0] > 100), (True, False),
    ),
    ("search.trials", _model(WITHOUT), 3, _both(lambda tried: len(_drawn(tried, "tol")), "chosen", "chosen-seed"), (2, 3)),
    (
        "search.timeout", _model(WITHOUT), "1s",
        lambda seen: tuple(seen.first.status[f"Model/{name}"]["leaderboard"]["not_begun"] for name in ("chosen", "chosen-other")), (0, 3),
    ),
    (
        "search.seed", _model(WITHOUT), 9,
        lambda seen: (True, _drawn(_attempts(seen, "chosen"), "tol")[0] == _drawn(_attempts(seen, "chosen-seed"), "tol")[0]), (True, False),
    ),
)  # fmt: skip
"""Path below Model.spec, an object, a second value, what is seen of both, and what is expected."""
