"""Which parameters a search tries next: Optuna's tree-structured Parzen estimator (Bergstra et al. 2011).

Enters: the ranges and what was found so far. Leaves: one value for each parameter. The draw of trial N depends on the seed, on N and
on the trials before it, so that a search that was killed and goes on draws what it would have drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlx_specs.candidates import Range, Search

if TYPE_CHECKING:
    import optuna.trial
    from optuna.distributions import BaseDistribution

SEEDS = 2**32


class Trials:
    """A search as far as it has come."""

    def __init__(self, search: Search, seed: int, *, higher_is_better: bool) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._ranges = {name: _distribution(search.parameters[name]) for name in sorted(search.parameters)}
        self._seed = seed if search.seed is None else search.seed
        self._study = optuna.create_study(direction="maximize" if higher_is_better else "minimize")
        self._open: optuna.trial.Trial | None = None

    def draw(self) -> dict[str, Any]:
        """The parameters of the next trial; ``tell`` what came of it before the next draw."""
        import optuna

        # A sampler for each trial: one that had drawn all before it could not be made again after a kill.
        self._study.sampler = optuna.samplers.TPESampler(seed=(self._seed + len(self._study.trials)) % SEEDS)
        self._open = self._study.ask(self._ranges)
        return dict(self._open.params)

    def tell(self, value: float | None) -> None:
        """What the drawn parameters came to; None where they failed."""
        from optuna.trial import TrialState

        assert self._open is not None
        self._study.tell(self._open, value, state=TrialState.FAIL if value is None else TrialState.COMPLETE)
        self._open = None

    def know(self, drawn: dict[str, Any], value: float | None) -> None:
        """A trial that was finished before."""
        from optuna.trial import TrialState, create_trial

        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        self._study.add_trial(create_trial(state=state, params=drawn, distributions=self._ranges, value=value))


def _distribution(values: Range) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if values.whole is not None:
        return IntDistribution(*values.whole, log=values.log)
    if values.real is not None:
        return FloatDistribution(*(float(bound) for bound in values.real), log=values.log)
    assert values.choice is not None
    return CategoricalDistribution(values.choice)
