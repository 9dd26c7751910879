"""Monitor: what to watch of an inference, and what to do about it."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mlx_specs.base import Column, Compute, Cron, Duration, Name, Object, Strict
from mlx_specs.model import Metric


class DataDrift(Strict):
    """Drift of the inputs against the held-out rows that came with the version."""

    method: Literal["psi", "jensen-shannon", "kolmogorov-smirnov", "chi-squared", "wasserstein"] = Field(
        default="psi",
        description="The distance: psi (0 and more), jensen-shannon (0 to 1), chi-squared (as Cramér's V, 0 to 1); "
        "of numbers only kolmogorov-smirnov (0 to 1) and wasserstein (in standard deviations).",
    )
    threshold: Annotated[float, Field(gt=0)] = Field(default=0.2, description="From which value on a column counts as drifted.")
    columns: list[Column] | None = Field(default=None, description="The columns to watch; left out: all features.")


class PredictionDrift(Strict):
    """Drift of the predictions against those of the held-out rows that came with the version."""

    method: Literal["psi", "jensen-shannon", "kolmogorov-smirnov", "wasserstein"] = Field(default="psi", description="The distance, as for dataDrift.")
    threshold: Annotated[float, Field(gt=0)] = Field(default=0.2, description="From which value on predictions count as drifted.")


class Labels(Strict):
    """Where the truth comes from, later."""

    dataset: Name = Field(description="The Dataset that holds the labels.")
    key: list[Column] = Field(min_length=1, description="The columns that join predictions and labels.")
    delay: Duration = Field(description="How long after a prediction its label is known; younger windows are not judged.")


class Performance(Strict):
    """A metric on predictions whose labels have arrived."""

    metric: Metric = Field(description="The metric.")
    at_least: float | None = Field(default=None, description="Alarm below this value.")
    at_most: float | None = Field(default=None, description="Alarm above this value.")
    labels: Labels = Field(description="Where labels come from.")

    @model_validator(mode="after")
    def _has_a_bar(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("performance needs 'atLeast' or 'atMost'")
        return self


class Window(Strict):
    """Over which rows a judgement is made; a batch run is one window."""

    size: Duration = Field(default="1d", description="Of an endpoint: how far a look reaches back.")
    minimum: Annotated[int, Field(ge=1)] = Field(default=100, description="The fewest rows that allow a judgement.")


class MonitorSpec(Strict):
    """What a monitor is made of."""

    inference: Name = Field(description="The Inference to watch.")
    data_drift: DataDrift | None = Field(default=None, description="Watch the inputs.")
    prediction_drift: PredictionDrift | None = Field(default=None, description="Watch the predictions.")
    performance: Performance | None = Field(default=None, description="Watch a metric with late labels.")
    window: Window = Field(default=Window(), description="The window of each judgement.")
    schedule: Cron | None = Field(default=None, description="When to look: a cron line in UTC.")
    action: Literal["record", "alert", "retrain"] = Field(
        default="record", description="What to do when a threshold is crossed: keep the report; besides, exit with 4 (a Job fails); retrain the model."
    )
    compute: Compute | None = Field(default=None, description="What a look asks for.")

    @model_validator(mode="after")
    def _watches_something(self) -> Self:
        if self.data_drift is None and self.prediction_drift is None and self.performance is None:
            raise ValueError("a monitor needs 'dataDrift', 'predictionDrift' or 'performance'")
        return self


class Monitor(Object):
    """A monitor of one inference."""

    kind: Literal["Monitor"] = Field(default="Monitor", description="A monitor.")
    spec: MonitorSpec = Field(description="What to watch and what to do.")
