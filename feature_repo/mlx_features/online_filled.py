"""Which features of which views have been materialised: an endpoint is not ready before those that it reads have been.

It stands in the online store itself, written by who fills it, so that a store which lost its memory has lost this, too.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from mlx_features.errors import FeatureError
from mlx_features.online import Asked, OnlineStore, Stored, View


class FilledStore(OnlineStore, Protocol):
    """One that is filled by somebody else than who reads it."""

    def filled(self, project: str, views: Sequence[View]) -> Mapping[str, str]:
        """What was last written of each of the project's views, by its name; raises ``FeatureError`` where it cannot be read."""
        ...


class Awaited:
    """A store that is not available before each view has been filled once; from then on it is what the store behind it says."""

    def __init__(self, store: FilledStore, project: str, views: Sequence[View]) -> None:
        self._store, self._project = store, project
        self._empty = list(views)

    def held(self, asked: Sequence[Asked]) -> Iterable[Stored]:
        return self._store.held(asked)

    def unavailable(self) -> str:
        away = self._store.unavailable()
        if away or not self._empty:
            return away
        try:
            found = self._store.filled(self._project, self._empty)
        except FeatureError as error:
            return str(error)
        self._empty = [view for view in self._empty if not _features(found.get(view.name)).issuperset(view.needed)]
        names = ", ".join(view.name for view in self._empty)
        return f"not materialised yet: {names}; mlx status says how the Job goes that does it" if names else ""


def filled_with(features: Iterable[str]) -> str:
    """What is written of a view that holds these."""
    return json.dumps({"materialised": sorted(features)})


def _features(text: str | None) -> frozenset[str]:
    """None of what somebody else wrote there."""
    try:
        told: Any = json.loads(text or "")
    except ValueError:
        return frozenset()
    features = told.get("materialised") if isinstance(told, dict) else None
    return frozenset(features) if isinstance(features, list) else frozenset()
