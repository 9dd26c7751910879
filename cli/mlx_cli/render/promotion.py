"""A promotion as a person reads it: the difference, the gates, what was copied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from mlx_cli.output import PLAIN, Paint, columns, short
from mlx_cli.render.outcome import when
from mlx_cli.render.plan import SYMBOLS, change_text, wrapped
from mlx_specs.diagnostics import plural

if TYPE_CHECKING:
    from mlx_stacks.changes import FieldChange
    from mlx_stacks.promote import Promoted, Proposal
    from mlx_stacks.release_difference import Change
    from mlx_stacks.release_gates import Gate
    from mlx_stacks.release_history import AppliedRelease
    from mlx_stacks.rollback import Rollback

COLOURS = {"create": "green", "update": "yellow", "delete": "red"}


def render_proposal(proposal: Proposal, paint: Paint = PLAIN) -> str:
    """Each released object that would change, with the fields that differ."""
    head = f"Promote {proposal.source} to {proposal.target}: release {proposal.digest}"
    notes = [f"  note  {line}" for line in proposal.notes]
    if not proposal.changes:
        same = f"Nothing to promote: {proposal.target} is pinned to release {proposal.digest} of {proposal.source} already."
        lost = ["  bytes of it are missing or damaged: they are copied again"] if proposal.due else []
        return short("\n".join([same, *lost, *notes]))
    return short("\n".join([head, "", *render_changes(proposal.changes, paint), "", *notes]).rstrip("\n"))


def render_changes(changes: Sequence[Change], paint: Paint) -> list[str]:
    """Lines with aligned columns; the symbol of each object is coloured."""
    lines = columns([row for change in changes for row in rows_of(change)], indent="  ").splitlines()
    first = {change.id: change.action for change in changes}
    return [painted(line, first, paint) for line in lines]


def painted(line: str, actions: Mapping[str, str], paint: Paint) -> str:
    """A row that names an object begins with its symbol."""
    symbol, _, rest = line.strip().partition(" ")
    action = actions.get(rest.split(" ")[0]) if symbol in SYMBOLS.values() else None
    return line.replace(symbol, paint(symbol, COLOURS[action]), 1) if action else line


def rows_of(change: Change) -> list[tuple[str, str]]:
    """The object's own row, and one more for each further field."""
    texts = [text for field in change.fields for text in wrapped(change_text(shortened(field)))] or [""]
    first, *more = texts
    return [(f"{SYMBOLS[change.action]} {change.id}", first), *(("", text) for text in more)]


def shortened(field: FieldChange) -> FieldChange:
    """Digests are cut before long values are."""
    old, new = (short(value) if isinstance(value, str) else value for value in (field.old, field.new))
    return replace(field, old=old, new=new)


def render_gates(gates: Sequence[Gate], paint: Paint = PLAIN) -> str:
    """One row a model: whether it passed, and the figures."""
    lines = ["", "Gates"]
    for gate in gates:
        word = paint("passed", "green") if gate.passed else paint("failed", "red")
        lines += [f"  {word}  Model/{gate.model}: {figure}" for figure in (gate.figures if gate.passed else (*gate.figures, *gate.reasons))]
    return "\n".join(lines)


def render_promoted(proposal: Proposal, promoted: Promoted | None, *, applies: bool = False) -> str:
    """What was written, and what makes it so."""
    if promoted is None:
        return "Nothing was promoted."
    counts = f"{plural(len(promoted.copied), 'model')} copied, {len(promoted.kept)} there already"
    next_step = f"commit {promoted.lock}" if applies else f"commit {promoted.lock}; mlx apply --env {proposal.target} makes it so"
    return short(f"Promoted {proposal.source} to {proposal.target}: release {promoted.release}; {counts}\n  {next_step}")


def promoted_json(proposal: Proposal, gates: Sequence[Gate], promoted: Promoted | None) -> dict[str, Any]:
    """``mlx schema --output promote``"""
    return {
        "source": proposal.source,
        "target": proposal.target,
        "release": proposal.digest,
        "previous": proposal.old.release if proposal.old else "",
        "promoted": promoted is not None,
        "changes": [{"id": change.id, "action": change.action, "changes": [asdict(field) for field in change.fields]} for change in proposal.changes],
        "gates": [asdict(gate) for gate in gates],
        "lock": promoted.lock if promoted else "",
        "copied": list(promoted.copied) if promoted else [],
        "notes": list(proposal.notes),
    }


def render_rollback(planned: Rollback, paint: Paint = PLAIN) -> str:
    """What would change; or that the lock says it already, and where else one can go."""
    to = f"release {planned.to.number} ({planned.to.digest})"
    if planned.changes:
        lines = render_changes(planned.changes, paint)
        return short("\n".join([f"Roll {planned.environment} back to {to}: its bytes are here and verified", "", *lines]))
    back = planned.old.rolled_back_from
    forward = f"; forward again: mlx rollback --env {planned.environment} --to {back[:12]}; further back: --to N" if back else ""
    return short(f"{planned.environment} is pinned to {to} already{forward}")


def render_rolled_back(planned: Rollback) -> str:
    """What was written."""
    said = f"{planned.environment} is pinned to release {planned.to.digest}, number {planned.to.number}"
    return short(f"Rolled back: {said}; commit stacks/{planned.environment}.lock.yaml" if planned.changes else f"Nothing to roll back: {said}")


def rolled_back_json(planned: Rollback) -> dict[str, Any]:
    """``mlx schema --output rollback``"""
    return {
        "environment": planned.environment,
        "release": planned.to.digest,
        "number": planned.to.number,
        "previous": planned.old.release,
        "changes": [{"id": change.id, "action": change.action, "changes": [asdict(field) for field in change.fields]} for change in planned.changes],
    }


def render_releases(releases: Sequence[AppliedRelease], current: str) -> str:
    """One row a release, the newest first, and its gates below it; ``*`` is the present one."""
    lines: list[str] = []
    rows = [release_row(release, current, is_last=release is releases[-1]) for release in reversed(releases)]
    table = columns(rows, header=("RELEASE", "", "FROM", "PROMOTED", "BY", "APPLIED", "")).splitlines()
    lines.append(table[0])
    for line, release in zip(table[1:], reversed(releases), strict=True):
        lines += [line, *(f"    gate  {model}: {figure}" for model, figures in sorted(release.gates.items()) for figure in figures)]
    return short("\n".join(lines))


def release_row(release: AppliedRelease, current: str, *, is_last: bool) -> tuple[str, ...]:
    """Number, digest, where from, when and by whom, and what is to be known of it."""
    back = f"rolled back from {release.rolled_back_from[:12]}" if release.rolled_back_from else ""
    gone = "" if release.kept else "its bytes are gone"
    mark = "*" if is_last and release.digest == current else " "
    promoted = release.at.replace("T", " ")
    return (f"{mark} {release.number}", release.digest[:12], release.source, promoted, release.by, when(release.applied), "; ".join(filter(None, (back, gone))))
