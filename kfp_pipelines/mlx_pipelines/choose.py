"""Which of several algorithms, and which of many parameters, is the best: each is fitted on a part of the training rows.

Enters: the rows that may train, what to choose from and the metric. Leaves: a leaderboard. The rows that are measured on are split off
the training rows as the Model's own split does it (the newest, or a share drawn with the seed); the held-out rows, on which
gates judge, are never looked at. What was tried before a kill is not tried again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlx_pipelines.algorithm import make_estimator
from mlx_pipelines.code import split_entry
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.leaderboard import Attempt, Leaderboard, add_attempt, ranked, read_attempts, write_leaderboard
from mlx_pipelines.rows import feature_frame, hold_out, labels
from mlx_specs.base import seconds
from mlx_specs.candidates import Search
from mlx_specs.model import HIGHER_IS_BETTER, Split

if TYPE_CHECKING:
    import pyarrow

Report = Callable[[str], None]
VALIDATION = 0.2
"""The share of the training rows that candidates are measured on."""


@dataclass(frozen=True)
class Problem:
    """What every candidate is fitted for."""

    target: str
    features: Sequence[str]
    task: str
    seed: int
    split: Split
    event_time: str


@dataclass(frozen=True)
class Option:
    """One algorithm with the parameters that are given."""

    label: str
    algorithm: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Choice:
    """What there is to choose from, and by what."""

    candidates: Sequence[Option]
    search: Search | None
    searched: Option | None
    """Whose parameters are searched; its own parameters stay as they are."""
    metric: str

    @property
    def attempts(self) -> int:
        """How many there are at most."""
        return len(self.candidates) + (self.search.trials if self.search else 0)


def read_choice(
    algorithm: str, parameters: Mapping[str, Any], candidates: Sequence[Mapping[str, Any]], search: Mapping[str, Any], metric: str
) -> Choice | None:
    """From the pipeline's parameters; None where the model has one algorithm with its parameters."""
    if not candidates and not search:
        return None
    among = [Option(each["name"], each["algorithm"], each["parameters"]) for each in candidates]
    asked = Search.model_validate(search) if search else None
    own = Option(split_entry(algorithm)[1], algorithm, parameters) if algorithm else None
    searched = next((each for each in among if asked and each.label == asked.candidate), own) if asked else None
    return Choice(among, asked, searched, metric)


def choose(rows: pyarrow.Table, problem: Problem, choice: Choice, folder: Path | None, report: Report) -> Leaderboard:
    """Tries all of them; what is in ``folder`` already is taken from there."""
    fitted, validation = hold_out(rows, Split(by=problem.split.by, test=VALIDATION), problem.event_time, problem.seed)
    judge = _Judge(fitted, validation, problem, choice.metric)
    known = {attempt.name: attempt for attempt in (read_attempts(folder) if folder else ())}
    if known:
        report(f"{len(known)} of {choice.attempts} are known from before the interruption")
    made = list[Attempt]()
    for attempt in _attempts(choice, judge, known, problem.seed):
        if folder and attempt.name not in known:
            add_attempt(folder, attempt)
        made.append(attempt)
        report(_line(attempt, len(made), choice, made))
    return _board(made, choice, (fitted.num_rows, validation.num_rows), folder)


def _attempts(choice: Choice, judge: _Judge, known: Mapping[str, Attempt], seed: int) -> Iterator[Attempt]:
    for candidate in choice.candidates:
        yield known.get(candidate.label) or judge.try_out(candidate.label, candidate)
    if choice.search is not None and choice.searched is not None:
        yield from _trials(choice.search, choice.searched, choice.metric, judge, known, seed)


def _trials(search: Search, base: Option, metric: str, judge: _Judge, known: Mapping[str, Attempt], seed: int) -> Iterator[Attempt]:
    """One after the other, for each draw depends on what came of those before it."""
    from mlx_pipelines.trials import Trials

    trials = Trials(search, seed, higher_is_better=HIGHER_IS_BETTER[metric])
    spent, limit = 0.0, float(seconds(search.timeout)) if search.timeout else float("inf")
    for number in range(1, search.trials + 1):
        name = f"{base.label} #{number}"
        if (before := known.get(name)) is not None:
            trials.know(before.drawn, before.value)
            attempt = before
        elif spent < limit:
            drawn = trials.draw()
            attempt = judge.try_out(name, base, drawn)
            trials.tell(attempt.value)
        else:
            return
        spent += attempt.seconds
        yield attempt


class _Judge:
    """Fits on one part of the training rows and measures on the other."""

    def __init__(self, fitted: pyarrow.Table, validation: pyarrow.Table, problem: Problem, metric: str) -> None:
        self._problem, self._metric = problem, metric
        self._frame, self._labels = feature_frame(fitted, problem.features), labels(fitted, problem.target, problem.task)
        self._asked, self._truth = feature_frame(validation, problem.features), labels(validation, problem.target, problem.task)

    def try_out(self, name: str, candidate: Option, drawn: Mapping[str, Any] | None = None) -> Attempt:
        """An algorithm that cannot be made stops the training; one that fails at these rows is last on the leaderboard."""
        parameters, started = {**candidate.parameters, **(drawn or {})}, time.perf_counter()
        try:
            value, reason = self._measure(candidate.algorithm, parameters), ""
        except PipelineError as error:
            raise PipelineError(f"candidate {name}: {error}", hint=error.hint) from error
        except MemoryError:
            raise
        except Exception as error:  # broad: an estimator, also the user's own, may refuse rows or parameters in any way it likes
            value, reason = None, f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:300]}"
        return Attempt(name, candidate.algorithm, parameters, value, round(time.perf_counter() - started, 3), reason, dict(drawn or {}))

    def _measure(self, algorithm: str, parameters: Mapping[str, Any]) -> float:
        from mlx_pipelines.evaluation import predictions
        from mlx_runtime.metrics import read, value_of

        problem = self._problem
        estimator = make_estimator(algorithm, parameters, problem.seed, problem.task, self._frame).fit(self._frame, self._labels)
        predicted, classes = predictions(estimator, self._asked, problem.task)
        value = value_of(self._metric, read(problem.task, self._truth, predicted, classes))
        if not np.isfinite(value):
            raise ValueError(f"{self._metric} is not defined for its predictions")
        return value


def _board(made: Sequence[Attempt], choice: Choice, rows: tuple[int, int], folder: Path | None) -> Leaderboard:
    higher = HIGHER_IS_BETTER[choice.metric]
    board = Leaderboard(choice.metric, higher, *rows, ranked(made, higher_is_better=higher), choice.attempts - len(made))
    if board.best.value is None:
        raise PipelineError(f"none of {len(made)} attempts could be fitted; {board.best.name}: {board.best.reason}", hint="look at the model's candidates")
    if folder is not None:
        write_leaderboard(folder, board)
    return board


def _line(attempt: Attempt, number: int, choice: Choice, made: Sequence[Attempt]) -> str:
    drawn = ", ".join(f"{name} {_short(value)}" for name, value in attempt.drawn.items())
    place = f"{number}/{choice.attempts} {attempt.name}" + (f" ({drawn})" if drawn else "")
    if attempt.value is None:
        return f"{place}: failed, {attempt.reason}"
    best = ranked(made, higher_is_better=HIGHER_IS_BETTER[choice.metric])[0] is attempt
    return f"{place}: {choice.metric} {attempt.value:.4f}" + (", the best so far" if best and number > 1 else "")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
