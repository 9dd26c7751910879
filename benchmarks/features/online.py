"""``python benchmarks/features/online.py``: 1 and 100 entities with 30 features each, from Feast's own SQLite tables.

Our reader beside Feast's get_online_features and beside a select of the same rows that decodes nothing. Bars: at least five
times as fast as Feast, at most one and a half times the bare select.
"""

import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from mlx_features import entity_keys
from mlx_features.client import FeastWorker
from mlx_features.online_sqlite import sqlite_reader
from mlx_specs.feature_resources import (
    EntityDefinition,
    FeatureDefinitions,
    FeatureField,
    FeatureLookup,
    FeatureRegistryInputs,
    OnlineFeaturesInputs,
    ServiceDefinition,
    ViewDefinition,
)
from mlx_specs.resources import PreparedData

ENTITIES, FEATURES, ROUNDS = 10_000, 30, 300
HOME, STORE = ".mlx/local", "bench"
NAMES = [f"feature_{number:02}" for number in range(FEATURES)]
VIEW = ViewDefinition(
    name="facts", source="facts", event_time="at", entities=[EntityDefinition(name="driver", join_key="driver_id")],
    features=[FeatureField(name=name, type="float") for name in NAMES],
)  # fmt: skip
DEFINITIONS = FeatureDefinitions(views=[VIEW], services=[ServiceDefinition(name="all", views={"facts": NAMES})])


def main() -> None:
    """The table."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        made(workspace)
        sys.modules["torch"] = None  # type: ignore[assignment]
        from feast import FeatureStore

        store = FeatureStore(repo_path=str(workspace / HOME / "features" / STORE))
        reader = sqlite_reader(FeatureLookup(store=STORE, path=f"{HOME}/features/{STORE}/online.db", project=STORE, definitions=DEFINITIONS), workspace)
        database = sqlite3.connect(workspace / HOME / "features" / STORE / "online.db")
        service = store.get_feature_service("all")
        print(f"| entities x {FEATURES} features | ours us | Feast us | bare select us | Feast / ours | ours / select |\n|---|---|---|---|---|---|")
        for count in (1, 100):
            keys = [f"d{number}" for number in random.Random(5).sample(range(ENTITIES), count)]
            ours, theirs, bare = paired(
                lambda keys=keys: reader.read({"driver_id": keys}),
                lambda keys=keys: store.get_online_features(service, [{"driver_id": key} for key in keys]).to_dict(),
                select(database, keys),
            )
            print(f"| {count} | {ours:,.0f} | {theirs:,.0f} | {bare:,.0f} | {theirs / ours:.1f} | {ours / bare:.2f} |")


def made(workspace: Path) -> None:
    """A materialised store."""
    chance = random.Random(3)
    columns: dict[str, Any] = {name: [chance.random() for _ in range(ENTITIES)] for name in NAMES}
    columns |= {"driver_id": [f"d{number}" for number in range(ENTITIES)], "at": [datetime(2020, 1, 1, tzinfo=UTC)] * ENTITIES}
    pyarrow.parquet.write_table(pyarrow.table(columns), workspace / "facts.parquet")
    sources = {"facts": PreparedData(name="facts", digest="0", path="facts.parquet", event_time="at")}
    with FeastWorker(workspace) as worker:
        worker.apply(FeatureRegistryInputs(name=STORE, home=HOME, definitions=DEFINITIONS, sources=sources), _quiet)
        worker.materialize(OnlineFeaturesInputs(name=STORE, home=HOME, definitions=FeatureDefinitions(views=[VIEW]), sources=sources), None, None, _quiet)


def select(database: sqlite3.Connection, keys: list[str]) -> Callable[[], Any]:
    """What Feast asks SQLite, and no more."""
    prefix = entity_keys.prefix(VIEW.entities)
    encoded = [prefix + key for key in entity_keys.encoded(VIEW.entities[0], keys) if key is not None]
    query = f"select entity_key, feature_name, value, event_ts from bench_facts where entity_key in ({','.join('?' * len(keys))}) order by entity_key"
    return lambda: database.execute(query, encoded).fetchall()


def paired(*calls: Callable[[], Any]) -> list[float]:
    """Median microseconds of each, taken in turns so that a busy machine is busy for all."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS):
        for call, taken in zip(calls, times, strict=True):
            started = time.perf_counter()
            call()
            taken.append((time.perf_counter() - started) * 1e6)
    return [statistics.median(one) for one in times]


def _quiet(_: str) -> None:
    """Nobody listens."""


if __name__ == "__main__":
    main()
