"""Features at request time: what Feast wrote into an online store, read without Feast.

Keys and moments enter; values, their event times and the reasons of missing ones leave. Where the rows lie is the store's
matter (online_sqlite, online_redis, online_postgres): it answers what it holds of some keys.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, TypeAlias

from mlx_features import entity_keys
from mlx_features.errors import FeatureError
from mlx_features.on_demand import READ
from mlx_features.repository import feast_name
from mlx_features.values import Layout, decoder, nothing
from mlx_specs.feature_resources import EntityDefinition, FeatureDefinitions, FeatureLookup, ViewDefinition

Reason: TypeAlias = Literal["", "no row", "too old"]
Stored: TypeAlias = Mapping[bytes, tuple[int, Mapping[str, Any]]]
"""Of a view, by key: the seconds of the event time, and the values."""


@dataclass(frozen=True)
class Found:
    """A list for each feature and for each view, with a place for each row."""

    values: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    event_times: dict[str, list[datetime | None]] = field(default_factory=dict[str, list[datetime | None]])
    """When the row's values became known; also of those that are too old."""
    missing: dict[str, list[Reason]] = field(default_factory=dict[str, list[Reason]])
    """Why defaults stand in for a view's values: no row has the key, or it is older than the view's ttl."""


@dataclass(frozen=True)
class View:
    """A view with what reading it needs, made once."""

    name: str
    feast_name: str
    project: str
    ttl: int
    entities: list[EntityDefinition]
    prefix: bytes
    types: dict[str, str]
    needed: list[str]
    """The features that the service needs of it."""
    defaults: dict[str, Any]
    layouts: dict[str, Layout] = field(default_factory=dict[str, Layout])
    """By the names as a store of rows yields them: nearly always one."""

    @property
    def table(self) -> str:
        """Where a store of rows keeps it."""
        return f"{self.project}_{self.feast_name}"

    def decode(self, name: str) -> Callable[[bytes], Any]:
        """How a message of one of its features is read."""
        return decoder(self.types[name])

    def layout(self, stored: str) -> Layout:
        """How the features of an entity are read; what a view had once and has no more is passed over."""
        known = self.layouts.get(stored)
        if known is None:
            names = tuple(stored.split(","))
            known = self.layouts[stored] = Layout(names, tuple(decoder(self.types[name]) if name in self.types else nothing for name in names))
        return known


@dataclass(frozen=True)
class Asked:
    """What is wanted of one view."""

    view: View
    names: Sequence[str]
    row_keys: Sequence[bytes | None]
    """By row; None where a part of the key is missing."""

    @property
    def keys(self) -> list[bytes]:
        """Each once."""
        return list(dict.fromkeys(key for key in self.row_keys if key is not None))


class OnlineStore(Protocol):
    """Where the rows lie; any thread may ask."""

    def held(self, asked: Sequence[Asked]) -> Iterable[Stored]:
        """What is stored of each view's keys, in the order of the views; raises ``FeatureError`` where it cannot be read."""
        ...

    def unavailable(self) -> str:
        """Why it cannot be read now, in a sentence, or nothing."""
        ...


class OnlineReader:
    """Reads the features of one service; any thread may ask."""

    def __init__(self, lookup: FeatureLookup, store: OnlineStore) -> None:
        self.store = store
        self._views = views_of(lookup)

    def read(self, keys: Mapping[str, Sequence[Any]], moments: Sequence[datetime] | None = None, wanted: Collection[str] | None = None) -> Found:
        """The values of each row's features: ``keys`` holds a list for each join key, ``moments`` the moment each row is about (None: now).

        Only views that hold a wanted feature are read (None: all). Defaults stand where there is no value, else None.
        Raises ``FeatureError`` where a join key is not among the keys or of a wrong type, or the online store is not there.
        """
        needed = [(view, view.needed if wanted is None else [name for name in view.needed if name in wanted]) for view in self._views]
        asked = [Asked(view, names, keys_of(view, keys)) for view, names in needed if names]
        found = Found()
        for one, stored in zip(asked, self.store.held(asked), strict=True):
            add_view(one, stored, moments, found)
        return found


