"""The values of lineage: a column with its origins and availability, a dataset's columns, a problem; and how columns merge.

Everything is frozen data. Knows nothing of SQL.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from mlx_specs.timeline import Moment, known_by


@dataclass(frozen=True)
class LineageColumn:
    """A column, or an expression on its way to become one (its name is then empty)."""

    name: str = ""
    type: str | None = None
    """string, integer, float, boolean, timestamp, date; None: not known without running the SQL."""
    moments: tuple[Moment, ...] = ()
    """When all of it is known: the latest moment first; more than one where the timeline cannot order them."""
    own_moments: tuple[Moment, ...] = ()
    """The same for what comes from the row itself, without what aggregates and windows read in other rows."""
    origins: tuple[tuple[str, str], ...] = ()
    """(dataset, column) of each source column that it is made of."""
    chain: tuple[str, ...] = ()
    """How it came to be known so late, for messages: joined by ' -> '."""

    @property
    def availability(self) -> Moment | None:
        """The latest moment; None where nothing is declared."""
        return self.moments[0] if self.moments else None

    def known_by(self, predict: Moment, timeline: Sequence[str]) -> bool | None:
        """Whether it is known at ``predict``: False when any part is not, None where the timeline cannot tell."""
        verdicts = [known_by(moment, predict, timeline) for moment in self.moments]
        if False in verdicts:
            return False
        return None if None in verdicts else True


@dataclass(frozen=True)
class Problem:
    """Something wrong with a dataset, at a path within its spec, such as ``("prepare", 1, "sql")``."""

    dataset: str
    """The id: Dataset/NAME."""
    path: tuple[str | int, ...]
    message: str
    hint: str = ""
    column: str | None = None
    line: int | None = None
    """Line and position within the SQL text, both from 1; None where the problem is not at a place in SQL."""
    position: int | None = None

    @property
    def step(self) -> int | None:
        """The index of the preparation step, if the problem is in one."""
        return self.path[1] if len(self.path) > 1 and self.path[0] == "prepare" and isinstance(self.path[1], int) else None


@dataclass(frozen=True)
class Relation:
    """Columns of a table or query. ``rest`` stands for columns that are there without being known by name."""

    columns: tuple[LineageColumn, ...] = ()
    rest: LineageColumn | None = None
    selected_by: tuple[LineageColumn, ...] = ()
    """Columns that decide which rows there are."""

    def column(self, name: str) -> LineageColumn | None:
        """The column of this name in any case, or the rest under this name."""
        for column in self.columns:
            if column.name.lower() == name.lower():
                return column
        return None if self.rest is None else replace(self.rest, name=name)

    @property
    def everything(self) -> tuple[LineageColumn, ...]:
        """All columns and the rest."""
        return self.columns if self.rest is None else (*self.columns, self.rest)


@dataclass(frozen=True)
class DatasetLineage:
    """The output of one dataset."""

    id: str
    """Dataset/NAME"""
    name: str
    columns: tuple[LineageColumn, ...] | None
    """In order; None where they cannot be known without reading data."""
    timeline: tuple[str, ...]
    """Its own, or that of its inputs."""
    keys: tuple[str, ...]
    relation: Relation

    @property
    def selected_by(self) -> tuple[LineageColumn, ...]:
        """Columns that decide which rows there are; they may be known later than the rows' values."""
        return self.relation.selected_by

    def column(self, name: str) -> LineageColumn | None:
        """The column of this name; where the columns are not known, what any column may be made of."""
        return self.relation.column(name)


@dataclass(frozen=True)
class Lineage:
    """All datasets in dependency order, and what is wrong with them."""

    datasets: tuple[DatasetLineage, ...]
    problems: tuple[Problem, ...]

    def dataset(self, name: str) -> DatasetLineage | None:
        """By name or id."""
        return next((one for one in self.datasets if name in (one.name, one.id)), None)


def merge(parts: Iterable[LineageColumn], timeline: Sequence[str], *, type: str | None = None) -> LineageColumn:
    """What is made of all parts: known when the last of them is."""
    found = [part for part in parts if part.origins or part.moments]
    moments = latest((moment for part in found for moment in part.moments), timeline)
    return LineageColumn(
        type=type,
        moments=moments,
        own_moments=latest((moment for part in found for moment in part.own_moments), timeline),
        origins=tuple(dict.fromkeys(origin for part in found for origin in part.origins)),
        chain=next((part.chain for part in found if moments and moments[0] in part.moments), found[0].chain if found else ()),
    )


def latest(moments: Iterable[Moment], timeline: Sequence[str]) -> tuple[Moment, ...]:
    """The moments that no other one implies, the latest of the timeline first."""
    unique = list(dict.fromkeys(moments))
    if len(unique) < 2:
        return tuple(unique)
    kept = [moment for moment in unique if not any(other != moment and known_by(moment, other, timeline) for other in unique)]
    return tuple(sorted(kept, key=lambda moment: (timeline.index(moment.event) if moment.event in timeline else -1, moment.delay), reverse=True))


def rename(column: LineageColumn, name: str, dataset: str) -> LineageColumn:
    """The column under a new name, noted in its chain."""
    if column.name.lower() == name.lower():
        return column
    chain = (*column.chain, f"{name} ({dataset})") if column.origins else ()
    return replace(column, name=name, chain=chain)


def suggest(name: str, known: Iterable[str]) -> str:
    """``, did you mean 'dep_delay'?`` or nothing."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f", did you mean '{by_lower[near[0]]}'?" if near else ""


def listing(names: Iterable[str], limit: int = 12) -> str:
    """``a, b, c and 7 more``"""
    shown = list(names)
    more = len(shown) - limit
    return ", ".join(shown[:limit]) + (f" and {more} more" if more > 0 else "")
