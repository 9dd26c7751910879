"""Runs that are killed or interrupted, and what the next run makes of what they left. Only a real process can be killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pulumi
import pytest
from conftest import HERE, Workspace
from differential_programs import PROGRAMS
from file_program import File

from mlx_engine.host import Event, EventKind, Interrupted, Locked, Step

Ops = Callable[[Sequence[Step]], list[str]]


@pytest.mark.parametrize("instant", ["create:a:before", "create:a:after", "create:b:before", "create:b:after"])
def test_a_kill_while_creating_is_healed_by_running_again(instant: str, workspace: Workspace) -> None:
    _killed(workspace, "up", "plain", instant)
    workspace.host().up(lambda: PROGRAMS["plain"][0](workspace.folder), workspace.heard)
    assert workspace.files() == {"a": {"text": "ü", "list": [1, 2.5, None, True]}, "b": 48}
    assert _pending(workspace) == []
    assert workspace.host().preview(lambda: PROGRAMS["plain"][0](workspace.folder), workspace.heard).changes == []


@pytest.mark.parametrize(
    "instant", ["create:a:before", "create:a:after", "delete:a:before", "delete:a:after", "create:c:after", "delete:c:after", "update:b:after"]
)
def test_a_kill_while_replacing_leaves_neither_a_second_nor_a_missing_object(instant: str, workspace: Workspace) -> None:
    before, after = PROGRAMS["replaced"]
    workspace.host().up(lambda: before(workspace.folder), workspace.heard)
    _killed(workspace, "up", "replaced:changed", instant)
    workspace.host().up(lambda: after(workspace.folder), workspace.heard)
    assert workspace.files() == {"b": "new.json", "new": None, "new.json": None}
    assert [entry.get("delete") for entry in workspace.resources()] == [None] * len(workspace.resources())
    assert workspace.host().preview(lambda: after(workspace.folder), workspace.heard).changes == []


@pytest.mark.parametrize("instant", ["delete:b:after", "delete:a:before", "delete:a:after", "create:a:after", "create:b:before", "create:b:after"])
def test_a_kill_while_deleting_first_is_healed_by_running_again(instant: str, workspace: Workspace) -> None:
    before, after = PROGRAMS["delete-first"]
    workspace.host().up(lambda: before(workspace.folder), workspace.heard)
    _killed(workspace, "up", "delete-first:changed", instant)
    workspace.host().up(lambda: after(workspace.folder), workspace.heard)
    assert workspace.files() == {"b-new.json": None, "c": "b-new.json.json", "new": None}
    assert workspace.host().preview(lambda: after(workspace.folder), workspace.heard).changes == []


@pytest.mark.parametrize("instant", ["delete:b:before", "delete:b:after", "delete:a:after"])
def test_a_kill_while_destroying_is_healed_by_destroying_again(instant: str, workspace: Workspace) -> None:
    workspace.host().up(lambda: PROGRAMS["plain"][0](workspace.folder), workspace.heard)
    _killed(workspace, "destroy", "plain", instant)
    workspace.host().destroy(workspace.heard)
    assert (workspace.files(), workspace.resources()) == ({}, [])


def test_what_was_created_and_is_no_longer_declared_is_deleted(workspace: Workspace) -> None:
    _killed(workspace, "up", "plain", "create:b:after")
    assert list(workspace.files()) == ["a", "b"]
    workspace.host().up(lambda: None, workspace.heard)
    assert workspace.files() == {}


def test_what_was_created_is_found_by_destroy(workspace: Workspace) -> None:
    _killed(workspace, "up", "plain", "create:a:after")
    workspace.host().destroy(workspace.heard)
    assert (workspace.files(), workspace.resources(), _pending(workspace)) == ({}, [], [])


def test_a_preview_after_a_kill_shows_what_the_update_will_do_and_changes_nothing(workspace: Workspace, ops: Ops) -> None:
    _killed(workspace, "up", "plain", "create:a:after")
    result = workspace.host().preview(lambda: PROGRAMS["plain"][0](workspace.folder), workspace.heard)
    assert ops(result.changes) == ["create b"]
    assert len(_pending(workspace)) == 1


@pytest.mark.parametrize("line", range(2, 14, 2))
def test_a_kill_between_any_two_events_loses_nothing(line: int, workspace: Workspace) -> None:
    process = subprocess.Popen(_command(workspace, "up", "components"), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(line):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    workspace.host().up(lambda: PROGRAMS["components"][0](workspace.folder), workspace.heard)
    assert workspace.files() == {"a": None, "b": None}
    workspace.host().destroy(workspace.heard)
    assert workspace.files() == {}


def test_ctrl_c_asks_providers_to_stop_and_records_what_they_did(workspace: Workspace, ops: Ops) -> None:
    def program() -> None:
        first = File("a", folder=workspace.folder, gate=str(workspace.root / "never"))
        File("b", folder=workspace.folder, content=first.size)

    def interrupt(event: Event) -> None:
        if event.kind is EventKind.LOG and event.message == "create a":
            os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match="interrupted after 3 steps: what was done is recorded"):
        workspace.host().up(program, interrupt)
    assert signal.getsignal(signal.SIGINT) is handler
    assert (list(workspace.files()), workspace.resource("a")["id"], _pending(workspace)) == (["a"], "a.json", [])


def test_a_second_update_is_told_who_holds_the_lock(workspace: Workspace) -> None:
    refused: list[str] = []

    def program() -> None:
        with pytest.raises(Locked) as locked:
            workspace.host().destroy(workspace.heard)
        refused.append(str(locked.value))

    workspace.host().up(program, workspace.heard)
    (message,) = refused
    assert f"(pid {os.getpid()}) since 20" in message


def test_a_second_update_waits_for_the_lock_and_says_so(workspace: Workspace) -> None:
    gate = workspace.root / "gate"
    (workspace.root / "files").mkdir()
    first = subprocess.Popen([sys.executable, "-c", _HOLD_LOCK, str(workspace.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert first.stdin is not None
    assert first.stdout is not None
    first.stdout.readline()
    waits: list[str] = []

    def heard(event: Event) -> None:
        if event.kind is EventKind.WAITING:
            waits.append(event.message)
            gate.touch()
            first.communicate("go\n")

    workspace.host(lock_timeout=30).up(lambda: None, heard)
    assert [message.split(" since ")[0].split("(")[1] for message in waits] == [f"pid {first.pid})"]


def test_the_lock_of_a_dead_process_of_this_machine_is_taken_over(workspace: Workspace) -> None:
    _killed(workspace, "up", "plain", "create:a:before")
    assert len(list((workspace.stack.state / ".pulumi" / "locks").rglob("*.json"))) == 1
    workspace.host().up(lambda: None, workspace.heard)
    assert list((workspace.stack.state / ".pulumi" / "locks").rglob("*.json")) == []


def test_cancel_removes_the_lock_of_another_machine_and_says_whose_it_was(workspace: Workspace) -> None:
    lock = workspace.stack.state / ".pulumi" / "locks" / "organization" / "project" / "dev" / "x.json"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"pid": 1, "username": "ann", "hostname": "elsewhere", "timestamp": "2026-01-01T00:00:00Z"}))
    with pytest.raises(Locked, match=r"ann@elsewhere \(pid 1\) since 2026-01-01"):
        workspace.host().up(lambda: None, workspace.heard)
    assert workspace.host().cancel() == "removed the lock of ann@elsewhere (pid 1) since 2026-01-01T00:00:00Z"
    assert workspace.host().cancel() == "dev is not locked"


def test_many_creates_in_parallel_are_all_in_state_after_a_failure(workspace: Workspace) -> None:
    def program() -> None:
        for at in range(40):
            File(f"f{at}", folder=workspace.folder, content="FAIL" if at == 35 else at)

    with pytest.raises(Exception, match="cannot create f35"):
        workspace.host(parallel=8).up(program, workspace.heard)
    known = {entry["id"].removesuffix(".json") for entry in workspace.resources() if entry["type"] == "files:index:File"}
    assert known == set(workspace.files())
    assert _pending(workspace) == []


def test_stacks_of_one_backend_do_not_wait_for_each_other(workspace: Workspace) -> None:
    other = workspace.with_stack(name="other")

    def program() -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(other.host().up, lambda: None, workspace.heard).result()

    workspace.host().up(program, workspace.heard)
    assert [update.kind for update in other.host().history()] == ["update"]


_HOLD_LOCK = """
import sys
from pathlib import Path
from mlx_engine.host import Stack
from mlx_engine.state.files import files_of
from mlx_engine.state.lock import locked
root = Path(sys.argv[1])
with locked(files_of(Stack("project", "dev", root, root / ".mlx" / "state")), 0, print):
    print("locked", flush=True)
    sys.stdin.readline()
