"""Features at request time: Feast's own SQLite tables, read without Feast.

Keys and moments enter; values, their event times and the reasons of missing ones leave. The layout is Feast's: one row for each
entity and feature.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from mlx_features import entity_keys
from mlx_features.errors import FeatureError
from mlx_features.on_demand import READ
from mlx_features.repository import feast_name
from mlx_features.sqlite_reads import open_to_read
from mlx_features.values import Layout, decoder, nothing
from mlx_specs.resources import EntityDefinition, FeatureDefinitions, FeatureLookup, ViewDefinition

Reason: TypeAlias = Literal["", "no row", "too old"]
LIMIT = 30_000
"""Keys of a statement; SQLite takes 32,766 parameters."""


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
    select: str
    """The statement up to its parameters."""
    ttl: int
    entities: list[EntityDefinition]
    prefix: bytes
    types: dict[str, str]
    needed: list[str]
    """The features that the service needs of it."""
    defaults: dict[str, Any]
    layouts: dict[str, Layout] = field(default_factory=dict[str, Layout])
    """By the names as the store yields them: nearly always one."""

    def layout(self, stored: str) -> Layout:
        """How the features of an entity are read; what a view had once and has no more is passed over."""
        known = self.layouts.get(stored)
        if known is None:
            names = tuple(stored.split(","))
            known = self.layouts[stored] = Layout(names, tuple(decoder(self.types[name]) if name in self.types else nothing for name in names))
        return known


class OnlineReader:
    """Reads the features of one service; any thread may ask: each has a connection of its own."""

    def __init__(self, lookup: FeatureLookup, workspace: Path) -> None:
        self._path = str((workspace / lookup.path).absolute())
        self._views = [reading_of(view, lookup) for view in lookup.definitions.views]
        self._local = threading.local()

    def read(self, keys: Mapping[str, Sequence[Any]], moments: Sequence[datetime] | None = None, wanted: Collection[str] | None = None) -> Found:
        """The values of each row's features: ``keys`` holds a list for each join key, ``moments`` the moment each row is about (None: now).

        Only views that hold a wanted feature are read (None: all). Defaults stand where there is no value, else None.
        Raises ``FeatureError`` where a join key is not among the keys or of a wrong type, or the online store is not there.
        """
        found, connection = Found(), self._connection()
        for view in self._views:
            names = view.needed if wanted is None else [name for name in view.needed if name in wanted]
            if names:
                read_view(connection, view, names, keys, moments, found)
        return found

    def _connection(self) -> sqlite3.Connection:
        """This thread's connection; another one when the file at the path is another."""
        try:
            facts = os.stat(self._path)  # noqa: PTH116 - a third of the time of Path.stat, on every request
        except FileNotFoundError:
            raise FeatureError(f"the online store {self._path} is not there", hint="mlx apply makes it; mlx features materialize fills it") from None
        identity = (facts.st_dev, facts.st_ino)
        if getattr(self._local, "identity", None) != identity:
            self._local.connection = open_to_read(Path(self._path))
            self._local.identity = identity
        return self._local.connection


def reading_of(view: ViewDefinition, lookup: FeatureLookup) -> View:
    """What reading a view needs."""
    table, needed = f"{lookup.project}_{feast_name(view.name)}", needed_features(view, lookup.definitions)
    return View(
        name=view.name,
        # One row for an entity, its messages as one text, costs half of a row for each feature. All aggregates of a group see its rows in one order.
        select=f"select entity_key, max(event_ts), group_concat(feature_name), group_concat(hex(value), ' ') from \"{table}\" where entity_key in ",
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


def read_view(
    connection: sqlite3.Connection, view: View, names: Collection[str], keys: Mapping[str, Sequence[Any]], moments: Sequence[datetime] | None, found: Found
) -> None:
    """Add one view's features to what was found."""
    row_keys = keys_of(view, keys)
    columns, stamps = fetch(connection, view, names, row_keys)
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


def fetch(
    connection: sqlite3.Connection, view: View, names: Collection[str], row_keys: Sequence[bytes | None]
) -> tuple[dict[str, list[Any]], list[int | None]]:
    """The stored values of each feature and the seconds of their event times, by row; each key is asked for once."""
    asked = list(dict.fromkeys(key for key in row_keys if key is not None))
    held: dict[bytes | None, tuple[int, dict[str, Any]]] = {}
    for first in range(0, len(asked), LIMIT):
        for key, stamp, stored, messages in entities(connection, view, asked[first : first + LIMIT]):
            held[key] = (stamp, view.layout(stored).decode(messages))
    if not row_keys:
        return {name: [] for name in names}, []
    rows = [held.get(key, NO_ROW) for key in row_keys]
    columns = zip(*[tuple(map(values.get, names)) for _, values in rows], strict=True)
    return dict(zip(names, map(list, columns), strict=True)), [stamp for stamp, _ in rows]


def entities(connection: sqlite3.Connection, view: View, asked: Sequence[bytes]) -> sqlite3.Cursor:
    """What the store holds of these keys, a row for each: key, event time, names and messages, in one order."""
    try:
        return connection.execute(f"{view.select}({','.join('?' * len(asked))}) group by entity_key", asked)
    except sqlite3.OperationalError as error:
        raise FeatureError(f"view '{view.name}' cannot be read from the online store: {error}", hint="mlx apply makes its table") from error


NO_ROW: tuple[None, dict[str, Any]] = (None, {})


def drop_old(ttl: int, columns: Mapping[str, list[Any]], stamps: Sequence[int | None], missing: list[Reason], moments: Sequence[datetime] | None) -> None:
    """Values older than the ttl are none, as in training."""
    now = time.time()
    for place, stamp in enumerate(stamps):
        if stamp is not None and (moments[place].timestamp() if moments is not None else now) - stamp > ttl:
            missing[place] = "too old"
            for column in columns.values():
                column[place] = None
