"""A plan as a person reads it: one row for each object that changes, and a line that sums up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlx_cli.output import PLAIN, Paint, columns, plural, shown

if TYPE_CHECKING:
    from mlx_stacks.changes import FieldChange
    from mlx_stacks.plan import ObjectChange, Plan

SYMBOLS = {"create": "+", "update": "~", "replace": "~", "delete": "-", "same": " "}
COLOURS = {"+": "green", "~": "yellow", "-": "red"}
COUNTED = ("replace data", "retrain", "redeploy", "canary", "reschedule")
"""The effects that the last line counts, from the strongest; what only changes metadata is no news."""


def render_plan(plan: Plan, paint: Paint = PLAIN) -> str:
    """The whole plan; what stays the same is counted only."""
    changed = [item for item in plan.objects if item.action != "same"]
    if not changed:
        return f"No changes: environment {plan.environment} is as the specs say ({plural(len(plan.objects), 'object')})."
    rows = [row for item in changed for row in rows_of(item)]
    table = columns(rows, indent="  ").splitlines()
    return "\n".join([f"Environment {plan.environment}", "", *(coloured(line, paint) for line in table), "", summary(plan)])


def rows_of(item: ObjectChange) -> list[tuple[str, str, str]]:
    """The object's own row, and one more for each further field that changed."""
    texts = [change_text(change) for change in item.changes] or [item.note]
    if item.because:
        texts[-1] = f"{texts[-1]} ({', '.join(item.because)})" if texts[-1] else ", ".join(item.because)
    effect = f"=> {item.effect_text}" if item.effect_text else ""
    head = (f"{SYMBOLS[item.action]} {item.id}", texts[0], effect)
    return [head, *(("", text, "") for text in texts[1:])]


def change_text(change: FieldChange) -> str:
    """``parameters.max_depth 6 -> 8``; a field that was not there before, or is not any more, says so."""
    if change.old is None:
        return f"{change.path} {shown(change.new)} (new)"
    if change.new is None:
        return f"{change.path} {shown(change.old)} (removed)"
    return f"{change.path} {shown(change.old)} -> {shown(change.new)}"


def coloured(line: str, paint: Paint) -> str:
    """The row with its symbol coloured and its effect in bold; alignment is done before, as codes have no width."""
    symbol = line.strip()[:1]
    before, arrow, effect = line.partition("=> ")
    return (before.replace(symbol, paint(symbol, COLOURS[symbol]), 1) if symbol in COLOURS else before) + paint(arrow + effect, "bold")


def summary(plan: Plan) -> str:
    """``Plan: 2 to create, 1 to change, 0 to destroy; 1 retrain``"""
    count = plan.summary
    effects = [str(item.effect) for item in plan.objects if item.action in ("update", "replace")]
    meant = [f"{effects.count(effect)} {effect}" for effect in COUNTED if effects.count(effect)]
    counts = f"Plan: {count['create']} to create, {count['change']} to change, {count['destroy']} to destroy"
    return counts + (f"; {', '.join(meant)}" if meant else "")
