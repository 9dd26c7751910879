"""A profile of prepared rows: what each column holds, how columns go together, what is missing, doubled or was rejected.

The folder of a prepared dataset enters; a frozen ``Profile`` leaves. DuckDB counts, within a bounded memory; beyond
``SAMPLED`` rows all but rows, missing values, smallest and largest are counted on a sample of that size, and the profile says so.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlx_runtime.associations import Pair, correlations, cramers
from mlx_runtime.errors import RuntimeFailure
from mlx_runtime.prepare.database import Connection, connect, one, quoted, text
from mlx_runtime.prepare.folder import DATA, REJECTED, read_manifest

SAMPLED = 1_000_000
MEMORY = "1GB"
BINS = 30
WHOLE_BINS = 40
TOP = 10
SHOWN = 20
LONGEST = 200
"""Letters of a value that are shown."""
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
NUMERIC = ("integer", "float")
TEMPORAL = ("timestamp", "date")
CATEGORY_VALUES = 50
"""A text with more values than this is no category."""


class ProfileError(RuntimeFailure):
    """There are no rows to profile."""


@dataclass(frozen=True)
class Bin:
    """How many rows lie from ``low`` to ``high``; numbers, or moments as ISO 8601."""

    low: float | str
    high: float | str
    rows: int


@dataclass(frozen=True)
class Value:
    """How often a value occurs."""

    value: str
    rows: int


@dataclass(frozen=True)
class Column:
    """One column. ``figures`` holds min, max, mean, std and quantiles of numbers, min and max of moments and texts."""

    name: str
    type: str
    description: str
    missing: int
    distinct: int
    figures: Mapping[str, float | str | None]
    histogram: tuple[Bin, ...] = ()
    top: tuple[Value, ...] = ()
    not_finite: int = 0


@dataclass(frozen=True)
class Coverage:
    """The days that event times cover."""

    column: str
    first: str
    last: str
    days: int
    days_without_rows: int
    longest_gap: int
    """Days in a row without rows."""


@dataclass(frozen=True)
class Reason:
    """Why rows were rejected, and how many."""

    step: int
    reason: str
    rows: int


@dataclass(frozen=True)
class Checked:
    """What a quality check found when the rows were prepared."""

    name: str
    severity: str
    passed: bool
    message: str


@dataclass(frozen=True)
class Profile:
    """Everything there is to say of prepared rows."""

    dataset: str
    description: str
    digest: str
    rows: int
    sampled: int
    """Rows on which was counted; equal to ``rows`` where all were."""
    columns: tuple[Column, ...]
    correlations: tuple[Pair, ...]
    """Pearson's r of numbers."""
    associations: tuple[Pair, ...]
    """Cramér's V of categories."""
    keys: tuple[str, ...]
    duplicates: int
    """Rows that share their keys with another row."""
    coverage: Coverage | None
    rejected: int
    reasons: tuple[Reason, ...]
    checks: tuple[Checked, ...]
    sample: tuple[Mapping[str, str | None], ...]
    rejected_sample: tuple[Mapping[str, str | None], ...]


def profile(folder: Path, *, most: int = SAMPLED) -> Profile:
    """The profile of the rows in a prepared dataset's folder; raises ``ProfileError`` where there are none."""
    manifest = read_manifest(folder)
    if manifest is None or not (folder / DATA).is_file():
        raise ProfileError(f"no prepared rows in {folder}", hint="mlx apply prepares them")
    with TemporaryDirectory() as spill:
        connection = connect(Path(spill), [folder / DATA, folder / REJECTED], threads=2)
        connection.execute(f"set memory_limit = '{MEMORY}'")
        try:
            return _profile(connection, folder, manifest, most)
        finally:
            connection.close()