"""


def _killed(workspace: Workspace, verb: str, program: str, instant: str) -> None:
    environment = {**os.environ, "FILES_DIE_AT": instant}
    done = subprocess.run(_command(workspace, verb, program), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def _command(workspace: Workspace, verb: str, program: str) -> list[str]:
    return [sys.executable, str(Path(HERE) / "run_update.py"), str(workspace.root), verb, program]


def _pending(workspace: Workspace) -> list[object]:
    return list(workspace.host().export_state()["deployment"].get("pending_operations", []))


@pytest.fixture(autouse=True)
def _children_find_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = [path for path in sys.path if path.rstrip("/").endswith("engine")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*engine, os.environ.get("PYTHONPATH", "")]))


def test_a_pending_operation_is_on_disk_before_it_starts(workspace: Workspace) -> None:
    seen: list[list[str]] = []

    def program() -> None:
        first = File("a", folder=workspace.folder)
        File("b", folder=workspace.folder, content=first.size, opts=pulumi.ResourceOptions(depends_on=[first]))

    def heard(event: Event) -> None:
        if event.kind is EventKind.LOG:
            stored = workspace.host().export_state()["deployment"]
            known = [entry["urn"].rpartition("::")[2] for entry in stored["resources"] if entry["type"] == "files:index:File"]
            seen.append([*known, *[f"{operation['type']} {operation['resource']['urn'].rpartition('::')[2]}" for operation in stored["pending_operations"]]])

    workspace.host().up(program, heard)
    assert seen == [["creating a"], ["a", "creating b"]]
