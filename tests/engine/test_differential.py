"""Both hosts on the same programs and the same state. Only the CLI itself can say what the CLI does."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import Workspace
from differential_programs import PROGRAMS
from file_program import File

from mlx_engine.cli_host import cli_host
from mlx_engine.host import SECRET, Host, Op, Options, Step, UpdateFailed

pytestmark = pytest.mark.skipif(shutil.which("pulumi") is None, reason="needs the pulumi CLI on PATH")

CHAINS = ("secrets", "delete-first", "removed", "invokes")
"""Programs in which each file needs the one before: the order of their steps is decided, not chance."""
PASSPHRASES = {"embedded": "", "cli": "päss"}


@pytest.fixture
def hosts(workspace: Workspace, plugin_folder: Path) -> Callable[[str], Mapping[str, Host]]:
    def both(passphrase: str) -> Mapping[str, Host]:
        stack = workspace.with_stack(passphrase=passphrase, config={"project:size": "3", "project:key": "k"}, secret_config=frozenset({"project:key"}))
        return {"embedded": stack.host(parallel=1), "cli": cli_host(stack.stack, Options(parallel=1), [plugin_folder])}

    return both


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("first", ["embedded", "cli"])
def test_what_one_host_brought_up_is_the_same_to_the_other(name: str, first: str, workspace: Workspace, hosts: Any) -> None:
    before, after = PROGRAMS[name]
    both = hosts(PASSPHRASES[first])
    other = both["cli" if first == "embedded" else "embedded"]
    up = both[first].up(lambda: before(workspace.folder), workspace.heard)
    seen = other.preview(lambda: before(workspace.folder), workspace.heard)
    assert [step.op for step in seen.changes] == []
    assert _shape(seen.steps) == sorted(("same", urn) for _, urn in _shape(up.steps))
    assert seen.serial == up.serial
    if first == "embedded":
        ours, theirs = (both[host].preview(lambda: after(workspace.folder), workspace.heard) for host in ("embedded", "cli"))
        assert _shape(ours.steps) == _shape(theirs.steps)
        assert _details(ours.steps) == _details(theirs.steps)
        if name in CHAINS:
            assert _order(ours.steps) == _order(theirs.steps)


def test_the_other_host_goes_on_where_one_stopped_and_destroys_it(workspace: Workspace, hosts: Any) -> None:
    before, after = PROGRAMS["secrets"]
    both = hosts("x")
    assert both["cli"].up(lambda: before(workspace.folder), workspace.heard).outputs == {"size": SECRET, "token": SECRET}
    ours = both["embedded"].up(lambda: after(workspace.folder), workspace.heard)
    assert [f"{step.op} {step.name}" for step in ours.changes] == ["update a"]
    assert both["cli"].preview(lambda: after(workspace.folder), workspace.heard).changes == []
    assert [step.op for step in both["cli"].refresh(workspace.heard).changes] == []
    gone = both["cli"].destroy(workspace.heard)
    assert sorted(step.name for step in gone.steps if step.type == "files:index:File") == ["a", "b"]
    assert workspace.files() == {}
    assert [update.kind for update in both["embedded"].history()] == ["destroy", "refresh", "update", "update"]
    counts = [(update.result, update.changes) for update in both["cli"].history()]
    assert counts == [("succeeded", changes) for changes in ({"delete": 3}, {"same": 3}, {"same": 2, "update": 1}, {"create": 3})]


def test_both_hosts_see_the_same_drift_and_would_destroy_the_same(workspace: Workspace, hosts: Any) -> None:
    both = hosts("")
    both["embedded"].up(lambda: PROGRAMS["removed"][0](workspace.folder), workspace.heard)
    drifted = Path(workspace.folder) / "a.json"
    drifted.write_text(drifted.read_text().replace("null", '"by hand"'))
    (Path(workspace.folder) / "d.json").unlink()
    seen = [host.refresh(workspace.heard, preview_only=True).changes for host in both.values()]
    assert [sorted(f"{step.op} {step.name} {list(step.changed)}" for step in steps) for steps in seen] == [["delete d []", "refresh a ['content']"]] * 2
    gone = [host.destroy(workspace.heard, preview_only=True).steps for host in both.values()]
    assert _order(gone[0]) == _order(gone[1]) == ["delete d", "delete c", "delete b", "delete a"]
    assert _shape(gone[0]) == _shape(gone[1])


def test_both_hosts_say_the_same_of_a_failure(workspace: Workspace, hosts: Any) -> None:
    def program() -> None:
        File("good", folder=workspace.folder)
        File("bad", folder=workspace.folder, content="FAIL")

    for host in hosts("").values():
        with pytest.raises(UpdateFailed) as failed:
            host.up(program, workspace.heard)
        assert [message.strip().splitlines()[-1].strip(" *") for message in failed.value.failures.values()] == ["cannot create bad"]
        assert list(workspace.files()) == ["good"]


def _shape(steps: Sequence[Step]) -> list[tuple[str, str]]:
    return sorted((str(step.op), step.urn) for step in steps)


def _order(steps: Sequence[Step]) -> list[str]:
    return [f"{step.op} {step.name}" for step in steps if step.type == "files:index:File"]


def _details(steps: Sequence[Step]) -> list[tuple[Any, ...]]:
    """Of a resource that goes along with another the CLI gives no reason in ``replace``, only in ``create-replacement``."""
    changes = [step for step in steps if step.op is not Op.SAME]
    reasons = [[] if step.op is Op.REPLACE else list(step.replaced_by) for step in changes]
    details = [(step.urn, str(step.op), step.new_inputs, list(step.changed), reason) for step, reason in zip(changes, reasons, strict=True)]
    return sorted(details, key=lambda detail: detail[:2])
