"""What was done, what there is and what happened before, as a person reads it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mlx_cli.output import PLAIN, Paint, columns, duration, short
from mlx_cli.progress import is_managed
from mlx_cli.render.plan import change_text, in_a_sentence, titled
from mlx_specs.diagnostics import plural

if TYPE_CHECKING:
    from mlx_cli.checks import Check
    from mlx_engine.host import Result, Step, Update
    from mlx_stacks.apply import Applied, Drifted
    from mlx_stacks.status import ObjectStatus

COLOURS = {
    "Ready": "green", "Done": "green", "Declared": "dim", "NotRun": "dim", "NotApplied": "dim",
    "NotReleased": "yellow", "WaitingForModel": "yellow", "Challenger": "yellow",
    "Prepared": "green", "Applied": "green", "Scheduled": "green", "Idle": "dim", "Empty": "dim",
    "Preparing": "yellow", "Running": "yellow", "Training": "yellow", "Waiting": "yellow", "Suspended": "yellow",
}  # fmt: skip
"""Green is well, yellow waits for something; what has no row is broken, and red."""

MADE = {"created": ("create", "import"), "updated": ("update", "replace"), "deleted": ("delete",)}
FOUND = {"changed": ("refresh", "update"), "gone": ("delete",)}
"""Words of the history for the engine's operations: what an apply or a destroy did, and what a refresh found."""


def render_applied(applied: Applied, notes: Sequence[str] = ()) -> str:
    """``Applied in 12 s: 5 created, 1 updated, 0 deleted`` and what waits or was blocked."""
    managed = [step for step in applied.steps if is_managed(step)]
    lines = [f"Applied in {duration(applied.seconds)}: {counts(managed)}"]
    lines += [f"  waiting  {line}" for line in applied.waiting]
    lines += [f"  blocked  {line}" for line in applied.blocked]
    lines += [
        f"  {'kept' if done.kept else 'scored'}  {done.id}: {plural(done.rows, 'row')} by version {done.version} in {done.path}" for done in applied.batches
    ]
    lines += [f"  note  {line}" for line in notes]
    return short("\n".join(lines))


def counts(steps: Sequence[Step]) -> str:
    """How many resources were created, updated and deleted; a replacement is an update."""
    ops = [str(step.op) for step in steps]
    return f"{ops.count('create')} created, {updated(ops)} updated, {ops.count('delete')} deleted"


def updated(ops: Sequence[str]) -> int:
    """A replacement is one update, though the engine may report it as two or three steps."""
    return ops.count("update") + max(ops.count("replace"), ops.count("create-replacement"))


def applied_json(environment: str, applied: Applied | None, notes: Sequence[str] = ()) -> dict[str, Any]:
    """``mlx schema --output apply``; None: there was nothing to do."""
    done = [str(step.op) for step in applied.steps if is_managed(step)] if applied else []
    return {
        "environment": environment,
        "created": done.count("create"),
        "updated": updated(done),
        "deleted": done.count("delete"),
        "blocked": list(applied.blocked) if applied else [],
        "waiting": list(applied.waiting) if applied else [],
        "seconds": round(applied.seconds, 3) if applied else 0.0,
        "batches": [asdict(batch) for batch in applied.batches] if applied else [],
        "notes": [*notes, *(applied.notes if applied else ())],
    }


def render_removal(environment: str, planned: Result, paint: Paint = PLAIN) -> str:
    """The objects that a destroy would remove."""
    from mlx_stacks.changes import id_of_urn

    removed = sorted({id_of_urn(step.urn) for step in planned.steps if str(step.op) == "delete"} - {""})
    rows = [f"  {paint('-', 'red')} {id}" for id in removed]
    return "\n".join([titled(environment), "", *rows, "", f"Plan: {len(removed)} to destroy"])


def destroyed_json(environment: str, result: Result) -> dict[str, Any]:
    """``mlx schema --output destroy``"""
    return {"environment": environment, "deleted": removed_resources(result), "seconds": round(result.duration, 3)}


def removed_resources(result: Result) -> int:
    """How many resources a destroy deleted."""
    return sum(is_managed(step) and str(step.op) == "delete" for step in result.steps)


