"""Definitions become a Feast registry that Feast's own commands agree with."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from made import AGE, CARRIERS_VIEW, COMFORT, DEFINITIONS, FLEET, PLANE, ROUTES, SERVICE, STORE, WEATHER, Workspace, fields

from mlx_features import registry
from mlx_features.client import FeastWorker
from mlx_features.errors import FeatureError
from mlx_features.repository import config_text, feast_name
from mlx_specs.feature_resources import FeatureDefinitions, OnDemandDefinition, ServiceDefinition, ViewDefinition
from mlx_specs.resources import About

FEAST = Path(sys.executable).with_name("feast")
REPOSITORY = """
import sys
from pathlib import Path

sys.path.insert(0, {tests!r})
from made import DEFINITIONS, STORE
from mlx_features.feast_objects import feast_objects

workspace = Path({workspace!r})
globals().update(feast_objects(STORE, DEFINITIONS, workspace / {home!r} / "features" / STORE, workspace).by_name())
"""


def quiet(_: str) -> None:
    """Nobody listens."""


def tables(workspace: Workspace) -> set[str]:
    with sqlite3.connect(workspace.store / "online.db") as connection:
        return {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}


def with_view(view: ViewDefinition) -> FeatureDefinitions:
    return DEFINITIONS.model_copy(update={"views": [view if one.name == view.name else one for one in DEFINITIONS.views]})


def with_on_demand(view: OnDemandDefinition) -> FeatureDefinitions:
    return DEFINITIONS.model_copy(update={"on_demand": [view if one.name == view.name else one for one in DEFINITIONS.on_demand]})


def with_service(service: ServiceDefinition) -> FeatureDefinitions:
    return DEFINITIONS.model_copy(update={"services": [service]})


def test_a_registry_says_what_was_defined(workspace: Workspace, feast: FeastWorker) -> None:
    made = feast.apply(workspace.registry(about=About(description="What is known.", owner="science", labels={"a": "b"})), quiet)
    content = registry.read(workspace.store)
    assert content is not None
    assert made.path == f"{workspace.home}/features/{STORE}/feature_store.yaml"
    assert made.registry_digest == registry.registry_digest(workspace.store)
    views = {one["spec"]["name"]: one["spec"] for one in content["featureViews"]}
    assert views["hourly_weather"] == {
        "name": "hourly_weather",
        "entities": ["airport"],
        "entityColumns": [{"name": "origin", "valueType": "STRING"}],
        "features": [
            {"name": "temp", "valueType": "DOUBLE"}, {"name": "rain", "valueType": "DOUBLE"}, {"name": "sky", "valueType": "STRING"},
            {"name": "storm", "valueType": "BOOL"},
        ],
        "ttl": "10800s",
        "online": True,
        "description": "The hour's weather.",
        "owner": "data",
        "tags": {"source": "noaa", "kind": "weather", "default.rain": "0.0", "default.sky": '"unknown"'},
        "batchSource": {
            "name": "hourly_weather_source", "type": "BATCH_FILE", "description": "Dataset/weather", "timestampField": "at",
            "createdTimestampColumn": "written", "fileOptions": {"uri": "sources/weather.parquet"},
        },
    }  # fmt: skip
    assert views["carriers"]["streamSource"]["type"] == "PUSH_SOURCE"
    assert [column["name"] for column in views["routes"]["entityColumns"]] == ["dest", "origin"]
    assert {one["spec"]["name"]: one["spec"]["valueType"] for one in content["entities"]} == {
        "airport": "STRING", "carrier": "STRING", "destination": "STRING", "plane": "INT64",
    }  # fmt: skip
    (service,) = content["featureServices"]
    assert [(one["featureViewName"], [column["name"] for column in one["featureColumns"]]) for one in service["spec"]["features"]] == sorted(
        (feast_name(view), names) for view, names in SERVICE.views.items()
    )
    assert tables(workspace) == {"new_york_hourly_weather", "new_york_carriers", "new_york_routes", "new_york_fleet"}


def test_applying_twice_changes_nothing(workspace: Workspace, feast: FeastWorker) -> None:
    first = feast.apply(workspace.registry(), quiet)
    config = (workspace.store / "feature_store.yaml").stat().st_mtime_ns
    second = feast.apply(workspace.registry(), quiet)
    assert second == first
    assert (workspace.store / "feature_store.yaml").stat().st_mtime_ns == config
    assert feast.read(workspace.registry()) == first.registry_digest


def test_feasts_own_commands_find_nothing_to_change_and_materialise(workspace: Workspace, feast: FeastWorker, tmp_path: Path) -> None:
    """Feast's commands are the judge: three processes of some seconds each."""
    made = feast.apply(workspace.registry(), quiet)
    feast.materialize(workspace.online(), None, None, quiet)
    (tmp_path / "made_definitions.py").write_text(REPOSITORY.format(tests=str(Path(__file__).parent), workspace=str(workspace.folder), home=workspace.home))
    prefix = os.path.relpath(workspace.store, tmp_path) + "/"
    (tmp_path / "feature_store.yaml").write_text(config_text(STORE, prefix))
    for command in (["plan"], ["apply"], ["materialize", "2013-01-01T00:00:00", "2013-01-05T00:00:00"], ["plan"]):
        done = subprocess.run([FEAST, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        if command == ["plan"]:
            assert "No changes to registry\nNo changes to infrastructure" in done.stdout
    assert feast.read(workspace.registry()) == made.registry_digest


CHANGES: dict[str, Callable[[], FeatureDefinitions]] = {
    "view description": lambda: with_view(WEATHER.model_copy(update={"about": About(description="x", owner="data", labels=WEATHER.about.labels)})),
    "view owner": lambda: with_view(WEATHER.model_copy(update={"about": WEATHER.about.model_copy(update={"owner": "x"})})),
    "view tags": lambda: with_view(WEATHER.model_copy(update={"about": WEATHER.about.model_copy(update={"labels": {"source": "x"}})})),
    "view ttl": lambda: with_view(WEATHER.model_copy(update={"ttl": 60})),
    "view without ttl": lambda: with_view(WEATHER.model_copy(update={"ttl": 0})),
    "view online": lambda: with_view(ROUTES.model_copy(update={"online": False})),
    "view push": lambda: with_view(CARRIERS_VIEW.model_copy(update={"push": False})),
    "view defaults": lambda: with_view(FLEET.model_copy(update={"defaults": {"built": 1991}})),
    "view created time": lambda: with_view(WEATHER.model_copy(update={"created_time": None})),
    "view event time": lambda: with_view(WEATHER.model_copy(update={"event_time": "written", "created_time": "at"})),
    "view source": lambda: with_view(ROUTES.model_copy(update={"source": "weather", "event_time": "at"})),
    "feature added": lambda: with_view(FLEET.model_copy(update={"features": [*FLEET.features, *fields(seats="integer")]})),
    "feature removed": lambda: with_view(FLEET.model_copy(update={"features": FLEET.features[:2]})).model_copy(
        update={"services": [SERVICE.model_copy(update={"views": {**SERVICE.views, "fleet": ["first_flight"]}})]}
    ),
    "feature type": lambda: with_view(FLEET.model_copy(update={"features": fields(built="float", first_flight="date", checked="timestamp")})),
    "entity description": lambda: with_view(FLEET.model_copy(update={"entities": [PLANE.model_copy(update={"description": "x"})]})),
    "entity type": lambda: with_view(FLEET.model_copy(update={"entities": [PLANE.model_copy(update={"type": "string"})]})),
    "entity join key": lambda: with_view(FLEET.model_copy(update={"entities": [PLANE.model_copy(update={"join_key": "tail"})]})),
    "on-demand description": lambda: with_on_demand(COMFORT.model_copy(update={"about": COMFORT.about.model_copy(update={"description": "x"})})),
    "on-demand owner": lambda: with_on_demand(COMFORT.model_copy(update={"about": COMFORT.about.model_copy(update={"owner": "x"})})),
    "on-demand tags": lambda: with_on_demand(COMFORT.model_copy(update={"about": COMFORT.about.model_copy(update={"labels": {}})})),
    "on-demand defaults": lambda: with_on_demand(COMFORT.model_copy(update={"defaults": {"wet": True}})),
    "on-demand feature type": lambda: with_on_demand(AGE.model_copy(update={"features": fields(age="float")})),
    "on-demand inputs": lambda: with_on_demand(COMFORT.model_copy(update={"views": {"hourly-weather": ["temp", "rain", "storm"]}})),
    "on-demand request": lambda: with_on_demand(COMFORT.model_copy(update={"request": fields(distance="float")})),
    "on-demand function": lambda: with_on_demand(AGE.model_copy(update={"function": "flight_functions:comfort"})),
    "service description": lambda: with_service(SERVICE.model_copy(update={"about": SERVICE.about.model_copy(update={"description": "x"})})),
    "service owner": lambda: with_service(SERVICE.model_copy(update={"about": SERVICE.about.model_copy(update={"owner": "x"})})),
    "service tags": lambda: with_service(SERVICE.model_copy(update={"about": SERVICE.about.model_copy(update={"labels": {}})})),
    "service features": lambda: with_service(SERVICE.model_copy(update={"views": {**SERVICE.views, "routes": ["route_late"], "carriers": ["late"]}})),
}  # fmt: skip


def test_a_change_of_every_field_is_registered_and_taken_back(workspace: Workspace, feast: FeastWorker) -> None:
    at_first = feast.apply(workspace.registry(), quiet).registry_digest
    digests = {"": at_first}
    for name, changed in CHANGES.items():
        digests[name] = feast.apply(workspace.registry(changed()), quiet).registry_digest
        assert feast.apply(workspace.registry(), quiet).registry_digest == at_first, name
    same = [name for name, digest in digests.items() if list(digests.values()).count(digest) > 1]
    assert same == []


def test_a_changed_function_is_registered_and_a_changed_comment_is_not(workspace: Workspace, feast: FeastWorker) -> None:
    file = workspace.folder / "feature_repo" / "changing.py"
    defined = with_on_demand(AGE.model_copy(update={"function": "changing:age"}))
    digests: list[str] = []
    for body in ("return year - built", "# why\n    return year - built", "return year - built + 1"):
        file.write_text(f"def age(built, year):\n    {body}\n")
        with FeastWorker(workspace.folder) as anew:
            digests.append(anew.apply(workspace.registry(defined), quiet).registry_digest)
    assert digests[0] == digests[1] != digests[2]


def test_what_is_defined_no_more_is_removed_with_its_table_and_source(workspace: Workspace, feast: FeastWorker) -> None:
    feast.apply(workspace.registry(), quiet)
    feast.materialize(workspace.online(), None, None, quiet)
    fewer = FeatureDefinitions(views=[FLEET], on_demand=[AGE], services=[ServiceDefinition(name="small", views={"plane-age": ["age"]})])
    feast.apply(workspace.registry(fewer, sources={"planes": workspace.sources["planes"]}), quiet)
    content = registry.read(workspace.store)
    assert content is not None
    names = {kind: [one.get("spec", one)["name"] for one in content[kind]] for kind in registry.OBJECTS}
    assert names == {
        "entities": ["plane"], "featureViews": ["fleet"], "onDemandFeatureViews": ["plane_age"], "streamFeatureViews": [],
        "featureServices": ["small"], "dataSources": ["fleet_source", "plane_age_request"], "labelViews": [],
    }  # fmt: skip
    assert tables(workspace) == {"new_york_fleet"}
    assert [one.name for one in (workspace.store / "sources").iterdir()] == ["planes.parquet"]


def test_rows_of_other_keys_types_or_features_do_not_stay_online(workspace: Workspace, feast: FeastWorker) -> None:
    feast.apply(workspace.registry(), quiet)
    feast.materialize(workspace.online(), None, None, quiet)

    def stored(table: str) -> set[str]:
        with sqlite3.connect(workspace.store / "online.db") as connection:
            return {name for (name,) in connection.execute(f"select distinct feature_name from {table}")}

    less = ROUTES.model_copy(update={"entities": ROUTES.entities[:1]})
    smaller = FLEET.model_copy(update={"features": FLEET.features[:1]})
    retyped = CARRIERS_VIEW.model_copy(update={"features": fields(late="float", flights="string")})
    feast.apply(workspace.registry(FeatureDefinitions(views=[WEATHER, less, smaller, retyped])), quiet)
    assert {table: stored(f"new_york_{table}") for table in ("hourly_weather", "routes", "fleet", "carriers")} == {
        "hourly_weather": {"temp", "rain", "sky", "storm"}, "routes": set(), "fleet": {"built"}, "carriers": set(),
    }  # fmt: skip


def test_drift_is_read_without_feast_and_mended_by_an_apply(workspace: Workspace, feast: FeastWorker) -> None:
    made = feast.apply(workspace.registry(), quiet)
    path = workspace.store / "registry.db"
    path.write_bytes(path.read_bytes().replace(b"The hour's weather.", b"The hour's feather."))
    changed = feast.read(workspace.registry())
    assert changed not in (None, made.registry_digest)
    assert feast.apply(workspace.registry(), quiet).registry_digest == made.registry_digest
    path.write_bytes(b"no registry")
    assert feast.read(workspace.registry()) not in (None, made.registry_digest)
    assert feast.apply(workspace.registry(), quiet).registry_digest == made.registry_digest
    path.unlink()
    assert feast.read(workspace.registry()) is None


def test_a_materialisation_is_no_drift(workspace: Workspace, feast: FeastWorker) -> None:
    made = feast.apply(workspace.registry(), quiet)
    feast.materialize(workspace.online(), None, None, quiet)
    assert feast.read(workspace.registry()) == made.registry_digest
    assert feast.apply(workspace.registry(), quiet).registry_digest == made.registry_digest


def test_a_lost_online_store_gets_its_tables_again(workspace: Workspace, feast: FeastWorker) -> None:
    feast.apply(workspace.registry(), quiet)
    (workspace.store / "online.db").unlink()
    feast.apply(workspace.registry(), quiet)
    assert len(tables(workspace)) == 4


def test_a_moved_workspace_is_drift(workspace: Workspace, feast: FeastWorker, tmp_path: Path) -> None:
    made = feast.apply(workspace.registry(), quiet)
    shutil.copytree(workspace.store, tmp_path / workspace.home / "features" / STORE)
    assert FeastWorker(tmp_path).read(workspace.registry()) not in (None, made.registry_digest)


def test_teardown_removes_the_store_and_may_be_repeated(workspace: Workspace, feast: FeastWorker) -> None:
    feast.apply(workspace.registry(), quiet)
    feast.teardown(workspace.home, STORE)
    assert not workspace.store.exists()
    feast.teardown(workspace.home, STORE)
    assert feast.read(workspace.registry()) is None


def test_a_missing_source_or_function_is_an_error_with_a_way_out(workspace: Workspace, feast: FeastWorker) -> None:
    gone = workspace.sources["planes"].model_copy(update={"path": "data/gone.parquet"})
    with pytest.raises(FeatureError, match=r"Dataset/planes is not prepared: data/gone\.parquet is missing") as missing:
        feast.apply(workspace.with_source("planes", gone).registry(), quiet)
    assert missing.value.hint == "mlx refresh, then apply again"
    with pytest.raises(FeatureError, match="module 'flight_functions' has no function 'aged'"):
        feast.apply(workspace.registry(with_on_demand(AGE.model_copy(update={"function": "flight_functions:aged"}))), quiet)
