"""Where each object of the graph is drawn: what depends on nothing stands left, each other one rank right of the last that it needs.

Enters: ids with what each refers to. Leaves: a place for each id. The same graph is always drawn the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 176, 58
GAP_X, GAP_Y = 34, 18
MARGIN = 10
SWEEPS = 4


@dataclass(frozen=True)
class Box:
    """The upper left corner."""

    x: int
    y: int


@dataclass(frozen=True)
class Drawing:
    """All boxes, and how much room they take."""

    boxes: Mapping[str, Box]
    width: int
    height: int


def lay_out(references: Mapping[str, Sequence[str]]) -> Drawing:
    """``references`` in dependency order; what refers to nothing that is drawn has rank 0."""
    ranks = _ranks(references)
    columns = [[id for id in references if ranks[id] == rank] for rank in range(max(ranks.values(), default=-1) + 1)]
    for _ in range(SWEEPS):
        columns = _untangled(columns, references)
    tallest = max(map(len, columns), default=0)
    boxes = {id: _box(rank, row, len(column), tallest) for rank, column in enumerate(columns) for row, id in enumerate(column)}
    return Drawing(boxes, 2 * MARGIN + max(len(columns) * (WIDTH + GAP_X) - GAP_X, 0), 2 * MARGIN + max(tallest * (HEIGHT + GAP_Y) - GAP_Y, 0))


def _ranks(references: Mapping[str, Sequence[str]]) -> dict[str, int]:
    ranks: dict[str, int] = {}
    for id, needed in references.items():
        ranks[id] = 1 + max((ranks[one] for one in needed if one in ranks), default=-1)
    return ranks


def _untangled(columns: list[list[str]], references: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Each column in the order of the middle of what its objects are linked to: fewer lines cross (Sugiyama's barycentres)."""
    rows = {id: row / max(len(column) - 1, 1) for column in columns for row, id in enumerate(column)}
    links: dict[str, list[str]] = {id: [one for one in needed if one in references] for id, needed in references.items()}
    for id, needed in references.items():
        for one in needed:
            if one in links:
                links[one].append(id)
    middle = {id: sum(rows[one] for one in linked) / len(linked) if linked else rows[id] for id, linked in links.items()}
    return [sorted(column, key=lambda id: (middle[id], id)) for column in columns]


def _box(rank: int, row: int, rows: int, tallest: int) -> Box:
    """A short column stands in the middle."""
    down = (tallest - rows) * (HEIGHT + GAP_Y) // 2
    return Box(MARGIN + rank * (WIDTH + GAP_X), MARGIN + down + row * (HEIGHT + GAP_Y))
