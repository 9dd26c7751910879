"""What the options of a resource do to its steps, and which of them only the pulumi CLI does."""

from collections.abc import Callable, Sequence

import pulumi
import pytest
from conftest import Workspace
from differential_options import by_hand
from file_program import File, Files, Folder
from file_provider import FileProvider
from pulumi.provider.experimental.provider import CreateRequest, CreateResponse, DeleteRequest, UpdateRequest, UpdateResponse

from mlx_engine.embedded import embedded_host
from mlx_engine.host import EngineError, Options, Refused, Step, Unsupported, UpdateFailed

Ops = Callable[[Sequence[Step]], list[str]]


def test_the_option_decides_over_the_provider_which_way_to_replace(workspace: Workspace, ops: Ops) -> None:
    host = workspace.host()
    first = pulumi.ResourceOptions(delete_before_replace=True)
    host.up(lambda: workspace.declare(key="old", opts=first), workspace.heard)
    result = host.up(lambda: workspace.declare(key="new", opts=pulumi.ResourceOptions(delete_before_replace=True)), workspace.heard)
    assert ops(result.changes) == ["delete-replaced a", "replace a", "create-replacement a"]


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
    host.up(lambda: workspace.declare(key="old", opts=pulumi.ResourceOptions(protect=True)), workspace.heard)
    with pytest.raises(Refused, match="a is protected, and key would replace it"):
        host.up(lambda: workspace.declare(key="new", opts=pulumi.ResourceOptions(protect=True)), workspace.heard)
    assert list(workspace.files()) == ["old"]


def test_what_is_retained_leaves_state_and_stays_on_disk(workspace: Workspace) -> None:
    host = workspace.host()
    host.up(lambda: workspace.declare(opts=pulumi.ResourceOptions(retain_on_delete=True)), workspace.heard)
    host.destroy(workspace.heard)
    assert (workspace.resources(), list(workspace.files())) == ([], ["a"])


def test_ignored_changes_are_ignored_at_any_depth(workspace: Workspace) -> None:
    def opts() -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(ignore_changes=["content.inner[0]"])

    host = workspace.host()
    host.up(lambda: workspace.declare(content={"inner": [1, 2]}, opts=opts()), workspace.heard)
    same = host.up(lambda: workspace.declare(content={"inner": [9, 2]}, opts=opts()), workspace.heard)
    other = host.up(lambda: workspace.declare(content={"inner": [9, 3]}, opts=opts()), workspace.heard)
    assert (same.changes, len(other.changes)) == ([], 1)
    assert workspace.files() == {"a": {"inner": [1, 3]}}


def test_replace_on_changes_turns_an_update_into_a_replacement(workspace: Workspace, ops: Ops) -> None:
    def opts() -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(replace_on_changes=["content"], delete_before_replace=True)

    host = workspace.host()
    host.up(lambda: workspace.declare(content=1, opts=opts()), workspace.heard)
    result = host.up(lambda: workspace.declare(content=2, opts=opts()), workspace.heard)
    assert ops(result.changes) == ["delete-replaced a", "replace a", "create-replacement a"]
    assert result.changes[1].replaced_by == ["content"]


def test_custom_timeouts_reach_the_provider_in_seconds(workspace: Workspace) -> None:
    heard: list[tuple[str, float]] = []

    class Timed(FileProvider):
        async def create(self, request: CreateRequest) -> CreateResponse:
            heard.append(("create", request.timeout))
            return await super().create(request)

        async def update(self, request: UpdateRequest) -> UpdateResponse:
            heard.append(("update", request.timeout))
            return await super().update(request)

        async def delete(self, request: DeleteRequest) -> None:
            heard.append(("delete", request.timeout))
            await super().delete(request)

    timeouts = pulumi.CustomTimeouts(create="1h30m", update="500ms", delete="20s")
    host = embedded_host(workspace.stack, Options(), {"files": Timed})
    for content in (1, 2):
        host.up(lambda content=content: workspace.declare(content=content, opts=pulumi.ResourceOptions(custom_timeouts=timeouts)), workspace.heard)
    host.destroy(workspace.heard)
    assert heard == [("create", 5400.0), ("update", 0.5), ("delete", 20.0)]


def test_custom_timeouts_stand_in_state_in_seconds(workspace: Workspace) -> None:
    opts = pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="1h30m", delete="20s"))
    workspace.host().up(lambda: workspace.declare(opts=opts), workspace.heard)
    assert workspace.resource("a")["customTimeouts"] == {"create": 5400, "delete": 20}


