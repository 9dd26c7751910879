"""How columns go together: Pearson's r of numbers, Cramér's V of categories, over the table ``rows``.

Enters: a connection and column names. Leaves: a figure for each pair, the strongest first. At most ``MOST`` columns of a kind.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from mlx_runtime.prepare.database import Connection, quoted

MOST = 25


@dataclass(frozen=True)
class Pair:
    """Two columns and how strongly they go together: r from -1 to 1, V from 0 to 1."""

    one: str
    other: str
    value: float


def correlations(connection: Connection, names: Sequence[str]) -> tuple[Pair, ...]:
    """Pearson's r over the rows where both have finite values; pairs of which one is constant there are left out."""
    pairs = list(combinations(names[:MOST], 2))
    if not pairs:
        return ()
    asked = ", ".join(f"corr({_finite(one)}, {_finite(other)})" for one, other in pairs)
    found = connection.execute(f"select {asked} from rows").fetchall()[0]
    return _strongest([Pair(one, other, value) for (one, other), value in zip(pairs, found, strict=True) if value is not None and math.isfinite(value)])


def cramers(connection: Connection, names: Sequence[str]) -> tuple[Pair, ...]:
    """Cramér's V (Cramér 1946, without bias correction) over the rows where both have a value."""
    found = [(one, other, _cramers(connection, one, other)) for one, other in combinations(names[:MOST], 2)]
    return _strongest([Pair(one, other, value) for one, other, value in found if value is not None])


def _finite(name: str) -> str:
    return f"case when isfinite({quoted(name)}::double) then {quoted(name)}::double end"


def _cramers(connection: Connection, one: str, other: str) -> float | None:
    both = f"{quoted(one)} is not null and {quoted(other)} is not null"
    cells: list[tuple[object, object, int]] = connection.execute(
        f"select {quoted(one)}, {quoted(other)}, count(*) from rows where {both} group by 1, 2"
    ).fetchall()
    across, down = Counter[object](), Counter[object]()
    for row, column, count in cells:
        across[row] += count
        down[column] += count
    freedom = min(len(across), len(down)) - 1
    if freedom < 1:
        return None
    # chi squared is total * (sum of n_ij^2 / (n_i n_j) - 1): cells without rows need not be visited
    phi = sum(count * count / (across[row] * down[column]) for row, column, count in cells) - 1
    return math.sqrt(max(0.0, phi) / freedom)


def _strongest(pairs: list[Pair]) -> tuple[Pair, ...]:
    return tuple(sorted(pairs, key=lambda pair: (-abs(pair.value), pair.one, pair.other)))
