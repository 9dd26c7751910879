"""A run as a whole: who watches it, who may stop it, how much it does at once, and that it leaves nothing behind."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest
from conftest import Workspace
from file_program import File
from file_provider import FileProvider
from pulumi.provider.experimental.provider import CreateRequest, CreateResponse

from mlx_engine.embedded import embedded_host
from mlx_engine.host import EventKind, Options, Refused, Stale, Step, UpdateFailed

Ops = Callable[[Sequence[Step]], list[str]]


def test_a_guard_stops_before_the_step_it_refuses(workspace: Workspace) -> None:
    def guard(step: Step) -> None:
        if step.name == "b":
            raise Refused("b was not planned")

    def program() -> None:
        first = File("a", folder=workspace.folder)
        File("b", folder=workspace.folder, content=first.size)

    with pytest.raises(Refused, match="b was not planned"):
        workspace.host().up(program, workspace.heard, guard=guard)
    assert list(workspace.files()) == ["a"]


def test_the_progress_of_providers_is_heard(workspace: Workspace) -> None:
    workspace.host().up(lambda: workspace.declare(), workspace.heard)
    logs = [(event.message, event.ephemeral) for event in workspace.events if event.kind is EventKind.LOG]
    assert logs == [("create a", True)]


def test_a_watcher_hears_each_step_begin_and_end(workspace: Workspace) -> None:
    workspace.host().up(lambda: workspace.declare(), workspace.heard)
    heard = [(str(event.kind), event.step.name) for event in workspace.events if event.step]
    assert heard == [(kind, name) for name in ("project-dev", "default_1_0_0", "a") for kind in ("started", "done")]


def test_a_host_may_be_called_where_a_loop_runs(workspace: Workspace, ops: Ops) -> None:
    async def main() -> Sequence[Step]:
        return workspace.host().up(lambda: workspace.declare(), workspace.heard).steps

    assert ops(asyncio.run(main())) == ["create a"]


def test_runs_leave_no_thread_behind_whether_they_fail_or_not(workspace: Workspace) -> None:
    host = workspace.host()
    host.up(lambda: workspace.declare(), workspace.heard)
    before = {thread.name for thread in threading.enumerate()}
    for content in (None, "FAIL", "x"):
        with suppress(UpdateFailed):
            host.up(lambda content=content: workspace.declare(content=content), workspace.heard)
    assert {thread.name for thread in threading.enumerate()} <= before


def test_an_update_is_refused_when_the_state_is_not_the_expected_one(workspace: Workspace, ops: Ops) -> None:
    host = workspace.host()
    planned = host.preview(lambda: workspace.declare(), workspace.heard)
    done = host.up(lambda: workspace.declare(), workspace.heard, expected_serial=planned.serial)
    with pytest.raises(Stale, match="the plan is stale"):
        host.up(lambda: workspace.declare(content=2), workspace.heard, expected_serial=planned.serial)
    assert workspace.files() == {"a": None}
    assert ops(host.up(lambda: workspace.declare(content=2), workspace.heard, expected_serial=done.serial).changes) == ["update a"]


@pytest.mark.parametrize("parallel", [1, 3])
def test_as_many_operations_run_at_once_as_the_options_say_and_no_more(parallel: int, workspace: Workspace) -> None:
    together = threading.Barrier(parallel, timeout=30)
    counted = threading.Lock()
    running, most = 0, 0

    class Counting(FileProvider):
        async def create(self, request: CreateRequest) -> CreateResponse:
            nonlocal running, most
            if request.preview:
                return await super().create(request)
            with counted:
                running += 1
                most = max(most, running)
            together.wait()  # passes only when as many as the limit says are here
            answer = await super().create(request)
            with counted:
                running -= 1
            return answer

    def program() -> None:
        for at in range(6):
            File(f"f{at}", folder=workspace.folder)

    embedded_host(workspace.stack, Options(parallel=parallel), {"files": Counting}).up(program, workspace.heard)
    assert (most, len(workspace.files())) == (parallel, 6)
