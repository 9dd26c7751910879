"""What the server counts, and how it reads as Prometheus text. Plain numbers, rendered when somebody asks."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass
class Histogram:
    """Observations by bucket (the last one is everything above), their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0

    def observe(self, value: float) -> None:
        """Counts one observation."""
        self.counts[bisect_left(BUCKETS, value)] += 1
        self.total += value


@dataclass
class Counters:
    """One server's counts, by the version that answered ("" where none did)."""

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, Histogram] = field(default_factory=dict)
    switches: int = 0

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
            *(line for version, histogram in sorted(self.seconds.items()) for line in _histogram(f'{name},version="{version}"', histogram)),
            "# HELP mlx_switches_total Changes of the versions served.",
            "# TYPE mlx_switches_total counter",
            f"mlx_switches_total{{{name}}} {self.switches}",
            "# HELP mlx_current_version The version that answers when a request names none.",
            "# TYPE mlx_current_version gauge",
            f'mlx_current_version{{{name},version="{current}"}} {1 if current else 0}',
        ]
        return ("\n".join(lines) + "\n").encode()

    def _errors(self) -> Counter[str]:
        errors = Counter[str]()
        for (version, code), count in self.requests.items():
            errors[version] += count if code >= 400 else 0
        return errors


def _histogram(labels: str, histogram: Histogram) -> list[str]:
    lines, so_far = [], 0
    for edge, count in zip((*map(str, BUCKETS), "+Inf"), histogram.counts, strict=True):
        so_far += count
        lines.append(f'mlx_request_seconds_bucket{{{labels},le="{edge}"}} {so_far}')
    return [*lines, f"mlx_request_seconds_sum{{{labels}}} {histogram.total}", f"mlx_request_seconds_count{{{labels}}} {so_far}"]
