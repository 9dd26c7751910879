"""What becomes of resources: the operations and their order, and what is on disk and in state afterwards."""

import json
from collections.abc import Callable, Sequence

import pulumi
import pytest
from conftest import Workspace
from file_program import File, Files, Folder

from mlx_engine.host import UNKNOWN, Op, Step, UpdateFailed

Ops = Callable[[Sequence[Step]], list[str]]


def test_what_is_declared_is_created_and_a_second_run_changes_nothing(workspace: Workspace, ops: Ops) -> None:
    def program() -> None:
        first = File("a", folder=workspace.folder, content="one")
        File("b", folder=workspace.folder, content=first.size)
        pulumi.export("size", first.size)

    done = workspace.host().up(program, workspace.heard)
    again = workspace.host().up(program, workspace.heard)
    assert ops(done.steps) == ["create a", "create b"]
    assert workspace.files() == {"a": "one", "b": 5}
    assert done.outputs == {"size": 5}
    assert again.changes == []
    assert (again.serial, len(again.serial)) == (done.serial, 64)


def test_a_preview_shows_unknowns_and_does_nothing(workspace: Workspace, ops: Ops) -> None:
    def program() -> None:
        first = File("a", folder=workspace.folder, content=[1])
        File("b", folder=workspace.folder, content=first.id)

    result = workspace.host().preview(program, workspace.heard)
    shown = {step.name: step.new_inputs["content"] for step in result.steps if step.type == "files:index:File"}
    assert shown == {"a": [1], "b": UNKNOWN}
    assert (workspace.files(), workspace.resources(), result.serial) == ({}, [], "")


def test_a_changed_input_updates_in_place_and_says_which(workspace: Workspace) -> None:
    host = workspace.host()
    host.up(lambda: workspace.declare(content={"x": 1, "y": [1, 2]}), workspace.heard)
    result = host.up(lambda: workspace.declare(content={"x": 1, "y": [1, 3]}), workspace.heard)
    (step,) = result.changes
    assert (step.op, step.changed, step.replaced_by, step.id) == (Op.UPDATE, ["content"], [], "a.json")
    assert workspace.files() == {"a": {"x": 1, "y": [1, 3]}}


def test_a_replacement_is_created_before_the_old_one_is_deleted(workspace: Workspace, ops: Ops) -> None:
    host = workspace.host()
    host.up(lambda: workspace.declare(key="old"), workspace.heard)
    result = host.up(lambda: workspace.declare(key="new"), workspace.heard)
    assert ops(result.changes) == ["create-replacement a", "replace a", "delete-replaced a"]
    assert [step.replaced_by for step in result.changes][:2] == [["key"], ["key"]]
    assert workspace.log() == ["create a", "create a", "delete a"]
    assert list(workspace.files()) == ["new"]


def test_delete_before_replace_takes_along_those_it_would_replace(workspace: Workspace, ops: Ops) -> None:
    def program(key: str) -> None:
        first = File("a", folder=workspace.folder, key=key, mode="delete-first")
        File("b", folder=workspace.folder, key=first.id.apply(lambda name: f"b-{name}"), mode="delete-first")
        File("c", folder=workspace.folder, content=first.id)

    host = workspace.host()
    host.up(lambda: program("old"), workspace.heard)
    workspace.forget_log()
    shown = host.preview(lambda: program("new"), workspace.heard)
    result = host.up(lambda: program("new"), workspace.heard)
    expected = ["delete-replaced b", "delete-replaced a", "replace a", "create-replacement a"]
    assert ops(result.changes)[:4] == expected
    assert sorted(ops(result.changes)[4:]) == ["create-replacement b", "replace b", "update c"]
    assert sorted(ops(shown.changes)) == sorted(ops(result.changes))
    assert workspace.log()[:3] == ["delete b", "delete a", "create a"]
    assert sorted(workspace.files()) == ["b-new.json", "c", "new"]


