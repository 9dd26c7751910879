"""``mlx features`` on a workspace with a store that Feast made: what is there, what a server would read, what fills it."""

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from mlx_cli.main import run
from mlx_cli.outputs import OUTPUTS
from mlx_features.shared import close_workers

SPECS = """\
apiVersion: mlx/v1
kind: Dataset
metadata: {name: forecasts}
spec:
  source: {type: csv, path: data/forecasts.csv}
  keys: [origin, at]
  eventTime: at
  columns:
    origin: {type: string}
    at: {type: timestamp}
    wind: {type: float}
    gusts: {type: integer}
---
apiVersion: mlx/v1
kind: FeatureStore
metadata: {name: weather}
spec:
  entities:
    airport: {joinKey: origin}
  featureViews:
    forecast:
      entities: [airport]
      source: forecasts
      features: {wind: float, gusts: integer}
      ttl: 2d
      push: true
      defaults: {wind: 7.5}
  onDemandViews:
    excess:
      function: excess:excess
      inputs: {views: {forecast: [wind]}, request: {limit: float}}
      features: {excess: float}
  featureServices:
    wind-features:
      views: {forecast: [], excess: []}
"""
ROWS = "origin,at,wind,gusts\nJFK,2013-06-01T00:00:00Z,10.5,20\nJFK,2013-06-02T00:00:00Z,11.5,\nLGA,2013-06-01T00:00:00Z,3.25,4\n"
FUNCTION = "def excess(wind, limit):\n    return None if wind is None or limit is None else wind - limit\n"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A feature store that was applied; Feast takes seconds to start, so that the tests of this file share it."""
    folder = tmp_path_factory.mktemp("features")
    for name in ("specs", "stacks", "data", "feature_repo"):
        (folder / name).mkdir()
    (folder / "Pulumi.yaml").write_text("name: features\nruntime: python\nmain: stacks/\n")
    (folder / "stacks" / "local.yaml").write_text("apiVersion: mlx/v1\nkind: Environment\nmetadata: {name: local}\n")
    (folder / "specs" / "features.yaml").write_text(SPECS)
    (folder / "data" / "forecasts.csv").write_text(ROWS)
    (folder / "feature_repo" / "excess.py").write_text(FUNCTION)
    assert run(["apply", "--yes", "-C", str(folder)]) == 0
    close_workers()
    yield folder


def test_stores_are_listed_with_what_is_online(mlx, stored: Path) -> None:
    outcome = mlx("features", "-C", stored)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == (
        "FeatureStore/weather  .mlx/local/features/weather/feature_store.yaml\n"
        "  view      by      features     online                 latest\n"
        "  forecast  origin  wind, gusts  2 keys, push, ttl 2 d  2013-06-02T00:00:00+00:00\n"
        "  excess    limit   excess       computed\n"
        "  service        features\n"
        "  wind-features  excess, wind, gusts\n"
    )
    assert mlx("-C", stored, "features", "list") == outcome


def test_what_a_server_would_read_is_shown_with_its_age(mlx, stored: Path) -> None:
    keys = ("--keys", "origin=LGA,limit=1", "--keys", "origin=,limit=", "--keys", "origin=XXX,limit=2.5")
    outcome = mlx("features", "get", "wind-features", *keys, "--at", "2013-06-02T13:30:00Z", "-C", stored)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == (
        "origin=LGA, limit=1.0\n"
        "  feature  value  view      age\n"
        "  excess   2.25   excess\n"
        "  wind     3.25   forecast  37 h 30 min\n"
        "  gusts    4      forecast  37 h 30 min\n"
        "\n"
        "origin=null, limit=null\n"
        "  feature  value  view      age\n"
        "  excess   null   excess\n"
        "  wind     7.5    forecast       no row: its default stands\n"
        "  gusts    null   forecast       no row: null stands\n"
        "\n"
        "origin=XXX, limit=2.5\n"
        "  feature  value  view      age\n"
        "  excess   5      excess\n"
        "  wind     7.5    forecast       no row: its default stands\n"
        "  gusts    null   forecast       no row: null stands\n"
    )


def test_a_value_beyond_its_ttl_is_told_as_too_old(mlx, stored: Path) -> None:
    outcome = mlx("features", "get", "wind-features", "-k", "origin=JFK,limit=1", "--at", "2013-06-05", "-C", stored, "-o", "json")
    value = json.loads(outcome.out)
    jsonschema.validate(value, OUTPUTS["features"])
    assert value["at"] == "2013-06-05T00:00:00+00:00"
    assert value["rows"][0]["features"][1] == {
        "name": "wind", "view": "forecast", "value": 7.5, "event_time": "2013-06-02T00:00:00+00:00", "age_seconds": 3 * 86_400.0, "missing": "too old",
    }  # fmt: skip


REFUSED = {
    "another service": (("get", "wind-feature", "-k", "origin=JFK"), "no feature service called 'wind-feature' was applied", "there are wind-features"),
    "another key": (("get", "wind-features", "-k", "origi=JFK"), "nothing is looked up by 'origi', did you mean 'origin'?", "the service reads origin, limit"),
    "a key without a value": (("get", "wind-features", "-k", "origin"), "'origin' has no value", "write KEY=VALUE,KEY=VALUE"),
    "a missing column": (("get", "wind-features", "-k", "origin=JFK"), "missing request column 'limit' (of on-demand view excess)", ""),
    "a value of another type": (("get", "wind-features", "-k", "origin=JFK,limit=much"), "'much' is no float, as 'limit' is", "moments are ISO 8601"),
    "rows of several keys": (("get", "wind-features", "-k", "limit=1", "-k", "origin=JFK,limit=1"), "row 2 has other keys than the first", "give each"),
    "no moment": (("get", "wind-features", "-k", "origin=JFK", "--at", "noon"), "'noon' is no moment", "write a day or a moment in ISO 8601"),
    "another store": (("materialize", "weathr"), "called 'weathr' was applied to environment local, did you mean 'weather'?", "there are weather"),
    "all and a part": (("materialize", "--full", "--to", "2013-06-01"), "--full takes all rows, --from and --to a part of them", "leave one of them out"),
    "another view": (("push", "weather", "forecas", "--data", "ROWS"), "'forecas'", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_told_with_what_there_is(mlx, stored: Path, name: str) -> None:
    arguments, message, hint = REFUSED[name]
    rows = stored / "rows.csv"
    rows.write_text(ROWS)
    outcome = mlx("features", *(str(rows) if word == "ROWS" else word for word in arguments), "-C", stored)
    assert (outcome.code, outcome.out) == (1, "")
    assert message in outcome.err
    assert hint in outcome.err


def test_materialising_and_pushing_fill_the_store_and_the_newest_value_stays(mlx, stored: Path) -> None:
    (stored / "newer.csv").write_text("origin,at,wind,gusts\nEWR,2013-06-03T10:00:00Z,1.5,3\nLGA,2013-05-01T00:00:00Z,99,9\nJFK,2013-06-03T00:00:00Z,20,9\n")
    pushed = mlx("features", "push", "weather", "forecast", "--data", stored / "newer.csv", "-C", stored, "-o", "json")
    assert json.loads(pushed.out) == {"store": "weather", "view": "forecast", "rows": 3}
    full = mlx("features", "materialize", "--full", "-C", stored)
    assert (full.code, full.out) == (0, "forecast  3 keys  the newest of 2013-06-03T10:00:00+00:00\n")
    part = mlx("features", "materialize", "weather", "--from", "2013-06-01", "--to", "2013-06-01T12:00:00Z", "-C", stored, "-o", "json")
    jsonschema.validate(json.loads(part.out), OUTPUTS["features"])
    assert json.loads(part.out)["rows"] == {"forecast": 3}
    keys = [word for origin in ("EWR", "LGA", "JFK") for word in ("-k", f"origin={origin},limit=0")]
    found = json.loads(mlx("features", "get", "wind-features", *keys, "--at", "2013-06-03T11:00:00Z", "-C", stored, "-o", "json").out)
    assert [row["features"][1]["value"] for row in found["rows"]] == [1.5, 7.5, 20.0]
    assert mlx("plan", "-C", stored, "--detailed-exitcode").code == 0


def test_without_a_store_it_says_so(mlx, tiny: Path) -> None:
    assert mlx("features", "-C", tiny).out == "no feature store was applied to environment local\n"
    assert "no feature store was applied to environment local\n  hint: mlx apply" in mlx("features", "materialize", "-C", tiny).err