def render_destroyed(result: Result) -> str:
    """``Destroyed 12 resources in 1.3 s``, or that there was nothing."""
    removed = removed_resources(result)
    if removed:
        return f"Destroyed {plural(removed, 'resource')} in {duration(result.duration)}"
    return "Its record is removed; it owned nothing else" if any(str(step.op) == "delete" for step in result.steps) else "Nothing to destroy"


def render_status(objects: Sequence[ObjectStatus], paint: Paint = PLAIN) -> str:
    """One row an object: what it is, whether it is well, and where it is."""
    lines = columns([(item.id, item.status, short(item.detail)) for item in objects], header=("OBJECT", "STATUS", "DETAIL")).splitlines()
    return "\n".join([paint(lines[0], "dim"), *(with_colour(line, item.status, paint) for line, item in zip(lines[1:], objects, strict=True))])


def with_colour(line: str, status: str, paint: Paint) -> str:
    """The row with its status coloured."""
    return line.replace(status, paint(status, COLOURS.get(status.split("(")[0], "red")), 1)


def render_history(updates: Sequence[Update], stack: str) -> str:
    """One row an update, the newest first."""
    if not updates:
        return f"No updates of {in_a_sentence(stack)} yet"
    rows = [(when(item.start), who(item), verb(item), item.result, duration(seconds(item)), changed(item), reason_of(item)) for item in updates]
    header = ("WHEN", "WHO", "VERB", "RESULT", "TOOK", "DONE", "MESSAGE")
    return columns(rows, header=[name if any(cells) else "" for name, cells in zip(header, zip(*rows, strict=True), strict=True)])


def when(moment: float) -> str:
    """In UTC, so that two people who compare notes see the same."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(moment))


def seconds(update: Update) -> float:
    """How long it took; Pulumi's own times are whole seconds, and a short update has none."""
    return float(update.environment.get("exec.seconds") or update.end - update.start)


def who(update: Update) -> str:
    """``ann@laptop``; the pulumi CLI does not say."""
    return "@".join(filter(None, (update.environment.get(f"exec.{name}", "") for name in ("user", "host"))))


def verb(update: Update) -> str:
    """The verb that people typed, where the engine has another word for it."""
    return {"update": "apply"}.get(update.kind, update.kind)


def reason_of(update: Update) -> str:
    """What triggered it, where the verb alone does not say so."""
    return "" if update.message == f"mlx {verb(update)}" else update.message


def changed(update: Update) -> str:
    """``3 created, 1 updated``, counted as apply does: without the components that only group; what stayed the same is not told."""
    counted: Mapping[str, int] = json.loads(update.environment.get("exec.resources", "null")) or update.changes
    words = FOUND if update.kind == "refresh" else MADE
    return ", ".join(f"{total} {word}" for word, ops in words.items() if (total := sum(counted.get(op, 0) for op in ops))) or "nothing"


def render_drift(drifted: Sequence[Drifted], *, applied: bool = True) -> str:
    """One row for each thing that is not as it was applied; ``applied`` is whether anything was."""
    if not applied:
        return "Nothing is applied yet: mlx apply"
    if not drifted:
        return "No drift: everything is as it was applied."
    rows = [row for item in drifted for row in drift_rows(item)]
    count = len({item.id for item in drifted})
    return short(columns(rows, indent="  ")) + f"\n\n{plural(count, 'object')} drifted; mlx apply puts {'it' if count == 1 else 'them'} back"


def drift_rows(item: Drifted) -> list[tuple[str, str, str]]:
    """What is gone in the words of ``mlx status``; of what is there, each value that differs."""
    if item.gone:
        return [(item.id, item.status, item.detail)]
    first, *more = [change_text(change) for change in item.changes] or ["differs"]
    return [(item.id, "Changed", first), *(("", "", text) for text in more)]


def render_checks(checks: Sequence[Check], paint: Paint = PLAIN) -> str:
    """One row a check; what is wrong is followed by what to do."""
    rows = [("ok" if check.ok else "bad", check.name, check.detail if check.ok else f"{check.detail}; {check.hint}") for check in checks]
    lines = columns(rows).splitlines()
    return "\n".join(line.replace(row[0], paint(row[0], "green" if row[0] == "ok" else "red"), 1) for line, row in zip(lines, rows, strict=True))
