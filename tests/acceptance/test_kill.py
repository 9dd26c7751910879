"""An apply that is killed at ten random moments, or interrupted, then apply: the end state is that of an undisturbed run.

Only real processes can be killed. A moment is a time after a line of progress, both drawn with a fixed seed; an apply that ends
before its moment is destroyed and does not count.
"""

import itertools
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from end_state import end_state
from workspaces import UserWorkspace

KILLS = 10
New = Callable[[], UserWorkspace]


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
def undisturbed(new_tumours: New) -> tuple[UserWorkspace, int]:
    workspace = new_tumours()
    return workspace, len(workspace.mlx("apply", "--yes").err.splitlines())


def test_ten_kills_and_an_apply_end_like_an_undisturbed_run(new_tumours: New, undisturbed: tuple[UserWorkspace, int]) -> None:
    reference, lines = undisturbed
    workspace = new_tumours()
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


def test_ctrl_c_in_a_training_ends_in_good_order_and_the_next_apply_like_an_undisturbed_run(new_tumours: New, undisturbed: tuple[UserWorkspace, int]) -> None:
    workspace = new_tumours()
    with subprocess.Popen(workspace.command("apply", "--yes"), cwd=workspace.root, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as apply:
        assert apply.stderr is not None
        next(line for line in apply.stderr if "step 4/8 train" in line)
        running = below(apply.pid)
        apply.send_signal(signal.SIGINT)
        said, told = apply.communicate(timeout=60)
    done = "already done: Dataset/tumours prepare, Pipeline/tabular compile"
    done_too = "already done: Pipeline/tabular compile, Dataset/tumours prepare"
    assert (apply.returncode, said) == (130, "")
    assert told.splitlines()[-2] in (f"interrupted: {done}", f"interrupted: {done_too}")
    assert told.splitlines()[-1] == "  hint: run it again: it goes on from there"
    assert (len(running) > 0, left_of(running)) == (True, [])
    workspace.mlx("apply", "--yes")
    assert end_state(workspace.root, "tumours") == end_state(undisturbed[0].root, "tumours")
    assert workspace.plan() == {}


def left_of(running: list[int]) -> list[int]:
    """Those that are still there after a moment: a child of one that ended may take it to be reaped."""
    deadline = time.monotonic() + 5
    while (left := [pid for pid in running if Path(f"/proc/{pid}").exists()]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def below(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have."""
    children = [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]
    return [*children, *(grandchild for child in children for grandchild in below(child))]


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
