"""What a failure leaves: who is told, what is kept, and what is not started."""

from collections.abc import Callable, Sequence

import pulumi
import pytest
from conftest import Workspace
from file_program import File

from mlx_engine.host import Step, UpdateFailed

Ops = Callable[[Sequence[Step]], list[str]]


def test_a_failed_create_does_not_lose_the_others_and_starts_no_dependents(workspace: Workspace, ops: Ops) -> None:
    def program(content: str) -> None:
        good = File("good", folder=workspace.folder)
        bad = File("bad", folder=workspace.folder, content=content, opts=pulumi.ResourceOptions(depends_on=[good]))
        File("after", folder=workspace.folder, content=bad.size)

    with pytest.raises(UpdateFailed, match="bad: cannot create bad") as failed:
        workspace.host().up(lambda: program("FAIL"), workspace.heard)
    assert ops(failed.value.result.steps) == ["create good"]
    assert list(failed.value.failures.values()) == ["cannot create bad"]
    assert list(workspace.files()) == ["good"]
    healed = workspace.host().up(lambda: program("fine"), workspace.heard)
    assert (sorted(ops(healed.changes)), len(workspace.files())) == (["create after", "create bad"], 3)


def test_a_failing_check_names_the_property(workspace: Workspace) -> None:
    with pytest.raises(UpdateFailed, match="a is not valid: key: has a slash in it"):
        workspace.host().preview(lambda: workspace.declare(key="x/y"), workspace.heard)


def test_what_does_not_become_ready_is_kept_and_tried_again(workspace: Workspace, ops: Ops) -> None:
    host = workspace.host()
    with pytest.raises(UpdateFailed, match="it does not become ready"):
        host.up(lambda: workspace.declare(content="UNREADY"), workspace.heard)
    assert (workspace.resource("a")["id"], workspace.resource("a")["initErrors"]) == ("a.json", ["it does not become ready"])
    result = host.up(lambda: workspace.declare(content="UNREADY"), workspace.heard)
    assert ops(result.changes) == ["update a"]
    assert "initErrors" not in workspace.resource("a")


def test_a_program_that_raises_stops_the_run_and_deletes_nothing(workspace: Workspace) -> None:
    def broken() -> None:
        raise KeyError("pool")

    host = workspace.host()
    host.up(lambda: workspace.declare(), workspace.heard)
    with pytest.raises(UpdateFailed, match="the program failed: KeyError: 'pool'"):
        host.up(broken, workspace.heard)
    assert list(workspace.files()) == ["a"]


def test_what_waited_for_its_turn_when_a_run_failed_was_not_started_and_is_not_left_open(workspace: Workspace) -> None:
    """It was written down before its turn came: the record must go with the turn."""

    def program() -> None:
        File("bad", folder=workspace.folder, content="FAIL")
        for number in range(6):
            File(f"f{number}", folder=workspace.folder)

    with pytest.raises(UpdateFailed, match="cannot create bad"):
        workspace.host(parallel=1).up(program, workspace.heard)
    assert "pending_operations" not in workspace.host().export_state()["deployment"]
    started = [line.removeprefix("create ") for line in workspace.log()]
    assert sorted(workspace.files()) == sorted(name for name in started if name != "bad")
