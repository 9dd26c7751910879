"""What the server counts, and how it reads as Prometheus text. Plain numbers, rendered when somebody asks."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mlx_runtime.features import Freshness

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

AGES = (60.0, 600.0, 3600.0, 21_600.0, 86_400.0, 172_800.0, 604_800.0, 2_592_000.0, 31_536_000.0)
"""A minute, ten, an hour, six, a day, two, a week, a month, a year: in seconds."""


@dataclass
class Histogram:
    """Observations by bucket (the last one is everything above), their sum."""

    edges: Sequence[float] = BUCKETS
    counts: list[int] = field(init=False)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.edges) + 1)

    def observe(self, value: float) -> None:
        """Counts one observation."""
        self.counts[bisect_left(self.edges, value)] += 1
        self.total += value


@dataclass
class FeatureCounters:
    """What was looked up, by view."""

    rows: Counter[str] = field(default_factory=Counter)
    missing: Counter[tuple[str, str]] = field(default_factory=Counter)
    ages: dict[str, Histogram] = field(default_factory=dict)
    seconds: Histogram = field(default_factory=Histogram)

    def record(self, views: Iterable[Freshness], seconds: float) -> None:
        """Counts one request's join."""
        self.seconds.observe(seconds)
        for view in views:
            self.rows[view.view] += len(view.reasons)
            ages = self.ages.setdefault(view.view, Histogram(AGES))
            for age, reason in zip(view.ages, view.reasons, strict=True):
                if reason:
                    self.missing[(view.view, reason.replace(" ", "_"))] += 1
                elif age is not None:
                    ages.observe(age)

    def render(self, name: str) -> list[str]:
        """Lines of the text format."""
        return [
            "# HELP mlx_feature_lookups_total Rows that were looked up in the online store.",
            "# TYPE mlx_feature_lookups_total counter",
            *(f'mlx_feature_lookups_total{{{name},view="{view}"}} {count}' for view, count in sorted(self.rows.items())),
            "# HELP mlx_feature_missing_total Rows for which a default, or null, was used: no_row or too_old.",
            "# TYPE mlx_feature_missing_total counter",
            *(f'mlx_feature_missing_total{{{name},view="{view}",reason="{reason}"}} {count}' for (view, reason), count in sorted(self.missing.items())),
            "# HELP mlx_feature_age_seconds Time from a value's event time to the moment of the row that it was used for.",
            "# TYPE mlx_feature_age_seconds histogram",
            *(line for view, ages in sorted(self.ages.items()) for line in _histogram("mlx_feature_age_seconds", f'{name},view="{view}"', ages)),
            "# HELP mlx_feature_join_seconds Time to look up and compute the features of a request.",
            "# TYPE mlx_feature_join_seconds histogram",
            *_histogram("mlx_feature_join_seconds", name, self.seconds),
        ]


@dataclass
class LogCounters:
    """Rows of the prediction log."""

    written: int = 0
    dropped: int = 0

    def render(self, name: str) -> list[str]:
        """Lines of the text format."""
        return [
            "# HELP mlx_log_rows_total Rows that were written into the prediction log.",
            "# TYPE mlx_log_rows_total counter",
            f"mlx_log_rows_total{{{name}}} {self.written}",
            "# HELP mlx_log_dropped_total Rows that were scored, and that the prediction log lacks.",
            "# TYPE mlx_log_dropped_total counter",
            f"mlx_log_dropped_total{{{name}}} {self.dropped}",
        ]


@dataclass
class Counters:
    """One server's counts, by the version that answered ("" where none did)."""

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, Histogram] = field(default_factory=dict)
    switches: int = 0
    features: FeatureCounters = field(default_factory=FeatureCounters)
    log: LogCounters | None = None
    """None: there never was a log."""

    def record(self, version: str, status: int, rows: int, seconds: float) -> None:
        """Counts one inference request."""
        self.requests[(version, status)] += 1
        self.rows[version] += rows
        self.seconds.setdefault(version, Histogram()).observe(seconds)

    def render(self, endpoint: str, current: str) -> bytes:
        """The Prometheus text format, version 0.0.4."""
        name = f'endpoint="{endpoint}"'
        lines = [
            "# HELP mlx_requests_total Inference requests by status code.",
            "# TYPE mlx_requests_total counter",
            *(f'mlx_requests_total{{{name},version="{version}",code="{code}"}} {count}' for (version, code), count in sorted(self.requests.items())),
            "# HELP mlx_errors_total Inference requests that were not answered with a prediction.",
            "# TYPE mlx_errors_total counter",
            *(f'mlx_errors_total{{{name},version="{version}"}} {count}' for version, count in sorted(self._errors().items())),
            "# HELP mlx_rows_total Rows scored.",
            "# TYPE mlx_rows_total counter",
            *(f'mlx_rows_total{{{name},version="{version}"}} {count}' for version, count in sorted(self.rows.items())),
            "# HELP mlx_request_seconds Time from the first byte of an inference request to its answer.",
            "# TYPE mlx_request_seconds histogram",
            *(line for version, seconds in sorted(self.seconds.items()) for line in _histogram("mlx_request_seconds", f'{name},version="{version}"', seconds)),
            "# HELP mlx_switches_total Changes of the versions served.",
            "# TYPE mlx_switches_total counter",
            f"mlx_switches_total{{{name}}} {self.switches}",
            "# HELP mlx_current_version The version that answers when a request names none.",
            "# TYPE mlx_current_version gauge",
            f'mlx_current_version{{{name},version="{current}"}} {1 if current else 0}',
            *(self.features.render(name) if self.features.rows else []),
            *(self.log.render(name) if self.log else []),
        ]
        return ("\n".join(lines) + "\n").encode()

    def _errors(self) -> Counter[str]:
        errors = Counter[str]()
        for (version, code), count in self.requests.items():
            errors[version] += count if code >= 400 else 0
        return errors


def _histogram(metric: str, labels: str, histogram: Histogram) -> list[str]:
    lines, so_far = [], 0
    for edge, count in zip((*histogram.edges, "+Inf"), histogram.counts, strict=True):
        so_far += count
        lines.append(f'{metric}_bucket{{{labels},le="{edge}"}} {so_far}')
    return [*lines, f"{metric}_sum{{{labels}}} {histogram.total}", f"{metric}_count{{{labels}}} {so_far}"]
