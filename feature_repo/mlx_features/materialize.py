"""Bring the online store up to date from the sources, through Feast's own materialisation. Imports Feast; runs in the worker."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from feast import FeatureStore

from mlx_features import repository
from mlx_features.apply import ensure_tables
from mlx_features.errors import FeatureError
from mlx_features.online_state import Held
from mlx_features.repository import feast_name, source_path
from mlx_features.store import link_sources, locked, open_store
from mlx_specs.feature_resources import OnlineFeaturesInputs, OnlineFeaturesOutputs, ViewDefinition

Report = Callable[[str], None]
MATERIALISED = "Materialised"


@dataclass(frozen=True)
class Source:
    """What a view's rows span, from the store's start on."""

    keys: int
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True)
class Window:
    """What to read."""

    span: tuple[datetime, datetime] | None
    """Event times, both included; None: nothing."""
    replaces: bool
    """Whether what the view holds besides is gone afterwards."""


def materialize(inputs: OnlineFeaturesInputs, start: str | None, end: str | None, workspace: Path, report: Report) -> OnlineFeaturesOutputs:
    """All views; without start and end as the mode says: full or incremental."""
    folder = repository.folder(workspace, inputs.home, inputs.name)
    asked = _moment(start, "start"), _moment(end, "end")
    if asked[0] is not None and asked[1] is not None and asked[0] > asked[1]:
        raise FeatureError(f"start {start} is after end {end}", hint="a range begins before it ends")
    with locked(folder):
        link_sources(folder, inputs.sources, workspace)
        store = open_store(folder)
        ensure_tables(store)
        for view in inputs.definitions.views:
            _materialize_view(store, folder, inputs, view, asked, report)
        found = {view.name: _held(store, view) for view in inputs.definitions.views}
    return OnlineFeaturesOutputs(
        **dict(inputs),
        path=repository.online_path(inputs.home, inputs.name),
        rows={name: one.keys for name, one in found.items()},
        latest={name: one.latest.isoformat() for name, one in found.items() if one.latest is not None},
        status=MATERIALISED,
    )


def _materialize_view(
    store: FeatureStore, folder: Path, inputs: OnlineFeaturesInputs, view: ViewDefinition, asked: tuple[datetime | None, datetime | None], report: Report
) -> None:
    source, stored = _source(folder, view, _moment(inputs.start or None, "start")), _held(store, view)
    window = _window(inputs, view, source, stored, asked)
    online: Any = store._get_provider().online_store
    with online.replacing(store.config, store.get_feature_view(feast_name(view.name))) if window.replaces else contextlib.nullcontext():
        if window.span is not None:
            store.materialize(*window.span, [feast_name(view.name)])
    online.complete(store.config, store.get_feature_view(feast_name(view.name)))
    now = _held(store, view)
    report(f"{view.name}: {now.keys:,} {'key' if now.keys == 1 else 'keys'}" + (f", up to {now.latest:%Y-%m-%d %H:%M}" if now.latest else ""))


def _held(store: FeatureStore, view: ViewDefinition) -> Held:
    """What the online store holds of a view."""
    online: Any = store._get_provider().online_store
    return online.held(store.config, store.get_feature_view(feast_name(view.name)))


def _window(inputs: OnlineFeaturesInputs, view: ViewDefinition, source: Source, stored: Held, asked: tuple[datetime | None, datetime | None]) -> Window:
    """A range that is asked for; else what is newer than what is held, where that is all that can be missing; else everything."""
    if asked != (None, None):
        return Window(_span(asked[0] or source.first, asked[1] or source.last), replaces=False)
    if inputs.mode == "incremental" and stored.latest is not None and stored.keys >= source.keys:
        return Window(_span(stored.latest, source.last), replaces=False)
    # What was pushed is in no source: a view that is open for pushes keeps it, and newer values win.
    return Window(_span(_moment(inputs.start or None, "start") or source.first, source.last), replaces=not view.push)


def _span(start: datetime | None, end: datetime | None) -> tuple[datetime, datetime] | None:
    return (start, end) if start is not None and end is not None and start <= end else None


def _source(folder: Path, view: ViewDefinition, since: datetime | None = None) -> Source:
    """What the rows of a view span; rows without a key or a time are none."""
    names = [f'"{entity.join_key}"' for entity in view.entities]
    moment = f'cast("{view.event_time}" as timestamptz)'
    where = " and ".join([f"{moment} is not null", *(f"{name} is not null" for name in names)])
    path = str(source_path(folder, view.source)).replace("'", "''")
    with duckdb.connect(":memory:") as connection:
        connection.execute("set timezone = 'UTC'")
        query = f"select count(distinct ({', '.join(names)})), epoch_us(min({moment})), epoch_us(max({moment})) from read_parquet('{path}') where {where}"
        if since is not None:
            query += f" and epoch_us({moment}) >= {int(since.timestamp() * 1_000_000)}"
        ((keys, first, last),) = connection.execute(query).fetchall()
    return Source(keys, _from_microseconds(first), _from_microseconds(last))


def _from_microseconds(moment: int | None) -> datetime | None:
    return None if moment is None else datetime.fromtimestamp(0, UTC) + timedelta(microseconds=moment)


def _moment(text: str | None, name: str) -> datetime | None:
    """ISO 8601; without a zone it is UTC."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise FeatureError(f"{name}: {text!r} is no moment", hint="write it in ISO 8601: 2026-01-31T12:00:00+00:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
