"""``make fuzz``: cases of the mutator and of Hypothesis by the hundred thousand; 1 where one has a fault, with the files to look at.

``python fuzz.py [--cases 100000] [--seed N] [--folder build/fuzz]``, and ``--seed N --case M`` for one of them again. A process of
its own runs the cases, as a fault may end Python itself; it is started again behind the case that did.
"""

import argparse
import multiprocessing
import random
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from fuzzing import SECONDS, Bench, cli_fault, faults, scratch  # noqa: E402
from hypothesis import settings  # noqa: E402
from mutator import Case, case  # noqa: E402

HYPOTHESIS_SHARE = 0.1
WHOLE, CLI = 100, 500
"""One case of so many is looked at with all sources, and by ``mlx validate``."""
EACH = 1000
"""Cases between two lines of progress."""


def main(arguments: Sequence[str]) -> int:
    asked = _asked(arguments)
    if asked.case is not None:
        return _again(asked.seed, asked.case, asked.folder)
    started, by_hypothesis = time.monotonic(), int(asked.cases * HYPOTHESIS_SHARE)
    print(f"# seed {asked.seed}: {asked.cases} cases, {by_hypothesis} of them by Hypothesis; again: make fuzz FUZZ='--seed {asked.seed}'", flush=True)
    failed = run_cases(asked.seed, asked.cases - by_hypothesis, asked.folder)
    failed += run_hypothesis(by_hypothesis)
    print(f"# {asked.cases} cases in {time.monotonic() - started:.0f} s, {failed} with a fault")
    return 1 if failed else 0


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--case", type=int)
    parser.add_argument("--folder", type=Path, default=HERE.parents[1] / "build/fuzz")
    return parser.parse_args(arguments)


def _again(seed: int, number: int, folder: Path) -> int:
    chosen = case(seed, number)
    print(chosen)
    found = judged(chosen, folder / f"{seed}-{number}", whole=True)
    print("\n".join(found) or "# no fault")
    return 1 if found else 0


def judged(chosen: Case, folder: Path, *, whole: bool) -> list[str]:
    """The faults of one case, whose workspace stays in the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "case.txt").write_bytes(str(chosen).encode("utf-8", "surrogatepass"))
    bench = Bench(folder)
    return [*faults(bench, chosen, whole=whole), *(found for found in [cli_fault(bench, chosen)] if found)]


def run_cases(seed: int, count: int, folder: Path) -> int:
    """How many of the first cases of a seed have a fault."""
    failed = number = 0
    while number < count:
        with scratch() as bench:
            number, more = _run_from(number, seed, count, bench, folder)
        failed += more
    return failed


def _run_from(number: int, seed: int, count: int, bench: Path, folder: Path) -> tuple[int, int]:
    """The case to go on with when the worker is done or dead, and how many failed."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    worker = multiprocessing.get_context("spawn").Process(target=work, args=(seed, number, count, bench, sender), daemon=True)
    worker.start()
    sender.close()
    failed, started, first, lives = 0, time.monotonic(), number, True
    while number < count and lives:
        found, lives = _answer(receiver)
        if found:
            failed += 1
            _tell(seed, number, found, folder)
        number += 1
        if number % EACH == 0:
            print(f"# {number} of {count} cases, {(number - first) / (time.monotonic() - started):.0f} a second, {failed} with a fault", flush=True)
    worker.kill()
    worker.join()
    return number, failed


def _answer(receiver: Connection) -> tuple[list[str], bool]:
    """The faults of the next case, and whether the worker can go on."""
    try:
        return (receiver.recv(), True) if receiver.poll(SECONDS * 6) else ([f"no end after {SECONDS * 6} seconds, in C code"], False)
    except EOFError:
        return ["the process of the cases ended: Python itself did not survive this one"], False


def _tell(seed: int, number: int, found: list[str], folder: Path) -> None:
    folder = folder / f"{seed}-{number}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "case.txt").write_bytes(str(case(seed, number)).encode("utf-8", "surrogatepass"))
    print(f"case {number}: see {folder}/case.txt; again: make fuzz FUZZ='--seed {seed} --case {number}'")
    print("".join(f"    {line}\n" for fault in found for line in fault.splitlines()[-6:]), end="", flush=True)


def work(seed: int, first: int, count: int, folder: Path, sender: Connection) -> None:
    """The faults of one case after the other."""
    bench = Bench(folder)
    for number in range(first, count):
        chosen = case(seed, number)
        found = faults(bench, chosen, whole=number % WHOLE == 0)
        told = cli_fault(bench, chosen) if number % CLI == 0 else ""
        sender.send([*found, *([told] if told else [])])


def run_hypothesis(count: int) -> int:
    """How many of the two properties that Hypothesis looks at fail; it prints its own example."""
    from test_mutations import ANYWHERE, LETTERS, SETTINGS, letters_are_answered, values_are_answered

    failed, more = 0, settings(SETTINGS, max_examples=max(1, count // 2))
    for name, test in (("letters", LETTERS(letters_are_answered)), ("values", ANYWHERE(values_are_answered))):
        failed += _fails(more(test))
        print(f"# {count // 2} cases of Hypothesis, {name}, {failed} with a fault", flush=True)
    return failed


def _fails(test: Callable[[], None]) -> int:
    try:
        test()
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
        print("\n".join(getattr(error, "__notes__", [])), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