def test_what_is_no_longer_declared_goes_last_first(workspace: Workspace, ops: Ops) -> None:
    def chain() -> None:
        folder = Folder("f")
        first = File("a", folder=workspace.folder, opts=pulumi.ResourceOptions(parent=folder))
        second = File("b", folder=workspace.folder, opts=pulumi.ResourceOptions(parent=folder, depends_on=[first]))
        File("c", folder=workspace.folder, content=second.size)

    host = workspace.host()
    host.up(chain, workspace.heard)
    result = host.up(lambda: None, workspace.heard)
    assert ops(result.changes) == ["delete c", "delete b", "delete a"]
    assert [entry["type"] for entry in workspace.resources()] == ["pulumi:pulumi:Stack"]


def test_destroy_leaves_nothing_in_state(workspace: Workspace, ops: Ops) -> None:
    host = workspace.host()
    host.up(lambda: workspace.declare(), workspace.heard)
    shown = host.destroy(workspace.heard, preview_only=True)
    assert (ops(shown.steps), workspace.files()) == (["delete a"], {"a": None})
    done = host.destroy(workspace.heard)
    assert (ops(done.steps), workspace.files(), workspace.resources(), done.serial) == (["delete a"], {}, [], "")


def test_what_was_deleted_to_be_replaced_and_is_declared_no_more_leaves_state(workspace: Workspace) -> None:
    def program(key: str, content: str) -> None:
        first = File("a", folder=workspace.folder, key=key, mode="delete-first", content=content)
        File("b", folder=workspace.folder, content=first.id)

    host = workspace.host()
    host.up(lambda: program("old", "x"), workspace.heard)
    with pytest.raises(UpdateFailed, match="cannot create a"):
        host.up(lambda: program("new", "FAIL"), workspace.heard)
    assert workspace.resource("a")["pendingReplacement"] is True
    host.up(lambda: None, workspace.heard)
    assert (workspace.files(), [entry["type"] for entry in workspace.resources()]) == ({}, ["pulumi:pulumi:Stack"])


def test_inputs_and_outputs_of_components_stand_in_state(workspace: Workspace) -> None:
    def program() -> None:
        folder = Folder("f", {"colour": "red"})
        made = File("a", folder=workspace.folder, opts=pulumi.ResourceOptions(parent=folder))
        folder.register_outputs({"size": made.size})

    workspace.host().up(program, workspace.heard)
    stored = workspace.resource("f")
    assert (stored["inputs"], stored["outputs"], "id" in stored) == ({"colour": "red"}, {"size": 4}, False)
    assert workspace.resource("a")["urn"] == "urn:pulumi:dev::project::files:index:Folder$files:index:File::a"


def test_a_changed_provider_replaces_only_where_its_configuration_says_so(workspace: Workspace, ops: Ops) -> None:
    def program(**config: str) -> None:
        files = Files("files", **config)
        workspace.declare(opts=pulumi.ResourceOptions(provider=files, delete_before_replace=True))

    host = workspace.host()
    host.up(lambda: program(prefix="p"), workspace.heard)
    assert host.up(lambda: program(prefix="p"), workspace.heard).changes == []
    result = host.up(lambda: program(prefix="p", region="eu"), workspace.heard)
    assert ops(result.changes) == ["delete-replaced a", "replace a", "create-replacement a"]


def test_resources_of_a_provider_that_is_configured_by_what_does_not_exist_yet_are_previewed_as_unknown(workspace: Workspace, ops: Ops) -> None:
    def program() -> None:
        cluster = File("cluster", folder=workspace.folder)
        files = Files("files", prefix=cluster.id)
        opts = pulumi.ResourceOptions(provider=files)
        inside = File("inside", folder=workspace.folder, content=1, opts=opts)
        counted = pulumi.runtime.invoke_output("files:index:count", {"folder": workspace.folder}, pulumi.InvokeOutputOptions(provider=files))
        pulumi.export("size", inside.size)
        pulumi.export("count", counted)

    shown = workspace.host().preview(program, workspace.heard)
    assert (sorted(ops(shown.steps)), shown.outputs) == (["create cluster", "create inside"], {"size": UNKNOWN, "count": UNKNOWN})
    workspace.host().up(program, workspace.heard)
    assert json.loads((workspace.root / "files" / "inside.json").read_text())["prefix"] == "cluster.json"
    assert ops(workspace.host().preview(program, workspace.heard).changes) == []
