"""``predict`` for an endpoint that looks its features up: a file of keys is enough, and what lacks is told as keys."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
from made_features import MadeStore, bookings
from made_flights import Packaged, as_rows
from sklearn.ensemble import HistGradientBoostingClassifier

from mlx_runtime.predict import predict
from mlx_runtime.read_rows import RowsError
from mlx_runtime.scorer import load

INPUTS = ["hour", "wind", "rate"]
ROWS = bookings(7, seed=8)
READS = "the model reads hour; its features are looked up by origin, dest"


@pytest.fixture(scope="module")
def model(store: MadeStore, pack: Callable[..., Packaged]) -> Packaged:
    joined = store.join("training", bookings(200, seed=1)).select(INPUTS)
    return pack("late-by-keys", HistGradientBoostingClassifier(max_iter=5, random_state=0), joined, joined["hour"].to_numpy() > 12)


@pytest.fixture(scope="module")
def url(serve: Any, model: Packaged, store: MadeStore, workspace: Path) -> str:
    return serve("late-api", model.version("3", workspace), max_rows=3, features=store.lookup)[1].url


@pytest.fixture(scope="module")
def expected(store: MadeStore, model: Packaged) -> dict[str, list[Any]]:
    return {**load(model.folder, model.digest).score_table(store.join("asked", ROWS).select(INPUTS)).to_pydict(), "model_version": ["3"] * 7}


def test_files_that_carry_only_keys_are_answered(url: str, expected: dict[str, list[Any]], tmp_path: Path) -> None:
    columns = as_rows(ROWS)
    objects = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    (tmp_path / "rows.json").write_text(json.dumps(objects))
    parquet.write_table(ROWS, tmp_path / "rows.parquet")
    with (tmp_path / "rows.csv").open("w", newline="") as lines:
        writer = csv.DictWriter(lines, list(columns))
        writer.writeheader()
        writer.writerows(objects)
    assert [predict(url, "late-api", tmp_path / f"rows.{kind}").to_pydict() for kind in ("json", "parquet", "csv")] == [expected] * 3


def test_a_feature_in_the_file_is_used_as_it_is(url: str, model: Packaged, tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps([{"origin": "JFK", "dest": "LAX", "hour": 9, "wind": 99.5, "rate": 0.5, "late": True}]))
    scored = load(model.folder, model.digest).score_table(parquet_row(hour=9, wind=99.5, rate=0.5)).to_pydict()
    assert predict(url, "late-api", tmp_path / "rows.json").to_pydict() == {**scored, "model_version": ["3"]}


def test_a_file_that_carries_all_that_the_model_takes_needs_no_keys(url: str, model: Packaged, tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps([{"hour": 9, "wind": 99.5, "rate": 0.5}]))
    scored = load(model.folder, model.digest).score_table(parquet_row(hour=9, wind=99.5, rate=0.5)).to_pydict()
    assert predict(url, "late-api", tmp_path / "rows.json").to_pydict() == {**scored, "model_version": ["3"]}


def parquet_row(**values: Any) -> Any:
    import pyarrow

    return pyarrow.table({name: [value] for name, value in values.items()})


WRONG = {
    "no keys": ("hour\n9\n", "rows.csv: keys 'origin', 'dest' (of views forecast, route-rate) missing", READS),
    "a key misspelt": ("hour,origin,Dest\n9,JFK,LAX\n", "rows.csv: key 'dest' (of view route-rate) missing; is 'Dest' meant for 'dest'?", READS),
    "a column and a key": ("origin\nJFK\n", "rows.csv: column 'hour' and key 'dest' (of view route-rate) missing", READS),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_a_file_lacks_is_told_as_keys(url: str, tmp_path: Path, name: str) -> None:
    text, message, hint = WRONG[name]
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(RowsError) as caught:
        predict(url, "late-api", tmp_path / "rows.csv")
    assert (str(caught.value), caught.value.hint) == (f"{tmp_path}/{message}", hint)


def test_rows_with_other_columns_than_the_first_are_refused(url: str, tmp_path: Path) -> None:
    row = {"origin": "JFK", "dest": "LAX", "hour": 9}
    (tmp_path / "rows.json").write_text(json.dumps([row | {"wind": 1.0}, row]))
    with pytest.raises(RowsError, match=r"rows\.json: row 2 lacks 'wind', unlike row 1"):
        predict(url, "late-api", tmp_path / "rows.json")


def test_defaults_are_reported(serve: Any, model: Packaged, store: MadeStore, workspace: Path, tmp_path: Path) -> None:
    url = serve("late-api", model.version("3", workspace), features=store.lookup)[1].url
    rows = [{"origin": origin, "dest": "BOS", "hour": 9, "departs": "2013-06-10T13:00:00Z"} for origin in ("JFK", "XXX", None)]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    said = list[str]()
    predict(url, "late-api", tmp_path / "rows.json", said.append)
    assert said == [
        "forecast: 2 of 3 rows have no row in the online store; defaults or null were used",
        "route-rate: 2 of 3 rows have no row in the online store, 1 of 3 only one that is too old; defaults or null were used",
    ]
