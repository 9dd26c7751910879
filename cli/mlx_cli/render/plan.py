"""A plan as a person reads it: one row for each object that changes, and a line that sums up."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlx_cli.output import PLAIN, Paint, columns, shown, shown_change
from mlx_cli.render.pools import render_pools
from mlx_specs.clusters import STACK_PREFIX
from mlx_specs.diagnostics import plural

if TYPE_CHECKING:
    from mlx_stacks.changes import FieldChange
    from mlx_stacks.plan import ObjectChange, Plan

SYMBOLS = {"create": "+", "update": "~", "replace": "~", "delete": "-", "same": " "}
COLOURS = {"+": "green", "~": "yellow", "-": "red"}
COUNTED = ("replace data", "retrain", "redeploy", "canary", "reschedule")
"""The effects that the last line counts, from the strongest; what only changes metadata is no news."""

WIDTH = 100
"""Of the middle column; longer texts go on in the next row, so that the effects stay in sight."""
CAUSES = 3
"""How many causes of a change are named; `-o json` has all."""


def render_plan(plan: Plan, paint: Paint = PLAIN) -> str:
    """The whole plan; what stays the same is counted only."""
    changed = [item for item in plan.objects if item.action != "same"]
    if not changed:
        same = f"No changes: {in_a_sentence(plan.environment)} is as the specs say ({plural(len(plan.objects), 'object')})."
        return "\n".join([*([same] if plan.objects else ["No changes."]), *([""] if plan.pools else []), *pools(plan)[:-1], *noted(plan)])
    rows = [row for item in changed for row in rows_of(item)]
    table = columns(rows, indent="  ").splitlines()
    return "\n".join([titled(plan.environment), "", *(coloured(line, paint) for line in table), "", *pools(plan), summary(plan), *noted(plan)])


def titled(stack: str) -> str:
    """``Environment dev``, or ``Cluster main``"""
    return f"Cluster {stack.removeprefix(STACK_PREFIX)}" if stack.startswith(STACK_PREFIX) else f"Environment {stack}"


def in_a_sentence(stack: str) -> str:
    """``environment dev``"""
    title = titled(stack)
    return title[0].lower() + title[1:]


def pools(plan: Plan) -> list[str]:
    """What each node pool of a cluster holds and costs, and what it held and cost."""
    return [*render_pools(plan.pools, plan.pools_before).splitlines(), ""] if plan.pools else []


def noted(plan: Plan) -> list[str]:
    """What stays as it is and should be known."""
    return [f"  note  {line}" for line in plan.notes]


def rows_of(item: ObjectChange) -> list[tuple[str, str, str]]:
    """The object's own row, and one more for each further field that changed; long texts take several."""
    texts = [change_text(change) for change in item.changes] or [item.note]
    if item.because:
        texts[-1] = f"{texts[-1]} ({causes(item.because)})" if texts[-1] else causes(item.because)
    effect = f"=> {item.effect_text}" if item.effect_text else ""
    first, *more = [line for text in texts for line in wrapped(text)]
    return [(f"{SYMBOLS[item.action]} {item.id}", first, effect), *(("", line, "") for line in more)]


def causes(because: Sequence[str]) -> str:
    """The first causes, and how many more there are."""
    more = len(because) - CAUSES
    return ", ".join(because[:CAUSES]) + (f" and {more} more" if more > 0 else "")


def wrapped(text: str) -> list[str]:
    """The text in lines of the middle column's width."""
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False) or [""]


def change_text(change: FieldChange) -> str:
    """``parameters.max_depth 6 -> 8``; a field that was not there before, or is not any more, says so."""
    if change.old is None:
        return f"{change.path} {shown(change.new)} (new)"
    if change.new is None:
        return f"{change.path} {shown(change.old)} (removed)"
    return f"{change.path} {shown_change(change.old, change.new)}"


def coloured(line: str, paint: Paint) -> str:
    """The row with its symbol coloured and its effect in bold; alignment is done before, as codes have no width."""
    symbol = line[2:3]  # of a row that goes on, this is a space
    if symbol not in COLOURS:
        return line
    before, arrow, effect = line.partition("=> ")
    return before.replace(symbol, paint(symbol, COLOURS[symbol]), 1) + paint(arrow + effect, "bold")


def summary(plan: Plan) -> str:
    """``Plan: 2 to create, 1 to change, 0 to destroy; 1 retrain``"""
    count = plan.summary
    effects = [str(item.effect) for item in plan.objects if item.action in ("update", "replace")]
    meant = [f"{effects.count(effect)} {effect}" for effect in COUNTED if effects.count(effect)]
    counts = f"Plan: {count['create']} to create, {count['change']} to change, {count['destroy']} to destroy"
    return counts + (f"; {', '.join(meant)}" if meant else "")
