import pyarrow
import pytest

from mlx_pipelines.errors import PipelineError
from mlx_pipelines.rows import hold_out, labels, problems
from mlx_specs.model import Split

from .conftest import flights

FLIGHTS = flights(200)


def found(rows: pyarrow.Table = FLIGHTS, **changed: object) -> list[str]:
    asked: dict[str, object] = {"target": "late", "features": ["wind"], "task": "classification", "event_time": "when", "split": Split(), **changed}
    return problems(rows, **asked)  # type: ignore[arg-type]


def test_rows_that_fit_have_no_problems() -> None:
    assert found() == []
    assert found(task="regression", target="minutes", split=Split(by="time")) == []


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert found(features=["wnd", "late"], event_time="", split=Split(by="time"), task="regression", target="late") == [
        "the data has no column 'wnd' (features)",
        "the split is by time, but the data has no event time: declare eventTime in the Dataset",
        "the target 'late' is among the features",
    ]


@pytest.mark.parametrize(
    ("values", "task", "problem"),
    [
        ([True, None, False], "classification", "1 rows have no value in the target 'y': reject them in the Dataset's prepare"),
        ([True, True], "classification", "the target 'y' has one value only (True): there is nothing to learn"),
        ([0.5, 1.5], "classification", "the target 'y' holds fractions: that is a task for regression"),
        (list(range(300)), "classification", "the target 'y' has 300 different values, more than 200 classes: is it a regression?"),
        (["a", "b"], "regression", "the target 'y' is string: a regression predicts a number"),
    ],
)
def test_a_target_that_does_not_fit_the_task_is_said(values: list[object], task: str, problem: str) -> None:
    assert found(pyarrow.table({"x": range(len(values)), "y": values}), target="y", features=["x"], task=task) == [problem]


def test_a_target_that_is_not_there_and_no_rows_at_all_are_said() -> None:
    assert found(target="lat") == ["the data has no column 'lat' (target)"]
    assert found(FLIGHTS.slice(0, 0)) == ["the data has no rows"]


def test_by_time_the_newest_rows_are_held_out_and_rows_of_one_moment_stay_together() -> None:
    rows = pyarrow.table({"when": pyarrow.array([5, 1, 4, 4, 2], pyarrow.timestamp("us")), "n": [0, 1, 2, 3, 4]})
    training, held_out = hold_out(rows, Split(by="time", test=0.4), "when", 0)
    assert (training["n"].to_pylist(), held_out["n"].to_pylist()) == ([1, 4], [0, 2, 3])


def test_test_from_is_a_moment_in_utc_whatever_the_columns_zone() -> None:
    hours = [0, 3_600_000_000 * 23, 3_600_000_000 * 24]
    rows = pyarrow.table({"when": pyarrow.array(hours, pyarrow.timestamp("us", tz="America/New_York")), "n": [0, 1, 2]})
    split = Split.model_validate({"by": "time", "testFrom": "1970-01-02"})
    assert hold_out(rows, split, "when", 0)[1]["n"].to_pylist() == [2]


def test_a_random_split_is_the_seeds() -> None:
    first, again, other = (hold_out(FLIGHTS, Split(test=0.25), "", seed)[1]["flight"].to_pylist() for seed in (1, 1, 2))
    assert (len(first), first) == (50, again)
    assert first != other
    assert first == sorted(first)


def test_a_split_that_leaves_nothing_says_what_the_data_spans() -> None:
    with pytest.raises(PipelineError) as caught:
        hold_out(FLIGHTS, Split.model_validate({"by": "time", "testFrom": "2025-01-01"}), "when", 0)
    assert str(caught.value) == "no row is held out: the data runs from 2024-01-01T00:00+00:00 to 2024-01-09T07:00+00:00"
    assert caught.value.hint == "change the model's split (test, testFrom)"


def test_labels_keep_the_types_that_classes_have() -> None:
    rows = pyarrow.table({"flag": [True, False], "text": ["a", "b"], "whole": [1.0, 2.0], "number": pyarrow.array([1, 2], "int32")})
    assert [labels(rows, name, "classification").tolist() for name in rows.column_names] == [[True, False], ["a", "b"], [1, 2], [1, 2]]
    assert labels(rows, "number", "regression").tolist() == [1.0, 2.0]
