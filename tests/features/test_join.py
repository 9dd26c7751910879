"""Rows with features as of their moments: equal to a naive point-in-time join, row by row."""

import json
import random
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pyarrow.parquet
import pytest
from made import (
    AGE,
    CARRIERS_VIEW,
    COMFORT,
    DEFINITIONS,
    FLEET,
    FLIGHT_TYPES,
    PLANES,
    SERVICE,
    Workspace,
    flight_rows,
    hour,
)  # fmt: skip

from mlx_features.client import FeastWorker
from mlx_features.errors import FeatureError
from mlx_specs.feature_resources import FeatureDefinitions, JoinedDatasetOutputs, ServiceDefinition, ViewDefinition
from mlx_specs.resources import PreparedData

FEATURES = [name for names in SERVICE.views.values() for name in names]


def quiet(_: str) -> None:
    """Nobody listens."""


def rows_of(workspace: Workspace, path: str) -> list[dict[str, Any]]:
    return pyarrow.parquet.read_table(workspace.folder / path).to_pylist()


def naive(workspace: Workspace, view: ViewDefinition, row: Mapping[str, Any], known: list[dict[str, Any]]) -> dict[str, Any]:
    """One row, one view, by looking at every source row; the last in the file wins a tie."""
    keys = [entity.join_key for entity in view.entities]
    best: tuple[Any, ...] | None = None
    values: dict[str, Any] = {}
    for place, one in enumerate(known):
        age = row["at"] - one[view.event_time]
        if any(row[key] is None or one[key] != row[key] for key in keys) or age < timedelta(0) or (view.ttl and age > timedelta(seconds=view.ttl)):
            continue
        stamp = (one[view.event_time], one[view.created_time] if view.created_time else None, place)
        if best is None or stamp > best:
            best, values = stamp, one
    found = {field.name: values.get(field.name) for field in view.features}
    return {name: view.defaults.get(name) if value is None else value for name, value in found.items()}


