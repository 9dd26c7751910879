"""Our offline store gives what Feast's own gives, whatever the rows: Feast is the measure, and is imported here."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

START = datetime(2020, 1, 1, tzinfo=UTC)
NUMBERS = count()
KEYS = st.one_of(st.none(), st.sampled_from(["a", "b", "a1", ""]))
MOMENTS = st.integers(0, 12).map(lambda number: START + timedelta(minutes=10 * number, microseconds=number % 3))


@dataclass(frozen=True)
class Case:
    """Entity rows and the rows of two views."""

    entities: list[tuple[Any, ...]]
    first: list[tuple[Any, ...]]
    second: list[tuple[Any, ...]]
    ttl: int
    zone: str
    full_names: bool


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Small enough to meet ties, duplicates, gaps and edges of the ttl often. Rows that nothing orders are left out: Feast takes any of them."""
    rows = st.tuples(KEYS, MOMENTS, MOMENTS, st.one_of(st.none(), st.floats(-3, 3)), st.one_of(st.none(), st.text("xy", max_size=2)))
    pairs = st.tuples(KEYS, st.integers(0, 2), MOMENTS, st.one_of(st.none(), st.integers(-(2**60), 2**60)))
    return Case(
        entities=draw(st.lists(st.tuples(KEYS, st.integers(0, 2), MOMENTS), min_size=1, max_size=12)),
        first=draw(st.lists(rows, max_size=20, unique_by=lambda row: row[:3])),
        second=draw(st.lists(pairs, max_size=15, unique_by=lambda row: row[:3])),
        ttl=draw(st.sampled_from([0, 600, 1800, 86_400])),
        zone=draw(st.sampled_from(["America/New_York", "UTC", "Asia/Kolkata"])),
        full_names=draw(st.booleans()),
    )


class Registry:
    """Has no on-demand views."""

    def list_on_demand_feature_views(self, *_: Any, **__: Any) -> list[Any]:
        """None."""
        return []


def source(folder: Path, names: list[str], types: list[pyarrow.DataType], rows: list[tuple[Any, ...]]) -> str:
    path = folder / f"{next(NUMBERS)}.parquet"
    columns = {name: pyarrow.array([row[place] for row in rows], type) for place, (name, type) in enumerate(zip(names, types, strict=True))}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return str(path)


def views(folder: Path, case: Case) -> list[Any]:
    from feast import Entity, FeatureView, Field, FileSource
    from feast.types import Float64, Int64, String
    from feast.value_type import ValueType

    zoned, text = pyarrow.timestamp("us", "UTC"), pyarrow.string()
    key, other = Entity(name="k", join_keys=["k"], value_type=ValueType.STRING), Entity(name="n", join_keys=["n"], value_type=ValueType.INT64)
    naive = [(key, at.replace(tzinfo=None), created, *rest) for key, at, created, *rest in case.first]
    one = source(folder, ["k", "at", "created", "x", "word"], [text, pyarrow.timestamp("us"), zoned, pyarrow.float64(), text], naive)
    two = source(folder, ["k", "n", "at", "big"], [text, pyarrow.int64(), zoned, pyarrow.int64()], case.second)
    rows = FileSource(path=one, timestamp_field="at", created_timestamp_column="created")
    return [
        FeatureView(
            name="first", entities=[key], ttl=timedelta(seconds=case.ttl), source=rows,
            schema=[Field(name="k", dtype=String), Field(name="x", dtype=Float64), Field(name="word", dtype=String)],
        ),
        FeatureView(
            name="second", entities=[key, other], ttl=timedelta(0), source=FileSource(path=two, timestamp_field="at"),
            schema=[Field(name="k", dtype=String), Field(name="n", dtype=Int64), Field(name="big", dtype=Int64)],
        ),
    ]  # fmt: skip


def joined(store: Any, folder: Path, case: Case, registered: list[Any]) -> list[dict[str, Any]]:
    from feast import RepoConfig

    config = RepoConfig(project="p", provider="local", registry="r.db", offline_store={"type": "duckdb"}, entity_key_serialization_version=3)
    config.repo_path = folder
    zone = ZoneInfo(case.zone)
    rows = [(key, number, moment.astimezone(zone), place) for place, (key, number, moment) in enumerate(case.entities)]
    frame = pd.DataFrame(rows, columns=["k", "n", "event_timestamp", "place"]).astype({"k": object})
    references = ["first:x", "first:word", "second:big"]
    return store.get_historical_features(config, registered, references, frame, Registry(), "p", case.full_names).to_arrow().to_pylist()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sources stand."""
    return tmp_path_factory.mktemp("sources")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=cases())
def test_the_asof_join_equals_feasts_join(folder: Path, case: Case) -> None:
    from feast.infra.offline_stores.duckdb import DuckDBOfflineStore

    from mlx_features.offline_store import AsofDuckDBOfflineStore

    registered = views(folder, case)
    ours = joined(AsofDuckDBOfflineStore, folder, case, registered)
    theirs = sorted(joined(DuckDBOfflineStore, folder, case, registered), key=lambda row: row["place"])
    assert ours == theirs
    assert [row["place"] for row in ours] == list(range(len(case.entities)))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=cases(), first=MOMENTS, last=MOMENTS)
def test_the_latest_rows_equal_feasts(folder: Path, case: Case, first: datetime, last: datetime) -> None:
    from feast import RepoConfig
    from feast.infra.offline_stores.duckdb import DuckDBOfflineStore

    from mlx_features.offline_store import AsofDuckDBOfflineStore

    config = RepoConfig(project="p", provider="local", registry="r.db", offline_store={"type": "duckdb"}, entity_key_serialization_version=3)
    config.repo_path = folder
    rows = views(folder, case)[0].batch_source
    arguments = (config, rows, ["k"], ["x", "word"], "at", "created", first, last)
    ours = AsofDuckDBOfflineStore.pull_latest_from_table_or_query(*arguments).to_arrow().to_pylist()
    theirs = DuckDBOfflineStore.pull_latest_from_table_or_query(*arguments).to_arrow().to_pylist()
    by_key = {row["k"]: row for row in theirs if row["k"] is not None}
    assert {row["k"]: row for row in ours} == by_key


def test_of_rows_that_nothing_tells_apart_the_last_in_the_file_wins_in_training_and_serving(folder: Path) -> None:
    from feast import RepoConfig

    from mlx_features.offline_store import AsofDuckDBOfflineStore

    rows = [("a", START, START, float(number), None) for number in range(5)]
    case = Case([("a", 0, START)], rows, [], 0, "UTC", False)
    registered = views(folder, case)
    config = RepoConfig(project="p", provider="local", registry="r.db", offline_store={"type": "duckdb"}, entity_key_serialization_version=3)
    config.repo_path = folder
    latest = AsofDuckDBOfflineStore.pull_latest_from_table_or_query(config, registered[0].batch_source, ["k"], ["x"], "at", "created", START, START)
    assert [row["x"] for row in joined(AsofDuckDBOfflineStore, folder, case, registered)] == [4.0]
    assert [row["x"] for row in latest.to_arrow().to_pylist()] == [4.0]
