"""Both hosts on the same programs and the same state. Only the CLI itself can say what the CLI does."""

import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pytest
from conftest import Workspace
from differential_options import by_hand
from differential_programs import PROGRAMS, Declare
from file_program import File

from mlx_engine.cli_host import cli_host
from mlx_engine.host import SECRET, UNKNOWN, EngineError, Host, Op, Options, Step, UpdateFailed
from mlx_engine.state_edits import forget, unprotect

pytestmark = pytest.mark.skipif(shutil.which("pulumi") is None, reason="needs the pulumi CLI on PATH")

CHAINS = ("secrets", "delete-first", "removed", "invokes")
"""Programs in which each file needs the one before: the order of their steps is decided, not chance."""
LEFT_ASIDE = ("created", "modified", "sourcePosition", "stackTrace")
PASSPHRASES = {"embedded": "", "cli": "päss"}


@pytest.fixture
def hosts(workspace: Workspace, plugin_folder: Path) -> Callable[[str], Mapping[str, Host]]:
    def both(passphrase: str) -> Mapping[str, Host]:
        stack = workspace.with_stack(passphrase=passphrase, config={"project:size": "3", "project:key": "k"}, secret_config=frozenset({"project:key"}))
        return {"embedded": stack.host(parallel=1), "cli": cli_host(stack.stack, Options(parallel=1), [plugin_folder])}

    return both


@pytest.mark.parametrize("name", PROGRAMS)
def test_both_hosts_do_the_same_and_each_finds_nothing_to_do_after_the_other(name: str, workspace: Workspace, hosts: Any) -> None:
    done = {}
    for first, other in (("embedded", "cli"), ("cli", "embedded")):
        both = hosts(PASSPHRASES[first])
        done[first] = [run_and_look(workspace, declare, both[first], both[other]) for declare in PROGRAMS[name]]
        if first == "embedded":
            _forget_everything(workspace)
    for ours, theirs in zip(done["embedded"], done["cli"], strict=True):
        assert ours.shape == theirs.shape
        assert ours.details == theirs.details
        assert _differences(ours.resources, theirs.resources) == []
        assert ours.files == theirs.files
        assert sorted(ours.log) == sorted(theirs.log)
        if name in CHAINS:
            assert (ours.order, ours.log) == (theirs.order, theirs.log)


@dataclass(frozen=True)
class Done:
    """What an update was, and what it left; the preview of it, by both hosts, was the same."""

    steps: Sequence[Step]
    resources: Sequence[Mapping[str, Any]]
    files: Mapping[str, Any]
    log: Sequence[str]

    @property
    def shape(self) -> list[tuple[str, str]]:
        return _shape(self.steps)

    @property
    def details(self) -> list[tuple[Any, ...]]:
        return _details(self.steps)

    @property
    def order(self) -> list[str]:
        return _order(self.steps)


def run_and_look(workspace: Workspace, declare: Declare, host: Host, other: Host) -> Done:
    planned = [each.preview(lambda: declare(workspace.folder), workspace.heard) for each in (host, other)]
    assert _shape(planned[0].steps) == _shape(planned[1].steps)
    assert _details(planned[0].steps) == _details(planned[1].steps)
    workspace.forget_log()
    up = host.up(lambda: declare(workspace.folder), workspace.heard)
    log = workspace.log()
    seen = other.preview(lambda: declare(workspace.folder), workspace.heard)
    assert [(step.op, step.urn) for step in seen.changes] == []
    assert seen.serial == up.serial
    return Done(up.steps, _comparable(workspace.resources()), workspace.files(), log)


def _forget_everything(workspace: Workspace) -> None:
    shutil.rmtree(workspace.folder, ignore_errors=True)
    _forget_state(workspace)


def _forget_state(workspace: Workspace) -> None:
    shutil.rmtree(workspace.stack.state)


