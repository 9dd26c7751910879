"""What any provider must do behind the protocol, asked of the same provider in this process and as an executable over gRPC."""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pulumi
import pytest
from conftest import Workspace
from file_program import File, Files
from file_provider import FileProvider

from mlx_engine.embedded import embedded_host
from mlx_engine.host import SECRET, UNKNOWN, EventKind, Host, Options, Step, UpdateFailed
from mlx_engine.providers import ProviderFactory
from mlx_provider.provider import MlxProvider
from mlx_specs.dataset_resources import DatasetAbout, PreparedDatasetInputs
from mlx_specs.layout import find_workspace

Ops = Callable[[Sequence[Step]], list[str]]
DATASET = "mlx:index:PreparedDataset"


@pytest.fixture(params=["in process", "executable"])
def providers(request: pytest.FixtureRequest, workspace: Workspace, plugin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, ProviderFactory]:
    """What the host is given; where that is nothing, it starts ``pulumi-resource-NAME`` from PATH."""
    monkeypatch.chdir(workspace.root)
    if request.param == "in process":
        return {"files": FileProvider, "mlx": lambda log: MlxProvider(workspace.root, log)}
    monkeypatch.setenv("PATH", os.pathsep.join([str(plugin_folder), str(Path(sys.executable).parent), os.environ["PATH"]]))
    return {}


@pytest.fixture
def host(workspace: Workspace, providers: Mapping[str, ProviderFactory]) -> Host:
    return embedded_host(workspace.stack, Options(parallel=2), providers)


def test_values_of_every_kind_come_back_as_they_were_given(host: Host, workspace: Workspace) -> None:
    content = {"text": "ü\n", "whole": 2**50, "part": 0.5, "none": None, "list": [True, [], {}], "a.b": {"": "x" * 100_000}}
    workspace.host().up(lambda: None, workspace.heard)
    host.up(lambda: workspace.declare(content=content), workspace.heard)
    assert workspace.files() == {"a": content}
    assert workspace.resource("a")["outputs"]["content"] == workspace.resource("a")["inputs"]["content"] == content
    assert host.preview(lambda: workspace.declare(content=content), workspace.heard).changes == []


def test_what_is_not_known_yet_is_unknown_in_a_preview_at_any_depth(host: Host, workspace: Workspace) -> None:
    def program() -> None:
        first = File("a", folder=workspace.folder)
        second = File("b", folder=workspace.folder, content={"deep": [first.id, 1]})
        pulumi.export("size", second.size)
        pulumi.export("content", second.content)

    shown = host.preview(program, workspace.heard)
    assert shown.outputs["size"] in (UNKNOWN, len(json.dumps({"deep": [UNKNOWN, 1]})))
    assert [step.new_inputs["content"] for step in shown.steps if step.name == "b"] == [{"deep": [UNKNOWN, 1]}]
    assert host.up(program, workspace.heard).outputs["content"] == {"deep": ["a.json", 1]}


def test_secrets_stay_secret_on_the_way_through_a_provider(host: Host, workspace: Workspace) -> None:
    def program() -> None:
        made = File("a", folder=workspace.folder, content={"deep": [pulumi.Output.secret("hunter2")]})
        pulumi.export("content", made.content)
        pulumi.export("token", made.token)

    done = host.up(program, workspace.heard)
    on_disk = "".join(path.read_text() for path in workspace.stack.state.rglob("*.json"))
    assert (done.outputs, workspace.files()) == ({"content": SECRET, "token": SECRET}, {"a": {"deep": ["hunter2"]}})
    assert "hunter2" not in on_disk + repr(done) + repr(workspace.events)


def test_an_object_lives_from_create_over_update_and_replacement_to_delete(host: Host, workspace: Workspace, ops: Ops) -> None:
    lives = [host.up(lambda inputs=inputs: workspace.declare(**inputs), workspace.heard) for inputs in ({}, {"content": 1}, {"content": 1, "key": "new"})]
    assert [ops(done.changes) for done in lives] == [["create a"], ["update a"], ["create-replacement a", "replace a", "delete-replaced a"]]
    assert [list(step.replaced_by) for step in lives[2].changes][:2] == [["key"], ["key"]]
    assert ops(host.destroy(workspace.heard).steps) == ["delete a"]
    assert workspace.log() == ["create a", "update a", "create a", "delete a", "delete a"]
    assert workspace.files() == {}


def test_detailed_differences_name_property_paths(host: Host, workspace: Workspace) -> None:
    host.up(lambda: workspace.declare(content={"x": [1, 2]}, mode="detailed"), workspace.heard)
    (step,) = host.preview(lambda: workspace.declare(content={"x": [1, 3]}, mode="detailed"), workspace.heard).changes
    assert list(step.changed) == ["content.x[1]"]


