"""A network that fails in the middle of a write: cut at drawn points, held, gone. Every fault is made by a proxy before a real server."""

import json
import random
import re
from typing import Any

import pytest
from buckets import Bucket, in_bucket
from conftest import Workspace
from file_program import File
from machines import machine, wait_until
from proxy import Choose, Fault, Proxy, Request

from mlx_engine.host import EngineError, EventKind, LockLost
from mlx_engine.state.blobs import open_blobs

CHECKPOINT = ".pulumi/stacks/project/dev.json"
PASSING = (Fault.BEFORE, Fault.DURING, Fault.AFTER, Fault.LOST)


@pytest.fixture
def shaky(workspace: Workspace, bucket: Bucket) -> Workspace:
    """A workspace whose state is reached through the proxy."""
    return in_bucket(workspace, bucket.by_proxy())


def declare(workspace: Workspace, *names: str) -> None:
    before: Any = 1
    for name in names:
        before = File(name, folder=workspace.folder, content=before).size


@pytest.mark.parametrize("fault", PASSING)
def test_an_update_outlives_a_write_that_the_network_cut(fault: Fault, shaky: Workspace, bucket: Bucket) -> None:
    """Twice in a row: some clients make a request again at once, and say nothing."""
    bucket.proxy.choose = nth_checkpoint(2, fault, times=2)
    shaky.host().up(lambda: declare(shaky, "a", "b"), shaky.heard)
    first = next(event.message for event in shaky.events if event.kind is EventKind.WAITING)
    where = f"{bucket.server.kind}://state/{bucket.prefix}/{CHECKPOINT}"
    assert re.sub(r"\(.*\)", "(WHY)", first) == f"{where} could not be written (WHY): trying again in 0.2 s"
    assert ids(shaky) == ["a.json", "b.json"]
    assert no_lock(bucket)


def test_an_update_comes_through_faults_drawn_at_all_its_requests(shaky: Workspace, bucket: Bucket) -> None:
    """A seed for each kind: about every fourth request fails, reads, locks and history among them."""
    drawn = random.Random(bucket.server.kind)
    bucket.proxy.choose = lambda _request: drawn.choice(PASSING) if drawn.random() < 0.25 else None
    shaky.host().up(lambda: declare(shaky, "a", "b", "c"), shaky.heard)
    shaky.host().destroy(shaky.heard)
    bucket.proxy.choose = lambda _request: None
    assert (shaky.files(), shaky.resources()) == ({}, [])
    assert [update.kind for update in shaky.host().history()] == ["destroy", "update"]
    assert no_lock(bucket)


@pytest.mark.parametrize("fault", PASSING)
def test_a_network_that_goes_for_good_leaves_a_whole_checkpoint_and_the_next_update_heals(fault: Fault, workspace: Workspace, bucket: Bucket) -> None:
    shaky = in_bucket(workspace, bucket.by_proxy(patience=1.0))
    bucket.proxy.choose = gone_after(bucket.proxy, 3, fault)
    with pytest.raises(EngineError, match=r"dev.json could not be (written|read|listed)"):
        shaky.host().up(lambda: declare(shaky, "a", "b"), shaky.heard)
    stored = bucket.blobs.read(CHECKPOINT)
    assert stored is not None
    assert json.loads(stored.data)["version"] == 3
    assert "`mlx cancel` removes it" in shaky.events[-1].message
    whole = in_bucket(shaky, bucket.url)
    assert whole.host().cancel().startswith("removed the lock of ")
    whole.host().up(lambda: declare(whole, "a", "b"), whole.heard)
    assert ids(whole) == ["a.json", "b.json"]


