"""A profile of a dataset: one page that needs nothing but itself, a table for the terminal, and JSON.

Every value of the data is escaped: what rows hold is never markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlx_cli.output import PLAIN, Paint, columns
from mlx_cli.render.page import page, section, table
from mlx_specs.diagnostics import plural

if TYPE_CHECKING:
    from mlx_runtime.associations import Pair
    from mlx_runtime.profile import Bin, Column, Profile

PAIRS = 15
"""How many of the strongest pairs are shown."""
STRONG = 0.05
"""Weaker pairs are not worth a line."""


def profile_json(found: Profile, page: Path | None) -> dict[str, Any]:
    """``mlx schema --output profile``"""
    return {**asdict(found), "page": str(page) if page else ""}


def render_profile(found: Profile, paint: Paint = PLAIN) -> str:
    """A row a column, and what is worth knowing besides."""
    rows = [(one.name, one.type, percent(one.missing, found.rows), f"{one.distinct:,}", *ends(one), mean(one)) for one in found.columns]
    table = columns(rows, header=("COLUMN", "TYPE", "MISSING", "DISTINCT", "MIN", "MAX", "MEAN")).splitlines()
    return "\n".join([f"Dataset/{found.dataset}: {summary(found)}", "", paint(table[0], "dim"), *table[1:], "", *remarks(found)]).rstrip()


def summary(found: Profile) -> str:
    """``336,776 rows, 19 columns, content 0a1b2c``"""
    counted = f", counted on a sample of {found.sampled:,}" if found.sampled < found.rows else ""
    return f"{plural(found.rows, 'row')}, {plural(len(found.columns), 'column')}, content {found.digest[:12]}{counted}"


def remarks(found: Profile) -> list[str]:
    """Keys, time, rejected rows, checks that warned, the strongest pair."""
    lines = [duplicates(found)] if found.keys else []
    if found.coverage:
        lines.append(coverage(found))
    lines += [f"rejected in step {one.step}: {plural(one.rows, 'row')}: {one.reason}" for one in found.reasons if one.rows]
    lines += [f"check {one.name}: {one.message}" for one in found.checks if not one.passed]
    strongest = [*found.correlations[:1], *found.associations[:1]]
    return lines + [f"{one.one} and {one.other} go together: {one.value:.2f}" for one in strongest]


def duplicates(found: Profile) -> str:
    """Whether the keys tell rows apart."""
    keys = ", ".join(found.keys)
    return f"{plural(found.duplicates, 'row')} share {keys} with another" if found.duplicates else f"no two rows share {keys}"


def coverage(found: Profile) -> str:
    """From when to when, and what is not covered."""
    assert found.coverage
    gap = f", the longest gap {plural(found.coverage.longest_gap, 'day')}" if found.coverage.longest_gap else ""
    days = f"{plural(found.coverage.days, 'day')}, {found.coverage.days_without_rows:,} of them without rows"
    return f"{found.coverage.column} from {found.coverage.first} to {found.coverage.last}: {days}{gap}"


def profile_page(found: Profile) -> str:
    """The whole page: no script, nothing from elsewhere."""
    parts = [
        f"<header><h1>{escape(found.dataset)}</h1><p>{escape(found.description)}</p><p class='soft'>{escape(summary(found))}</p></header><main>",
        section("Rows", f"<div class='card'>{''.join(f'<p>{escape(line)}</p>' for line in remarks(found)) or '<p>Nothing to remark.</p>'}</div>"),
        section("Columns", f"<div class='cards'>{''.join(column_card(one, found.rows, found.sampled) for one in found.columns)}</div>"),
        section("Numbers that go together (Pearson's r)", pairs_table(found.correlations)) if found.correlations else "",
        section("Categories that go together (Cramér's V)", pairs_table(found.associations)) if found.associations else "",
        section("Quality checks", checks_table(found)) if found.checks else "",
        section("Rows, for example", rows_table(found.sample)),
        section("Rejected rows, for example", rows_table(found.rejected_sample)) if found.rejected_sample else "",
        "</main><footer><p class='soft'>Made by mlx profile.</p></footer>",
    ]
    return page(f"{found.dataset}: profile", parts)


def column_card(one: Column, rows: int, counted: int) -> str:
    """What one column holds."""
    about = f"<p class='soft'>{escape(one.description)}</p>" if one.description else ""
    missing = f"<span class='{'wait' if one.missing else 'soft'}'>{percent(one.missing, rows)} missing</span>"
    strange = f", <span class='bad'>{one.not_finite:,} not finite</span>" if one.not_finite else ""
    facts = f"<p>{escape(one.type)}, {one.distinct:,} distinct, {missing}{strange}</p>"
    return f"<article class='card'><h3>{escape(one.name)}</h3>{about}{facts}{bars(one)}{shares(one, counted)}{figures(one)}</article>"


def bars(one: Column) -> str:
    """The histogram; each bar says its figures when it is pointed at."""
    if len(one.histogram) < 2:
        return ""
    most, width = max(bin.rows for bin in one.histogram) or 1, 100 / len(one.histogram)
    drawn = "".join(
        f"<rect x='{index * width:.3f}' y='{40 - 40 * bin.rows / most:.3f}' width='{width * 0.9:.3f}' height='{40 * bin.rows / most:.3f}'>"
        f"<title>{escape(span(bin) + ': ' + plural(bin.rows, 'row'))}</title></rect>"
        for index, bin in enumerate(one.histogram)
    )
    low, high = number(one.histogram[0].low), number(one.histogram[-1].high)
    label = escape(f"distribution of {one.name} from {low} to {high}", quote=True)
    svg = f"<svg class='bars' viewBox='0 0 100 40' preserveAspectRatio='none' role='img' aria-label='{label}'>{drawn}</svg>"
    return f"{svg}<div class='ends'><span>{escape(low)}</span><span>{escape(high)}</span></div>"


def span(bin: Bin) -> str:
    """``2 to 4``; of whole numbers it may be one."""
    low, high = number(bin.low), number(bin.high)
    return low if low == high else f"{low} to {high}"


def shares(one: Column, counted: int) -> str:
    """The commonest values, where there is no histogram."""
    if len(one.histogram) > 1:
        return ""
    return "".join(
        f"<div class='share'><span title='{escape(value.value, quote=True)}'>{escape(value.value) or '<i>empty</i>'}</span>"
        f"<i class='bar'><b style='width:{100 * value.rows / max(counted, 1):.2f}%'></b></i><span>{percent(value.rows, counted)}</span></div>"
        for value in one.top
    )


def figures(one: Column) -> str:
    """Mean, quantiles and ends."""
    told = [(name, value) for name, value in one.figures.items() if value is not None]
    return f"<dl class='figures'>{''.join(f'<div><dt>{escape(name)}</dt><dd>{escape(number(value))}</dd></div>' for name, value in told)}</dl>" if told else ""


def pairs_table(pairs: Sequence[Pair]) -> str:
    """The strongest pairs."""
    shown = [pair for pair in pairs[:PAIRS] if abs(pair.value) >= STRONG] or pairs[:1]
    return table(("column", "and", "strength"), [(pair.one, pair.other, f"{pair.value:.3f}") for pair in shown])


def checks_table(found: Profile) -> str:
    """What the checks found when the rows were prepared."""
    return table(("check", "result", "found"), [(one.name, "passed" if one.passed else f"failed ({one.severity})", one.message) for one in found.checks])


def rows_table(rows: Sequence[Mapping[str, str | None]]) -> str:
    """Some rows; a missing value is a dash."""
    return (
        table(tuple(rows[0]), [["–" if value is None else value for value in row.values()] for row in rows]) if rows else "<p class='soft'>There are none.</p>"
    )


def ends(one: Column) -> tuple[str, str]:
    """Smallest and largest."""
    low, high = one.figures.get("min"), one.figures.get("max")
    return ("" if low is None else number(low)[:20], "" if high is None else number(high)[:20])


def mean(one: Column) -> str:
    """Of numbers only."""
    value = one.figures.get("mean")
    return "" if value is None else number(value)


def number(value: float | str) -> str:
    """Six digits are more than a person compares; a date keeps its whole self."""
    return value if isinstance(value, str) else f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}" if abs(value) < 1e15 else f"{value:.6g}"


def percent(part: int, whole: int) -> str:
    """``2.8%``; what is there, if ever so little, is not 0%."""
    if not part or not whole:
        return "0%"
    share = 100 * part / whole
    return f"{share:.1f}%" if share >= 0.05 else "<0.1%"
