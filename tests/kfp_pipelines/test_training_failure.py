"""Hints to errors of scikit-learn: the errors are its own, raised here."""

from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet as parquet
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.tree import DecisionTreeClassifier

from mlx_pipelines.errors import StepFailed
from mlx_pipelines.rows import feature_frame
from mlx_pipelines.training_failure import explained
from mlx_specs.class_weight import HINT

ROWS = pyarrow.table({"note": ["late", None, "early"], "title": ["a b", "c d", "e f"], "wind": [1.0, None, 2.0], "late": [True, False, True]})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    parquet.write_table(ROWS, tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


def failure(data: Path, fit: Callable[[], object]) -> StepFailed:
    with pytest.raises((ValueError, AttributeError, TypeError)) as caught:
        fit()
    failed = StepFailed("train", f"{caught.type.__name__}: {caught.value}", log=data.parent / "run.log")
    return explained(failed, data, ["note", "title", "wind"])


@pytest.mark.parametrize("vectoriser", [TfidfVectorizer(), TfidfVectorizer(lowercase=False), CountVectorizer()])
def test_a_vectoriser_that_meets_a_null_is_explained_by_the_column_and_the_cleaning(data: Path, vectoriser: CountVectorizer) -> None:
    failed = failure(data, lambda: vectoriser.fit(feature_frame(ROWS, ["note"])["note"]))
    assert failed.hint == (
        "these texts have nulls: note (1 of 3 rows); fill them in the Dataset's prepare, "
        '`- missing: {columns: [note], strategy: constant, value: ""}`, or reject the rows (strategy: reject)'
    )


def test_weights_whose_keys_became_text_are_explained(data: Path) -> None:
    tree = DecisionTreeClassifier(class_weight={"0": 1, "1": 5})
    assert failure(data, lambda: tree.fit([[1.0], [2.0], [3.0]], [True, False, True])).hint == HINT


def test_another_failure_stays_as_it_was(data: Path) -> None:
    failed = StepFailed("train", "ValueError: no column 'wind'", log=data)
    assert explained(failed, data, ["note"]) is failed
