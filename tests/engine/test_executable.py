"""Providers as executables: found on PATH, and at one with the same provider in this process."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pulumi
import pytest
from conftest import Workspace
from differential_programs import PROGRAMS

from mlx_engine.embedded import embedded_host
from mlx_engine.host import Options, Step, Unsupported

Ops = Callable[[Sequence[Step]], list[str]]


def test_an_executable_and_a_provider_in_process_agree_on_state(workspace: Workspace, plugin_folder: Path, monkeypatch: pytest.MonkeyPatch, ops: Ops) -> None:
    monkeypatch.setenv("PATH", f"{plugin_folder}{os.pathsep}{os.environ['PATH']}")
    host = embedded_host(workspace.stack, Options(), {})
    before, after = PROGRAMS["secrets"]
    host.up(lambda: before(workspace.folder), workspace.heard)
    assert workspace.host().preview(lambda: before(workspace.folder), workspace.heard).changes == []
    workspace.host().up(lambda: after(workspace.folder), workspace.heard)
    assert host.preview(lambda: after(workspace.folder), workspace.heard).changes == []
    assert ops(host.destroy(workspace.heard).steps) == ["delete b", "delete a"]
    assert workspace.files() == {}


def test_a_package_without_a_provider_is_refused_by_name(workspace: Workspace) -> None:
    def program() -> None:
        pulumi.CustomResource("nowhere:index:Thing", "x", {})

    with pytest.raises(Unsupported, match="no provider for the package 'nowhere'") as refused:
        workspace.host().preview(program, workspace.heard)
    assert refused.value.hint == "put pulumi-resource-nowhere on PATH, or install the pulumi CLI and set host: pulumi"
