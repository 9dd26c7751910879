"""A made feature store in Feast's own hands, the rows that a model learns from it, and what a server is told of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
from made_flights import Packaged, as_rows
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from mlx_features.client import FeastWorker
from mlx_features.repository import project
from mlx_specs.feature_resources import (
    EntityDefinition,
    FeatureDefinitions,
    FeatureField,
    FeatureLookup,
    FeatureRegistryInputs,
    JoinedDatasetInputs,
    OnDemandDefinition,
    OnlineFeaturesInputs,
    ServiceDefinition,
    ViewDefinition,
)
from mlx_specs.resources import PreparedData

HOME, STORE = ".mlx/local", "air-travel"
AIRPORTS, PLACES, TAILS = ["JFK", "LGA", "EWR"], ["LAX", "BOS", "ATL", "ORD"], list(range(2**60, 2**60 + 20))
LATEST = datetime(2013, 6, 10, 12, tzinfo=UTC)
"""The event time of the newest source row: what is looked up for a later moment is what the join finds for it."""
DAY = 86_400

FUNCTIONS = '''
def age(built, booked):
    """Years between a plane's making and the booking; None where one is unknown."""
    if built is None or booked is None:
        return {"age": None, "is_old": False}
    years = booked.year - built
    return {"age": float(years), "is_old": years > 20}
