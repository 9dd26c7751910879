"""The online store: how it is brought up to date, that the newest value wins, and that reading it is what Feast and training see."""

import json
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from made import (
    CARRIER_TYPES,
    CARRIERS,
    CARRIERS_VIEW,
    DEFINITIONS,
    FLIGHT_TYPES,
    HOURS,
    PLANES,
    SERVICE,
    STORE,
    WEATHER,
    WEATHER_TYPES,
    Workspace,
    flight_rows,
    hour,
)  # fmt: skip

from mlx_features import on_demand
from mlx_features.client import FeastWorker
from mlx_features.errors import FeatureError
from mlx_features.online import Found
from mlx_features.online_sqlite import sqlite_reader
from mlx_specs.feature_resources import FeatureDefinitions, OnlineFeaturesOutputs, ServiceDefinition

CARRIERS_ONLY = FeatureDefinitions(views=[CARRIERS_VIEW], services=[ServiceDefinition(name="s", views={"carriers": ["late", "flights"]})])
CLOSED = FeatureDefinitions(
    views=[CARRIERS_VIEW.model_copy(update={"push": False})], services=[ServiceDefinition(name="s", views={"carriers": ["late", "flights"]})]
)
JOIN_KEYS = ("origin", "dest", "carrier", "plane")


def quiet(_: str) -> None:
    """Nobody listens."""


def with_carriers(workspace: Workspace, rows: list[tuple[Any, ...]]) -> Workspace:
    return workspace.with_source("carrier-days", workspace.write("carrier-days", CARRIER_TYPES, rows))


def materialize(feast: FeastWorker, workspace: Workspace, definitions: FeatureDefinitions, *span: str | None, **changes: Any) -> OnlineFeaturesOutputs:
    return feast.materialize(workspace.online(definitions, **changes), *(span or (None, None)), quiet)


def late(workspace: Workspace, definitions: FeatureDefinitions = CARRIERS_ONLY, carriers: tuple[str, ...] = ("AA", "B6")) -> list[Any]:
    found = sqlite_reader(workspace.lookup(definitions), workspace.folder).read({"carrier": carriers}, None, ["late"])
    return list(zip(found.values["late"], found.event_times["carriers"], strict=True))


def push(feast: FeastWorker, workspace: Workspace, *rows: dict[str, Any]) -> int:
    file = workspace.folder / "pushed.jsonl"
    file.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))
    return feast.push(workspace.home, STORE, "carriers", file)


def test_a_materialisation_says_what_the_store_holds(served: Workspace, feast: FeastWorker) -> None:
    made = materialize(feast, served, DEFINITIONS)
    assert made.rows == {"hourly-weather": 3, "carriers": 4, "routes": 12, "fleet": 5}
    assert made.latest == {
        "hourly-weather": hour(HOURS - 1).isoformat(), "carriers": hour(24 * 8 + 29).isoformat(), "routes": hour(24 * 8 + 29).isoformat(),
        "fleet": hour(0).isoformat(),
    }  # fmt: skip
    assert (made.path, made.status) == (f"{served.home}/features/{STORE}/online.db", "Materialised")


def test_full_materialisation_removes_keys_that_the_source_has_no_more(workspace: Workspace, feast: FeastWorker) -> None:
    before = with_carriers(workspace, [("AA", hour(1), 0.1, 1), ("B6", hour(5), 0.2, 1)])
    feast.apply(before.registry(CLOSED), quiet)
    materialize(feast, before, CLOSED)
    corrected = with_carriers(workspace, [("AA", hour(0), 0.3, 1)])
    assert materialize(feast, corrected, CLOSED).rows == {"carriers": 1}
    assert late(workspace, CLOSED) == [(0.3, hour(0)), (None, None)]
    assert materialize(feast, with_carriers(workspace, []), CLOSED).rows == {"carriers": 0}


