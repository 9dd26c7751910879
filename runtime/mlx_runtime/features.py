"""The join of a request: what it carries, what the online store holds, what on-demand functions compute.

Enters: the columns of a request as Python values. Leaves: the features of the model that the request lacks, with their
defaults, and how fresh each view's values were. A feature that the request carries is used as it is, for on-demand
functions as well. Knows nothing of HTTP; imports neither Feast nor pandas.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlx_features.errors import FeatureError
from mlx_runtime.errors import RuntimeFailure
from mlx_runtime.signature import ScoreError
from mlx_runtime.workspace_code import as_the_files_are_now
from mlx_specs.feature_resources import FeatureField, FeatureLookup, OnDemandDefinition, ServiceDefinition, ViewDefinition

if TYPE_CHECKING:
    from mlx_features.online import Found, OnlineReader

MOST_ROUTES = 64
"""Sets of columns whose route is kept; a client that sends ever new ones pays for each."""

Given = Mapping[str, Sequence[Any]]


class StoreUnavailable(RuntimeFailure):
    """The online store cannot be read now."""


class FunctionFailed(RuntimeFailure):
    """An on-demand function raised."""


class CodeError(RuntimeFailure):
    """An on-demand function cannot be imported."""


@dataclass(frozen=True)
class FeatureSource:
    """An open online store and the functions of its service: shared by every version that a server holds."""

    lookup: FeatureLookup
    reader: OnlineReader
    functions: Mapping[str, Callable[..., Any]]

    def unavailable(self) -> str:
        """Why the store cannot be read, or nothing."""
        return self.reader.store.unavailable()


@dataclass(frozen=True)
class Freshness:
    """How one view answered, row by row."""

    view: str
    ages: Sequence[float | None]
    """Seconds between the value's event time and the row's moment; None where there was no row."""
    reasons: Sequence[str]
    """``no row`` or ``too old`` where the default stands, or null; else empty."""

    @property
    def oldest(self) -> float | None:
        """The age of the oldest value that was used."""
        return max((age for age, reason in zip(self.ages, self.reasons, strict=True) if age is not None and not reason), default=None)


@dataclass(frozen=True)
class Joined:
    """The features that a request lacked."""

    values: Mapping[str, Sequence[Any]]
    views: tuple[Freshness, ...] = ()
    seconds: float = 0.0
    """What the lookup took."""


@dataclass(frozen=True)
class Route:
    """What a request with certain columns needs besides."""

    features: tuple[str, ...]
    """Features of the model that it lacks."""
    wanted: frozenset[str]
    """Features that are read from the store."""
    views: tuple[ViewDefinition, ...]
    computed: tuple[OnDemandDefinition, ...]

    @cached_property
    def keys(self) -> dict[str, list[str]]:
        """The join keys, each with the views that are looked up by it."""
        found = dict[str, list[str]]()
        for view in self.views:
            for entity in view.entities:
                found.setdefault(entity.join_key, []).append(view.name)
        return found

    @cached_property
    def request(self) -> dict[str, list[str]]:
        """The request columns, each with the on-demand views that read it."""
        found = dict[str, list[str]]()
        for view in self.computed:
            for column in view.request:
                found.setdefault(column.name, []).append(view.name)
        return found


def open_source(lookup: FeatureLookup, workspace: Path) -> FeatureSource:
    """Of the file on this machine that the lookup names; ``CodeError`` where a function cannot be imported."""
    from mlx_features.online_sqlite import sqlite_reader

    return source_of(lookup, sqlite_reader(lookup, workspace), workspace)


def source_of(lookup: FeatureLookup, reader: OnlineReader, workspace: Path) -> FeatureSource:
    """The reader, and the functions as their files are now; ``CodeError`` where one cannot be imported."""
    from mlx_features import on_demand

    try:
        with as_the_files_are_now(workspace):
            functions = {view.name: on_demand.load(view, workspace) for view in lookup.definitions.on_demand}
    except FeatureError as error:
        raise CodeError(str(error), hint=error.hint) from error
    return FeatureSource(lookup, reader, functions)


class FeatureJoin:
    """One model's features from one source; safe to use from several threads."""

    def __init__(self, source: FeatureSource, inputs: Sequence[str]) -> None:
        self.source = source
        definitions = source.lookup.definitions
        self.service: ServiceDefinition = definitions.services[0]
        self.event_time = source.lookup.event_time
        self.features = {field.name: field for field in _taken(definitions.views, self.service) + _taken(definitions.on_demand, self.service)}
        self.fields = {field.name: field for view in definitions.views for field in view.features}
        self.columns = tuple(name for name in inputs if name not in self.features)
        """The model's inputs that every request carries."""
        self.joined = tuple(name for name in inputs if name in self.features)
        self._routes = dict[frozenset[str], Route]()
        self.whole = self.route(frozenset())

    @property
    def taken(self) -> dict[str, FeatureField]:
        """What the join takes by its exact value: keys, request columns, features that functions read, the event time."""
        definitions, whole = self.source.lookup.definitions, self.whole
        keys = {entity.join_key: FeatureField(name=entity.join_key, type=entity.type) for view in whole.views for entity in view.entities}
        request = {field.name: field for view in whole.computed for field in view.request}
        read = {name: self.fields[name] for view in whole.computed for names in view.views.values() for name in names}
        moment = {self.event_time: FeatureField(name=self.event_time, type="timestamp")} if self.event_time and definitions.views else {}
        return keys | request | read | moment

    def view_of(self, feature: str) -> str:
        """The feature view or on-demand view that gives a feature of the service."""
        return next(view for view, names in self.service.views.items() if feature in names)

    def route(self, names: frozenset[str]) -> Route:
        """What a request that carries these columns needs besides."""
        route = self._routes.get(names)
        if route is None:
            route = self._find_route(names)
            if len(self._routes) < MOST_ROUTES:
                self._routes[names] = route
        return route

    def _find_route(self, names: frozenset[str]) -> Route:
        definitions = self.source.lookup.definitions
        lacking = tuple(name for name in self.joined if name not in names)
        computed = tuple(view for view in definitions.on_demand if any(field.name in lacking for field in view.features))
        read = {feature for view in computed for features in view.views.values() for feature in features} | set(lacking)
        wanted = frozenset(name for name in read if name in self.fields and name not in names)
        views = tuple(view for view in definitions.views if any(field.name in wanted for field in view.features))
        return Route(lacking, wanted, views, computed)

    def check(self, names: Collection[str]) -> None:
        """``ScoreError`` that names the keys and columns which a request with these columns lacks."""
        route = self.route(frozenset(names))
        lacks = [
            _lacking("column", {name: [] for name in self.columns if name not in route.keys}, names, ""),
            _lacking("key", route.keys, names, "view"),
            _lacking("request column", route.request, names, "on-demand view"),
        ]
        if any(lacks):
            raise ScoreError(f"missing {' and '.join(filter(None, lacks))}: {self.reads()}")

    def reads(self) -> str:
        """``the model reads month; its features are looked up by origin, dest and computed from booked``"""
        columns, keys, request = (", ".join(names) for names in (self.columns, self.whole.keys, self.whole.request))
        ways = [f"looked up by {keys}" if keys else "", f"computed from {request}" if request else ""]
        features = f"its features ({', '.join(self.joined)}) are {' and '.join(filter(None, ways)) or 'sent'}, where a request does not carry them"
        return f"the model reads {columns}; {features}" if columns else features

    def complete(self, given: Given, rows: int, now: datetime) -> Joined:
        """The features that the request lacks; ``StoreUnavailable`` or ``FunctionFailed``."""
        route = self.route(frozenset(given))
        if not route.features:
            return Joined({})
        started = time.perf_counter()
        moments = self._moments(given, rows, now)
        found = self._read(route, given, moments) if route.wanted else None
        values: dict[str, Sequence[Any]] = dict(found.values) if found else {}
        values |= self._compute(route, {**values, **given}, rows)
        views = tuple(_freshness(view.name, found, moments) for view in route.views) if found else ()
        return Joined({name: values[name] for name in route.features}, views, time.perf_counter() - started)

    def _moments(self, given: Given, rows: int, now: datetime) -> list[datetime]:
        return [moment or now for moment in given[self.event_time]] if self.event_time in given else [now] * rows

    def _read(self, route: Route, given: Given, moments: Sequence[datetime]) -> Found:
        try:
            return self.source.reader.read({key: given[key] for key in route.keys}, moments, route.wanted)
        except FeatureError as error:
            raise StoreUnavailable(self.source.unavailable() or f"{error}: {error.hint}") from error

    def _compute(self, route: Route, known: Given, rows: int) -> dict[str, Sequence[Any]]:
        from mlx_features import on_demand

        computed = dict[str, Sequence[Any]]()
        for view in route.computed:
            try:
                computed |= on_demand.call(view, self.source.functions[view.name], known, rows)
            except FeatureError as error:
                raise FunctionFailed(str(error), hint=error.hint) from error
        return computed


def utc_now() -> datetime:
    """The moment of a row that says none."""
    return datetime.now(UTC)


def _taken(views: Sequence[ViewDefinition] | Sequence[OnDemandDefinition], service: ServiceDefinition) -> list[FeatureField]:
    return [field for view in views for field in view.features if field.name in service.views.get(view.name, ())]


def _freshness(view: str, found: Found, moments: Sequence[datetime]) -> Freshness:
    ages = [None if known is None else (moment - known).total_seconds() for known, moment in zip(found.event_times[view], moments, strict=True)]
    return Freshness(view, ages, found.missing[view])


def _lacking(noun: str, needed: Mapping[str, Sequence[str]], names: Collection[str], user: str) -> str:
    """``keys 'origin', 'dest' (of views forecast, routes)``"""
    lacking = [name for name in needed if name not in names]
    users = list(dict.fromkeys(view for name in lacking for view in needed[name]))
    of = f" (of {user}{'s' if len(users) > 1 else ''} {', '.join(users)})" if users else ""
    return f"{noun}{'s' if len(lacking) > 1 else ''} {', '.join(map(repr, lacking))}{of}" if lacking else ""
