"""Inputs and outputs of what a pinned environment runs: its release, and the released models that it registers."""

from typing import Any

from pydantic import Field

from mlx_specs.resources import About, Parameters, Version, Wire


class ReleasedModelInputs(Wire):
    """``mlx:index:ReleasedModel``: create registers a released version and points the alias to it; id = MODEL@ALIAS. Nothing is trained."""

    model: str
    alias: str = "champion"
    home: str
    fingerprint: str
    artifact_digest: str
    """The bytes stand in HOME/models/MODEL/FINGERPRINT; they are verified before they are registered."""
    source: str
    """The environment that it was promoted from."""
    run: Parameters = Field(default_factory=dict)
    """A ReleasedRun as JSON text: what was recorded of the training."""
    about: About = About()
    version: str = ""
    """Filled in by check: its number in this environment's registry, or the next one."""


class ReleasedModelOutputs(ReleasedModelInputs):
    """``current`` is what the alias points to now; ``decided`` what it was left on: others mean that somebody moved it."""

    current: Version = Version()
    decided: str = ""
    run_id: str = ""
    engine: str = ""
    metrics: dict[str, float] = Field(default_factory=dict)


class ReleaseInputs(Wire):
    """``mlx:index:Release``: what a pinned environment runs, so that its history can tell; id = the digest. Bytes are never deleted."""

    environment: str
    home: str
    digest: str
    pins: dict[str, Any]
    source: str
    serial: str = ""
    by: str = ""
    at: str = ""
    rolled_back_from: str = ""
    gates: dict[str, list[str]] = Field(default_factory=dict)
