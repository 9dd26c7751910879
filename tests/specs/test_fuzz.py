"""A drawn part of the cases that ``make fuzz`` runs by night: whatever is written, there is an answer, with a place."""

import subprocess
import sys
from pathlib import Path

import pytest
from fuzzing import Bench, Hang, cli_fault, faults, scratch, time_limit
from mutator import case, reference

SEED, CASES, PARTS = 1, 1500, 10
WHOLE = 50
"""One case of so many is also looked at with the sources of its pipelines, algorithms and functions."""


@pytest.mark.parametrize("part", range(PARTS))
def test_any_change_of_the_reference_workspace_is_answered_with_places(part: int) -> None:
    numbers = range(part * CASES // PARTS, (part + 1) * CASES // PARTS)
    with scratch() as folder:
        bench = Bench(folder)
        assert {number: found for number in numbers if (found := faults(bench, case(SEED, number), whole=number % WHOLE == 0))} == {}


def test_mlx_validate_ends_with_0_or_1_and_no_traceback() -> None:
    with scratch() as folder:
        bench = Bench(folder)
        assert {number: found for number in range(10_000, 10_050) if (found := cli_fault(bench, case(SEED, number)))} == {}


def test_the_nightly_run_ends_with_0_and_makes_one_case_again_by_its_number(tmp_path: Path) -> None:
    fuzz = [sys.executable, str(Path(__file__).with_name("fuzz.py")), "--seed", "3", "--folder", str(tmp_path)]
    many = subprocess.run([*fuzz, "--cases", "20"], capture_output=True, text=True, cwd=tmp_path)
    one = subprocess.run([*fuzz, "--case", "5"], capture_output=True, text=True, cwd=tmp_path)
    assert (many.returncode, many.stdout.splitlines()[-1].rpartition(", ")[2], one.returncode) == (0, "0 with a fault", 0)
    assert one.stdout == f"{case(3, 5)}\n# no fault\n"
    assert (tmp_path / "3-5/case.txt").read_text() == str(case(3, 5))


def test_a_case_is_the_same_whenever_it_is_made() -> None:
    assert [str(case(3, number)) for number in range(20)] == [str(case(3, number)) for number in range(20)]
    assert len({str(case(3, number)) for number in range(100)}) > 90


def test_the_unchanged_workspace_has_no_fault_and_a_hang_is_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert sorted(reference()[0]) == sorted(str(path.relative_to(tmp_path)) for folder in ("specs", "stacks") for path in (tmp_path / folder).iterdir())
    bench.become(case(1, 0))
    with pytest.raises(Hang), time_limit(0.05):
        while True:
            pass
