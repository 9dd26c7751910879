"""kill -9 of an apply at ten random moments, then apply: the end state is that of an undisturbed run, and nobody was asked.

Only real processes can be killed. A moment is a time after a line of progress, both drawn with a fixed seed; an apply that ends
before its moment is destroyed and does not count.
"""

import itertools
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


def kill_one(workspace: UserWorkspace, moments: random.Random, lines: int) -> bool:
    """Kills an apply some time after a drawn line of its progress; False when it ended before that."""
    with subprocess.Popen(workspace.command("apply", "--yes"), cwd=workspace.root, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        last = moments.randint(0, lines * 2 // 3)
        for _ in itertools.islice(process.stderr, last):
            pass
        try:
            process.wait(timeout=moments.random() * 2)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def undisturbed(make: Make) -> tuple[UserWorkspace, int]:
    workspace = new_workspace(make)
    return workspace, len(workspace.mlx("apply", "--yes").err.splitlines())


def test_ten_kills_and_an_apply_end_like_an_undisturbed_run(make: Make, undisturbed: tuple[UserWorkspace, int]) -> None:
    reference, lines = undisturbed
    workspace = new_workspace(make)
    moments, kills = random.Random(2013), 0
    while kills < KILLS:
        if kill_one(workspace, moments, lines):
            kills += 1
        else:
            workspace.mlx("destroy", "--yes")
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