def test_a_push_is_seen_at_once_and_not_undone_by_older_rows(workspace: Workspace, feast: FeastWorker) -> None:
    source = with_carriers(workspace, [("AA", hour(1), 0.1, 1), ("B6", hour(1), 0.2, 1)])
    feast.apply(source.registry(CARRIERS_ONLY), quiet)
    materialize(feast, source, CARRIERS_ONLY)
    reader = sqlite_reader(workspace.lookup(CARRIERS_ONLY), workspace.folder)
    assert reader.read({"carrier": ["AA"]}).values == {"late": [0.1], "flights": [1]}
    assert (
        push(
            feast,
            workspace,
            {"carrier": "AA", "known_at": hour(9), "late": 0.9, "flights": 2**53 + 1},
            {"carrier": "ZZ", "known_at": hour(2), "late": None, "flights": None},
        )
        == 2
    )
    assert reader.read({"carrier": ["AA"]}).values == {"late": [0.9], "flights": [2**53 + 1]}
    assert reader.read({"carrier": ["ZZ"]}).missing == {"carriers": [""]}
    for span in ((None, None), (hour(0).isoformat(), hour(5).isoformat())):
        materialize(feast, source, CARRIERS_ONLY, *span)
        assert late(workspace) == [(0.9, hour(9)), (0.2, hour(1))]
    assert push(feast, workspace, {"carrier": "AA", "known_at": hour(3), "late": 0.0, "flights": 0}) == 1
    assert late(workspace) == [(0.9, hour(9)), (0.2, hour(1))]
    newer = with_carriers(workspace, [("AA", hour(10), 0.4, 1)])
    materialize(feast, newer, CARRIERS_ONLY)
    assert late(workspace) == [(0.4, hour(10)), (0.2, hour(1))]


def test_a_range_takes_what_became_known_in_it_and_keeps_the_rest(workspace: Workspace, feast: FeastWorker) -> None:
    source = with_carriers(workspace, [("AA", hour(number), number / 10, 1) for number in range(6)] + [("B6", hour(3), 0.7, 1)])
    feast.apply(source.registry(CLOSED), quiet)
    assert materialize(feast, source, CLOSED, hour(1).isoformat(), hour(2).isoformat()).rows == {"carriers": 1}
    assert late(workspace, CLOSED) == [(0.2, hour(2)), (None, None)]
    materialize(feast, source, CLOSED, hour(3).isoformat(), None)
    assert late(workspace, CLOSED) == [(0.5, hour(5)), (0.7, hour(3))]
    materialize(feast, source, CLOSED, None, hour(1).isoformat())
    assert late(workspace, CLOSED) == [(0.5, hour(5)), (0.7, hour(3))]
    with pytest.raises(FeatureError, match="is after end"):
        materialize(feast, source, CLOSED, hour(3).isoformat(), hour(1).isoformat())
    with pytest.raises(FeatureError, match="start: 'monday' is no moment"):
        materialize(feast, source, CLOSED, "monday", None)


def test_incremental_takes_what_is_newer_and_everything_where_keys_are_lost(workspace: Workspace, feast: FeastWorker) -> None:
    rows = [("AA", hour(1), 0.1, 1), ("B6", hour(1), 0.2, 1)]
    source = with_carriers(workspace, rows)
    feast.apply(source.registry(CLOSED), quiet)
    materialize(feast, source, CLOSED, mode="incremental")
    assert late(workspace, CLOSED) == [(0.1, hour(1)), (0.2, hour(1))]
    grown = with_carriers(workspace, [*rows, ("AA", hour(2), 0.3, 1)])
    materialize(feast, grown, CLOSED, mode="incremental")
    assert late(workspace, CLOSED) == [(0.3, hour(2)), (0.2, hour(1))]
    with sqlite3.connect(workspace.store / "online.db") as connection:
        connection.execute("delete from new_york_carriers where event_ts = ?", (int(hour(1).timestamp()),))
    materialize(feast, grown, CLOSED, mode="incremental")
    assert late(workspace, CLOSED) == [(0.3, hour(2)), (0.2, hour(1))]


def test_rows_before_the_start_are_left_out(workspace: Workspace, feast: FeastWorker) -> None:
    source = with_carriers(workspace, [("AA", hour(1), 0.1, 1), ("B6", hour(5), 0.2, 1)])
    feast.apply(source.registry(CLOSED), quiet)
    assert materialize(feast, source, CLOSED, start=hour(2).isoformat()).rows == {"carriers": 1}
    assert late(workspace, CLOSED) == [(None, None), (0.2, hour(5))]


