"""A small feature store of flights for tests: hourly weather, daily carrier and route rates, planes; keys of both types, gaps, ties."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from mlx_features.content import ARROW
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
from mlx_specs.resources import About, PreparedData

STORE = "new-york"
START = datetime(2013, 1, 1, tzinfo=UTC)
AIRPORTS, DESTINATIONS, CARRIERS = ["EWR", "JFK", "LGA"], ["ATL", "BOS", "ORD", "SJU"], ["AA", "B6", "UA", "ünïted"]
PLANES = [-7, 0, 1, 12, 2**53 + 1, 2**60 + 1]
HOURS = 240
FUNCTIONS = '''
"""Plain functions."""


def age(built, year):
    """Years since the plane was built."""
    # None: nobody knows
    if built is None or year is None:
        return None
    return year - built


def comfort(temp, rain, distance):
    if temp is None or distance is None:
        return {"comfort": None}
    return {"comfort": temp - 10 * rain + distance / 1000, "wet": rain > 0.5}
'''

AIRPORT = EntityDefinition(name="airport", join_key="origin", description="Where it leaves from.")
DESTINATION = EntityDefinition(name="destination", join_key="dest")
CARRIER = EntityDefinition(name="carrier", join_key="carrier")
PLANE = EntityDefinition(name="plane", join_key="plane", type="integer")


def fields(**types: str) -> list[FeatureField]:
    """Features by name and type."""
    return [FeatureField(name=name, type=type) for name, type in types.items()]


WEATHER = ViewDefinition(
    name="hourly-weather",
    source="weather",
    event_time="at",
    created_time="written",
    entities=[AIRPORT],
    features=fields(temp="float", rain="float", sky="string", storm="boolean"),
    ttl=3 * 3600,
    defaults={"rain": 0.0, "sky": "unknown"},
    about=About(description="The hour's weather.", owner="data", labels={"source": "noaa", "kind": "weather"}),
)
CARRIERS_VIEW = ViewDefinition(
    name="carriers", source="carrier-days", event_time="known_at", entities=[CARRIER], features=fields(late="float", flights="integer"), push=True
)
ROUTES = ViewDefinition(
    name="routes", source="route-days", event_time="known_at", entities=[DESTINATION, AIRPORT], features=fields(route_late="float"), ttl=2 * 86400
)
FLEET = ViewDefinition(
    name="fleet", source="planes", event_time="listed", entities=[PLANE], features=fields(built="integer", first_flight="date", checked="timestamp"),
    defaults={"built": 1990},
)  # fmt: skip
AGE = OnDemandDefinition(
    name="plane-age", function="flight_functions:age", views={"fleet": ["built"]}, request=fields(year="integer"), features=fields(age="integer")
)
COMFORT = OnDemandDefinition(
    name="comfort", function="flight_functions.comfort", views={"hourly-weather": ["temp", "rain"]}, request=fields(distance="integer"),
    features=fields(comfort="float", wet="boolean"), defaults={"wet": False}, about=About(owner="data", labels={"a": "b"}),
)  # fmt: skip
SERVICE = ServiceDefinition(
    name="check-in",
    views={
        "hourly-weather": ["temp", "rain", "sky", "storm"], "carriers": ["late", "flights"], "routes": ["route_late"],
        "fleet": ["first_flight", "checked"], "plane-age": ["age"], "comfort": ["comfort", "wet"],
    },
    about=About(description="What is known at check-in.", owner="science", labels={"use": "delays"}),
)  # fmt: skip
DEFINITIONS = FeatureDefinitions(views=[WEATHER, CARRIERS_VIEW, ROUTES, FLEET], on_demand=[AGE, COMFORT], services=[SERVICE])


@dataclass(frozen=True)
class Workspace:
    """A workspace folder with prepared datasets."""

    folder: Path
    sources: Mapping[str, PreparedData]
    home: str = ".mlx/local"

    @property
    def store(self) -> Path:
        """The feature store's folder."""
        return self.folder / self.home / "features" / STORE

    def registry(self, definitions: FeatureDefinitions = DEFINITIONS, **changes: Any) -> FeatureRegistryInputs:
        """The inputs of an apply."""
        return FeatureRegistryInputs(**{"name": STORE, "home": self.home, "definitions": definitions, "sources": self.sources, **changes})

    def online(self, definitions: FeatureDefinitions = DEFINITIONS, **changes: Any) -> OnlineFeaturesInputs:
        """The inputs of a materialisation."""
        views = FeatureDefinitions(views=[view for view in definitions.views if view.online])
        return OnlineFeaturesInputs(**{"name": STORE, "home": self.home, "definitions": views, "sources": self.sources, **changes})

    def joined(self, data: PreparedData, definitions: FeatureDefinitions = DEFINITIONS) -> JoinedDatasetInputs:
        """The inputs of a join."""
        return JoinedDatasetInputs(name="model.delay", home=self.home, store=STORE, definitions=definitions, sources=dict(self.sources), data=data)

    def lookup(self, definitions: FeatureDefinitions = DEFINITIONS) -> FeatureLookup:
        """What a server is told."""
        return FeatureLookup(store=STORE, path=f"{self.home}/features/{STORE}/online.db", project=project(STORE), definitions=definitions, event_time="at")

    def write(self, name: str, types: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> PreparedData:
        """A prepared dataset of rows; each writing is a file of its own, as contents are."""
        columns = {column: pyarrow.array([row[number] for row in rows], ARROW[type]) for number, (column, type) in enumerate(types.items())}  # type: ignore[index]
        digest = f"{len(list((self.folder / 'data').glob('*'))):064}"
        path = self.folder / "data" / f"{name}-{digest}.parquet"
        path.parent.mkdir(exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.table(columns), path)
        return PreparedData(name=name, digest=digest, path=str(path.relative_to(self.folder)), event_time="at")

    def with_source(self, name: str, data: PreparedData) -> "Workspace":
        """The same with other rows behind one dataset."""
        return replace(self, sources={**self.sources, name: data})


WEATHER_TYPES = {"origin": "string", "at": "timestamp", "written": "timestamp", "temp": "float", "rain": "float", "sky": "string", "storm": "boolean"}
CARRIER_TYPES = {"carrier": "string", "known_at": "timestamp", "late": "float", "flights": "integer"}
ROUTE_TYPES = {"origin": "string", "dest": "string", "known_at": "timestamp", "route_late": "float"}
FLEET_TYPES = {"plane": "integer", "listed": "timestamp", "built": "integer", "first_flight": "date", "checked": "timestamp"}
FLIGHT_TYPES = {
    "id": "integer", "at": "timestamp", "origin": "string", "dest": "string", "carrier": "string", "plane": "integer", "year": "integer", "distance": "integer",
}  # fmt: skip


def make_workspace(folder: Path) -> Workspace:
    """A workspace with the four datasets; the same rows each time."""
    chance = random.Random(7)
    (folder / "feature_repo").mkdir(parents=True)
    (folder / "Pulumi.yaml").write_text("name: test\nruntime: python\n")
    (folder / "feature_repo" / "flight_functions.py").write_text(FUNCTIONS)
    bare = Workspace(folder, {})
    return Workspace(
        folder,
        {
            "weather": bare.write("weather", WEATHER_TYPES, weather_rows(chance)),
            "carrier-days": bare.write("carrier-days", CARRIER_TYPES, carrier_rows(chance)),
            "route-days": bare.write("route-days", ROUTE_TYPES, route_rows(chance)),
            "planes": bare.write("planes", FLEET_TYPES, fleet_rows(chance)),
        },
    )


def hour(number: float) -> datetime:
    """That many hours after the start."""
    return START + timedelta(hours=number)


def some(chance: random.Random, value: Any, gaps: float = 0.15) -> Any:
    """The value, or sometimes nothing."""
    return None if chance.random() < gaps else value


def weather_rows(chance: random.Random) -> list[tuple[Any, ...]]:
    """Hours with gaps; an hour is sometimes written twice, the later writing being a correction."""
    rows: list[tuple[Any, ...]] = []
    for airport in AIRPORTS:
        for number in range(HOURS):
            for writing in range(chance.choice([0, 1, 1, 1, 2])):
                values = (some(chance, chance.uniform(-9, 30)), some(chance, chance.random()), some(chance, chance.choice(["clear", "grey", ""])))
                rows.append((airport, hour(number), hour(number + writing), *values, some(chance, chance.random() < 0.1)))
    chance.shuffle(rows)
    return rows


def carrier_rows(chance: random.Random) -> list[tuple[Any, ...]]:
    """A row each day, known in the next morning."""
    return [(one, hour(24 * day + 29), some(chance, chance.random()), some(chance, chance.randrange(1, 400))) for one in CARRIERS[:-1] for day in range(9)] + [
        (CARRIERS[-1], hour(29), 0.25, 2**53 + 1)
    ]


def route_rows(chance: random.Random) -> list[tuple[Any, ...]]:
    """Most routes on most days."""
    return [
        (origin, dest, hour(24 * day + 29), some(chance, chance.random()))
        for origin in AIRPORTS for dest in DESTINATIONS for day in range(9) if chance.random() < 0.7
    ]  # fmt: skip


def fleet_rows(chance: random.Random) -> list[tuple[Any, ...]]:
    """One row a plane, some of them without a year."""
    day = date(1999, 5, 17)
    return [(plane, START, some(chance, 1980 + place), some(chance, day), some(chance, hour(place))) for place, plane in enumerate(PLANES[:-1])]


def flight_rows(chance: random.Random, rows: int, at: datetime | None = None) -> list[tuple[Any, ...]]:
    """Flights over the days, some before all features, with keys that nobody knows and keys that are missing."""
    return [
        (
            number, at or hour(round(chance.uniform(-24, HOURS + 24), 3)), some(chance, chance.choice([*AIRPORTS, "XXX"])), chance.choice(DESTINATIONS),
            chance.choice([*CARRIERS, "??"]), some(chance, chance.choice([*PLANES, 99])), some(chance, 2013), some(chance, chance.randrange(100, 3000)),
        )
        for number in range(rows)
    ]  # fmt: skip
