"""What becomes of resources: the operations, their order, and what is on disk and in state afterwards."""

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pulumi
import pytest
from conftest import Workspace
from file_program import File, Files, Folder

from mlx_engine.host import SECRET, UNKNOWN, EventKind, Op, Refused, Stale, Step, Unsupported, UpdateFailed

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
    host.up(lambda: _one(workspace, content={"x": 1, "y": [1, 2]}), workspace.heard)
    result = host.up(lambda: _one(workspace, content={"x": 1, "y": [1, 3]}), workspace.heard)
    (step,) = result.changes
    assert (step.op, step.changed, step.replaced_by, step.id) == (Op.UPDATE, ["content"], [], "a.json")
    assert workspace.files() == {"a": {"x": 1, "y": [1, 3]}}


def test_a_replacement_is_created_before_the_old_one_is_deleted(workspace: Workspace, ops: Ops) -> None:
    host = workspace.host()
    host.up(lambda: _one(workspace, key="old"), workspace.heard)
    result = host.up(lambda: _one(workspace, key="new"), workspace.heard)
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


def test_the_option_decides_over_the_provider_which_way_to_replace(workspace: Workspace, ops: Ops) -> None:
    host = workspace.host()
    first = pulumi.ResourceOptions(delete_before_replace=True)
    host.up(lambda: _one(workspace, key="old", opts=first), workspace.heard)
    result = host.up(lambda: _one(workspace, key="new", opts=pulumi.ResourceOptions(delete_before_replace=True)), workspace.heard)
    assert ops(result.changes) == ["delete-replaced a", "replace a", "create-replacement a"]


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
    host.up(lambda: _one(workspace), workspace.heard)
    shown = host.destroy(workspace.heard, preview_only=True)
    assert (ops(shown.steps), workspace.files()) == (["delete a"], {"a": None})
    done = host.destroy(workspace.heard)
    assert (ops(done.steps), workspace.files(), workspace.resources(), done.serial) == (["delete a"], {}, [], "")


def test_a_protected_resource_stops_a_delete_before_anything_is_deleted(workspace: Workspace) -> None:
    def program() -> None:
        File("a", folder=workspace.folder)
        File("b", folder=workspace.folder, opts=pulumi.ResourceOptions(protect=True))

    workspace.host().up(program, workspace.heard)
    with pytest.raises(Refused, match="b would be deleted, and is protected"):
        workspace.host().up(lambda: None, workspace.heard)
    assert list(workspace.files()) == ["a", "b"]


def test_a_protected_resource_is_not_replaced(workspace: Workspace) -> None:
    host = workspace.host()
    host.up(lambda: _one(workspace, key="old", opts=pulumi.ResourceOptions(protect=True)), workspace.heard)
    with pytest.raises(Refused, match="a is protected, and key would replace it"):
        host.up(lambda: _one(workspace, key="new", opts=pulumi.ResourceOptions(protect=True)), workspace.heard)
    assert list(workspace.files()) == ["old"]


def test_what_is_retained_leaves_state_and_stays_on_disk(workspace: Workspace) -> None:
    host = workspace.host()
    host.up(lambda: _one(workspace, opts=pulumi.ResourceOptions(retain_on_delete=True)), workspace.heard)
    host.destroy(workspace.heard)
    assert (workspace.resources(), list(workspace.files())) == ([], ["a"])


def test_ignored_changes_are_ignored_at_any_depth(workspace: Workspace) -> None:
    def opts() -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(ignore_changes=["content.inner[0]"])

    host = workspace.host()
    host.up(lambda: _one(workspace, content={"inner": [1, 2]}, opts=opts()), workspace.heard)
    same = host.up(lambda: _one(workspace, content={"inner": [9, 2]}, opts=opts()), workspace.heard)
    other = host.up(lambda: _one(workspace, content={"inner": [9, 3]}, opts=opts()), workspace.heard)
    assert (same.changes, len(other.changes)) == ([], 1)
    assert workspace.files() == {"a": {"inner": [1, 3]}}


def test_replace_on_changes_turns_an_update_into_a_replacement(workspace: Workspace, ops: Ops) -> None:
    def opts() -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(replace_on_changes=["content"], delete_before_replace=True)

    host = workspace.host()
    host.up(lambda: _one(workspace, content=1, opts=opts()), workspace.heard)
    result = host.up(lambda: _one(workspace, content=2, opts=opts()), workspace.heard)
    assert ops(result.changes) == ["delete-replaced a", "replace a", "create-replacement a"]
    assert result.changes[1].replaced_by == ["content"]