def views_of(lookup: FeatureLookup) -> list[View]:
    """What is read of them."""
    return [reading_of(view, lookup) for view in lookup.definitions.views]


def reading_of(view: ViewDefinition, lookup: FeatureLookup) -> View:
    """What reading a view needs."""
    needed = needed_features(view, lookup.definitions)
    return View(
        name=view.name,
        feast_name=feast_name(view.name),
        project=lookup.project,
        ttl=view.ttl,
        entities=entity_keys.in_key_order(view.entities),
        prefix=entity_keys.prefix(view.entities),
        types={one.name: one.type for one in view.features},
        needed=[one.name for one in view.features if one.name in needed],
        defaults=defaults_of(view),
    )


def needed_features(view: ViewDefinition, definitions: FeatureDefinitions) -> set[str]:
    """What services and on-demand views take of a view; without a service all of it."""
    if not definitions.services:
        return {one.name for one in view.features}
    taken = [service.views.get(view.name, []) for service in definitions.services] + [one.views.get(view.name, []) for one in definitions.on_demand]
    return {name for names in taken for name in names}


def defaults_of(view: ViewDefinition) -> dict[str, Any]:
    """A view's defaults in the types of its features."""
    types = {one.name: one.type for one in view.features}
    return {name: READ[types[name]](value) for name, value in view.defaults.items() if name in types}


def add_view(asked: Asked, stored: Stored, moments: Sequence[datetime] | None, found: Found) -> None:
    """Add one view's features to what was found."""
    view = asked.view
    columns, stamps = by_row(asked, stored)
    missing: list[Reason] = ["no row" if stamp is None else "" for stamp in stamps]
    if view.ttl:
        drop_old(view.ttl, columns, stamps, missing, moments)
    for name, default in view.defaults.items():
        if name in columns:
            columns[name] = [default if value is None else value for value in columns[name]]
    found.values.update(columns)
    found.event_times[view.name] = [None if stamp is None else datetime.fromtimestamp(stamp, UTC) for stamp in stamps]
    found.missing[view.name] = missing


def keys_of(view: View, keys: Mapping[str, Sequence[Any]]) -> list[bytes | None]:
    """The key of each row; None where a part of it is missing."""
    absent = [entity.join_key for entity in view.entities if entity.join_key not in keys]
    if absent:
        raise FeatureError(f"view '{view.name}' needs the join key '{absent[0]}'", hint="send it, or the features themselves")
    parts = [entity_keys.encoded(entity, keys[entity.join_key]) for entity in view.entities]
    return [None if None in row else view.prefix + b"".join(part for part in row if part is not None) for row in zip(*parts, strict=True)]


def by_row(asked: Asked, stored: Stored) -> tuple[dict[str, list[Any]], list[int | None]]:
    """The stored values of each feature and the seconds of their event times."""
    names = asked.names
    if not asked.row_keys:
        return {name: [] for name in names}, []
    rows = [NO_ROW if key is None else stored.get(key, NO_ROW) for key in asked.row_keys]
    columns = zip(*[tuple(map(values.get, names)) for _, values in rows], strict=True)
    return dict(zip(names, map(list, columns), strict=True)), [stamp for stamp, _ in rows]


NO_ROW: tuple[None, dict[str, Any]] = (None, {})


def drop_old(ttl: int, columns: Mapping[str, list[Any]], stamps: Sequence[int | None], missing: list[Reason], moments: Sequence[datetime] | None) -> None:
    """Values older than the ttl are none, as in training."""
    now = time.time()
    for place, stamp in enumerate(stamps):
        if stamp is not None and (moments[place].timestamp() if moments is not None else now) - stamp > ttl:
            missing[place] = "too old"
            for column in columns.values():
                column[place] = None
