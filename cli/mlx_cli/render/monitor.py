"""What a monitor found: a table for the terminal, a page with the distributions side by side, and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from mlx_cli.output import PLAIN, Paint, columns
from mlx_cli.render.page import page, section, table

if TYPE_CHECKING:
    from mlx_runtime.monitor.report import BinShare, ColumnDrift, MonitorReport


def latest_text(found: Sequence[tuple[str, MonitorReport | None]], environment: str) -> str:
    """A row a monitor."""
    if not found:
        return f"no monitor was applied to environment {environment}"
    rows = [(id, *((one.verdict, moment(one), one.sentence) if one else ("none yet", "", f"mlx monitor run {id.partition('/')[2]}"))) for id, one in found]
    return columns(rows, header=("MONITOR", "VERDICT", "AT", "FOUND"))


def report_text(found: MonitorReport, paint: Paint = PLAIN) -> str:
    """The sentence, then a row a column, the farthest first."""
    head = f"Monitor/{found.monitor} of Inference/{found.inference}, {found.window}"
    colour = {"ok": "green", "drifted": "red", "insufficient": "yellow"}[found.verdict]
    lines = [head, paint(found.sentence, colour), *remarks(found)]
    if found.data or found.predictions:
        rows = [(one.column, *figures(one), "drifted" if one.drifted else "") for one in farthest([*found.data, *found.predictions])]
        lines += ["", *columns(rows, header=HEADER).splitlines()]
    return "\n".join(lines)


SHOWN = 14
"""Bins of a column on the page; those of texts come by how common they were."""
HEADER = ("COLUMN", "METHOD", "DISTANCE", "FROM", "MISSING", "NEW VALUES", "")


def figures(one: ColumnDrift) -> tuple[str, str, str, str, str]:
    """Method, distance, threshold, missing values before and now, new values."""
    lacks = "" if one.missing_before == one.missing == 0 else f"{one.missing_before:.1%} -> {one.missing:.1%}"
    return one.method, f"{one.distance:.3f}", f"{one.threshold:g}", lacks, ", ".join(one.new_values)


def remarks(found: MonitorReport) -> list[str]:
    """What the sentence does not say."""
    lines = [f"{name} is not measured: {why}" for name, why in found.not_measured.items()]
    if found.other_versions:
        lines.append(f"{found.other_versions:,} rows of the window were answered by other versions: they are not judged")
    return lines


def farthest(drifts: Sequence[ColumnDrift]) -> list[ColumnDrift]:
    """In parts of their thresholds."""
    return sorted(drifts, key=lambda one: -one.reach)


def moment(found: MonitorReport) -> str:
    """``2026-11-22 19:47Z``"""
    return f"{found.at[:16].replace('T', ' ')}Z"


def report_page(found: MonitorReport) -> str:
    """No script, nothing from elsewhere."""
    colour = {"ok": "well", "drifted": "bad", "insufficient": "wait"}[found.verdict]
    said = "".join(f"<p>{escape(line)}</p>" for line in remarks(found))
    about = f"{found.about.description} " if found.about.description else ""
    soft = f"{about}{found.window}; made at {moment(found)}; {found.reference_rows:,} held-out rows came with the version."
    parts = [
        f"<header><h1>{escape(found.monitor)} of {escape(found.inference)}</h1><p class='{colour}'>{escape(found.sentence)}</p>"
        f"<p class='soft'>{escape(soft)} <b class='before'>Before</b>: those rows. <b class='now'>Now</b>: this window.</p>{said}</header><main>",
        section("Inputs", cards(found.data)) if found.data else "",
        section("Predictions", cards(found.predictions)) if found.predictions else "",
        section("All figures", table(HEADER[:-1], [(one.column, *figures(one)) for one in farthest([*found.data, *found.predictions])])) if found.data else "",
        "</main><footer><p class='soft'>Made by mlx monitor.</p></footer>",
    ]
    return page(f"{found.monitor}: {found.verdict}", parts)


def cards(drifts: Sequence[ColumnDrift]) -> str:
    """The farthest first."""
    return f"<div class='cards compared'>{''.join(map(card, farthest(drifts)))}</div>"


def card(one: ColumnDrift) -> str:
    """What a column held, and holds."""
    verdict = f"<span class='{'bad' if one.drifted else 'soft'}'>{escape(one.method)} {one.distance:.3f}, drift from {one.threshold:g} on</span>"
    new = f"<p class='wait'>new: {escape(', '.join(one.new_values))}</p>" if one.new_values else ""
    most = max((max(each.before, each.now) for each in one.bins), default=0) or 1
    filled = [each for each in one.bins if each.before or each.now]
    rows = "".join(pair(each, most) for each in filled[:SHOWN])
    more = f"<p class='soft'>and {len(filled) - SHOWN} more</p>" if len(filled) > SHOWN else ""
    return f"<article class='card'><h3>{escape(one.column)}</h3><p>{verdict}</p>{new}{rows}{more}</article>"


def pair(one: BinShare, most: float) -> str:
    """Both shares of a bin, one below the other."""
    bars = "".join(
        f"<i class='bar' title='{when}: {value:.1%}'><b class='{when}' style='width:{100 * value / most:.2f}%'></b></i>"
        for when, value in (("before", one.before), ("now", one.now))
    )
    shown = f"{one.before:.1%} → {one.now:.1%}"
    return f"<div class='share'><span title='{escape(one.bin, quote=True)}'>{escape(one.bin)}</span><span class='pair'>{bars}</span><span>{shown}</span></div>"