def test_two_resources_cannot_claim_the_same_one_of_before(workspace: Workspace) -> None:
    def program() -> None:
        first = File("b", folder=workspace.folder, key="a", opts=pulumi.ResourceOptions(aliases=[pulumi.Alias(name="a")]))
        File("c", folder=workspace.folder, opts=pulumi.ResourceOptions(aliases=[pulumi.Alias(name="a")], depends_on=[first]))

    workspace.host().up(workspace.declare, workspace.heard)
    with pytest.raises(EngineError, match="has claimed urn:pulumi:dev::project::files:index:File::a already") as refused:
        workspace.host().up(program, workspace.heard)
    assert refused.value.hint == "give one of the two another name, or take the alias away"
    assert workspace.files() == {"a": None}


def test_a_failure_among_renamed_resources_leaves_a_state_that_the_next_run_goes_on_from(workspace: Workspace, ops: Ops) -> None:
    def program(name: str, content: str) -> None:
        holder = Folder(name, opts=pulumi.ResourceOptions(aliases=[pulumi.Alias(name="old")]))
        first = File("a", folder=workspace.folder, content=content, opts=pulumi.ResourceOptions(parent=holder))
        File("b", folder=workspace.folder, content=first.size, opts=pulumi.ResourceOptions(parent=holder, deleted_with=first))

    host = workspace.host()
    host.up(lambda: program("old", "x"), workspace.heard)
    with pytest.raises(UpdateFailed, match="cannot update a"):
        host.up(lambda: program("new", "FAIL"), workspace.heard)
    assert [entry["urn"].rpartition("::")[2] for entry in workspace.resources() if entry["type"] == "files:index:Folder"] == ["new"]
    assert ops(host.up(lambda: program("new", "other"), workspace.heard).changes) == ["update a", "update b"]


def test_what_is_imported_is_not_replaced(workspace: Workspace) -> None:
    path = by_hand(workspace.folder, "a", 1)
    opts = pulumi.ResourceOptions(import_=path)
    with pytest.raises(Refused, match="a was imported, and key would replace it"):
        workspace.host().up(lambda: workspace.declare(key="other", content=1, opts=opts), workspace.heard)
    assert (workspace.files(), workspace.log()) == ({"a": 1}, [])


def test_what_is_not_there_cannot_be_imported(workspace: Workspace) -> None:
    opts = pulumi.ResourceOptions(import_=f"{workspace.folder}/nothing.json")
    with pytest.raises(UpdateFailed, match=r"a: there is no files:index:File with the id '.*/nothing\.json' to import"):
        workspace.host().up(lambda: workspace.declare(opts=opts), workspace.heard)


def test_what_a_replaced_provider_serves_is_deleted_by_the_old_one_and_recreated_by_the_new(workspace: Workspace, ops: Ops) -> None:
    def program(key: str) -> None:
        root = File("root", folder=workspace.folder, key=key, mode="delete-first")
        files = Files("files", prefix="p", region=root.id)
        File("inside", folder=workspace.folder, opts=pulumi.ResourceOptions(provider=files, delete_before_replace=True))

    host = workspace.host()
    host.up(lambda: program("old"), workspace.heard)
    workspace.forget_log()
    result = host.up(lambda: program("new"), workspace.heard)
    assert ops(result.changes)[:3] == ["delete-replaced inside", "delete-replaced root", "replace root"]
    assert workspace.log() == ["delete inside", "delete root", "create root", "create inside"]
    assert host.preview(lambda: program("new"), workspace.heard).changes == []


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (lambda: pulumi.ResourceOptions(hide_diffs=["content"]), "the option hideDiffs needs the pulumi CLI"),
        (lambda: pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(before_create=[lambda _: None])), "needs the pulumi CLI"),
        (lambda: pulumi.ResourceOptions(transforms=[lambda args: None]), "transforms needs the pulumi CLI"),
    ],
)
def test_what_only_the_cli_does_is_refused_by_name(workspace: Workspace, options: Callable[[], pulumi.ResourceOptions], named: str) -> None:
    with pytest.raises(Unsupported, match=named):
        workspace.host().up(lambda: workspace.declare(opts=options()), workspace.heard)


def test_an_asset_is_refused_by_name(workspace: Workspace) -> None:
    with pytest.raises(Unsupported, match="an asset as a property needs the pulumi CLI"):
        workspace.host().up(lambda: workspace.declare(content=pulumi.StringAsset("x")), workspace.heard)