def _profile(connection: Connection, folder: Path, manifest: Mapping[str, Any], most: int) -> Profile:
    types = {column["name"]: column["type"] for column in manifest["columns"]}
    rows = _open(connection, folder, most)
    about = manifest.get("about") or {}
    said = {name: column.get("description", "") for name, column in (about.get("columns") or {}).items()}
    found = [_column(connection, name, type, said.get(name, "")) for name, type in types.items()]
    definition = manifest.get("definition") or {}
    return Profile(
        dataset=manifest["dataset"],
        description=about.get("description", ""),
        digest=manifest["contentDigest"],
        rows=rows,
        sampled=min(rows, most),
        columns=tuple(found),
        correlations=correlations(connection, [column.name for column in found if column.type in NUMERIC and column.distinct > 1]),
        associations=cramers(connection, [column.name for column in found if _is_category(column)]),
        keys=tuple(definition.get("keys") or ()),
        duplicates=_duplicates(connection, definition.get("keys") or ()),
        coverage=_coverage(connection, definition.get("eventTime")),
        rejected=int(manifest.get("rejected", 0)),
        reasons=tuple(Reason(one["step"], one["reason"], one["rows"]) for one in manifest.get("rejectedBy", ())),
        checks=tuple(Checked(one["name"], one["severity"], one["passed"], one["message"]) for one in manifest.get("checks", ())),
        sample=_sample(connection, "everything"),
        rejected_sample=_sample(connection, f"read_parquet({text(str(folder / REJECTED))})") if (folder / REJECTED).is_file() else (),
    )


def _open(connection: Connection, folder: Path, most: int) -> int:
    """``everything`` are all rows; ``rows`` those on which is counted, a sample that is the same every time."""
    connection.execute(f"create view everything as select * from read_parquet({text(str(folder / DATA))})")
    count = int(one(connection, "select count(*) from everything"))
    if count > most:
        connection.execute(f"create temp table rows as select * from everything using sample reservoir({most} rows) repeatable (7)")
    else:
        connection.execute("create view rows as select * from everything")
    return count


def _column(connection: Connection, name: str, type: str, description: str) -> Column:
    missing = int(one(connection, f"select count(*) - count({quoted(name)}) from everything"))
    distinct = int(one(connection, f"select count(distinct {quoted(name)}) from rows"))
    top = _top(connection, name) if distinct <= CATEGORY_VALUES or type not in (*NUMERIC, *TEMPORAL) else ()
    if type in NUMERIC:
        bins = _whole_numbers if type == "integer" else _histogram
        not_finite = int(one(connection, f"select count(*) from everything where not isfinite({quoted(name)}::double)"))
        return Column(name, type, description, missing, distinct, _figures(connection, name), bins(connection, name), top, not_finite)
    if type in TEMPORAL:
        return Column(name, type, description, missing, distinct, _ends(connection, name), _moments(connection, name), top)
    figures = _ends(connection, name) if type == "string" else {}
    return Column(name, type, description, missing, distinct, figures, (), top)


def _figures(connection: Connection, name: str) -> dict[str, float | str | None]:
    """Smallest and largest of all rows; the others of those on which is counted."""
    value = f"{quoted(name)}::double"
    ends = connection.execute(f"select min({value}), max({value}) from everything where isfinite({value})").fetchall()[0]
    figures = connection.execute(
        f"select avg({value}), stddev_samp({value}), quantile_cont({value}, {list(QUANTILES)}) from rows where isfinite({value})"
    ).fetchall()[0]
    quantiles = zip(QUANTILES, figures[2] or [None] * len(QUANTILES), strict=True)
    return {"min": ends[0], "max": ends[1], "mean": figures[0], "std": figures[1], **{f"q{share:g}": amount for share, amount in quantiles}}


def _ends(connection: Connection, name: str) -> dict[str, float | str | None]:
    first, last = connection.execute(f"select min({quoted(name)})::varchar, max({quoted(name)})::varchar from everything").fetchall()[0]
    return {"min": _cut(first), "max": _cut(last)}


def _histogram(connection: Connection, name: str) -> tuple[Bin, ...]:
    return tuple(Bin(low, high, rows) for low, high, rows in _bins(connection, f"{quoted(name)}::double"))


