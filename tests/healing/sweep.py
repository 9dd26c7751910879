"""Points of faults: all of a scene's, and what becomes of each: one apply has to reach the undisturbed end."""

import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults import Instant, Kind, Watch
from forks import in_child
from scenes import Scene


@dataclass(frozen=True)
class Point:
    scene: Scene
    instant: Instant
    kind: Kind

    def __str__(self) -> str:
        return f"{self.scene.name}: {self.kind} at {self.instant}"


@dataclass(frozen=True)
class Outcome:
    """``healed``, ``missed`` when the update ended without coming there, else what went wrong."""

    point: Point
    result: str


def instants_of(scene: Scene, root: Path, notes: Path) -> list[Instant]:
    """What an undisturbed update passes."""
    scene.prepare(root)

    def work() -> None:
        watch = Watch(notes)
        scene.disturb(root, watch)
        watch.record()

    log = notes.with_suffix(".log")
    assert in_child(work, log) == 0, log.read_text()
    return [Instant(what, when, nth) for what, when, nth in json.loads(notes.read_text())]


def points_of(scene: Scene, instants: Iterable[Instant]) -> list[Point]:
    return [Point(scene, instant, kind) for instant in instants for kind in Kind]


def undisturbed(scene: Scene, root: Path) -> Any:
    """The end of an apply that nothing disturbs."""
    scene.prepare(root)
    assert scene.mend(root) == 0, (root / "log").read_text()
    return scene.end(root)


def strike(point: Point, root: Path, notes: Path, expected: Any) -> Outcome:
    """Disturbs, mends, compares."""
    for path in (notes, notes.with_suffix(".struck"), notes.with_suffix(".log")):
        path.unlink(missing_ok=True)
    point.scene.prepare(root)
    in_child(lambda: point.scene.disturb(root, Watch(notes, point.instant, point.kind)), notes.with_suffix(".log"))
    if not notes.with_suffix(".struck").exists():
        return Outcome(point, "missed")
    (root / "log").unlink(missing_ok=True)
    code = point.scene.mend(root)
    if code != 0:
        return Outcome(point, f"apply ended with {code}: {_last_words(root / 'log')}")
    return Outcome(point, difference(expected, point.scene.end(root)) or "healed")


def difference(expected: Any, found: Any, at: str = "") -> str:
    """The first place where two ends differ, '' when there is none."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted({*expected, *found}):
            if told := difference(expected.get(key), found.get(key), f"{at}/{key}"):
                return told
        return ""
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return next(filter(None, (difference(one, other, f"{at}[{n}]") for n, (one, other) in enumerate(zip(expected, found, strict=True)))), "")
    return "" if expected == found else f"{at}: {str(expected)[:200]!r} became {str(found)[:200]!r}"


def drawn(points: Sequence[Point], count: int, seed: int) -> list[Point]:
    """A sample, in the order of the points so that scenes stay together."""
    chosen = set(random.Random(seed).sample(range(len(points)), min(count, len(points))))
    return [point for at, point in enumerate(points) if at in chosen]


def table(outcomes: Sequence[Outcome]) -> str:
    """Points by what was struck and by kind, with their results, in Markdown."""
    rows: dict[tuple[str, str], Counter[str]] = {}
    for outcome in outcomes:
        what, scene = outcome.point.instant.what.split()[0], re.sub(r"^program [^,]+", "engine programs", outcome.point.scene.name)
        key = (scene, {"write": "state write", "remove": "state write", "step": "pipeline step"}.get(what, f"provider {what}"))
        result = outcome.result if outcome.result in ("healed", "missed") else "not healed"
        rows.setdefault(key, Counter()).update([str(outcome.point.kind), result])
    columns = ("kill", "error", "delay", "healed", "missed", "not healed")
    lines = [f"| {scene} | {what} | " + " | ".join(str(counts[name]) for name in columns) + " |" for (scene, what), counts in sorted(rows.items())]
    total = sum(rows.values(), Counter[str]())
    lines.append("| **all** | | " + " | ".join(str(total[name]) for name in columns) + " |")
    return "\n".join(["| update | struck at | " + " | ".join(columns) + " |", "|---|---|" + "---:|" * len(columns), *lines]) + "\n"


def _last_words(log: Path) -> str:
    return " / ".join(log.read_text().strip().splitlines()[-3:]) if log.is_file() else "no word"