def test_a_failing_check_names_the_property(host: Host, workspace: Workspace) -> None:
    with pytest.raises(UpdateFailed, match="a is not valid: key: has a slash in it"):
        host.preview(lambda: workspace.declare(key="x/y"), workspace.heard)


def test_errors_are_the_providers_own_words(host: Host, workspace: Workspace) -> None:
    with pytest.raises(UpdateFailed) as failed:
        host.up(lambda: workspace.declare(content="FAIL"), workspace.heard)
    assert list(failed.value.failures.values()) == ["cannot create a"]


def test_what_does_not_become_ready_is_kept_with_its_reasons_and_tried_again(host: Host, workspace: Workspace, ops: Ops) -> None:
    with pytest.raises(UpdateFailed, match="it does not become ready"):
        host.up(lambda: workspace.declare(content="UNREADY"), workspace.heard)
    stored = workspace.resource("a")
    assert (stored["id"], stored["initErrors"], stored["outputs"]["size"]) == ("a.json", ["it does not become ready"], 9)
    assert ops(host.up(lambda: workspace.declare(content="UNREADY"), workspace.heard).changes) == ["update a"]


def test_drift_is_read_and_what_is_gone_is_noticed(host: Host, workspace: Workspace, ops: Ops) -> None:
    def program() -> None:
        File("a", folder=workspace.folder, content="one")
        File("b", folder=workspace.folder)

    host.up(program, workspace.heard)
    (Path(workspace.folder) / "b.json").unlink()
    drifted = Path(workspace.folder) / "a.json"
    drifted.write_text(drifted.read_text().replace("one", "two"))
    assert sorted(ops(host.refresh(workspace.heard).changes)) == ["delete b", "refresh a"]
    assert sorted(ops(host.up(program, workspace.heard).changes)) == ["create b", "update a"]


def test_a_provider_is_configured_and_its_configuration_compared(host: Host, workspace: Workspace, ops: Ops) -> None:
    def program(region: str) -> None:
        workspace.declare(opts=pulumi.ResourceOptions(provider=Files("files", prefix="p", region=region), delete_before_replace=True))

    host.up(lambda: program("eu"), workspace.heard)
    assert json.loads((Path(workspace.folder) / "a.json").read_text())["prefix"] == "p"
    assert host.preview(lambda: program("eu"), workspace.heard).changes == []
    assert ops(host.preview(lambda: program("us"), workspace.heard).changes) == ["delete-replaced a", "replace a", "create-replacement a"]


def test_functions_are_called(host: Host, workspace: Workspace) -> None:
    def program() -> None:
        counted = pulumi.runtime.invoke("files:index:count", {"folder": workspace.folder}, pulumi.InvokeOptions(version="1.0.0"))
        pulumi.export("count", counted.value["count"])

    assert host.preview(program, workspace.heard).outputs == {"count": 0}


def test_progress_is_heard(host: Host, workspace: Workspace) -> None:
    host.up(lambda: workspace.declare(), workspace.heard)
    assert ("create a", True) in [(event.message, event.ephemeral) for event in workspace.events if event.kind is EventKind.LOG]


def test_our_own_provider_prepares_reads_and_removes_a_dataset(host: Host, workspace: Workspace) -> None:
    data = workspace.root / "d.csv"
    data.write_text("a\n1\n2\n")
    (workspace.root / "Pulumi.yaml").write_text("name: project\nruntime: python\n")
    assert find_workspace(workspace.root) == workspace.root

    def program() -> None:
        inputs = PreparedDatasetInputs(
            name="d", home=".mlx/local", definition={"source": {"type": "csv", "path": "d.csv"}}, about=DatasetAbout(owner="me")
        ).wire()
        made = pulumi.CustomResource(DATASET, "d", {**inputs, "rows": None}, pulumi.ResourceOptions(version="0.1.0"))
        pulumi.export("rows", pulumi.Output.from_input(made).apply(lambda resource: resource.rows))  # type: ignore[attr-defined]

    created = host.up(program, workspace.heard)
    assert (created.outputs, [step.op for step in created.steps if step.type == DATASET]) == ({"rows": 2}, ["create"])
    assert host.preview(program, workspace.heard).changes == []
    data.write_text("a\n1\n2\n3\n")
    changed = host.up(program, workspace.heard)
    assert (changed.outputs, [(step.op, list(step.changed)) for step in changed.steps if step.type == DATASET]) == ({"rows": 3}, [("update", ["sourceDigest"])])
    host.destroy(workspace.heard)
    assert not (workspace.root / ".mlx/local/datasets/d").exists()