def _whole_numbers(connection: Connection, name: str) -> tuple[Bin, ...]:
    """Each bin holds the same number of whole numbers, ``high`` among them: one, while they are few."""
    low, high = connection.execute(f"select min({quoted(name)}), max({quoted(name)}) from rows").fetchall()[0]
    if low is None:
        return ()
    width = max(1, math.ceil((high - low + 1) / WHOLE_BINS))
    query = f"select ({quoted(name)}::hugeint - {low}::hugeint) // {width}::hugeint, count(*) from rows where {quoted(name)} is not null group by 1"
    counted = dict(connection.execute(query).fetchall())
    return tuple(Bin(low + width * index, min(high, low + width * (index + 1) - 1), counted.get(index, 0)) for index in range((high - low) // width + 1))


def _moments(connection: Connection, name: str) -> tuple[Bin, ...]:
    """Bins of equal length in time."""
    bins = _bins(connection, f"epoch({quoted(name)}::timestamp)")
    said = {value: str(one(connection, f"select to_timestamp({value!r})::timestamp")) for low, high, _ in bins for value in (low, high)}
    return tuple(Bin(said[low], said[high], rows) for low, high, rows in bins)


def _bins(connection: Connection, value: str) -> list[tuple[float, float, int]]:
    """Equal widths from the smallest to the largest finite value; one bin where all are equal."""
    low, high = connection.execute(f"select min({value}), max({value}) from rows where isfinite({value})").fetchall()[0]
    if low is None:
        return []
    width = (high - low) / BINS
    if width <= 0 or not math.isfinite(width):
        return [(low, high, int(one(connection, f"select count(*) from rows where isfinite({value})")))]
    place = f"least(floor(({value} - {low!r}) / {width!r})::integer, {BINS - 1})"
    counted = dict(connection.execute(f"select {place}, count(*) from rows where isfinite({value}) group by 1").fetchall())
    return [(low + width * index, low + width * (index + 1), counted.get(index, 0)) for index in range(BINS)]


def _top(connection: Connection, name: str) -> tuple[Value, ...]:
    query = f"select {quoted(name)}::varchar as value, count(*) as rows from rows where {quoted(name)} is not null group by 1 order by 2 desc, 1 limit {TOP}"
    return tuple(Value(_cut(value) or "", rows) for value, rows in connection.execute(query).fetchall())


def _is_category(column: Column) -> bool:
    return column.type in ("string", "boolean") and 1 < column.distinct <= CATEGORY_VALUES


def _duplicates(connection: Connection, keys: Sequence[str]) -> int:
    if not keys:
        return 0
    names = ", ".join(quoted(key) for key in keys)
    return int(one(connection, f"select coalesce(sum(n), 0) from (select count(*) as n from rows group by {names}) where n > 1"))


def _coverage(connection: Connection, column: str | None) -> Coverage | None:
    if column is None:
        return None
    days = f"select distinct {quoted(column)}::date as day from everything where {quoted(column)} is not null"
    gaps = f"select day, day - lag(day) over (order by day) as step from ({days})"
    query = f"select min(day)::varchar, max(day)::varchar, max(day) - min(day) + 1, count(*), coalesce(max(step) - 1, 0) from ({gaps})"
    first, last, span, there, gap = connection.execute(query).fetchall()[0]
    return None if first is None else Coverage(column, first, last, int(span), int(span - there), int(gap))


def _sample(connection: Connection, relation: str) -> tuple[Mapping[str, str | None], ...]:
    """Some rows from all over, the same every time, as texts."""
    found = connection.execute(f"select columns(*)::varchar from (select * from {relation} using sample reservoir({SHOWN} rows) repeatable (7))")
    names = [item[0] for item in found.description or ()]
    return tuple({name: _cut(value) for name, value in zip(names, row, strict=True)} for row in found.fetchall())


def _cut(value: str | None) -> str | None:
    return value if value is None or len(value) <= LONGEST else value[: LONGEST - 1] + "…"
