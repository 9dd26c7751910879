"""What a monitor found: JSON for machines, and the sentence for people."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from mlx_specs import layout
from mlx_specs.diagnostics import plural
from mlx_specs.resources import About, Wire

SHOWN = 4
"""Drifted columns that a sentence names, the farthest first."""

LATEST = "latest.json"
Verdict = Literal["ok", "drifted", "insufficient"]


class BinShare(Wire):
    """How many of the rows lie in a bin: shares from 0 to 1."""

    bin: str
    before: float
    now: float


class ColumnDrift(Wire):
    """One column, before and now."""

    column: str
    method: str
    distance: float
    threshold: float
    missing_before: float
    """Shares of the rows, from 0 to 1."""
    missing: float
    new_values: list[str] = Field(default_factory=list[str])
    """Texts that no reference row has, the commonest first."""
    bins: list[BinShare] = Field(default_factory=list[BinShare])
    """Where the values lie; the bins are made of the reference rows."""

    @property
    def drifted(self) -> bool:
        """From the threshold on."""
        return self.distance >= self.threshold

    @property
    def reach(self) -> float:
        """How far it has drifted, in parts of the threshold."""
        return self.distance / self.threshold


class MonitorReport(Wire):
    """One judgement."""

    schema_version: Literal[1] = 1
    monitor: str
    inference: str
    at: str
    """When it was made: ISO 8601 in UTC."""
    window: str
    """``run DIGEST`` of a batch, or ``MOMENT/MOMENT``."""
    version: str = ""
    fingerprint: str = ""
    rows: int = 0
    minimum: int
    reference_rows: int = 0
    other_versions: int = 0
    """Rows in the window that other versions of the model scored: they are not judged."""
    about: About = About()
    data: list[ColumnDrift] = Field(default_factory=list[ColumnDrift])
    predictions: list[ColumnDrift] = Field(default_factory=list[ColumnDrift])
    not_measured: dict[str, str] = Field(default_factory=dict)
    """Columns that the method cannot compare, and why."""

    def record(self) -> dict[str, Any]:
        """As files and ``mlx monitor -o json`` have it."""
        return {**self.wire(), "verdict": self.verdict, "sentence": self.sentence}

    @property
    def verdict(self) -> Verdict:
        """Never ``ok`` for want of rows."""
        if self.rows < self.minimum:
            return "insufficient"
        return "drifted" if self.drifted else "ok"

    @property
    def drifted(self) -> list[ColumnDrift]:
        """Of inputs and predictions, the farthest beyond its threshold first."""
        return sorted((each for each in (*self.data, *self.predictions) if each.drifted), key=lambda each: -each.reach)

    @property
    def sentence(self) -> str:
        """What was found, in one line."""
        if self.verdict == "insufficient":
            return f"insufficient rows: {self.rows:,} of at least {self.minimum:,}"
        judged = f"of {plural(len(self.data) + len(self.predictions), 'column')} in {plural(self.rows, 'row')} by version {self.version}"
        if self.verdict == "ok":
            return f"no drift {judged}"
        named = ", ".join(f"{each.column} ({each.method} {each.distance:.2g}, from {each.threshold:g} on)" for each in self.drifted[:SHOWN])
        more = f" and {len(self.drifted) - SHOWN} more" if len(self.drifted) > SHOWN else ""
        return f"drift in {len(self.drifted)} {judged}: {named}{more}"


def now() -> datetime:
    """In UTC."""
    return datetime.now(UTC)


def latest_report(home: str, monitor: str, workspace: Path) -> MonitorReport | None:
    """What it found last; None before its first look."""
    try:
        return MonitorReport.model_validate_json((workspace / layout.monitor(home, monitor) / LATEST).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def report_name(report: MonitorReport) -> str:
    """``reports/20261122T194721Z.json``"""
    return f"reports/{datetime.fromisoformat(report.at):%Y%m%dT%H%M%SZ}.json"


def written(report: MonitorReport) -> bytes:
    """As its file has it."""
    return (json.dumps(report.record(), indent=1) + "\n").encode()