def _comparable(resources: Sequence[Mapping[str, Any]]) -> list[Any]:
    """State without what differs from run to run: times, ids of providers, ciphertexts, the order of dependencies, where in a source file it was said."""
    text = re.sub(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|v1:[^"]*', "...", json.dumps(resources))
    entries = [{key: value for key, value in entry.items() if key not in LEFT_ASIDE} for entry in json.loads(text)]
    for entry in entries:
        entry["dependencies"] = sorted(entry.get("dependencies", []))
        entry["propertyDependencies"] = {key: sorted(below) for key, below in entry.get("propertyDependencies", {}).items()}
    return sorted(entries, key=lambda entry: (entry["urn"], entry.get("delete", False)))


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


def test_both_hosts_read_the_same_outputs_of_another_stack(workspace: Workspace, hosts: Any) -> None:
    def theirs() -> None:
        pulumi.export("host", "db.internal")
        pulumi.export("password", pulumi.Output.secret({"deep": "hunter2"}))

    def ours() -> None:
        reference = pulumi.StackReference("organization/project/infra")
        File("a", folder=workspace.folder, content=[reference.get_output("host"), reference.get_output("password"), reference.get_output("none")])
        pulumi.export("host", reference.get_output("host"))
        pulumi.export("password", reference.get_output("password"))

    both = hosts("x")
    workspace.with_stack(name="infra", passphrase="x").host().up(theirs, workspace.heard)
    for first, other in (("embedded", "cli"), ("cli", "embedded")):
        planned = [host.preview(ours, workspace.heard) for host in both.values()]
        assert _shape(planned[0].steps) == _shape(planned[1].steps)
        up = both[first].up(ours, workspace.heard)
        assert (up.outputs, workspace.files()) == ({"host": "db.internal", "password": SECRET}, {"a": ["db.internal", {"deep": "hunter2"}, None]})
        assert both[other].preview(ours, workspace.heard).changes == []
        both[other].destroy(workspace.heard)


def test_both_hosts_refuse_to_replace_what_was_imported(workspace: Workspace, hosts: Any) -> None:
    opts = pulumi.ResourceOptions(import_=by_hand(workspace.folder, "a", 1))
    for host in hosts("").values():
        with pytest.raises(EngineError, match="import"):
            host.up(lambda: workspace.declare(key="other", content=1, opts=opts), workspace.heard)
        assert (workspace.files(), workspace.log()) == ({"a": 1}, [])


def test_state_that_one_host_exports_the_other_imports(workspace: Workspace, hosts: Any) -> None:
    both = hosts("x")
    before, _ = PROGRAMS["secrets"]
    both["embedded"].up(lambda: before(workspace.folder), workspace.heard)
    for name, other in (("embedded", "cli"), ("cli", "embedded")):
        exported = both[name].export_state()
        _forget_state(workspace)
        both[other].import_state(exported)
        assert both[name].preview(lambda: before(workspace.folder), workspace.heard).changes == []
        assert both[other].preview(lambda: before(workspace.folder), workspace.heard).changes == []
        unprotect(both[other], [])
        assert forget(both[other], ["b"])
        assert [step.name for step in both[name].preview(lambda: before(workspace.folder), workspace.heard).changes] == ["b"]
        both[other].import_state(exported)


def test_both_hosts_say_the_same_of_a_failure(workspace: Workspace, hosts: Any) -> None:
    def program() -> None:
        File("good", folder=workspace.folder)
        File("bad", folder=workspace.folder, content="FAIL")

    for host in hosts("").values():
        with pytest.raises(UpdateFailed) as failed:
            host.up(program, workspace.heard)
        assert [message.strip().splitlines()[-1].strip(" *") for message in failed.value.failures.values()] == ["cannot create bad"]
        assert list(workspace.files()) == ["good"]


def _differences(ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]) -> list[Any]:
    assert [entry["urn"] for entry in ours] == [entry["urn"] for entry in theirs]
    pairs = [(our, their, key) for our, their in zip(ours, theirs, strict=True) for key in sorted(our.keys() | their.keys())]
    return [(our["urn"], key, our.get(key), their.get(key)) for our, their, key in pairs if our.get(key) != their.get(key)]


def _shape(steps: Sequence[Step]) -> list[tuple[str, str]]:
    return sorted((str(step.op), step.urn) for step in steps)


def _order(steps: Sequence[Step]) -> list[str]:
    return [f"{step.op} {step.name}" for step in steps if step.type == "files:index:File"]


def _details(steps: Sequence[Step]) -> list[tuple[Any, ...]]:
    """Of a resource that goes along with another the CLI gives no reason in ``replace``, only in ``create-replacement``; an id that is
    not known it shows as empty in a reference."""
    changes = [step for step in steps if step.op is not Op.SAME]
    reasons = [[] if step.op is Op.REPLACE else list(step.replaced_by) for step in changes]
    details = [(step.urn, str(step.op), _shown(step.new_inputs), list(step.changed), reason) for step, reason in zip(changes, reasons, strict=True)]
    return sorted(details, key=lambda detail: detail[:2])


def _shown(inputs: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(inputs).replace(f'"id": "{UNKNOWN}"', '"id": ""'))
