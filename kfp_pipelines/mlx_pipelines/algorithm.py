"""A scikit-learn estimator from its import path, its parameters and the seed, ready to be fitted on a frame of columns.

A Pipeline that a factory returns is used as it is. A plain estimator gets the preparation that it needs: numbers for
strings, values for nulls where it cannot take nulls, one scale for all columns where distances or weights matter.
"""

import difflib
import inspect
import os
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mlx_pipelines.code import split_entry
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.networks import GIVEN, GPUS, is_module, own_parameters

if TYPE_CHECKING:
    import pandas

TREES = ("sklearn.ensemble", "sklearn.tree", "lightgbm", "xgboost", "catboost")
"""What splits on thresholds needs neither a scale nor a column for each category."""
SEEDS = ("random_state", "seed")
MOST_CATEGORIES = 100
"""Rarer values of a string column share one column of the one-hot encoding."""


def make_estimator(algorithm: str, parameters: Mapping[str, Any], seed: int, task: str, frame: "pandas.DataFrame") -> Any:
    """The estimator, not yet fitted; ``frame`` says which columns are strings."""
    from sklearn.pipeline import Pipeline

    if is_module(module := _load(algorithm)):
        return _network(module, algorithm, parameters, seed, task)
    if os.environ.get(GPUS) not in (None, "0"):
        raise PipelineError(f"compute.gpu asks for {os.environ[GPUS]}, and {algorithm} uses none", hint="take compute.gpu out of the Model")
    made = _seeded(_call(algorithm, parameters, seed), seed)
    _check_task(algorithm, made, task)
    return made if isinstance(made, Pipeline) else _prepared(made, frame)


def _call(algorithm: str, parameters: Mapping[str, Any], seed: int) -> Any:
    function = _load(algorithm)
    accepted, any_name = _accepted(function)
    _refuse_unknown(algorithm, parameters, accepted, any_name=any_name)
    seeds = {name: seed for name in SEEDS if name in accepted and name not in parameters}
    try:
        return function(**dict(parameters), **seeds)
    except TypeError as error:
        raise PipelineError(f"{algorithm} cannot be made with these parameters: {error}", hint="look at the model's parameters") from error


def _network(module: Any, algorithm: str, parameters: Mapping[str, Any], seed: int, task: str) -> Any:
    from mlx_pipelines.network_estimator import make_network

    accepted, any_name = _accepted(module)
    if missing := sorted(GIVEN - set(accepted)):
        signature = "__init__(self, numbers: int, categories: list[int], outputs: int, ...)"
        raise PipelineError(f"{algorithm} does not take {', '.join(missing)}: a network is made of the data's columns", hint=f"give it {signature}")
    _refuse_unknown(algorithm, parameters, own_parameters(accepted), any_name=any_name)
    return make_network(module, algorithm, parameters, seed, task)


def _refuse_unknown(algorithm: str, parameters: Mapping[str, Any], accepted: Collection[str], *, any_name: bool) -> None:
    for name in parameters:
        if name not in accepted and not any_name:
            near = difflib.get_close_matches(name, accepted, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it takes: {', '.join(sorted(accepted)) or 'nothing'}"
            raise PipelineError(f"{algorithm} has no parameter {name!r}", hint=hint)


def _load(algorithm: str) -> Callable[..., Any]:
    module_name, name = split_entry(algorithm)
    module = _import(algorithm, module_name)
    found = getattr(module, name, None)
    if found is None:
        near = difflib.get_close_matches(name, dir(module), n=1)
        raise PipelineError(f"{module_name} has no {name!r}", hint=f"did you mean {module_name}.{near[0]}?" if near else "look at the model's algorithm")
    return found


def _import(algorithm: str, module: str) -> ModuleType:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        raise PipelineError(
            f"there is no module {error.name!r} for the algorithm {algorithm}", hint="install it, or put it into kfp_pipelines/ of the workspace"
        ) from error


def _accepted(function: Callable[..., Any]) -> tuple[Collection[str], bool]:
    """The names of its parameters, and whether it takes any name."""
    parameters = inspect.signature(function).parameters.values()
    names = [parameter.name for parameter in parameters if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)]
    return names, any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters)


def _seeded(estimator: Any, seed: int) -> Any:
    """Also what is inside: a forest in a pipeline."""
    if not hasattr(estimator, "get_params"):
        raise PipelineError(
            f"{type(estimator).__name__} is no scikit-learn estimator", hint="the algorithm must be an estimator's class, or a function that returns one"
        )
    open_seeds = {name: seed for name, value in estimator.get_params().items() if name.split("__")[-1] == "random_state" and value is None}
    return estimator.set_params(**open_seeds)


def _check_task(algorithm: str, estimator: Any, task: str) -> None:
    from sklearn.base import is_classifier, is_regressor

    fits = is_classifier(estimator) if task == "classification" else is_regressor(estimator)
    if not fits:
        other = algorithm.replace("Regressor", "Classifier") if task == "classification" else algorithm.replace("Classifier", "Regressor")
        raise PipelineError(
            f"{algorithm} does not do {task}", hint=f"did you mean {other}?" if other != algorithm else "change the model's task or its algorithm"
        )


def _prepared(estimator: Any, frame: "pandas.DataFrame") -> Any:
    """The estimator behind a ColumnTransformer; alone where it can take the columns as they are."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    strings = [name for name in frame.columns if frame[name].dtype == object]
    numbers = [name for name in frame.columns if name not in strings]
    trees = type(estimator).__module__.startswith(TREES)
    nulls = bool(estimator.__sklearn_tags__().input_tags.allow_nan)
    number_steps = _number_steps(trees=trees, nulls=nulls)
    if not strings and not number_steps:
        return estimator
    encoder = _ordinal(nulls=nulls) if trees else _one_hot(max([int(frame[name].nunique()) for name in strings], default=0))
    columns = [("numbers", Pipeline(number_steps) if number_steps else "passthrough", numbers), ("strings", encoder, strings)]
    kept = [column for column in columns if column[2]]
    return Pipeline([("columns", ColumnTransformer(kept, sparse_threshold=0, verbose_feature_names_out=False)), ("model", estimator)])


def _number_steps(*, trees: bool, nulls: bool) -> list[tuple[str, Any]]:
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import StandardScaler

    impute: list[tuple[str, Any]] = [] if nulls else [("impute", SimpleImputer(strategy="median", keep_empty_features=True))]
    return impute if trees else [*impute, ("scale", StandardScaler())]


def _ordinal(*, nulls: bool) -> Any:
    """A value that training never saw counts as null."""
    from sklearn.preprocessing import OrdinalEncoder

    unknown: float = float("nan") if nulls else -1
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=unknown, encoded_missing_value=unknown)


def _one_hot(categories: int) -> Any:
    """A value that training never saw is none of the known ones."""
    from sklearn.preprocessing import OneHotEncoder

    if categories <= MOST_CATEGORIES:
        return OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MOST_CATEGORIES, sparse_output=False)
