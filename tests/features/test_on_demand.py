"""A user's plain function, called on one row's values."""

import math
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import fields

from mlx_features.errors import FeatureError
from mlx_features.on_demand import call, load
from mlx_specs.feature_resources import OnDemandDefinition


def view(returns: dict[str, str], defaults: dict[str, Any] | None = None, request: dict[str, str] | None = None) -> OnDemandDefinition:
    return OnDemandDefinition(
        name="made", function="made:up", views={"some": ["x"]}, request=fields(**(request or {})), features=fields(**returns), defaults=defaults or {}
    )


def workspace(folder: Path, text: str, module: str = "own_functions") -> Path:
    file = folder / "feature_repo" / f"{module}.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return folder


def loaded(function: str, folder: Path) -> Any:
    return load(view({"y": "float"}).model_copy(update={"function": function}), folder)


def test_a_function_is_found_by_its_import_path_in_either_spelling(tmp_path: Path) -> None:
    folder = workspace(tmp_path, "def twice(x):\n    return 2 * x\n", "first_functions")
    assert [loaded(path, folder)(4) for path in ("first_functions:twice", "first_functions.twice")] == [8, 8]


def test_modules_of_one_name_in_two_workspaces_are_two(tmp_path: Path) -> None:
    folders = [workspace(tmp_path / str(number), f"def number():\n    return {number}\n", "same_functions") for number in (1, 2)]
    assert [loaded("same_functions:number", folder)() for folder in (*folders, folders[0])] == [1, 2, 1]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("own_functions:tice", "own_functions:tice: module 'own_functions' has no function 'tice'"),
        ("own_functions:NUMBER", "own_functions:NUMBER: module 'own_functions' has no function 'NUMBER'"),
        ("no_functions:twice", "no_functions:twice cannot be imported: ModuleNotFoundError: No module named 'no_functions'"),
    ],
)
def test_a_function_that_is_not_there_is_named(tmp_path: Path, function: str, message: str) -> None:
    folder = workspace(tmp_path, "NUMBER = 1\n")
    with pytest.raises(FeatureError) as error:
        loaded(function, folder)
    assert str(error.value) == message


def test_a_module_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="failing_functions:f cannot be imported: ZeroDivisionError: division by zero"):
        loaded("failing_functions:f", workspace(tmp_path, "1 / 0\n", "failing_functions"))


def test_one_row_at_a_time_with_none_where_there_is_no_value() -> None:
    seen: list[Any] = []

    def function(x: Any, year: Any) -> Any:
        seen.append((x, year))
        return None if x is None else x + 1

    columns = {"x": [1.5, None, math.nan, np.float64(2.5)], "year": np.array([1, 2, 3, 4]), "other": [0] * 4}
    assert call(view({"y": "float"}, {"y": -1}, {"year": "integer"}), function, columns, 4) == {"y": [2.5, -1.0, -1.0, 3.5]}
    assert seen == [(1.5, 1), (None, 2), (None, 3), (2.5, 4)]
    assert all(type(year) is int for _, year in seen)


def test_features_come_in_their_types() -> None:
    moment = datetime(2020, 1, 2, 3, 4, 5, 6, UTC)
    returned = {"a": np.int32(3), "b": 3, "c": "x", "d": True, "e": moment, "f": date(2020, 1, 2)}
    types = {"a": "integer", "b": "float", "c": "string", "d": "boolean", "e": "timestamp", "f": "date", "g": "float"}
    found = call(view(types), lambda x: returned, {"x": [0]}, 1)
    assert found == {"a": [3], "b": [3.0], "c": ["x"], "d": [True], "e": [moment.replace(microsecond=0)], "f": [date(2020, 1, 2)], "g": [None]}
    assert type(found["b"][0]) is float


@pytest.mark.parametrize(("type", "value"), [("integer", 1.5), ("integer", True), ("integer", "1"), ("float", "1"), ("string", 1), ("boolean", 1), ("date", 1)])
def test_a_value_of_another_type_is_named(type: str, value: Any) -> None:
    with pytest.raises(FeatureError, match=f"on-demand view 'made': feature 'y' is {value!r}, which is no {type}"):
        call(view({"y": type}), lambda x: value, {"x": [0]}, 1)


def test_what_a_function_does_wrong_is_told_with_its_row() -> None:
    def fails(x: Any) -> Any:
        raise KeyError("z")

    with pytest.raises(FeatureError, match=r"on-demand view 'made': made:up\(x=7\) failed: KeyError: 'z'"):
        call(view({"y": "float"}), fails, {"x": [7]}, 1)
    with pytest.raises(FeatureError, match="on-demand view 'made' returned 'q', which is none of its features"):
        call(view({"y": "float"}), lambda x: {"q": 1}, {"x": [7]}, 1)
    with pytest.raises(FeatureError, match="on-demand view 'made': made:up returned 5") as error:
        call(view({"y": "float", "z": "float"}), lambda x: 5, {"x": [7]}, 1)
    assert error.value.hint == "return a dict of its features: y, z"
    with pytest.raises(FeatureError, match="on-demand view 'made' needs 'x', which is not there"):
        call(view({"y": "float"}), lambda x: 5, {}, 1)


def test_no_rows_are_no_calls() -> None:
    assert call(view({"y": "float"}), lambda x: 1 / 0, {"x": []}, 0) == {"y": []}
