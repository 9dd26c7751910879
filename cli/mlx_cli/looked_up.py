"""Keys as people type them, to the features that a server would read for them: ``mlx features get``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from mlx_cli.boundary import UsageError
from mlx_features.on_demand import moment as timestamp
from mlx_runtime.features import FeatureJoin, Freshness, Joined, open_source
from mlx_specs.diagnostics import did_you_mean, listing
from mlx_specs.feature_resources import FeatureLookup

Row = dict[str, Any]


def look_up(lookup: FeatureLookup, workspace: Path, texts: Sequence[str], moment: datetime) -> list[Row]:
    """For each row its keys and its features: name, view, value, event time, age, and why a default stands."""
    join = FeatureJoin(open_source(lookup, workspace), [name for names in lookup.definitions.services[0].views.values() for name in names])
    rows = [row_of(join, text) for text in texts]
    if other := next((place for place, row in enumerate(rows) if row.keys() != rows[0].keys()), 0):
        raise UsageError(f"row {other + 1} has other keys than the first: {listing(rows[other])}", hint=f"give each --keys {listing(rows[0])}")
    given = {name: [row[name] for row in rows] for name in rows[0]}
    join.check(given)
    joined = join.complete(given, len(rows), moment)
    views = {view.view: view for view in joined.views}
    return [{"keys": row, "features": [_feature(join, joined, views, name, place, moment) for name in joined.values]} for place, row in enumerate(rows)]


def row_of(join: FeatureJoin, text: str) -> Row:
    """``origin=JFK,dest=LAX`` in the types of the columns; nothing after the equals sign is null."""
    row, fields = Row(), join.taken
    for part in text.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals:
            raise UsageError(f"--keys {text!r}: {part.strip()!r} has no value", hint="write KEY=VALUE,KEY=VALUE")
        if name not in fields:
            raise UsageError(f"--keys {text!r}: nothing is looked up by {name!r}{did_you_mean(name, fields)}", hint=f"the service reads {listing(fields)}")
        row[name] = _typed(name, fields[name].type, value) if value else None
    return row


def _typed(name: str, kind: str, text: str) -> Any:
    try:
        return TYPED[kind](text)
    except (ValueError, KeyError):
        raise UsageError(f"--keys: {text!r} is no {kind}, as {name!r} is", hint="moments are ISO 8601, booleans true or false") from None


TYPED: Mapping[str, Callable[[str], Any]] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": lambda text: {"true": True, "false": False}[text.lower()],
    "timestamp": timestamp,
    "date": date.fromisoformat,
}


def _feature(join: FeatureJoin, joined: Joined, views: Mapping[str, Freshness], name: str, place: int, moment: datetime) -> Row:
    """An on-demand feature has no time of its own."""
    view = join.view_of(name)
    found = views.get(view)
    age = found.ages[place] if found else None
    return {
        "name": name,
        "view": view,
        "value": joined.values[name][place],
        "event_time": "" if age is None else datetime.fromtimestamp(moment.timestamp() - age, moment.tzinfo).isoformat(timespec="seconds"),
        "age_seconds": age,
        "missing": found.reasons[place] if found else "",
    }
