"""The versions that a server holds. A snapshot is never changed: a switch puts another in its place.

A request takes the snapshot once and finishes with what it took, so that a switch loses no request and no answer mixes two
versions. The versions that a new snapshot lacks go when the last request that uses them ends.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mlx_runtime.columns import Columns
from mlx_runtime.features import FeatureSource, open_source
from mlx_runtime.scorer import Scorer, load
from mlx_runtime.server.accepted import Accepted, accepted
from mlx_runtime.server.config import EndpointConfig
from mlx_runtime.server.scored import Layout
from mlx_runtime.server.tensors import example_columns
from mlx_specs.artifact import ModelFile
from mlx_specs.resources import Version

WARM_UPS = 3
QUICK = 0.002
"""Seconds: a model this quick answers small requests on the event loop, where a thread would cost more than the model."""


@dataclass(frozen=True)
class Held:
    """One version in memory."""

    version: Version
    scorer: Scorer
    quick: bool
    accepted: Accepted

    @property
    def model(self) -> ModelFile:
        """Its model.json."""
        return self.scorer.model

    @cached_property
    def layout(self) -> Layout:
        """Of its rows in the prediction log."""
        return Layout(self.model)

    @property
    def looks_up(self) -> bool:
        """Whether requests may read the online store or call the workspace's functions: either can take any time."""
        return self.accepted.join is not None


@dataclass(frozen=True)
class Snapshot:
    """What is served now."""

    config: EndpointConfig
    versions: Mapping[str, Held] = field(default_factory=dict)
    features: FeatureSource | None = None
    unready: str = ""
    """Why it shall get no requests now, whatever it holds."""

    @property
    def current(self) -> Held | None:
        """The version that answers when a request names none."""
        return self.versions.get(self.config.current)


def load_snapshot(config: EndpointConfig, previous: Snapshot | None = None, features: FeatureSource | None = None) -> Snapshot:
    """Verifies, loads and warms what the previous snapshot does not hold already.

    ``features`` is a source that is open; else what the configuration names is opened. ``ArtifactError``, ``EngineError`` or ``CodeError`` when it cannot.
    """
    kept = {held.version.artifact_digest: held for held in (previous.versions.values() if previous else ())}
    features = features or _features(config, previous)
    versions = {version.version: _held(version, kept.get(version.artifact_digest), config, features) for version in config.versions}
    return Snapshot(config, versions, features)


def _features(config: EndpointConfig, previous: Snapshot | None) -> FeatureSource | None:
    """The source that is open already where nothing about it changed, its functions' code included."""
    if previous is not None and previous.config.features == config.features:
        return previous.features
    return open_source(config.features, Path(config.workspace)) if config.features else None


def _held(version: Version, kept: Held | None, config: EndpointConfig, features: FeatureSource | None) -> Held:
    if kept is not None:
        return Held(version, kept.scorer, kept.quick, accepted(kept.model, features))
    scorer = load(Path(config.workspace) / version.artifact, version.artifact_digest, config.threads)
    return Held(version, scorer, _warm_up(scorer) < QUICK, accepted(scorer.model, features))


def _warm_up(scorer: Scorer) -> float:
    """The best of a few runs of the model's own example, in seconds; the first pays for what is allocated lazily."""
    columns: Columns = example_columns(scorer.model)
    rows = len(next(iter(columns.values())))
    best = float("inf")
    for _ in range(WARM_UPS):
        start = time.perf_counter()
        scorer.score_columns(columns, rows)
        best = min(best, time.perf_counter() - start)
    return best
