"""Feast's process: one for all, gone with its parent, killed on cancel, and never a traceback."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made import DEFINITIONS, Workspace

from mlx_features import shared
from mlx_features.client import FeastWorker
from mlx_features.errors import FeatureError
from mlx_features.shared import cancel_workers, close_workers, worker

PATIENCE = 60.0


def quiet(_: str) -> None:
    """Nobody listens."""


def await_that(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Ended, or a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def process_of(one: FeastWorker) -> "subprocess.Popen[str]":
    process = one._process
    assert process is not None
    return process


@pytest.fixture
def own(workspace: Workspace) -> Iterator[FeastWorker]:
    """A worker whose process this test may end."""
    with FeastWorker(workspace.folder) as one:
        yield one


def ask_push(one: FeastWorker) -> int:
    """The cheapest question."""
    return one.push(".mlx/none", "none", "none", Path("none"))


def ask_in_thread(one: FeastWorker, workspace: Workspace) -> tuple[threading.Thread, list[BaseException], threading.Event]:
    errors: list[BaseException] = []
    started = threading.Event()

    def ask() -> None:
        try:
            one.apply(workspace.registry(), lambda _: started.set())
        except FeatureError as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread, errors, started


def test_a_process_starts_with_the_first_operation_and_ends_with_close(workspace: Workspace, feast: FeastWorker) -> None:
    feast.apply(workspace.registry(), quiet)
    one = FeastWorker(workspace.folder)
    assert one.read(workspace.registry()) is not None
    assert one._process is None
    with pytest.raises(FeatureError, match="the feature store 'none' is not there"):
        ask_push(one)
    process = process_of(one)
    one.close()
    one.close()
    assert process.returncode == 0


def test_a_cancel_kills_the_process_and_says_so(own: FeastWorker, workspace: Workspace) -> None:
    thread, errors, started = ask_in_thread(own, workspace)
    assert started.wait(PATIENCE)
    pid = process_of(own).pid
    own.cancel()
    thread.join(PATIENCE)
    assert [str(error) for error in errors] == ["cancelled"]
    assert is_gone(pid)
    with pytest.raises(FeatureError, match="cancelled"):
        ask_push(own)


def test_a_killed_process_is_told_and_the_next_operation_starts_another(own: FeastWorker, workspace: Workspace) -> None:
    thread, errors, started = ask_in_thread(own, workspace)
    assert started.wait(PATIENCE)
    os.kill(process_of(own).pid, signal.SIGKILL)
    thread.join(PATIENCE)
    assert [str(error) for error in errors] == ["the Feast process was killed"]
    with pytest.raises(FeatureError, match="the feature store 'none' is not there"):
        ask_push(own)


def test_a_killed_parent_leaves_no_process(workspace: Workspace) -> None:
    code = (
        "import sys, threading; from pathlib import Path; from mlx_features.client import FeastWorker; worker = FeastWorker(Path(sys.argv[1]))\n"
        "threading.Thread(target=lambda: worker.push('.mlx/none', 'none', 'none', Path('none'))).start()\n"
        "while worker._process is None: pass\n"
        "print(worker._process.pid, flush=True)\n"
        "threading.Event().wait()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(workspace.folder)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    await_that(lambda: is_gone(pid))
    parent.stdout.close()


def test_errors_are_typed_and_the_process_goes_on(feast: FeastWorker, workspace: Workspace) -> None:
    with pytest.raises(FeatureError, match="the feature store 'none' is not there"):
        ask_push(feast)
    pid = process_of(feast).pid
    with pytest.raises(FeatureError, match="the feature store 'new-york' is not there"):
        feast.materialize(workspace.online(), None, None, quiet)
    bad = DEFINITIONS.views[0].model_copy(update={"event_time": "nowhere"})
    feast.apply(workspace.registry(DEFINITIONS.model_copy(update={"views": [bad, *DEFINITIONS.views[1:]]})), quiet)
    with pytest.raises(FeatureError, match=r"Feast failed: BinderException: .*nowhere"):
        feast.materialize(workspace.online(DEFINITIONS.model_copy(update={"views": [bad]})), None, None, quiet)
    with pytest.raises(FeatureError, match="does not know the request 'sing'"):
        feast._ask("sing", {}, quiet)
    assert process_of(feast).pid == pid


def test_operations_of_several_threads_take_turns(feast: FeastWorker, workspace: Workspace) -> None:
    digests: list[str] = []
    threads = [threading.Thread(target=lambda: digests.append(feast.apply(workspace.registry(), quiet).registry_digest)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert digests == digests[:1] * 4


def test_two_processes_that_write_one_registry_wait_for_each_other(feast: FeastWorker, own: FeastWorker, workspace: Workspace) -> None:
    found: list[str] = []

    def write(one: FeastWorker) -> None:
        for _ in range(5):
            found.append(one.apply(workspace.registry(), quiet).registry_digest)
            one.materialize(workspace.online(), None, None, quiet)

    threads = [threading.Thread(target=write, args=(one,)) for one in (feast, own)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == found[:1] * 10
    assert feast.read(workspace.registry()) == found[0]


def test_one_worker_is_shared_until_it_is_closed_or_cancelled(tmp_path: Path) -> None:
    first = worker(tmp_path)
    assert worker(tmp_path) is first
    close_workers()
    second = worker(tmp_path)
    assert second is not first
    cancel_workers()
    assert worker(tmp_path) is not second
    close_workers()
    assert not shared._WORKERS


def test_a_worker_leaves_nothing_in_the_temporary_folder(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    theirs = tmp_path / "feast_metrics_of_another"
    theirs.mkdir()
    monkeypatch.setenv("PROMETHEUS_MULTIPROCESS_DIR", str(theirs))
    with FeastWorker(workspace.folder) as one, pytest.raises(FeatureError):
        ask_push(one)
    assert list(tmp_path.iterdir()) == [theirs]
