"""Rows of a file to predictions, through the endpoint."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
import pytest
from made_flights import Packaged, as_rows, flights, v2_body

from mlx_runtime.predict import PredictError, predict
from mlx_runtime.scorer import load
from mlx_runtime.server.lifecycle import Running

ROWS = flights(7, seed=21)
COLUMNS = as_rows(ROWS)
OBJECTS = [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)]


@pytest.fixture(scope="module")
def server(serve: Any, models: Callable[[str], Packaged], workspace: Path) -> Running:
    return serve("delay-api", models("boosting").version("3", workspace), max_rows=3)[1]


@pytest.fixture(scope="module")
def expected(models: Callable[[str], Packaged]) -> dict[str, list[Any]]:
    packed = models("boosting")
    return {**load(packed.folder, packed.digest).score_table(ROWS).to_pydict(), "model_version": ["3"] * 7}


JSON = {
    "row objects": OBJECTS,
    "columns": COLUMNS,
    "a V1 request": {"instances": OBJECTS},
    "a V1 request of columns": {"instances": COLUMNS},
    "a V2 request": v2_body(COLUMNS),
}


@pytest.mark.parametrize("name", JSON)
def test_json_in_any_of_its_forms(server: Running, expected: dict[str, list[Any]], tmp_path: Path, name: str) -> None:
    file = tmp_path / "rows.json"
    file.write_text(json.dumps(JSON[name]))
    assert predict(server.url, "delay-api", file).to_pydict() == expected


def test_one_object_is_one_row(server: Running, expected: dict[str, list[Any]], tmp_path: Path) -> None:
    file = tmp_path / "row.json"
    file.write_text(json.dumps(OBJECTS[0]))
    assert predict(server.url, "delay-api", file).to_pydict() == {name: values[:1] for name, values in expected.items()}


def test_csv_is_typed_by_the_signature(server: Running, expected: dict[str, list[Any]], tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    with file.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, [*COLUMNS, "late"])
        writer.writeheader()
        writer.writerows([{name: "NA" if value is None else value for name, value in row.items()} | {"late": "true"} for row in OBJECTS])
    assert predict(server.url, "delay-api", file).to_pydict() == expected


def test_parquet_may_hold_other_columns(server: Running, expected: dict[str, list[Any]], tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    parquet.write_table(ROWS.append_column("late", pyarrow.array([True] * 7)), file)
    assert predict(server.url, "delay-api", file).to_pydict() == expected


WRONG: dict[str, tuple[str, str, str]] = {
    "another kind of file": ("rows.xml", "", "its name ends neither in .json nor .csv nor .parquet"),
    "no JSON": ("rows.json", "{", "cannot be read: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    "a JSON number": ("rows.json", "7", "holds neither rows nor columns"),
    "a row that lacks a column": ("rows.json", '[{"distance": 1}]', "row 0 has no 'hour'"),
    "a CSV that lacks a column": ("rows.csv", "hour,carrier\n9,UA\n", "column 'distance' is missing"),
    "a CSV value that does not fit": ("rows.csv", "distance,hour,refundable,booked,carrier\n1,nine,true,,UA\n", "line 2, column 'hour': 'nine' is not INT64"),
    "no Parquet": ("rows.parquet", "text", "is not Parquet"),
    "no rows": ("rows.json", "[]", "has no rows"),
    "rows that the endpoint refuses": (
        "rows.json", json.dumps([OBJECTS[0] | {"hour": "9"}]), "the endpoint answered 400: tensor 'hour': '9' is not a whole number or null",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_does_not_fit_is_refused(server: Running, tmp_path: Path, name: str) -> None:
    file_name, content, message = WRONG[name]
    (tmp_path / file_name).write_text(content)
    with pytest.raises(PredictError) as caught:
        predict(server.url, "delay-api", tmp_path / file_name)
    assert message in str(caught.value)


def test_an_endpoint_that_does_not_answer_is_said_as_such(tmp_path: Path) -> None:
    with pytest.raises(PredictError, match=r"does not answer: .*Connection refused") as caught:
        predict("http://127.0.0.1:9", "delay-api", tmp_path / "rows.json")
    assert caught.value.hint == "mlx status says whether the endpoint runs"


def test_a_file_that_does_not_exist_is_said_as_such(server: Running, tmp_path: Path) -> None:
    with pytest.raises(PredictError, match=r"rows\.json does not exist"):
        predict(server.url, "delay-api", tmp_path / "rows.json")