def test_a_later_writing_of_the_same_time_wins(workspace: Workspace, feast: FeastWorker) -> None:
    weather = FeatureDefinitions(views=[WEATHER.model_copy(update={"push": True})])
    rows = [("JFK", hour(1), hour(3), 3.0, None, None, None), ("JFK", hour(1), hour(2), 2.0, None, None, None)]
    source = workspace.with_source("weather", workspace.write("weather", WEATHER_TYPES, rows))
    feast.apply(source.registry(weather), quiet)
    materialize(feast, source, weather)
    reader = sqlite_reader(workspace.lookup(weather), workspace.folder)

    def pushed(written: float, temp: float) -> list[Any]:
        file = workspace.folder / "weather.csv"
        file.write_text(f"origin,at,written,temp,rain,sky,storm\nJFK,{hour(1)},{hour(written)},{temp},,,\n")
        assert feast.push(workspace.home, STORE, "hourly-weather", file) == 1
        return reader.read({"origin": ["JFK"]}, [hour(2)]).values["temp"]

    assert [pushed(2.5, 2.5), pushed(3, 3.5), pushed(4, 4.0)] == [[3.0], [3.5], [4.0]]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rows.csv", "carrier,late,flights\nAA,0.1,1\n", "rows.csv has no column 'known_at'"),
        ("rows.csv", "carrier,known_at,late,flights\n,2013-01-01,0.1,1\n", "rows.csv: column 'carrier' has rows without a value"),
        ("rows.csv", "carrier,known_at,late,flights\nAA,2013-01-01,much,1\n", "rows.csv: Conversion Error"),
        ("rows.xlsx", "", r"rows.xlsx: rows are read from Parquet, CSV or JSON lines"),
    ],
)
def test_rows_that_cannot_be_pushed_are_named(served: Workspace, feast: FeastWorker, tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(FeatureError, match=message):
        feast.push(served.home, STORE, "carriers", tmp_path / name)


def test_a_view_that_is_closed_or_unknown_takes_no_push(served: Workspace, feast: FeastWorker, tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="view 'fleet' is not open for pushes"):
        feast.push(served.home, STORE, "fleet", tmp_path / "rows.csv")
    with pytest.raises(FeatureError, match="feature store 'new-york' has no view 'fleets'"):
        feast.push(served.home, STORE, "fleets", tmp_path / "rows.csv")
    with pytest.raises(FeatureError, match="the feature store 'other' is not there"):
        feast.push(served.home, "other", "fleets", tmp_path / "rows.csv")


def requests(rows: int, at: datetime) -> list[tuple[Any, ...]]:
    return flight_rows(random.Random(11), rows, at)


def test_a_thousand_online_reads_equal_the_join_as_of_the_materialisation(served: Workspace, feast: FeastWorker) -> None:
    rows = requests(1000, hour(HOURS))
    made = feast.join(served.joined(served.write("flights", FLIGHT_TYPES, rows)), quiet)
    table = pyarrow.parquet.read_table(served.folder / made.path)
    columns = dict(zip(FLIGHT_TYPES, map(list, zip(*rows, strict=True)), strict=True))
    found = sqlite_reader(served.lookup(), served.folder).read({name: columns[name] for name in JOIN_KEYS}, columns["at"])
    values = {**columns, **found.values}
    for view in DEFINITIONS.on_demand:
        values |= on_demand.call(view, on_demand.load(view, served.folder), values, len(rows))
    for names in SERVICE.views.values():
        for name in names:
            assert values[name] == table.column(name).to_pylist(), name
    assert {"", "no row", "too old"} == {reason for reasons in found.missing.values() for reason in reasons}


def test_reads_equal_feasts_own_online_features(served: Workspace) -> None:
    """Feast is imported here: its answer is the measure."""
    from feast import FeatureStore

    store = FeatureStore(repo_path=str(served.store))
    rows = [row for row in requests(60, hour(HOURS)) if None not in row]
    columns = dict(zip(FLIGHT_TYPES, map(list, zip(*rows, strict=True)), strict=True))
    bare = [view.model_copy(update={"defaults": {}, "ttl": 0}) for view in DEFINITIONS.views]
    lookup = served.lookup(DEFINITIONS.model_copy(update={"views": bare}))
    ours = sqlite_reader(lookup, served.folder).read({name: columns[name] for name in JOIN_KEYS}).values
    references = [f"{view.name.replace('-', '_')}:{name}" for view in bare for name in (field.name for field in view.features) if name in ours]
    keys = [dict(zip(JOIN_KEYS, values, strict=True)) for values in zip(*(columns[name] for name in JOIN_KEYS), strict=True)]
    theirs = store.get_online_features(references, keys).to_dict()
    days = theirs.pop("first_flight")
    assert ours.pop("first_flight") == [None if day is None else day.date() for day in days]
    assert {name: theirs[name] for name in ours} == ours


def test_feasts_own_service_gives_the_same_computed_features(served: Workspace, feast: FeastWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    from feast import FeatureStore

    monkeypatch.chdir(served.folder)  # Feast finds functions from the folder that it works in
    rows = [row for row in requests(40, hour(HOURS)) if None not in row]
    made = feast.join(served.joined(served.write("flights", FLIGHT_TYPES, rows)), quiet)
    ours = pyarrow.parquet.read_table(served.folder / made.path)
    store = FeatureStore(repo_path=str(served.store))
    keys = [dict(zip(FLIGHT_TYPES, row, strict=True)) for row in rows]
    entity_rows = [{name: key[name] for name in (*JOIN_KEYS, "year", "distance")} for key in keys]
    online = store.get_online_features(store.get_feature_service("check_in"), entity_rows).to_dict()
    frame = ours.select([*JOIN_KEYS, "year", "distance", "at"]).to_pandas().rename(columns={"at": "event_timestamp"})
    offline = store.get_historical_features(frame, store.get_feature_service("check_in")).to_arrow()
    for name in ("age", "comfort", "wet"):
        assert offline.column(name).to_pylist() == ours.column(name).to_pylist(), name
    fresh = [place for place, temp in enumerate(ours.column("temp").to_pylist()) if temp is not None]
    assert fresh and [online["age"], *([online["comfort"][place] for place in fresh],)] == [
        ours.column("age").to_pylist(), [ours.column("comfort").to_pylist()[place] for place in fresh]
    ]  # fmt: skip


def test_defaults_event_times_and_reasons_stand_for_each_row(served: Workspace) -> None:
    found = sqlite_reader(served.lookup(), served.folder).read(
        {"origin": ["JFK", "XXX", None, "JFK"], "dest": ["BOS"] * 4, "carrier": ["ünïted"] * 4, "plane": [PLANES[0], PLANES[4], 99, None]},
        [hour(HOURS), hour(HOURS), hour(HOURS), hour(HOURS + 99)],
        ["sky", "flights", "built"],
    )
    assert list(found.values) == ["sky", "flights", "built"]
    assert found.values["flights"] == [2**53 + 1] * 4
    assert found.values["sky"][1:] == ["unknown"] * 3
    assert found.values["built"][2:] == [1990, 1990]
    assert found.missing == {"hourly-weather": ["", "no row", "no row", "too old"], "carriers": [""] * 4, "fleet": ["", "", "no row", "no row"]}
    assert found.event_times["fleet"] == [hour(0), hour(0), None, None]
    assert found.event_times["hourly-weather"][3] == found.event_times["hourly-weather"][0] != None  # noqa: E711


def test_without_moments_age_counts_from_now(workspace: Workspace, feast: FeastWorker) -> None:
    weather = FeatureDefinitions(views=[WEATHER])
    now = datetime.now(UTC)
    rows = [("JFK", now - timedelta(hours=1), now, 1.0, None, None, None), ("LGA", now - timedelta(hours=4), now, 2.0, None, None, None)]
    source = workspace.with_source("weather", workspace.write("weather", WEATHER_TYPES, rows))
    feast.apply(source.registry(weather), quiet)
    materialize(feast, source, weather)
    found = sqlite_reader(workspace.lookup(weather), workspace.folder).read({"origin": ["JFK", "LGA"]})
    assert (found.values["temp"], found.missing["hourly-weather"]) == ([1.0, None], ["", "too old"])


def test_no_rows_are_no_values(served: Workspace) -> None:
    found = sqlite_reader(served.lookup(), served.folder).read({name: [] for name in JOIN_KEYS})
    assert found == Found(
        {name: [] for name in ("temp", "rain", "sky", "storm", "late", "flights", "route_late", "built", "first_flight", "checked")},
        {view.name: [] for view in DEFINITIONS.views}, {view.name: [] for view in DEFINITIONS.views},
    )  # fmt: skip


def test_more_keys_than_a_statement_takes_are_read(served: Workspace) -> None:
    keys = [*(f"x{number}" for number in range(40_000)), *CARRIERS]
    found = sqlite_reader(served.lookup(CARRIERS_ONLY), served.folder).read({"carrier": keys})
    assert [reason for reason in found.missing["carriers"] if not reason] == [""] * len(CARRIERS)
    assert found.values["flights"][-1] == 2**53 + 1


def test_keys_that_are_missing_or_of_a_wrong_type_are_named(served: Workspace) -> None:
    reader = sqlite_reader(served.lookup(), served.folder)
    with pytest.raises(FeatureError, match="view 'routes' needs the join key 'dest'"):
        reader.read({"origin": ["JFK"], "carrier": ["AA"], "plane": [1]})
    for values in (["1"], [1.5], [True], [2**63]):
        with pytest.raises(FeatureError, match="join key 'plane' holds a value that is no integer"):
            reader.read({"plane": values}, None, ["built"])
    with pytest.raises(FeatureError, match="join key 'carrier' holds a value that is no string"):
        reader.read({"carrier": [1]}, None, ["late"])


def test_a_store_that_is_not_there_or_comes_back_is_seen(workspace: Workspace, feast: FeastWorker) -> None:
    source = with_carriers(workspace, [("AA", hour(1), 0.1, 1)])
    reader = sqlite_reader(workspace.lookup(CARRIERS_ONLY), workspace.folder)
    with pytest.raises(FeatureError, match=r"online\.db is not there"):
        reader.read({"carrier": ["AA"]})
    feast.apply(source.registry(CARRIERS_ONLY), quiet)
    assert reader.read({"carrier": ["AA"]}).missing == {"carriers": ["no row"]}
    materialize(feast, source, CARRIERS_ONLY)
    assert reader.read({"carrier": ["AA"]}).values["late"] == [0.1]
    feast.teardown(workspace.home, STORE)
    feast.apply(source.registry(CARRIERS_ONLY), quiet)
    assert reader.read({"carrier": ["AA"]}).missing == {"carriers": ["no row"]}
    with sqlite3.connect(workspace.store / "online.db") as connection:
        connection.execute("drop table new_york_carriers")
    with pytest.raises(FeatureError, match="view 'carriers' cannot be read from the online store"):
        reader.read({"carrier": ["AA"]})


def test_readers_in_threads_see_whole_states_while_the_store_is_rewritten(workspace: Workspace, feast: FeastWorker) -> None:
    states = [[(carrier, hour(number), float(number), number) for carrier in ("AA", "B6")] for number in (1, 2)]
    sources = [with_carriers(workspace, rows) for rows in states]
    feast.apply(sources[0].registry(CLOSED), quiet)
    materialize(feast, sources[0], CLOSED)
    reader = sqlite_reader(workspace.lookup(CLOSED), workspace.folder)
    seen: set[tuple[Any, ...]] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            found = reader.read({"carrier": ["AA", "B6"]}).values
            seen.add((*found["late"], *found["flights"]))

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(6):
        materialize(feast, sources[(number + 1) % 2], CLOSED)
    done.set()
    for thread in threads:
        thread.join()
    assert seen == {(1.0, 1.0, 1, 1), (2.0, 2.0, 2, 2)}


def test_the_reader_imports_neither_feast_nor_pandas(served: Workspace) -> None:
    modules = "mlx_features.online_sqlite, mlx_features.on_demand"
    code = f"import sys, {modules}; print(sorted({{'feast', 'pandas', 'pyarrow', 'duckdb', 'google.protobuf'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_callers_need_not_say_which_features(served: Workspace, flights: Callable[[int], Any]) -> None:
    found = sqlite_reader(served.lookup(CARRIERS_ONLY), served.folder).read({"carrier": ["AA"]}, None, None)
    assert sorted(found.values) == ["flights", "late"]