def test_a_changed_provider_replaces_only_where_its_configuration_says_so(workspace: Workspace, ops: Ops) -> None:
    def program(**config: str) -> None:
        files = Files("files", **config)
        _one(workspace, opts=pulumi.ResourceOptions(provider=files, delete_before_replace=True))

    host = workspace.host()
    host.up(lambda: program(prefix="p"), workspace.heard)
    assert host.up(lambda: program(prefix="p"), workspace.heard).changes == []
    result = host.up(lambda: program(prefix="p", region="eu"), workspace.heard)
    assert ops(result.changes) == ["delete-replaced a", "replace a", "create-replacement a"]


def test_custom_timeouts_stand_in_state_in_seconds(workspace: Workspace) -> None:
    opts = pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="1h30m", delete="20s"))
    workspace.host().up(lambda: _one(workspace, opts=opts), workspace.heard)
    assert workspace.resource("a")["customTimeouts"] == {"create": 5400, "delete": 20}


def test_inputs_and_outputs_of_components_stand_in_state(workspace: Workspace) -> None:
    def program() -> None:
        folder = Folder("f", {"colour": "red"})
        made = File("a", folder=workspace.folder, opts=pulumi.ResourceOptions(parent=folder))
        folder.register_outputs({"size": made.size})

    workspace.host().up(program, workspace.heard)
    stored = workspace.resource("f")
    assert (stored["inputs"], stored["outputs"], "id" in stored) == ({"colour": "red"}, {"size": 4}, False)
    assert workspace.resource("a")["urn"] == "urn:pulumi:dev::project::files:index:Folder$files:index:File::a"


def test_functions_are_invoked_in_a_preview_too(workspace: Workspace) -> None:
    def program() -> None:
        made = File("a", folder=workspace.folder)
        options = pulumi.InvokeOutputOptions(depends_on=[made], version="1.0.0")
        counted = pulumi.runtime.invoke_output("files:index:count", {"folder": workspace.folder}, options)
        pulumi.export("count", counted.apply(lambda answer: int(answer["count"])))

    host = workspace.host()
    assert host.preview(program, workspace.heard).outputs == {"count": UNKNOWN}
    host.up(program, workspace.heard)
    assert host.preview(program, workspace.heard).outputs == {"count": 1}


def test_an_object_that_is_not_managed_is_read_and_never_deleted(workspace: Workspace, ops: Ops) -> None:
    owner = workspace.with_stack(name="owner")
    owner.host().up(lambda: _one(workspace, content="theirs"), workspace.heard)

    def program() -> None:
        read = File("r", folder=workspace.folder, key="a", opts=pulumi.ResourceOptions(id="a.json"))
        pulumi.export("content", read.content)

    result = workspace.host().up(program, workspace.heard)
    assert (ops(result.steps), result.outputs) == (["read r"], {"content": "theirs"})
    workspace.host().destroy(workspace.heard)
    assert workspace.files() == {"a": "theirs"}


def test_outputs_of_another_stack_are_referred_to(workspace: Workspace) -> None:
    def theirs() -> None:
        pulumi.export("host", "db.internal")
        pulumi.export("password", pulumi.Output.secret("hunter2"))

    def ours() -> None:
        reference = pulumi.StackReference("organization/project/infra")
        pulumi.export("host", reference.get_output("host"))
        pulumi.export("password", reference.get_output("password"))

    workspace.with_stack(name="infra").host().up(theirs, workspace.heard)
    assert workspace.host().up(ours, workspace.heard).outputs == {"host": "db.internal", "password": SECRET}
    assert workspace.host().up(ours, workspace.heard).changes == []


def test_a_failed_create_does_not_lose_the_others_and_starts_no_dependents(workspace: Workspace, ops: Ops) -> None:
    def program(content: str) -> None:
        File("good", folder=workspace.folder)
        bad = File("bad", folder=workspace.folder, content=content)
        File("after", folder=workspace.folder, content=bad.size)

    with pytest.raises(UpdateFailed, match="bad: cannot create bad") as failed:
        workspace.host(parallel=1).up(lambda: program("FAIL"), workspace.heard)
    assert ops(failed.value.result.steps) == ["create good"]
    assert list(failed.value.failures.values()) == ["cannot create bad"]
    assert list(workspace.files()) == ["good"]
    healed = workspace.host().up(lambda: program("fine"), workspace.heard)
    assert (sorted(ops(healed.changes)), len(workspace.files())) == (["create after", "create bad"], 3)


def test_a_failing_check_names_the_property(workspace: Workspace) -> None:
    with pytest.raises(UpdateFailed, match="a is not valid: key: has a slash in it"):
        workspace.host().preview(lambda: _one(workspace, key="x/y"), workspace.heard)


def test_what_does_not_become_ready_is_kept_and_tried_again(workspace: Workspace, ops: Ops) -> None:
    host = workspace.host()
    with pytest.raises(UpdateFailed, match="it does not become ready"):
        host.up(lambda: _one(workspace, content="UNREADY"), workspace.heard)
    assert (workspace.resource("a")["id"], workspace.resource("a")["initErrors"]) == ("a.json", ["it does not become ready"])
    result = host.up(lambda: _one(workspace, content="UNREADY"), workspace.heard)
    assert ops(result.changes) == ["update a"]
    assert "initErrors" not in workspace.resource("a")


