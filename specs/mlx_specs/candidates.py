"""Candidates: several algorithms, or one whose parameters are searched, of which training keeps the best."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from mlx_specs.base import Duration, ImportPath, Name, Strict

Choice = str | int | float | bool | None


class Candidate(Strict):
    """One algorithm with its parameters."""

    name: Name | None = Field(default=None, description="What it is called in the leaderboard; left out: the last part of the algorithm.")
    algorithm: ImportPath = Field(description="An estimator class, or a function that returns one, by import path.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="The algorithm's parameters (hyperparameters).")

    @property
    def label(self) -> str:
        """Its name in the leaderboard."""
        return self.name or self.algorithm.replace(":", ".").rpartition(".")[2]


class Range(Strict):
    """The values that a search may give to one parameter: exactly one of int, float and choice."""

    whole: Annotated[list[int], Field(min_length=2, max_length=2)] | None = Field(
        default=None, alias="int", description="The smallest and the largest whole number: [2, 12]."
    )
    real: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        default=None, alias="float", description="The smallest and the largest number: [0.01, 0.3]."
    )
    choice: Annotated[list[Choice], Field(min_length=1)] | None = Field(default=None, description="The values to choose from, without an order.")
    log: bool = Field(default=False, description="Draw on a logarithmic scale: as often between 0.01 and 0.1 as between 0.1 and 1.")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [bounds for bounds in (self.whole, self.real, self.choice) if bounds is not None]
        if len(given) != 1:
            raise ValueError("a range is exactly one of int, float and choice")
        bounds = self.whole or self.real
        if bounds is None:
            if self.log:
                raise ValueError("'log' belongs to int and float, not to choice")
            return self
        if bounds[0] >= bounds[1]:
            raise ValueError(f"the smallest value {bounds[0]:g} is not below the largest {bounds[1]:g}")
        if self.log and bounds[0] <= 0:
            raise ValueError(f"a logarithmic scale begins above 0, not at {bounds[0]:g}")
        return self


class Search(Strict):
    """A search for the best parameters of one algorithm (Optuna's tree-structured Parzen estimator)."""

    candidate: str | None = Field(
        default=None, description="With `candidates`: the name of the one whose parameters are searched; left out: the Model's algorithm."
    )
    parameters: Annotated[dict[str, Range], Field(min_length=1)] = Field(description="The parameters to search, and the values that each may have.")
    trials: Annotated[int, Field(ge=1, le=10_000)] = Field(default=20, description="How many combinations are tried.")
    timeout: Duration | None = Field(
        default=None, description="After this time no further combination is begun, such as 10m. What was found then depends on the machine."
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = Field(default=None, description="The seed of the search; left out: the model's.")
