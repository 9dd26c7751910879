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
from mlx_runtime.read_rows import RowsError
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


HEADER = "distance,hour,refundable,booked,carrier\n"
READS = "the model reads distance, hour, refundable, booked, carrier"
LIST = 'write a list of rows: [{"COLUMN": VALUE, …}, …]'
JSON_TOOL = "check it with: python -m json.tool FILE"
WRONG: dict[str, tuple[str, str | bytes, str, str]] = {
    "another kind of file": ("rows.xml", "", ": what it holds cannot be told from its name", "name it .json, .csv or .parquet"),
    "an empty CSV": ("rows.csv", "", ": the file is empty", READS),
    "an empty JSON file": ("rows.json", " \n", ": the file is empty", READS),
    "no JSON": ("rows.json", "{\n nope", ":2:2: not JSON: Expecting property name enclosed in double quotes", JSON_TOOL),
    "JSON lines": ("rows.json", '{"hour": 1}\n{"hour": 2}\n', ":2:1: not JSON: more follows after the first value, as in JSON lines", LIST),
    "deep JSON": ("rows.json", "[" * 100_000, ": not rows: it is nested too deeply", LIST),
    "a JSON number": ("rows.json", "7", ": it holds neither rows nor columns", LIST),
    "rows in an object": (
        "rows.json", json.dumps({"rows": OBJECTS}), ": columns 'distance', 'hour', 'refundable', 'booked', 'carrier' missing; the file has 'rows'", READS,
    ),
    "rows that are lists": ("rows.json", "[[1, 2]]", ": row 1 is no object of columns", LIST),
    "a row that lacks columns": ("rows.json", json.dumps([OBJECTS[0], {"Distance": 1, "hour": 2, "refundable": True, "booked": None}]),
        ": row 2: columns 'distance', 'carrier' missing; is 'Distance' meant for 'distance'?", READS,
    ),
    "columns of two lengths": (
        "rows.json", json.dumps({**COLUMNS, "hour": [9]}),
        ": its columns differ in length: distance has 7, hour has 1, refundable has 7, booked has 7, carrier has 7",
        "give each column a value for each row, null where there is none",
    ),
    "a V2 request without data": (
        "rows.json", '{"inputs": [{"name": "hour"}]}', ": input 1 of the V2 request has no name or no data", 'write {"name": "COLUMN", "data": [VALUE, …]}',
    ),
    "no rows": ("rows.json", "[]", ": it has no rows", READS),
    "a CSV of a header": ("rows.csv", HEADER, ": it has no rows", READS),
    "a CSV that lacks a column": ("rows.csv", HEADER.replace("carr", "car"), ": column 'carrier' missing; is 'carier' meant for 'carrier'?", READS),
    "a column twice": ("rows.csv", "hour,hour\n1,2\n", ":1: column 'hour' stands twice in the header", "rename or remove one of them"),
    "too few fields": (
        "rows.csv", HEADER + "1,9,true,,UA\n\n1,9\n", ":4: 2 fields, but the header has 5", "give each column a value; nothing between two commas is null",
    ),
    "too many fields": ("rows.csv", HEADER + "1,9,true,,UA,7\n", ":2: 6 fields, but the header has 5", "quote a value that holds a comma"),
    "semicolons": ("rows.csv", "distance;hour\n1;2\n", ":1: its columns are separated by semicolons, not commas", "save it as CSV with commas"),
    "tabs": ("rows.csv", "distance\thour\n1\t2\n", ":1: its columns are separated by tabs, not commas", "save it as CSV with commas"),
    "an open quote": ("rows.csv", HEADER + '1,9,true,,"UA\n', ":2: not CSV: unexpected end of data", "check the quotes of this line"),
    "a CSV value that does not fit": (
        "rows.csv", HEADER + "1,nine,true,,UA\n", ":2: column 'hour': 'nine' is not a whole number", "write numbers with a point and without separators",
    ),
    "another encoding": (
        "rows.csv", (HEADER + "1,9,true,,Zürich\n").encode("latin-1"), ":2: not UTF-8: byte 0xfc",
        "save it as UTF-8, such as: iconv -f WINDOWS-1252 -t UTF-8 rows.csv",
    ),
    "what a spreadsheet calls Unicode": (
        "rows.csv", HEADER.encode("utf-16"), ":1: not UTF-8: byte 0xff", "save it as UTF-8, such as: iconv -f UTF-16 -t UTF-8 rows.csv",
    ),
    "no Parquet": ("rows.parquet", "text", ": not Parquet: ", "write it again, or use .json or .csv"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_does_not_fit_is_refused_with_its_place(server: Running, tmp_path: Path, name: str) -> None:
    file_name, content, message, hint = WRONG[name]
    file = tmp_path / file_name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RowsError) as caught:
        predict(server.url, "delay-api", file)
    told = str(caught.value)
    assert (told if name != "no Parquet" else told[: len(str(file) + message)], caught.value.hint) == (f"{file}{message}", hint)


def test_rows_that_the_endpoint_refuses_are_told_in_its_words(server: Running, tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps([OBJECTS[0] | {"hour": "9"}]))
    with pytest.raises(PredictError, match="the endpoint answered 400: tensor 'hour': '9' is not a whole number or null"):
        predict(server.url, "delay-api", tmp_path / "rows.json")


def test_a_byte_order_mark_and_blank_lines_are_no_matter(server: Running, expected: dict[str, list[Any]], tmp_path: Path) -> None:
    for name, text in {"rows.csv": "distance,hour,refundable,booked,carrier\n\n" + csv_line(OBJECTS[0]), "rows.json": json.dumps(OBJECTS[0])}.items():
        (tmp_path / name).write_text(text, encoding="utf-8-sig")
        assert predict(server.url, "delay-api", tmp_path / name).to_pydict() == {name: values[:1] for name, values in expected.items()}


def csv_line(row: dict[str, Any]) -> str:
    return ",".join("" if row[name] is None else str(row[name]) for name in HEADER.strip().split(",")) + "\n"


def test_parquet_values_that_no_model_reads_are_refused(server: Running, tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    parquet.write_table(ROWS.set_column(ROWS.column_names.index("hour"), "hour", pyarrow.array([[1]] * 7)), file)
    with pytest.raises(RowsError, match=r"rows\.parquet: column 'hour' holds values of type list"):
        predict(server.url, "delay-api", file)


def test_an_endpoint_that_does_not_answer_is_said_as_such(tmp_path: Path) -> None:
    with pytest.raises(PredictError, match=r"does not answer: .*Connection refused") as caught:
        predict("http://127.0.0.1:9", "delay-api", tmp_path / "rows.json")
    assert caught.value.hint == "mlx status says whether the endpoint runs"


def test_a_file_that_does_not_exist_is_said_as_such(server: Running, tmp_path: Path) -> None:
    with pytest.raises(RowsError, match=r"rows\.json: it cannot be read: No such file or directory"):
        predict(server.url, "delay-api", tmp_path / "rows.json")
