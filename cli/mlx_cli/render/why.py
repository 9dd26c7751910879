"""A tree of objects, the one cause and its fix, as a person reads it; and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mlx_cli.failures import reason
from mlx_cli.output import PLAIN, Paint, columns, cut, short
from mlx_cli.render.outcome import COLOURS

if TYPE_CHECKING:
    from mlx_stacks.faults import Fault
    from mlx_stacks.why import Branch, Origin, Why


WIDTH = 100
"""Letters of a detail in the tree; the cause is told whole below it."""


def render_why(answer: Why, paint: Paint = PLAIN) -> str:
    """The tree, then the cause and what to do; for an object that is well, what it was made of."""
    lines = [*tree_lines(answer.tree, paint), ""]
    if answer.cause is None:
        lines += [*lineage_lines(answer.lineage), "", paint("Nothing is wrong.", "green")]
    else:
        lines += [f"{paint('Cause', 'red')}  {told(answer.cause)}", f"{paint('Fix', 'green')}    {answer.cause.fix}"]
        lines += [f"{paint('Also', 'dim')}   {told(other).splitlines()[0]}" for other in answer.others]
    return short("\n".join(lines).strip())


def why_json(answer: Why) -> dict[str, Any]:
    """``mlx schema --output why``"""
    return {
        "object": answer.object,
        "environment": answer.environment,
        "well": answer.cause is None,
        "cause": fault_json(answer.cause) if answer.cause else None,
        "others": [fault_json(other) for other in answer.others],
        "tree": asdict(answer.tree),
        "lineage": [asdict(origin) for origin in answer.lineage],
    }


def fault_json(fault: Fault) -> dict[str, str]:
    """Rank by its name: ``held``, ``failed``."""
    return {"object": fault.object, "kind": fault.rank.name.lower(), "reason": plain_reason(fault), "fix": fault.fix}


def told(fault: Fault) -> str:
    """``Model/delay: its training failed in step train``; what follows the first line stands below it."""
    first, *rest = plain_reason(fault).splitlines()
    return "\n".join([f"{fault.object}: {first}", *(f"       {line}" for line in rest)])


def plain_reason(fault: Fault) -> str:
    """Without the engine's words around the provider's."""
    return reason(fault.urn, fault.reason) if fault.urn else fault.reason


def tree_lines(tree: Branch, paint: Paint) -> Iterator[str]:
    """One row an object, the columns in line whatever their depth; the cause is marked."""
    rows = list(flat(tree, "", ""))
    lines = columns([(f"{lead}{branch.id}", branch.status, detail_of(branch)) for lead, branch in rows]).splitlines()
    for line, (_, branch) in zip(lines, rows, strict=True):
        yield line.replace(f"  {branch.status}", f"  {paint(branch.status, COLOURS.get(branch.status.split('(')[0], 'red'))}", 1)


def flat(branch: Branch, lead: str, below: str) -> Iterator[tuple[str, Branch]]:
    """Each object with the lines that lead to it."""
    yield lead, branch
    for index, child in enumerate(branch.children):
        last = index == len(branch.children) - 1
        yield from flat(child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))


def detail_of(branch: Branch) -> str:
    """What status says, with the mark of the cause; an object that is told above is not told twice."""
    detail = "(above)" if branch.told_above else cut(short(" ".join(branch.detail.split())), WIDTH)
    return f"{detail}  <- the cause" if branch.is_cause and not branch.told_above else detail


def lineage_lines(lineage: Sequence[Origin]) -> list[str]:
    """``made of  Dataset/flights  data 1a2b, 336,776 rows``"""
    rows = [("made of" if index == 0 else "", origin.id, origin.text) for index, origin in enumerate(lineage)]
    return columns(rows).splitlines() if rows else []
