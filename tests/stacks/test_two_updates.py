"""What one update says and does while another runs: a real lock, held by a real update of the same stack in this process."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from mlx_engine.host import Event
from mlx_stacks.apply import lock_holders
from mlx_stacks.program import program
from mlx_stacks.status import status
from mlx_stacks.workspace import Workspace, open_host, open_workspace

LIMIT = 120
"""Seconds after which something counts as hanging."""


def unheard(event: Event) -> None:
    """Nobody watches."""


@contextmanager
def half_done(workspace: Workspace) -> Iterator[threading.Event]:
    """An apply that has declared everything and waits for ``go`` before it ends."""
    inside, go = threading.Event(), threading.Event()
    declare = program(workspace.graph, workspace.environment, {})

    def waiting() -> None:
        declare()
        inside.set()
        assert go.wait(LIMIT)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(open_host(workspace).up, waiting, unheard)
        try:
            assert inside.wait(LIMIT)
            yield go
        finally:
            go.set()
        running.result(LIMIT)


def mlx(root: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "mlx_cli", *arguments]
    return subprocess.Popen(command, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_status_works_while_an_apply_runs_and_says_whose_it_is(tiny: Path) -> None:
    workspace = open_workspace(tiny)
    with half_done(workspace):
        (holder,) = lock_holders(workspace)
        assert f"(pid {os.getpid()}) since 2" in holder
        assert [item.id for item in status(workspace)] == ["Dataset/rows"]
        out, err = mlx(tiny, "status").communicate(timeout=LIMIT)
        assert f"an update by {holder} is in progress" in err
        assert "Dataset/rows" in out
    assert lock_holders(workspace) == ()
    assert [(item.id, item.status) for item in status(workspace)] == [("Dataset/rows", "Ready")]


def test_an_apply_that_waited_for_another_plans_again_by_itself(tiny: Path) -> None:
    (tiny / "specs" / "more.yaml").write_text((tiny / "specs" / "rows.yaml").read_text().replace("name: rows", "name: more"))
    both = open_workspace(tiny)
    (tiny / "specs" / "more.yaml").unlink()
    with half_done(both) as go:
        second = mlx(tiny, "apply", "--yes")
        assert second.stderr is not None
        assert any("waiting for the lock" in line for line in iter(second.stderr.readline, ""))
        go.set()
    out, err = second.communicate(timeout=LIMIT)
    assert second.returncode == 0, err
    assert "planning again" in err
    assert out.startswith("Applied in ")
    assert [(item.id, item.status) for item in status(both)] == [("Dataset/more", "NotApplied"), ("Dataset/rows", "Ready")]


def test_a_saved_plan_is_never_made_again(tiny: Path) -> None:
    first = mlx(tiny, "plan", "--out", "plan.json")
    assert first.wait(LIMIT) == 0
    with half_done(open_workspace(tiny)):
        pass
    out, err = mlx(tiny, "apply", "plan.json").communicate(timeout=LIMIT)
    assert (out, "the plan is stale" in err) == ("", True)
