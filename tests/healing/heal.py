"""``make heal``: every point of every scene, or ``--count`` of them drawn, and a table of what became of them.

``python heal.py --folder DIR [--places tiny diabetes …] [--count N] [--struck step] [--table docs/healing.md]``; ends with 1 when a point did not heal.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "engine"), str(HERE.parent / "acceptance")]

from places import MAKERS, PROGRAMS, load_heavy_libraries, make_place, place_scenes, program_scenes  # noqa: E402
from scenes import Scene, stop_servers, warm  # noqa: E402
from sweep import Outcome, Point, drawn, instants_of, points_of, strike, table, undisturbed  # noqa: E402

HEAD = """\
# Healing: the last table

An update is struck at one point, by kill -9, an error or a delay; then one `mlx apply` runs, with no terminal to ask on. *Healed*
means: that apply ended well, the plan after it was empty, and resources in state, versions and aliases in the registry, the bytes
of all files and the running servers are those of an undisturbed run. *Missed*: the update ended without coming to the point, as
writes of state that fall into the same half second are joined. Made by `make heal`; `make test` runs a drawn sample.

"""


def main(arguments: Sequence[str]) -> int:
    asked = _asked(arguments)
    asked.folder.mkdir(parents=True)
    warm(asked.folder / "warm")
    load_heavy_libraries()
    known, outcomes = run_scenes(program_scenes(asked.only), asked.folder / "program", asked.folder / "notes.json", asked.programs, asked)
    record(asked.table, known, outcomes)
    for name in asked.places:
        place = make_place(name, asked.folder)
        more, struck = run_scenes(place_scenes(place, trained=name == "tiny"), place.root, asked.folder / "notes.json", asked.count, asked)
        known, outcomes = known + more, outcomes + struck
        stop_servers(place.root)
        record(asked.table, known, outcomes)
    print(table(outcomes))
    return 1 if any(item.result not in ("healed", "missed") for item in outcomes) else 0


def record(path: Path | None, known: int, outcomes: Sequence[Outcome]) -> None:
    """After each workspace, so that hours are not lost."""
    if path:
        healed = sum(item.result == "healed" for item in outcomes)
        path.write_text(f"{HEAD}{healed:,} points of {known:,} known ones healed.\n\n{table(outcomes)}")


def run_scenes(scenes: Sequence[Scene], root: Path, notes: Path, count: int | None, asked: argparse.Namespace) -> tuple[int, list[Outcome]]:
    """Strikes ``count`` drawn points of these scenes, or all; how many there are, and what became of those."""
    if count == 0:
        return 0, []
    every: list[Point] = [point for scene in scenes for point in points_of(scene, instants_of(scene, root, notes))]
    points = [point for point in every if asked.struck in (None, point.instant.what.split()[0])]
    print(f"# {len(points)} points below {root.name}", flush=True)
    expected: dict[str, Any] = {}
    outcomes: list[Outcome] = []
    for point in drawn(points, len(points) if count is None else count, asked.seed):
        if point.scene.name not in expected:
            expected[point.scene.name] = undisturbed(point.scene, root)
        outcomes.append(strike(point, root, notes, expected[point.scene.name]))
        print(f"{outcomes[-1].result:8} {point}", flush=True)
    return len(points), outcomes


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--places", nargs="*", default=list(MAKERS), choices=list(MAKERS))
    parser.add_argument("--programs", type=int, help="points of the engine's programs; left out: all")
    parser.add_argument("--count", type=int, help="points of each workspace; left out: all")
    parser.add_argument("--only", nargs="*", default=list(PROGRAMS), choices=PROGRAMS, help="which of the engine's programs")
    parser.add_argument("--struck", help="only points at one thing: step, write, create, …")
    parser.add_argument("--seed", type=int, default=2013, help="of what is drawn")
    parser.add_argument("--table", type=Path)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)