@pytest.mark.parametrize("moment", [1, 3])
def test_a_process_killed_within_a_write_leaves_the_old_checkpoint_and_the_next_update_heals(moment: int, shaky: Workspace, bucket: Bucket) -> None:
    stalled = nth_checkpoint(moment, Fault.STALL)
    before: list[Any] = []

    def choose(request: Request) -> Fault | None:
        fault = stalled(request)
        before.extend([bucket.blobs.read(CHECKPOINT)] if fault else [])
        return fault

    bucket.proxy.choose = choose
    with machine("", shaky.root, bucket.by_proxy(), "up", "a", "b", variables=bucket.server.variables(bucket.proxy.port)) as killed:
        wait_until(bucket.proxy.stalled.is_set, lambda: f"a write of the checkpoint: {killed.lines}")
        killed.is_killed()
    bucket.proxy.released.set()
    assert [bucket.blobs.read(CHECKPOINT)] == before
    whole = in_bucket(shaky, bucket.url)
    whole.host().up(lambda: declare(whole, "a", "b"), whole.heard)
    assert ids(whole) == ["a.json", "b.json"]
    assert no_lock(bucket)


def test_a_late_write_of_one_who_lost_the_lock_is_refused_by_the_store(shaky: Workspace, bucket: Bucket) -> None:
    """The lock was looked at, and then the network held the write until another had written."""
    stalled = nth_checkpoint(2, Fault.BEFORE)

    def choose(request: Request) -> Fault | None:
        fault = stalled(request)
        if fault:
            bucket.blobs.write(CHECKPOINT, b'{"version": 3, "checkpoint": {"latest": {}}}')
        return fault

    bucket.proxy.choose = choose
    with pytest.raises(LockLost, match="another update wrote the state of this stack"):
        shaky.host().up(lambda: declare(shaky, "a", "b"), shaky.heard)
    assert bucket.blobs.read(CHECKPOINT).data == b'{"version": 3, "checkpoint": {"latest": {}}}'  # type: ignore[union-attr]


def test_a_store_that_was_waited_for_in_vain_is_not_waited_for_again(bucket: Bucket) -> None:
    said: list[str] = []
    blobs = open_blobs(bucket.by_proxy(patience=1.0)).telling(said.append)
    blobs.write("a.json", b"1")
    bucket.proxy.refuses = True
    for expected in (2, 0):
        said.clear()
        with pytest.raises(EngineError, match="json could not be read"):
            blobs.read("a.json")
        assert len(said) == expected
    bucket.proxy.refuses = False
    assert blobs.read("a.json").data == b"1"  # type: ignore[union-attr]


def test_a_store_that_takes_a_condition_and_does_not_keep_it_is_refused(workspace: Workspace, google: Bucket) -> None:
    """Google's condition stands in the address, so a proxy can take it away; the others' are signed."""
    google.proxy.rewrite = lambda head: re.sub(r"&ifGenerationMatch=\d+", "", head)
    with pytest.raises(EngineError, match="this store does not keep the condition of a write"):
        in_bucket(workspace, google.by_proxy()).host().up(lambda: None, workspace.heard)


def nth_checkpoint(nth: int, fault: Fault, times: int = 1) -> Choose:
    """The nth write of the checkpoint fails so, and those that follow it."""
    failing = iter([*[None] * (nth - 1), *[fault] * times])
    return lambda request: next(failing, None) if request.is_checkpoint else None


def gone_after(proxy: Proxy, nth: int, fault: Fault) -> Choose:
    """The nth write of the checkpoint fails so, and then nothing answers."""
    last = nth_checkpoint(nth, fault)

    def choose(request: Request) -> Fault | None:
        found = last(request)
        proxy.refuses = proxy.refuses or found is not None
        return found

    return choose


def ids(workspace: Workspace) -> list[str]:
    assert workspace.host().export_state()["deployment"].get("pending_operations", []) == []
    return sorted(entry["id"] for entry in workspace.resources() if entry["type"] == "files:index:File")


def no_lock(bucket: Bucket) -> bool:
    return open_blobs(bucket.url).keys(".pulumi/locks/organization/project/dev", ".json") == []
