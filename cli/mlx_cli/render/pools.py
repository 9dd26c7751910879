"""Node pools as a person reads them: what each node offers, what a pool holds, what it costs, and what changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlx_cli.output import columns
from mlx_specs.capacity import offered

if TYPE_CHECKING:
    from mlx_stacks.pool_costs import PoolRow

HEADER = ("POOL", "MACHINE", "A NODE OFFERS", "NODES", "HOLDS AT MAX", "A NODE/H", "NOW/MONTH", "AT MIN", "AT MAX", "CHANGE")
NOT_IN_IT = "USD for 730 hours a month; nodes alone, without control plane, disks, network and taxes"


def render_pools(rows: Sequence[PoolRow], before: Sequence[PoolRow] | None = None) -> str:
    """A row a pool and their sum; with ``before``, what each would cost more or less, and the pools that go."""
    if not rows and not before:
        return "no node pools"
    old = {row.pool: row for row in before} if before is not None else None
    lines = [_cells(row, _change(row, old.get(row.pool)) if old is not None else "") for row in rows]
    names = {row.pool for row in rows}
    lines += [_gone(row) for row in before or () if row.pool not in names]
    if _is_priced(rows) or _is_priced(before or ()):
        lines.append(_sum(rows, before))
    header = tuple(title if any(line[index] for line in lines) else "" for index, title in enumerate(HEADER))
    return "\n".join([columns(lines, header=header), *_notes([*rows, *(before or ())])])


def _cells(row: PoolRow, change: str) -> tuple[str, ...]:
    price = f"{'<' if row.price.is_bound else ''}${row.price.hourly:.3f}" if row.price else ""
    return (
        row.pool,
        f"{row.machine}{' spot' if row.spot else ''}",
        offered(row.node),
        _nodes(row),
        offered(row.holds) if row.holds else "the cloud's own pods",
        price,
        *(_dollars([row], name) for name in ("count", "min", "max")),
        change,
    )


def _gone(row: PoolRow) -> tuple[str, ...]:
    """What it holds and costs is of no interest any more, but for the change."""
    return (row.pool, row.machine, *[""] * (len(HEADER) - 3), f"gone: {_difference(row, None)}")


def _nodes(row: PoolRow) -> str:
    """``2 in 1..4``: how many there are, and how many there may be."""
    spread = str(row.max) if row.min == row.max else f"{row.min}..{row.max}"
    return spread if row.count is None else f"{row.count} in {spread}"


def _change(row: PoolRow, old: PoolRow | None) -> str:
    if old is None:
        return f"new: {_difference(None, row)}"
    return "" if _same(row, old) else _difference(old, row)


def _same(row: PoolRow, old: PoolRow) -> bool:
    return (row.machine, row.spot, row.min, row.max, row.price) == (old.machine, old.spot, old.min, old.max, old.price)


def _difference(old: PoolRow | None, new: PoolRow | None) -> str:
    """``+$280 at min, +$561 at max``"""
    return _differences([old] if old else [], [new] if new else [])


def _differences(old: Sequence[PoolRow], new: Sequence[PoolRow]) -> str:
    if not all(row.price for row in (*old, *new)):
        return "price not known"
    changes = {name: (_monthly(new, name) or 0) - (_monthly(old, name) or 0) for name in ("min", "max")}
    return ", ".join(f"{'-' if change < 0 else '+'}${abs(change):,.0f} at {name}" for name, change in changes.items() if change) or "same price"


def _sum(rows: Sequence[PoolRow], before: Sequence[PoolRow] | None) -> tuple[str, ...]:
    change = _differences(before, rows) if before is not None else ""
    return ("all", "", "", "", "", "", *(_dollars(rows, name) for name in ("count", "min", "max")), change)


def _dollars(rows: Sequence[PoolRow], name: str) -> str:
    """``$1,402``; ``<$384`` where part of it is a bound; empty where nothing can be said."""
    month = _monthly(rows, name)
    is_bound = any(row.price is not None and row.price.is_bound and getattr(row, name) for row in rows)
    return "" if month is None else f"{'<' if is_bound else ''}${month:,.0f}"


def _monthly(rows: Sequence[PoolRow], name: str) -> float | None:
    """Of all rows; None where one of them is not known."""
    months = [row.monthly(getattr(row, name)) for row in rows]
    known = [month for month in months if month is not None]
    return sum(known) if len(known) == len(months) else None


def _is_priced(rows: Sequence[PoolRow]) -> bool:
    return any(row.price for row in rows)


def _notes(rows: Sequence[PoolRow]) -> list[str]:
    """Where the prices come from, and what is not in them."""
    prices = [row.price for row in rows if row.price]
    notes = [f"Prices: {noted}" for noted in sorted({price.noted for price in prices if price.noted})]
    bound = ["< spot costs less than this, the price on demand"] if any(price.is_bound for price in prices) else []
    return [*notes, *([NOT_IN_IT] if prices else []), *bound]
