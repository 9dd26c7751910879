from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline

from mlx_pipelines.algorithm import make_estimator
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.rows import feature_frame, labels

from .conftest import flights

FLIGHTS = flights(300)
FRAME = feature_frame(FLIGHTS, ["wind", "carrier", "weekday"])


def shape(estimator: object) -> object:
    """The classes inside, by name."""
    if isinstance(estimator, Pipeline):
        return [shape(step) for _, step in estimator.steps]
    if isinstance(estimator, ColumnTransformer):
        return {name: shape(step) for name, step, _ in estimator.transformers}
    return estimator if isinstance(estimator, str) else type(estimator).__name__


@pytest.mark.parametrize(
    ("algorithm", "task", "columns"),
    [
        ("sklearn.ensemble.HistGradientBoostingClassifier", "classification", {"numbers": "passthrough", "strings": "OrdinalEncoder"}),
        ("sklearn.ensemble.RandomForestRegressor", "regression", {"numbers": "passthrough", "strings": "OrdinalEncoder"}),
        ("sklearn.ensemble.GradientBoostingRegressor", "regression", {"numbers": ["SimpleImputer"], "strings": "OrdinalEncoder"}),
        ("sklearn.linear_model.LogisticRegression", "classification", {"numbers": ["SimpleImputer", "StandardScaler"], "strings": "OneHotEncoder"}),
        ("sklearn.neighbors:KNeighborsRegressor", "regression", {"numbers": ["SimpleImputer", "StandardScaler"], "strings": "OneHotEncoder"}),
    ],
)
def test_a_plain_estimator_gets_the_preparation_that_it_needs_and_learns(algorithm: str, task: str, columns: dict[str, object]) -> None:
    estimator = make_estimator(algorithm, {}, 7, task, FRAME)
    assert shape(estimator) == [columns, algorithm.replace(":", ".").rpartition(".")[2]]
    target = labels(FLIGHTS, "late" if task == "classification" else "minutes", task)
    unseen = pandas.DataFrame({"wind": [np.nan], "carrier": ["never seen"], "weekday": [1.0]}).astype({"carrier": object})
    assert estimator.fit(FRAME, target).predict(unseen).shape == (1,)


def test_an_estimator_that_takes_the_columns_as_they_are_stays_alone() -> None:
    estimator = make_estimator("sklearn.ensemble.HistGradientBoostingClassifier", {"max_depth": 3}, 7, "classification", FRAME[["wind", "weekday"]])
    assert isinstance(estimator, HistGradientBoostingClassifier)
    assert (estimator.max_depth, estimator.random_state) == (3, 7)


@pytest.mark.usefixtures("importable")
def test_the_seed_reaches_what_is_inside_and_a_random_state_of_the_user_stays(write_module: Callable[[str, str], Path]) -> None:
    write_module(
        "own_algorithms",
        """
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.pipeline import Pipeline
        from sklearn.preprocessing import StandardScaler

        def make(trees=3):
            return Pipeline([("scale", StandardScaler()), ("forest", RandomForestClassifier(trees))])
        """,
    )
    pipeline = make_estimator("own_algorithms:make", {"trees": 5}, 9, "classification", FRAME)
    assert shape(pipeline) == ["StandardScaler", "RandomForestClassifier"]
    assert pipeline.get_params()["forest__random_state"] == 9
    assert pipeline.get_params()["forest__n_estimators"] == 5
    own = make_estimator("sklearn.ensemble.RandomForestClassifier", {"random_state": 1}, 9, "classification", FRAME)
    assert own.get_params()["model__random_state"] == 1


@pytest.mark.parametrize(
    ("algorithm", "parameters", "message", "hint"),
    [
        ("sklearn.tree.ExtraTreeClassifier", {"max_deph": 3}, "sklearn.tree.ExtraTreeClassifier has no parameter 'max_deph'", "did you mean 'max_depth'?"),
        ("sklearn.tree.ExtraTreeClassifer", {}, "sklearn.tree has no 'ExtraTreeClassifer'", "did you mean sklearn.tree.ExtraTreeClassifier?"),
        (
            "sklearn.tree.ExtraTreeRegressor",
            {},
            "sklearn.tree.ExtraTreeRegressor does not do classification",
            "did you mean sklearn.tree.ExtraTreeClassifier?",
        ),
        (
            "skylearn.tree.X",
            {},
            "there is no module 'skylearn' for the algorithm skylearn.tree.X",
            "install it, or put it into kfp_pipelines/ of the workspace",
        ),
        (
            "fractions.Fraction",
            {},
            "Fraction is no scikit-learn estimator",
            "the algorithm must be an estimator's class, or a function that returns one",
        ),
    ],
)
def test_a_wrong_algorithm_or_parameter_is_named(algorithm: str, parameters: dict[str, object], message: str, hint: str) -> None:
    with pytest.raises(PipelineError) as caught:
        make_estimator(algorithm, parameters, 0, "classification", FRAME)
    assert (str(caught.value), caught.value.hint) == (message, hint)