'''
ORIGIN = EntityDefinition(name="airport", join_key="origin")
DEST = EntityDefinition(name="place", join_key="dest")
TAIL = EntityDefinition(name="plane", join_key="tail", type="integer")


def fields(**types: str) -> list[FeatureField]:
    return [FeatureField(name=name, type=type) for name, type in types.items()]


DEFINITIONS = FeatureDefinitions(
    views=[
        ViewDefinition(
            name="forecast", source="forecasts", event_time="at", entities=[ORIGIN],
            features=fields(wind="float", rain="boolean", outlook="string", gusts="integer", measured="timestamp"), defaults={"wind": 7.5},
        ),
        ViewDefinition(name="route-rate", source="rates", event_time="at", entities=[ORIGIN, DEST], features=fields(rate="float"), ttl=2 * DAY),
        ViewDefinition(
            name="planes", source="planes", event_time="at", entities=[TAIL], features=fields(built="integer", seats="integer"), defaults={"seats": 150},
        ),
    ],
    on_demand=[
        OnDemandDefinition(
            name="plane-age", function="plane_features:age", views={"planes": ["built"]}, request=fields(booked="timestamp"),
            features=fields(age="float", is_old="boolean"), defaults={"age": -1.0},
        )
    ],
    services=[
        ServiceDefinition(
            name="delay-features",
            views={"forecast": ["wind", "rain", "outlook", "gusts", "measured"], "route-rate": ["rate"], "planes": ["seats"], "plane-age": ["age", "is_old"]},
        )
    ],
)  # fmt: skip


def forecasts() -> pyarrow.Table:
    """Hourly, the last of JFK with nulls; none of EWR."""
    hours = [LATEST - timedelta(hours=hour) for hour in range(30)]
    rows = [(origin, at) for origin in AIRPORTS[:2] for at in hours]
    last = [at == LATEST and origin == "JFK" for origin, at in rows]
    return pyarrow.table(
        {
            "origin": [origin for origin, _ in rows],
            "at": pyarrow.array([at for _, at in rows], pyarrow.timestamp("us", tz="UTC")),
            "wind": [None if gap else 1 / 3 + index for index, gap in enumerate(last)],
            "rain": [None if gap else index % 2 == 0 for index, gap in enumerate(last)],
            "outlook": [None if gap else f"fair {index}" for index, gap in enumerate(last)],
            "gusts": [None if gap else index for index, gap in enumerate(last)],
            "measured": pyarrow.array([at - timedelta(minutes=7) for _, at in rows], pyarrow.timestamp("us", tz="UTC")),
        }
    )


def rates() -> pyarrow.Table:
    """Daily; BOS ended a while ago, ORD of LGA has none."""
    rows = [(origin, dest, LATEST - timedelta(days=day + (3 if dest == "BOS" else 0))) for origin in AIRPORTS for dest in PLACES for day in range(3)]
    rows = [row for row in rows if row[:2] != ("LGA", "ORD")]
    return pyarrow.table(
        {
            "origin": [row[0] for row in rows],
            "dest": [row[1] for row in rows],
            "at": pyarrow.array([row[2] for row in rows], pyarrow.timestamp("us", tz="UTC")),
            "rate": [0.1 + 0.01 * index for index in range(len(rows))],
        }
    )


def planes() -> pyarrow.Table:
    return pyarrow.table(
        {
            "tail": pyarrow.array(TAILS, pyarrow.int64()),
            "at": pyarrow.array([LATEST - timedelta(days=200)] * len(TAILS), pyarrow.timestamp("us", tz="UTC")),
            "built": [None if tail % 7 == 0 else 1980 + tail % 30 for tail in TAILS],
            "seats": [None if tail % 5 == 0 else 100 + tail % 50 for tail in TAILS],
        }
    )


SOURCES = {"forecasts": forecasts, "rates": rates, "planes": planes}


def bookings(rows: int, seed: int = 0) -> pyarrow.Table:
    """Keys, some of them unknown or null, a request column, the moment of each row, and a column of the model's own."""
    random = np.random.default_rng(seed)
    pick = lambda values: random.choice(np.array(values, dtype=object), rows).tolist()  # noqa: E731
    later = [timedelta(seconds=int(second)) for second in random.choice([0, DAY, 2 * DAY, 2 * DAY + 1, 5 * DAY], rows)]
    moments = pyarrow.timestamp("us", tz="UTC")
    return pyarrow.table(
        {
            "id": list(range(rows)),
            "origin": pyarrow.array(pick([*AIRPORTS, "XXX", None])),
            "dest": pyarrow.array(pick([*PLACES, "Zürich", None])),
            "tail": pyarrow.array(pick([*TAILS, 7, None]), pyarrow.int64()),
            "departs": pyarrow.array([LATEST + after for after in later], moments),
            "booked": pyarrow.array(pick([LATEST, LATEST - timedelta(days=400), None]), moments),
            "hour": random.integers(5, 24, rows),
        }
    )


@dataclass(frozen=True)
class MadeStore:
    """What the tests need to know of the store."""

    workspace: Path
    worker: FeastWorker
    sources: dict[str, PreparedData]
    lookup: FeatureLookup

    def join(self, name: str, rows: pyarrow.Table) -> pyarrow.Table:
        """The rows with their features, as training gets them."""
        data = prepared(self.workspace, name, rows, ["id"], "departs")
        inputs = JoinedDatasetInputs(name=name, home=HOME, store=STORE, definitions=DEFINITIONS, sources=self.sources, data=data)
        joined = parquet.read_table(self.workspace / self.worker.join(inputs, lambda line: None).path)
        assert joined["id"].to_pylist() == rows["id"].to_pylist()
        return joined


def made_store(workspace: Path, worker: FeastWorker) -> MadeStore:
    """Registry and online store, by Feast."""
    (workspace / "feature_repo").mkdir(exist_ok=True)
    (workspace / "feature_repo" / "plane_features.py").write_text(FUNCTIONS)
    keys = {"forecasts": ["origin"], "rates": ["origin", "dest"], "planes": ["tail"]}
    sources = {name: prepared(workspace, name, make(), keys[name], "at") for name, make in SOURCES.items()}
    worker.apply(FeatureRegistryInputs(name=STORE, home=HOME, definitions=DEFINITIONS, sources=sources), lambda line: None)
    online = worker.materialize(OnlineFeaturesInputs(name=STORE, home=HOME, definitions=DEFINITIONS, sources=sources), None, None, lambda line: None)
    lookup = FeatureLookup(store=STORE, path=online.path, project=project(STORE), definitions=DEFINITIONS, event_time="departs", code_digest="1")
    return MadeStore(workspace, worker, sources, lookup)


def prepared(workspace: Path, name: str, rows: pyarrow.Table, keys: list[str], event_time: str) -> PreparedData:
    path = workspace / HOME / "datasets" / name / "data.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(rows, path)
    return PreparedData(name=name, digest=name * 8, path=str(path.relative_to(workspace)), keys=keys, event_time=event_time)


NUMBERS, TEXTS = ["hour", "wind", "rain", "gusts", "measured", "rate", "seats", "age", "is_old"], ["origin", "outlook"]
INPUTS = [*NUMBERS, *TEXTS]
SENT = ["origin", "dest", "tail", "departs", "booked", "hour"]


def late_model(store: MadeStore, pack: Callable[..., Packaged]) -> Packaged:
    """A model that reads features of every view, some of its own, and a key."""
    joined = store.join("training", bookings(400, seed=1)).select(INPUTS)
    labels = np.random.default_rng(3).random(joined.num_rows) < 0.3 + 0.3 * np.nan_to_num(joined["rate"].to_numpy())
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("numbers", "passthrough", NUMBERS), ("texts", encoder, TEXTS)])
    return pack("late", make_pipeline(columns, HistGradientBoostingClassifier(max_iter=10, random_state=0)), joined, labels)


def sent(rows: pyarrow.Table) -> dict[str, list[Any]]:
    """What a request carries of them."""
    return as_rows(rows.select(SENT))


DATATYPES = {
    **dict.fromkeys(("hour", "tail", "built", "gusts", "seats"), "INT64"),
    **dict.fromkeys(("wind", "rate", "age"), "FP64"),
    **dict.fromkeys(("rain", "is_old"), "BOOL"),
}


def request(rows: dict[str, list[Any]], **extra: Any) -> dict[str, Any]:
    """A V2 request."""
    tensors = [{"name": name, "shape": [len(values)], "datatype": DATATYPES.get(name, "BYTES"), "data": values} for name, values in rows.items()]
    return {"inputs": tensors, **extra}
