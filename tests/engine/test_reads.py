"""What is looked at and not changed: functions, objects of others, other stacks, drift."""

from collections.abc import Callable, Sequence

import pulumi
from conftest import Workspace
from file_program import File

from mlx_engine.host import SECRET, UNKNOWN, Op, Step

Ops = Callable[[Sequence[Step]], list[str]]


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
    owner.host().up(lambda: workspace.declare(content="theirs"), workspace.heard)

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
