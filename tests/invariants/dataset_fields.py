"""The fields of Dataset: for each a small spec, a second value, and what is seen of the prepared rows with the one and the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
from prepared import Prepared


@dataclass(frozen=True)
class Case:
    """One field with a second value; ``seen`` is a named observable of what was prepared."""

    path: str
    base: Mapping[str, Any]
    value: Any
    seen: Callable[[Prepared], Any]
    before: Any
    after: Any
    also: Mapping[str, Any] = field(default_factory=dict)
    """Other fields that the second value cannot do without, by path."""


def ids(made: Prepared) -> list[Any]:
    """The rows that came out, in the order of the file."""
    return made.rows.column("id").to_pylist()


def xs(made: Prepared) -> list[Any]:
    """The values of column x, in the order of the file."""
    return made.rows.column("x").to_pylist()


def columns(made: Prepared) -> dict[str, str]:
    """The columns of the file and their types."""
    return {column["name"]: column["type"] for column in made.manifest["columns"]}


def rejected(made: Prepared) -> list[tuple[str, int]]:
    """The reasons for which rows were set aside, with counts."""
    return [(one["reason"], one["rows"]) for one in made.manifest["rejectedBy"]]


def rejected_ids(made: Prepared) -> list[Any]:
    """The rows that were set aside."""
    return sorted(parquet.read_table(made.folder / "rejected.parquet").column("id").to_pylist())


def checks(made: Prepared) -> list[tuple[str, bool, int]]:
    """Each check with its name, whether it passed, and how many rows fail it."""
    return [(one["name"], one["passed"], one["failing"]) for one in made.manifest["checks"]]


def error(made: Prepared) -> str:
    """Why the line stopped; empty where it did not."""
    return made.error


def about(made: Prepared) -> dict[str, Any]:
    """What the folder of the rows says of the dataset and its columns."""
    return made.manifest["about"]


def column_notes(made: Prepared) -> dict[str, Any]:
    """What the folder of the rows says of the columns."""
    return made.manifest["about"]["columns"]


def source(**more: Any) -> dict[str, Any]:
    return {"source": {"type": "csv", "path": "data.csv"}, **more}


def step(**one: Any) -> dict[str, Any]:
    return source(prepare=[one])


def check(**one: Any) -> dict[str, Any]:
    return source(checks=[{"severity": "warn", **one}])


def missing(**one: Any) -> dict[str, Any]:
    return step(missing={"columns": ["x"], **one})


def outliers(**one: Any) -> dict[str, Any]:
    return step(outliers={"columns": ["x"], "action": "reject", **one})


def duplicates(**one: Any) -> dict[str, Any]:
    return {"source": {"type": "csv", "path": "twice.csv"}, "prepare": [{"deduplicate": one}]}


def text_in(path: str) -> dict[str, Any]:
    return {"source": {"type": "csv", "path": path}, "columns": {"x": {"type": "string"}}}


FILES: dict[str, str] = {
    "data.csv": "id,x,name\n1,10,a\n2,12,b\n3,,a\n4,11,c\n5,100,b\n",
    "more.csv": "id,x,name\n6,1,a\n7,2,b\n",
    "semicolons.csv": "id;x\n1;2\n",
    "nulls.csv": "id,x\n1,-\n2,NA\n3,c\n",
    "twice.csv": "id,x,name\n1,3,c\n1,1,a\n2,5,b\n1,2,a\n",
    "text.csv": "id,x\n1,7\n2,seven\n",
    "days.csv": "id,x\n1,2024-01-02\n2,2024-01-03\n",
    "flags.csv": "id,x\n1,1\n2,0\n",
    "data.jsonl": '{"id": 8}\n{"id": 9}\n',
    "more.jsonl": '{"id": 10}\n',
    "url.txt": "sqlite:///two.db\n",
}
TABLES = {"one.db": [1, 2], "two.db": [3]}
"""SQLite files with a table ``rows``; ``data.parquet`` holds id 11, ``more.parquet`` id 12."""

CSV = source()
JSON = {"source": {"type": "jsonl", "path": "data.jsonl"}}
PARQUET = {"source": {"type": "parquet", "path": "data.parquet"}}
SQL = {"source": {"type": "sql", "url": "sqlite:///one.db", "query": "select id from rows"}}
SECRET = {"source": {"type": "sql", "url": {"env": "MLX_TRIAL_ONE"}, "query": "select id from rows"}}
FROM_FILE = {"source": {"type": "sql", "url": {"file": "url.txt"}, "query": "select id from rows"}}
TIMED = source(timeline=["booking", "arrival"], columns={"id": {}, "x": {"availableAt": "booking", "description": "minutes"}})

SOURCES: tuple[Case, ...] = (
    Case("Dataset.spec.source", CSV, JSON["source"], ids, [1, 2, 3, 4, 5], [8, 9]),
    Case("Dataset.spec.source[csv].path", CSV, "more.csv", ids, [1, 2, 3, 4, 5], [6, 7]),
    Case("Dataset.spec.source[csv].package", CSV, "mlx_trial_package", ids, [1, 2, 3, 4, 5], [101]),
    Case(
        "Dataset.spec.source[csv].delimiter", {"source": {"type": "csv", "path": "semicolons.csv", "delimiter": ";"}}, "|", error,
        "", "Dataset/trial: column 'id;x' is no usable name",
    ),
    Case("Dataset.spec.source[csv].nullValues", {"source": {"type": "csv", "path": "nulls.csv"}}, ["-"], xs, ["-", None, "c"], [None, "NA", "c"]),
    Case("Dataset.spec.source[jsonl].path", JSON, "more.jsonl", ids, [8, 9], [10]),
    Case("Dataset.spec.source[jsonl].package", JSON, "mlx_trial_package", ids, [8, 9], [102]),
    Case("Dataset.spec.source[parquet].path", PARQUET, "more.parquet", ids, [11], [12]),
    Case("Dataset.spec.source[parquet].package", PARQUET, "mlx_trial_package", ids, [11], [103]),
    Case("Dataset.spec.source[sql].url", SQL, {"env": "MLX_TRIAL_TWO"}, ids, [1, 2], [3]),
    Case("Dataset.spec.source[sql].url[text]", SQL, "sqlite:///two.db", ids, [1, 2], [3]),
    Case("Dataset.spec.source[sql].url[secret].env", SECRET, "MLX_TRIAL_TWO", ids, [1, 2], [3]),
    Case("Dataset.spec.source[sql].url[secret].file", FROM_FILE, "other.txt", ids, [3], [1, 2]),
    Case("Dataset.spec.source[sql].query", SQL, "select id from rows where id > 1", ids, [1, 2], [2]),
)  # fmt: skip
SHAPE: tuple[Case, ...] = (
    Case("Dataset.spec.keys", source(keys=["id"]), ["name", "id"], ids, [1, 2, 3, 4, 5], [1, 3, 2, 5, 4]),
    Case("Dataset.spec.timeline", TIMED, ["arrival", "booking"], lambda made: about(made)["timeline"], ["booking", "arrival"], ["arrival", "booking"]),
    Case("Dataset.spec.columns", source(columns={"id": {}, "x": {}}), {"id": {}}, columns, {"id": "integer", "x": "integer"}, {"id": "integer"}),
    *(
        Case("Dataset.spec.columns.*.type", text_in(path), type, columns, {"x": "string"}, {"x": type})
        for type, path in (("integer", "more.csv"), ("float", "more.csv"), ("boolean", "flags.csv"), ("timestamp", "days.csv"), ("date", "days.csv"))
    ),
    Case(
        "Dataset.spec.columns.*.nullable", source(columns={"x": {"nullable": True}}), False, error, "",
        "Dataset/trial: 1 quality check failed\n  notNull of x: 1 row of 5 have no value\n    x=null",
    ),
    Case(
        "Dataset.spec.columns.*.availableAt", source(columns={"x": {"availableAt": "1h"}}), "2h", column_notes,
        {"x": {"description": "", "availableAt": "1h"}}, {"x": {"description": "", "availableAt": "2h"}},
    ),
    Case(
        "Dataset.spec.columns.*.description", source(columns={"x": {"description": "minutes"}}), "hours", column_notes,
        {"x": {"description": "minutes", "availableAt": ""}}, {"x": {"description": "hours", "availableAt": ""}},
    ),
    Case("Dataset.metadata.description", CSV, "Rows", lambda made: about(made)["description"], "", "Rows"),
    Case("Dataset.metadata.owner", CSV, "data team", lambda made: about(made)["owner"], "", "data team"),
    Case("Dataset.metadata.labels", CSV, {"tier": "1"}, lambda made: about(made)["labels"], {}, {"tier": "1"}),
)  # fmt: skip
STEPS: tuple[Case, ...] = (
    Case(
        "Dataset.spec.prepare", source(prepare=[{"sql": "select id, x + 1 as x from source"}, {"reject": {"where": "x > 12", "reason": "large"}}]),
        [{"reject": {"where": "x > 12", "reason": "large"}}, {"sql": "select id, x + 1 as x from source"}], ids, [1, 3, 4], [1, 2, 3, 4],
    ),
    Case("Dataset.spec.prepare[sql].sql", step(sql="select * from source"), "select * from source where id > 3", ids, [1, 2, 3, 4, 5], [4, 5]),
    Case(
        "Dataset.spec.prepare[cast].cast.columns", step(cast={"columns": {"x": "float"}}), {"x": "string"}, xs,
        [10.0, 12.0, None, 11.0, 100.0], ["10", "12", None, "11", "100"],
    ),
    *(
        Case(
            "Dataset.spec.prepare[cast].cast.onError",
            {"source": {"type": "csv", "path": "text.csv"}, "prepare": [{"cast": {"columns": {"x": "integer"}, "onError": "fail"}}]},
            value, lambda made: made.error.partition(":")[0] or (xs(made), rejected(made)), "Dataset/trial", seen,
        )
        for value, seen in (("reject", ([7], [("x is not an integer", 1)])), ("null", ([7, None], [])))
    ),
    Case(
        "Dataset.spec.prepare[missing].missing.columns", source(prepare=[{"missing": {"columns": ["x"], "strategy": "reject"}}]), ["name"], ids,
        [1, 2, 4, 5], [1, 2, 3, 4, 5],
    ),
    *(
        Case("Dataset.spec.prepare[missing].missing.strategy", missing(strategy="reject"), value, xs, [10, 12, 11, 100], [10, 12, seen, 11, 100])
        for value, seen in (("mean", 33), ("median", 12), ("mode", 10))
    ),
    Case(
        "Dataset.spec.prepare[missing].missing.strategy", missing(strategy="reject"), "constant", xs, [10, 12, 11, 100], [10, 12, 0, 11, 100],
        also={"Dataset.spec.prepare[missing].missing.value": 0},
    ),
    Case("Dataset.spec.prepare[missing].missing.value", missing(strategy="constant", value=0), 7, xs, [10, 12, 0, 11, 100], [10, 12, 7, 11, 100]),
    Case("Dataset.spec.prepare[outliers].outliers.columns", outliers(method="range", max=4.5), ["id"], ids, [3], [1, 2, 3, 4]),
    Case("Dataset.spec.prepare[outliers].outliers.method", outliers(method="iqr"), "zscore", ids, [1, 2, 3, 4], [1, 2, 3, 4, 5]),
    Case(
        "Dataset.spec.prepare[outliers].outliers.method", outliers(method="iqr"), "range", ids, [1, 2, 3, 4], [2, 3, 5],
        also={"Dataset.spec.prepare[outliers].outliers.min": 11.5},
    ),
    Case("Dataset.spec.prepare[outliers].outliers.factor", outliers(method="iqr", factor=1.5), 100.0, ids, [1, 2, 3, 4], [1, 2, 3, 4, 5]),
    Case("Dataset.spec.prepare[outliers].outliers.min", outliers(method="range", min=11.0), 12.0, ids, [2, 3, 4, 5], [2, 3, 5]),
    Case("Dataset.spec.prepare[outliers].outliers.max", outliers(method="range", max=12.0), 10.0, ids, [1, 2, 3, 4], [1, 3]),
    *(
        Case("Dataset.spec.prepare[outliers].outliers.action", outliers(method="range", max=50.0), value, xs, [10, 12, None, 11], [10, 12, None, 11, seen])
        for value, seen in (("clip", 50), ("null", None))
    ),
    Case("Dataset.spec.prepare[deduplicate].deduplicate.keys", duplicates(keys=["id"]), ["name"], xs, [3, 5], [1, 3, 5]),
    Case("Dataset.spec.prepare[deduplicate].deduplicate.keep", duplicates(keys=["id"], keep="first"), "last", xs, [3, 5], [2, 5]),
    Case("Dataset.spec.prepare[deduplicate].deduplicate.orderBy", duplicates(keys=["id"]), ["x"], xs, [3, 5], [1, 5]),
    Case("Dataset.spec.prepare[reject].reject.where", step(reject={"where": "x > 50", "reason": "r"}), "id = 1", rejected_ids, [5], [1]),
    Case(
        "Dataset.spec.prepare[reject].reject.reason", step(reject={"where": "x > 50", "reason": "large"}), "too large", rejected,
        [("large", 1)], [("too large", 1)],
    ),
)  # fmt: skip
CHECKS: tuple[Case, ...] = (
    Case("Dataset.spec.checks", CSV, [{"type": "rows", "min": 1}], checks, [], [("rows", True, 0)]),
    Case("Dataset.spec.checks[].name", check(type="rows", min=1), "enough", checks, [("rows", True, 0)], [("enough", True, 0)]),
    *(
        Case(
            "Dataset.spec.checks[].type", check(type="notNull", columns=["name"]), type, checks, [("notNull of name", True, 0)], [seen],
            also={f"Dataset.spec.checks[].{name}": value for name, value in {"columns": ["name"], **fields}.items()},
        )
        for type, fields, seen in (
            ("unique", {}, ("unique of name", False, 4)),
            ("range", {"columns": ["x"], "max": 50.0}, ("range of x", False, 1)),
            ("values", {"values": ["a"]}, ("values of name", False, 3)),
            ("pattern", {"pattern": "[ab]"}, ("pattern of name", False, 1)),
        )
    ),
    Case("Dataset.spec.checks[].columns", check(type="notNull", columns=["name"]), ["x"], checks, [("notNull of name", True, 0)], [("notNull of x", False, 1)]),
    Case("Dataset.spec.checks[].min", check(type="rows", min=5), 6, checks, [("rows", True, 0)], [("rows", False, 5)]),
    Case("Dataset.spec.checks[].min", check(type="range", columns=["x"], min=10), 11, checks, [("range of x", True, 0)], [("range of x", False, 1)]),
    Case("Dataset.spec.checks[].max", check(type="rows", max=5), 4, checks, [("rows", True, 0)], [("rows", False, 5)]),
    Case("Dataset.spec.checks[].max", check(type="range", columns=["x"], max=100), 99, checks, [("range of x", True, 0)], [("range of x", False, 1)]),
    Case(
        "Dataset.spec.checks[].values", check(type="values", columns=["name"], values=["a"]), ["a", "b"], checks,
        [("values of name", False, 3)], [("values of name", False, 1)],
    ),
    Case(
        "Dataset.spec.checks[].pattern", check(type="pattern", columns=["name"], pattern="a"), "[abc]", checks,
        [("pattern of name", False, 3)], [("pattern of name", True, 0)],
    ),
    Case("Dataset.spec.checks[].condition", check(type="condition", condition="x < 50"), "x < 5", lambda made: checks(made)[0][2], 1, 4),
    Case("Dataset.spec.checks[].tolerance", check(type="notNull", columns=["x"]), 0.5, checks, [("notNull of x", False, 1)], [("notNull of x", True, 1)]),
    Case(
        "Dataset.spec.checks[].severity", check(type="rows", min=6), "stop", error, "",
        "Dataset/trial: 1 quality check failed\n  rows: 5 rows, wanted at least 6",
    ),
)  # fmt: skip
CASES = (*SOURCES, *SHAPE, *STEPS, *CHECKS)


def write_files(root: Path) -> None:
    """The sources of all cases, and beside them an installed package that ships others."""
    import pyarrow

    for name, content in {**FILES, "other.txt": "sqlite:///one.db\n"}.items():
        (root / name).write_text(content)
    for name, numbers in TABLES.items():
        _write_database(root / name, numbers)
    for name, number in (("data.parquet", 11), ("more.parquet", 12)):
        parquet.write_table(pyarrow.table({"id": [number]}), root / name)


def write_package(root: Path) -> None:
    """``mlx_trial_package`` as it lies in site-packages."""
    import pyarrow

    folder = root / "mlx_trial_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('a package that ships data is not imported')\n")
    (folder / "data.csv").write_text("id,x,name\n101,1,a\n")
    (folder / "data.jsonl").write_text('{"id": 102}\n')
    parquet.write_table(pyarrow.table({"id": [103]}), folder / "data.parquet")


def _write_database(path: Path, numbers: list[int]) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(path)) as client, client:
        client.execute("create table rows (id integer)")
        client.executemany("insert into rows values (?)", [(number,) for number in numbers])
