"""kill -9 of an apply at ten random moments, then apply: the end state is that of an undisturbed run, and nobody was asked.

Only real processes can be killed; a moment is a line of progress, drawn with a fixed seed from those of the undisturbed run.
"""

import os
import random
import signal
import subprocess

import pytest
from end_state import end_state
from sklearn_workspaces import objects, tumour_model, write_breast_cancer
from workspaces import Make, UserWorkspace

KILLS = 10


def new_workspace(make: Make) -> UserWorkspace:
    workspace = make("tumours", objects("tumours", "data/tumours.csv", tumour_model()))
    write_breast_cancer(workspace.root)
    return workspace


def apply_until(workspace: UserWorkspace, lines: int) -> int:
    """Kills the CLI after it has printed so many lines of progress; returns how many it printed."""
    with subprocess.Popen(workspace.command("apply", "--yes"), cwd=workspace.root, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        seen = 0
        for seen, _line in enumerate(process.stderr, start=1):
            if seen == lines:
                os.kill(process.pid, signal.SIGKILL)
                break
    return seen


@pytest.fixture(scope="module")
def undisturbed(make: Make) -> tuple[UserWorkspace, int]:
    workspace = new_workspace(make)
    return workspace, len(workspace.mlx("apply", "--yes").err.splitlines())


def test_ten_kills_and_an_apply_end_like_an_undisturbed_run(make: Make, undisturbed: tuple[UserWorkspace, int]) -> None:
    reference, lines = undisturbed
    workspace = new_workspace(make)
    moments = random.Random(2013)
    for _ in range(KILLS):
        apply_until(workspace, moments.randint(1, lines))
    workspace.mlx("apply", "--yes")
    assert end_state(workspace.root, "tumours") == end_state(reference.root, "tumours")
    assert workspace.plan() == {}
    assert workspace.status()["Inference/malignant-api"]["status"] == "Ready"


def test_a_second_apply_that_may_not_wait_is_told_who_holds_the_lock(undisturbed: tuple[UserWorkspace, int]) -> None:
    workspace, _ = undisturbed
    workspace.edit("specs/objects.yaml", "max_depth: 5", "max_depth: 4")
    with subprocess.Popen(workspace.command("apply", "--yes"), cwd=workspace.root, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as first:
        assert first.stderr is not None
        next(line for line in first.stderr if "step 1/8" in line)  # it holds the lock and trains
        second = workspace.mlx("destroy", "--yes", "--lock-timeout", "0", code=3)
        first.stderr.read()
    assert first.returncode == 0
    assert str(first.pid) in second.err
