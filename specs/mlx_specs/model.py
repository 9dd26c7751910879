"""Model: a pipeline, data and hyperparameters; what it predicts, when, and what counts as good enough."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from mlx_specs.base import Column, Compute, Cron, ImportPath, Name, Object, Strict
from mlx_specs.candidates import Candidate, Search
from mlx_specs.timeline import MomentText

Task = Literal["classification", "regression", "timeSeries", "text", "vision"]
Metric = Literal["roc_auc", "average_precision", "log_loss", "brier", "accuracy", "f1", "precision", "recall", "rmse", "mae", "r2", "median_absolute_error"]
HIGHER_IS_BETTER: dict[str, bool] = {
    "roc_auc": True, "average_precision": True, "log_loss": False, "brier": False, "accuracy": True, "f1": True,
    "precision": True, "recall": True, "rmse": False, "mae": False, "r2": True, "median_absolute_error": False,
}  # fmt: skip
CLASSIFICATION_METRICS = ("roc_auc", "average_precision", "log_loss", "brier", "accuracy", "f1", "precision", "recall")
REGRESSION_METRICS = ("rmse", "mae", "r2", "median_absolute_error")


def _day_or_moment(value: Any) -> Any:
    if isinstance(value, int | float):
        raise ValueError(f"expected a date such as 2013-10-01, found {value}")
    return value


Moment = Annotated[Annotated[date, Field(strict=False)] | Annotated[datetime, Field(strict=False)], BeforeValidator(_day_or_moment)]
"""A day or a moment in ISO 8601; a number would be read as seconds since 1970, which nobody means."""


class Split(Strict):
    """How rows are divided into those that train and those that are held out."""

    by: Literal["time", "random"] = Field(default="random", description="time: the newest rows are held out; random: a share drawn with the model's seed.")
    test: Annotated[float, Field(gt=0, lt=1)] | None = Field(default=None, description="The share of rows held out (default 0.2).")
    test_from: Moment | None = Field(default=None, description="For by: time, the moment from which rows are held out, in UTC; instead of `test`.")

    @model_validator(mode="after")
    def _one_boundary(self) -> Self:
        if self.test is not None and self.test_from is not None:
            raise ValueError("a split has 'test' or 'testFrom', not both")
        if self.test_from is not None and self.by != "time":
            raise ValueError("'testFrom' belongs to a split by: time")
        return self


class Success(Strict):
    """One criterion: a bar, or a comparison with the champion, or both."""

    metric: Metric = Field(description="The metric, computed on the held-out rows.")
    at_least: float | None = Field(default=None, description="The smallest value that passes.")
    at_most: float | None = Field(default=None, description="The largest value that passes.")
    tolerance: Annotated[float, Field(ge=0)] | None = Field(
        default=None,
        description="Compare with the champion on the same rows: "
        "how much worse the 95 % interval of the difference may reach and still pass; left out: not compared.",
    )

    @model_validator(mode="after")
    def _has_a_bar(self) -> Self:
        if self.at_least is None and self.at_most is None and self.tolerance is None:
            raise ValueError("a criterion needs 'atLeast', 'atMost' or 'tolerance'")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"'atLeast' {self.at_least:g} is above 'atMost' {self.at_most:g}")
        return self


class Retraining(Strict):
    """When the model is trained again by itself."""

    schedule: Cron | None = Field(default=None, description="A cron line in UTC.")


class ModelSpec(Strict):
    """What a model is made of."""

    task: Task = Field(description="The kind of problem.")
    pipeline: Name = Field(description="The Pipeline that trains it.")
    data: Name = Field(description="The Dataset it learns from.")
    target: Column = Field(description="The column that is predicted.")
    feature_service: Name | None = Field(
        default=None, description="The feature service whose features are joined to the rows of `data`, as of each row's event time."
    )
    features: list[Column] | None = Field(
        default=None,
        description="The columns that it may use, of the data and of the feature service; left out: all but the target, the keys and the event time.",
    )
    predict_at: MomentText | None = Field(
        default=None,
        description="When predictions are made: an event of the dataset's timeline (booking), or an event and a delay (departure+10m). "
        "Columns known only later are refused.",
    )
    split: Split = Field(default=Split(), description="How rows are held out.")
    algorithm: ImportPath | None = Field(
        default=None,
        description="A scikit-learn estimator class, a function that returns an estimator or Pipeline, or a torch module, by import path; "
        "left out where the pipeline's function has no parameter of this name.",
    )
    parameters: dict[str, Any] = Field(default_factory=dict, description="The algorithm's parameters (hyperparameters).")
    candidates: list[Candidate] = Field(
        default_factory=list[Candidate],
        description="Several algorithms instead of one: each is fitted on a part of the training rows and measured on the rest by the first criterion "
        "of `success`; the best is fitted on all training rows.",
    )
    search: Search | None = Field(default=None, description="Searches parameters of the algorithm, or of one candidate; measured like candidates.")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(default=0, description="The seed of everything random: splits and the estimator's random_state.")
    success: list[Success] = Field(
        default_factory=list[Success], description="Criteria that a version must meet to become champion; they also choose the plots."
    )
    package: Literal["auto", "onnx", "native"] = Field(
        default="auto",
        description="auto: ONNX where its predictions agree, else the native format with the reason; onnx: ONNX or fail; native: scikit-learn's own.",
    )
    retrain_on: list[Literal["dependencies"]] = Field(
        default_factory=list[Literal["dependencies"]], description="What else retrains the model: dependencies = the versions of the installed libraries."
    )
    retraining: Retraining | None = Field(default=None, description="When the model is trained again by itself.")
    compute: Compute | None = Field(default=None, description="What training asks for.")


class Model(Object):
    """A model: versions addressed by the fingerprint of algorithm, data and hyperparameters."""

    kind: Literal["Model"] = Field(default="Model", description="A model.")
    spec: ModelSpec = Field(description="Problem, data, algorithm, parameters, criteria.")
