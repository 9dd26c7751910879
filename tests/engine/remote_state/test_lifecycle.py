"""A program's whole life with its state in a bucket, and the lock that keeps two from it."""

import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import pulumi
import pytest
from buckets import KINDS, in_bucket
from conftest import Workspace
from file_program import File

from mlx_engine.host import Locked, LockLost, Op
from mlx_engine.state.blobs import Blobs
from mlx_engine.state.files import files_of
from mlx_engine.state.lock import locked

CHECKPOINT = ".pulumi/stacks/project/dev.json"
LOCKS = ".pulumi/locks/organization/project/dev"


def test_a_program_is_applied_previewed_without_a_change_and_destroyed(remote: Workspace, bucket: Any, ops: Any) -> None:
    def program() -> None:
        first = File("a", folder=remote.folder, content={"text": "ü"})
        File("b", folder=remote.folder, content=first.size)
        pulumi.export("size", first.size)

    assert ops(remote.host().preview(program, remote.heard).steps) == ["create a", "create b"]
    assert bucket.blobs.read(CHECKPOINT) is None
    remote.host(message="from a test").up(program, remote.heard)
    assert ops(remote.host().preview(program, remote.heard).steps) == ["same a", "same b"]
    assert remote.host().outputs() == {"size": 18}
    assert ops(remote.host().destroy(remote.heard).steps) == ["delete b", "delete a"]
    assert [(update.kind, update.result) for update in remote.host().history()] == [("destroy", "succeeded"), ("update", "succeeded")]
    assert (remote.files(), remote.resources()) == ({}, [])


def test_the_bucket_has_the_layout_of_pulumis_file_backend(remote: Workspace, bucket: Any) -> None:
    remote.host().up(lambda: File("a", folder=remote.folder) and None, remote.heard)
    before = bucket.blobs.read(CHECKPOINT)
    remote.host().destroy(remote.heard)
    assert _layout(bucket.blobs) == {
        ".pulumi/meta.yaml",
        CHECKPOINT,
        f"{CHECKPOINT}.bak",
        ".pulumi/backups/project/dev/dev.NS.json",
        ".pulumi/history/project/dev/dev-NS.history.json",
        ".pulumi/history/project/dev/dev-NS.checkpoint.json",
    }
    assert bucket.blobs.read(f"{CHECKPOINT}.bak").data == before.data
    assert json.loads(bucket.blobs.read(CHECKPOINT).data)["checkpoint"]["stack"] == "organization/project/dev"


def test_state_moves_from_a_folder_to_a_bucket_by_export_and_import(workspace: Workspace, remote: Workspace, ops: Any) -> None:
    def program() -> None:
        File("a", folder=workspace.folder)

    workspace.host().up(program, workspace.heard)
    remote.host().import_state(workspace.host().export_state())
    assert ops(remote.host().preview(program, remote.heard).steps) == ["same a"]


def test_no_two_hold_the_lock_of_a_bucket_at_the_same_time(remote: Workspace) -> None:
    counting = Lock()
    inside: list[int] = []
    most = 0

    def take(_at: int) -> None:
        nonlocal most
        with locked(files_of(remote.stack), 60, lambda _message: None):
            with counting:
                inside.append(1)
                most = max(most, len(inside))
            with counting:
                inside.pop()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(take, range(18)))
    assert most == 1


def test_a_second_update_is_told_who_holds_the_lock(remote: Workspace) -> None:
    refused: list[str] = []

    def program() -> None:
        with pytest.raises(Locked) as second:
            remote.host().destroy(remote.heard)
        refused.append(str(second.value))

    remote.host().up(program, remote.heard)
    assert re.fullmatch(r"the stack is locked by \S+@\S+ \(pid \d+\) since 20\S+Z", refused[0])


@pytest.fixture(params=["folder", *KINDS])
def anywhere(request: pytest.FixtureRequest, workspace: Workspace, servers: Any) -> Workspace:
    if request.param == "folder":
        return workspace
    return in_bucket(workspace, servers(request.param).url(f"anywhere-{uuid.uuid4().hex[:8]}"))


def test_an_update_whose_lock_was_removed_writes_nothing_more_and_says_so(anywhere: Workspace) -> None:
    stored: list[Any] = []

    def program() -> None:
        first = File("a", folder=anywhere.folder)
        first.size.apply(_cancel)
        File("b", folder=anywhere.folder, content=first.size)

    def _cancel(_size: int) -> None:
        if not pulumi.runtime.is_dry_run():
            assert anywhere.host().cancel().startswith("removed the lock of ")
            stored.append(anywhere.host().export_state())

    with pytest.raises(LockLost, match=r"the lock of this update was removed while it ran: nothing more is written to .*dev.json"):
        anywhere.host().up(program, anywhere.heard)
    assert anywhere.host().export_state() == stored[0]
    anywhere.host().up(lambda: [File(name, folder=anywhere.folder, content=13) for name in "ab"] and None, anywhere.heard)
    assert anywhere.files() == {"a": 13, "b": 13}
    assert sorted(entry["id"] for entry in anywhere.resources() if entry["type"] == "files:index:File") == ["a.json", "b.json"]


def test_an_update_leaves_what_another_wrote_meanwhile(anywhere: Workspace) -> None:
    blobs = files_of(anywhere.stack).blobs
    theirs = b'{"version": 3, "checkpoint": {"stack": "organization/project/dev", "latest": {}}}'

    def program() -> None:
        File("a", folder=anywhere.folder).size.apply(lambda _size: blobs.write(CHECKPOINT, theirs))

    with pytest.raises(LockLost, match="another update wrote the state of this stack while it ran"):
        anywhere.host().up(program, anywhere.heard)
    assert blobs.read(CHECKPOINT).data == theirs  # type: ignore[union-attr]


def test_the_lock_of_another_who_came_after_a_cancel_is_left_alone(anywhere: Workspace) -> None:
    files = files_of(anywhere.stack)
    with locked(files, 0, lambda _message: None) as first:
        anywhere.host().cancel()
        with locked(files, 0, lambda _message: None) as second:
            with pytest.raises(LockLost):
                first.write_checkpoint(b"{}")
            first.release()
            second.write_checkpoint(b"{}")
    assert files.blobs.keys(LOCKS, ".json") == []


def test_a_stack_reference_reads_the_other_stack_of_the_bucket(remote: Workspace) -> None:
    remote.with_stack(name="other").host().up(lambda: pulumi.export("answer", 42), remote.heard)

    def program() -> None:
        pulumi.export("told", pulumi.StackReference("organization/project/other").get_output("answer"))

    assert remote.host().up(program, remote.heard).outputs == {"told": 42}


def test_replaced_steps_stay_in_order_when_state_is_far_away(remote: Workspace) -> None:
    """Writes that are asked for while one runs are joined: what was asked for last is what stands there."""
    result = remote.host(parallel=8).up(lambda: [File(f"f{at}", folder=remote.folder, content=at) for at in range(20)] and None, remote.heard)
    assert [step.op for step in result.changes].count(Op.CREATE) == 22
    assert {entry["id"] for entry in remote.resources() if entry["type"] == "files:index:File"} == {f"f{at}.json" for at in range(20)}


def _layout(blobs: Blobs) -> set[str]:
    folders = ("", "/stacks/project", "/backups/project/dev", "/history/project/dev", LOCKS.removeprefix(".pulumi"))
    return {re.sub(r"\d{19}", "NS", key) for folder in folders for key in blobs.keys(f".pulumi{folder}", "")}
