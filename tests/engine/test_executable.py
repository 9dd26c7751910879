"""Providers as executables, started and called over gRPC by the embedded host: the same provider, the same outcome."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pulumi
import pytest
from conftest import Workspace
from differential_programs import PROGRAMS
from file_program import File

from mlx_engine.embedded import embedded_host
from mlx_engine.host import EventKind, Host, Options, Step, Unsupported, UpdateFailed

Ops = Callable[[Sequence[Step]], list[str]]


@pytest.fixture
def host(workspace: Workspace, plugin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setenv("PATH", f"{plugin_folder}{os.pathsep}{os.environ['PATH']}")
    return embedded_host(workspace.stack, Options(), {})


def test_an_executable_and_a_provider_in_process_agree_on_state(host: Host, workspace: Workspace, ops: Ops) -> None:
    before, after = PROGRAMS["secrets"]
    host.up(lambda: before(workspace.folder), workspace.heard)
    assert workspace.host().preview(lambda: before(workspace.folder), workspace.heard).changes == []
    workspace.host().up(lambda: after(workspace.folder), workspace.heard)
    assert host.preview(lambda: after(workspace.folder), workspace.heard).changes == []
    assert ops(host.destroy(workspace.heard).steps) == ["delete b", "delete a"]
    assert workspace.files() == {}


def test_an_executable_tells_of_its_progress(host: Host, workspace: Workspace) -> None:
    host.up(lambda: File("a", folder=workspace.folder) and None, workspace.heard)
    assert ("create a", True) in [(event.message, event.ephemeral) for event in workspace.events if event.kind is EventKind.LOG]


def test_errors_of_an_executable_are_its_own_words(host: Host, workspace: Workspace) -> None:
    with pytest.raises(UpdateFailed) as failed:
        host.up(lambda: File("a", folder=workspace.folder, content="FAIL") and None, workspace.heard)
    assert list(failed.value.failures.values()) == ["cannot create a"]


def test_what_an_executable_does_not_bring_up_is_kept_with_its_reasons(host: Host, workspace: Workspace) -> None:
    with pytest.raises(UpdateFailed, match="it does not become ready"):
        host.up(lambda: File("a", folder=workspace.folder, content="UNREADY") and None, workspace.heard)
    stored = workspace.resource("a")
    assert (stored["id"], stored["initErrors"], stored["outputs"]["size"]) == ("a.json", ["it does not become ready"], 9)


def test_a_package_without_a_provider_is_refused_by_name(workspace: Workspace) -> None:
    def program() -> None:
        pulumi.CustomResource("nowhere:index:Thing", "x", {})

    with pytest.raises(Unsupported, match="no provider for the package 'nowhere'") as refused:
        workspace.host().preview(program, workspace.heard)
    assert refused.value.hint == "put pulumi-resource-nowhere on PATH, or install the pulumi CLI and set host: pulumi"