def expected(workspace: Workspace, row: dict[str, Any], known: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The row with the whole service."""
    found: dict[str, Any] = {}
    for view in DEFINITIONS.views:
        found |= naive(workspace, view, row, known[view.source])
    built, temp, rain = found["built"], found["temp"], found["rain"]
    found["age"] = None if row["year"] is None else row["year"] - built
    unknown = temp is None or row["distance"] is None
    found["comfort"] = None if unknown else temp - 10 * rain + row["distance"] / 1000
    found["wet"] = False if unknown else rain > 0.5
    return {**row, **{name: found[name] for name in FEATURES}}


def test_joined_rows_equal_a_naive_point_in_time_join(served: Workspace, feast: FeastWorker, flights: Callable[[int], PreparedData]) -> None:
    data = flights(400)
    made = feast.join(served.joined(data), quiet)
    rows = rows_of(served, data.path)
    known = {name: rows_of(served, source.path) for name, source in served.sources.items()}
    assert rows_of(served, made.path) == [expected(served, row, known) for row in rows]
    assert made.rows == 400
    assert [(one.name, one.type) for one in made.columns] == [
        *FLIGHT_TYPES.items(), ("temp", "float"), ("rain", "float"), ("sky", "string"), ("storm", "boolean"), ("late", "float"), ("flights", "integer"),
        ("route_late", "float"), ("first_flight", "date"), ("checked", "timestamp"), ("age", "integer"), ("comfort", "float"), ("wet", "boolean"),
    ]  # fmt: skip


def test_coverage_is_counted_before_defaults(served: Workspace, feast: FeastWorker, flights: Callable[[int], PreparedData]) -> None:
    data = flights(200)
    made = feast.join(served.joined(data), quiet)
    bare = [view.model_copy(update={"defaults": {}}) for view in DEFINITIONS.views]
    known = {name: rows_of(served, source.path) for name, source in served.sources.items()}
    rows = rows_of(served, data.path)
    for view in bare:
        found = [naive(served, view, row, known[view.source]) for row in rows]
        for name in SERVICE.views.get(view.name, []):
            assert made.coverage[name] == round(sum(one[name] is not None for one in found) / len(rows), 6)
    assert list(made.coverage) == FEATURES


def test_equal_content_has_one_address_whatever_file_it_came_from(served: Workspace, feast: FeastWorker) -> None:
    rows = flight_rows(random.Random(3), 50)
    first = feast.join(served.joined(served.write("flights", FLIGHT_TYPES, rows)), quiet)
    file = served.folder / first.path
    written = file.stat().st_mtime_ns
    second = feast.join(served.joined(served.write("flights", FLIGHT_TYPES, rows)), quiet)
    assert (second.content_digest, second.path) == (first.content_digest, first.path)
    assert file.stat().st_mtime_ns == written
    other = feast.join(served.joined(served.write("flights", FLIGHT_TYPES, rows[::-1])), quiet)
    assert other.content_digest != first.content_digest
    manifest = json.loads((file.parent / "manifest.json").read_text())
    assert manifest["contentDigest"] == first.content_digest == file.parent.name
    assert manifest["sources"] == {name: source.digest for name, source in served.sources.items()}


def test_a_damaged_file_is_written_again(served: Workspace, feast: FeastWorker, flights: Callable[[int], PreparedData]) -> None:
    made = feast.join(served.joined(flights(30)), quiet)
    whole = (served.folder / made.path).read_bytes()
    (served.folder / made.path).write_bytes(whole[:-10])
    assert feast.join(served.joined(flights(30)), quiet).content_digest == made.content_digest
    assert (served.folder / made.path).read_bytes() == whole


def test_duplicate_rows_and_no_rows_are_kept(served: Workspace, feast: FeastWorker) -> None:
    row = (1, hour(50), "JFK", "BOS", "AA", PLANES[0], 2013, 200)
    made = feast.join(served.joined(served.write("flights", FLIGHT_TYPES, [row, row, row])), quiet)
    (one, *others) = rows_of(served, made.path)
    assert others == [one, one]
    empty = feast.join(served.joined(served.write("flights", FLIGHT_TYPES, [])), quiet)
    assert (empty.rows, empty.coverage) == (0, dict.fromkeys(FEATURES, 1.0))


def test_new_rows_behind_a_source_are_joined(workspace: Workspace, feast: FeastWorker) -> None:
    service = ServiceDefinition(name="small", views={"carriers": ["late"]})
    part = FeatureDefinitions(views=[CARRIERS_VIEW], services=[service])
    data = workspace.write("flights", FLIGHT_TYPES, [(1, hour(50), None, "BOS", "AA", None, None, None)])
    types = {"carrier": "string", "known_at": "timestamp", "late": "float", "flights": "integer"}
    feast.apply(workspace.registry(part), quiet)

    def late(rows: list[tuple[Any, ...]]) -> Any:
        changed = workspace.with_source("carrier-days", workspace.write("carrier-days", types, rows))
        return rows_of(workspace, feast.join(changed.joined(data, part), quiet).path)[0]["late"]

    assert [late([("AA", hour(1), value, 1)]) for value in (0.5, 0.75)] == [0.5, 0.75]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one.model_copy(update={"event_time": None}), "Dataset/flights has no event time"),
        (lambda one: one.model_copy(update={"path": "data/gone.parquet"}), "Dataset/flights is not prepared: data/gone.parquet is missing"),
    ],
)
def test_rows_that_cannot_be_joined_are_named(
    served: Workspace, feast: FeastWorker, flights: Callable[[int], PreparedData], change: Callable[[PreparedData], PreparedData], message: str
) -> None:
    with pytest.raises(FeatureError, match=message):
        feast.join(served.joined(change(flights(5))), quiet)


def test_a_missing_key_and_a_feature_that_is_a_column_are_named(served: Workspace, feast: FeastWorker) -> None:
    data = served.write("flights", {"at": "timestamp", "late": "float"}, [(hour(1), 0.5)])
    with pytest.raises(FeatureError, match="Dataset/flights has no column 'origin', which the features need"):
        feast.join(served.joined(data), quiet)
    clash = served.write("flights", {"at": "timestamp", "carrier": "string", "late": "float"}, [(hour(1), "AA", 0.5)])
    part = FeatureDefinitions(views=[CARRIERS_VIEW], services=[ServiceDefinition(name="check-in", views={"carriers": ["late"]})])
    with pytest.raises(FeatureError, match="feature 'late' of view 'carriers' is also a column of Dataset/flights"):
        feast.join(served.joined(clash, part), quiet)


def test_a_source_without_a_column_that_a_view_takes_is_named_with_the_view(
    served: Workspace, feast: FeastWorker, flights: Callable[[int], PreparedData]
) -> None:
    lacking = served.write("carrier-days", {"known_at": "timestamp", "carrier": "string", "flights": "integer"}, [(hour(1), "AA", 1)])
    with pytest.raises(FeatureError) as error:
        feast.join(served.with_source("carrier-days", lacking).joined(flights(5)), quiet)
    said = ("Dataset/carrier-days has no column 'late', which view 'carriers' takes", "it has known_at, carrier, flights")
    assert (str(error.value), error.value.hint) == said


def test_a_function_that_fails_is_told_with_its_row(workspace: Workspace, feast: FeastWorker) -> None:
    (workspace.folder / "feature_repo" / "broken_functions.py").write_text("def age(built, year):\n    return year / 0\n")
    broken = AGE.model_copy(update={"function": "broken_functions:age"})
    part = FeatureDefinitions(views=[FLEET], on_demand=[broken], services=[ServiceDefinition(name="ages", views={"plane-age": ["age"]})])
    feast.apply(workspace.registry(part), quiet)
    data = workspace.write("flights", FLIGHT_TYPES, [(1, hour(50), None, "BOS", "AA", 7777, 2013, None)])
    with pytest.raises(FeatureError, match=r"'plane-age': broken_functions:age\(built=1990, year=2013\) failed: ZeroDivisionError"):
        feast.join(workspace.joined(data, part), quiet)


def test_no_view_at_all_is_joined_by_computing(workspace: Workspace, feast: FeastWorker) -> None:
    (workspace.folder / "feature_repo" / "far_functions.py").write_text("def far(distance):\n    return distance > 1000\n")
    far = COMFORT.model_copy(update={"name": "far", "function": "far_functions:far", "views": {}, "features": [], "defaults": {}})
    far = far.model_copy(update={"features": [COMFORT.features[1].model_copy(update={"name": "is_far"})]})
    part = FeatureDefinitions(on_demand=[far], services=[ServiceDefinition(name="far", views={"far": ["is_far"]})])
    feast.apply(workspace.registry(part, sources={}), quiet)
    data = workspace.write("flights", FLIGHT_TYPES, [(1, hour(50), None, "BOS", "AA", None, None, distance) for distance in (500, 1500)])
    made: JoinedDatasetOutputs = feast.join(workspace.joined(data, part).model_copy(update={"sources": {}}), quiet)
    assert [row["is_far"] for row in rows_of(workspace, made.path)] == [False, True]
