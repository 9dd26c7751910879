"""Two machines apply at once: processes with different host names, and one bucket between them."""

import re
from typing import Any

from buckets import Bucket, in_bucket
from conftest import Workspace
from file_program import File
from machines import machine

LOCKED = r"the stack is locked by \S+@machine-a \(pid {pid}\) since \S+Z"


def test_the_second_machine_is_told_who_applies_where_and_since_when(bucket: Bucket, workspace: Workspace) -> None:
    gate = workspace.root / "gate"
    with machine("machine-a", workspace.root, bucket.url, "up", f"a@{gate}") as first:
        first.says("log create a")
        with machine("machine-b", workspace.root, bucket.url, "up", "a") as second:
            assert re.fullmatch("Locked: " + LOCKED.format(pid=first.process.pid), second.ends())
        gate.touch()
        assert first.ends() == "done"
    assert list(workspace.files()) == ["a"]


def test_a_machine_that_waits_for_the_other_goes_on_from_what_it_did(s3: Bucket, workspace: Workspace) -> None:
    gate = workspace.root / "gate"
    with machine("machine-a", workspace.root, s3.url, "up", f"a@{gate}") as first:
        first.says("log create a")
        with machine("machine-b", workspace.root, s3.url, "up", f"a@{gate}", "b", timeout=60) as second:
            assert f"@machine-a (pid {first.process.pid}) since " in second.says("waiting for the lock of ")
            gate.touch()
            assert (first.ends(), second.ends()) == ("done", "done")
    assert workspace.log() == ["create a", "create b"]


def test_of_two_machines_that_start_together_one_waits(bucket: Bucket, workspace: Workspace) -> None:
    url, root = bucket.url, workspace.root
    with machine("machine-a", root, url, "up", "a", "b", timeout=60) as first, machine("machine-b", root, url, "up", "a", "b", timeout=60) as second:
        assert (first.ends(), second.ends()) == ("done", "done")
    assert workspace.log() == ["create a", "create b"]
    assert [update.result for update in in_bucket(workspace, url).host().history()] == ["succeeded", "succeeded"]


def test_a_machine_that_died_is_named_and_its_lock_removed_by_cancel_and_its_work_healed(bucket: Bucket, workspace: Workspace) -> None:
    with machine("machine-a", workspace.root, bucket.url, "up", "a", f"b@{workspace.root / 'never'}") as dead:
        dead.says("log create b")
        dead.is_killed()
    with machine("machine-b", workspace.root, bucket.url, "up", "a", "b") as second:
        assert re.fullmatch("Locked: " + LOCKED.format(pid=dead.process.pid), second.ends())
    with machine("machine-b", workspace.root, bucket.url, "cancel") as third:
        third.ends()
        assert re.fullmatch(rf"removed the lock of \S+@machine-a \(pid {dead.process.pid}\) since \S+Z", third.lines[0])
    remote = in_bucket(workspace, bucket.url)
    remote.host().up(lambda: _declare(remote, "a", "b"), remote.heard)
    assert (list(workspace.files()), _ids(remote)) == (["a", "b"], ["a.json", "b.json"])


def test_the_lock_of_a_dead_process_of_this_machine_is_taken_over(s3: Bucket, workspace: Workspace) -> None:
    with machine("", workspace.root, s3.url, "up", f"a@{workspace.root / 'never'}") as dead:
        dead.says("log create a")
        dead.is_killed()
    remote = in_bucket(workspace, s3.url)
    remote.host().up(lambda: _declare(remote, "a"), remote.heard)
    assert _ids(remote) == ["a.json"]


def test_a_lock_of_another_machine_with_this_ones_name_is_respected(s3: Bucket, workspace: Workspace) -> None:
    """Containers share names and process ids: that a process is not found here says nothing about one elsewhere."""
    with machine("", workspace.root, s3.url, "up", f"a@{workspace.root / 'never'}") as dead:
        dead.says("log create a")
        dead.is_killed()
    key = ".pulumi/locks/organization/project/dev/mlx.json"
    lock = s3.blobs.read(key)
    assert lock is not None
    s3.blobs.write(key, re.sub(rb'"machine": "[^"]*"', b'"machine": "another boot"', lock.data))
    with machine("", workspace.root, s3.url, "up", "a") as second:
        assert second.ends().startswith("Locked: the stack is locked by ")


def _declare(workspace: Workspace, *names: str) -> None:
    before: Any = 1
    for name in names:
        before = File(name, folder=workspace.folder, content=before).size


def _ids(workspace: Workspace) -> list[str]:
    assert workspace.host().export_state()["deployment"].get("pending_operations", []) == []
    return sorted(entry["id"] for entry in workspace.resources() if entry["type"] == "files:index:File")