def test_a_program_that_raises_stops_the_run_and_deletes_nothing(workspace: Workspace) -> None:
    def broken() -> None:
        raise KeyError("pool")

    host = workspace.host()
    host.up(lambda: _one(workspace), workspace.heard)
    with pytest.raises(UpdateFailed, match="the program failed: KeyError: 'pool'"):
        host.up(broken, workspace.heard)
    assert list(workspace.files()) == ["a"]


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
    workspace.host().up(lambda: _one(workspace), workspace.heard)
    logs = [(event.message, event.ephemeral) for event in workspace.events if event.kind is EventKind.LOG]
    assert logs == [("create a", True)]


def test_refresh_takes_over_what_has_drifted_and_drops_what_is_gone(workspace: Workspace, ops: Ops) -> None:
    def program() -> None:
        File("a", folder=workspace.folder, content="one")
        File("b", folder=workspace.folder)

    host = workspace.host()
    host.up(program, workspace.heard)
    (workspace.root / "files" / "b.json").unlink()
    drifted = workspace.root / "files" / "a.json"
    drifted.write_text(drifted.read_text().replace("one", "two"))
    shown = host.refresh(workspace.heard, preview_only=True)
    done = host.refresh(workspace.heard)
    assert sorted(ops(shown.changes)) == sorted(ops(done.changes)) == ["delete b", "refresh a"]
    assert [list(step.changed) for step in done.changes if step.op is Op.REFRESH] == [["content"]]
    assert workspace.resource("a")["outputs"]["content"] == "two"
    assert sorted(ops(host.up(program, workspace.heard).changes)) == ["create b", "update a"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (lambda: pulumi.ResourceOptions(import_="x"), "the option import needs the pulumi CLI"),
        (lambda: pulumi.ResourceOptions(aliases=[pulumi.Alias(name="z")]), "the option aliases needs the pulumi CLI"),
        (lambda: pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(before_create=[lambda _: None])), "needs the pulumi CLI"),
        (lambda: pulumi.ResourceOptions(transforms=[lambda args: None]), "transforms needs the pulumi CLI"),
    ],
)
def test_what_only_the_cli_does_is_refused_by_name(workspace: Workspace, options: Callable[[], pulumi.ResourceOptions], named: str) -> None:
    with pytest.raises(Unsupported, match=named):
        workspace.host().up(lambda: _one(workspace, opts=options()), workspace.heard)


def test_an_asset_is_refused_by_name(workspace: Workspace) -> None:
    with pytest.raises(Unsupported, match="an asset as a property needs the pulumi CLI"):
        workspace.host().up(lambda: _one(workspace, content=pulumi.StringAsset("x")), workspace.heard)


def _one(workspace: Workspace, opts: pulumi.ResourceOptions | None = None, **inputs: Any) -> None:
    File("a", opts=opts, folder=workspace.folder, **inputs)


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


def test_a_watcher_hears_each_step_begin_and_end(workspace: Workspace) -> None:
    workspace.host().up(lambda: _one(workspace), workspace.heard)
    heard = [(str(event.kind), event.step.name) for event in workspace.events if event.step]
    assert heard == [(kind, name) for name in ("project-dev", "default_1_0_0", "a") for kind in ("started", "done")]


def test_a_host_may_be_called_where_a_loop_runs(workspace: Workspace, ops: Ops) -> None:
    async def main() -> Sequence[Step]:
        return workspace.host().up(lambda: _one(workspace), workspace.heard).steps

    assert ops(asyncio.run(main())) == ["create a"]


def test_runs_leave_no_thread_behind_whether_they_fail_or_not(workspace: Workspace) -> None:
    host = workspace.host()
    host.up(lambda: _one(workspace), workspace.heard)
    before = {thread.name for thread in threading.enumerate()}
    for content in (None, "FAIL", "x"):
        with suppress(UpdateFailed):
            host.up(lambda content=content: _one(workspace, content=content), workspace.heard)
    assert {thread.name for thread in threading.enumerate()} <= before


def test_an_update_is_refused_when_the_state_is_not_the_expected_one(workspace: Workspace, ops: Ops) -> None:
    host = workspace.host()
    planned = host.preview(lambda: _one(workspace), workspace.heard)
    done = host.up(lambda: _one(workspace), workspace.heard, expected_serial=planned.serial)
    with pytest.raises(Stale, match="the plan is stale"):
        host.up(lambda: _one(workspace, content=2), workspace.heard, expected_serial=planned.serial)
    assert workspace.files() == {"a": None}
    assert ops(host.up(lambda: _one(workspace, content=2), workspace.heard, expected_serial=done.serial).changes) == ["update a"]
