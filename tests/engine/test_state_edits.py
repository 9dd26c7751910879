"""What a person does to state by hand: look, unprotect, forget, export and import. Nothing real is touched by it."""

import pulumi
import pytest
from conftest import Workspace
from file_program import File

from mlx_engine.host import SECRET, EngineError, Host, Refused, Stale
from mlx_engine.state_edits import Recorded, forget, list_resources, show_resource, unprotect

FILE = "urn:pulumi:dev::project::files:index:File::"


@pytest.fixture
def host(workspace: Workspace) -> Host:
    def program() -> None:
        first = File("a", folder=workspace.folder, content=1, opts=pulumi.ResourceOptions(protect=True))
        File("b", folder=workspace.folder, content=first.size)
        File("c", folder=workspace.folder)

    host = workspace.host()
    host.up(program, workspace.heard)
    return host


def test_resources_are_listed_in_the_order_of_state(host: Host) -> None:
    root, *files = list_resources(host)
    assert (root.type, root.protected) == ("pulumi:pulumi:Stack", False)
    assert sorted(files, key=lambda file: file.name) == [
        Recorded(FILE + name, "files:index:File", name, f"{name}.json", protected=name == "a", note="") for name in "abc"
    ]


def test_one_resource_is_shown_without_its_secrets(host: Host) -> None:
    shown = show_resource(host, "a")
    assert (shown["urn"], shown["outputs"]["content"], shown["outputs"]["token"]) == (FILE + "a", 1, SECRET)
    assert show_resource(host, FILE + "a") == shown


def test_what_is_unprotected_can_be_deleted(host: Host, workspace: Workspace) -> None:
    assert unprotect(host, []) == [FILE + "a"]
    assert unprotect(host, ["a"]) == []
    host.destroy(workspace.heard)
    assert workspace.files() == {}


def test_what_is_forgotten_stays_as_it_is_and_is_created_again_by_who_declares_it(host: Host, workspace: Workspace) -> None:
    assert forget(host, ["c"]) == [FILE + "c"]
    assert sorted(workspace.files()) == ["a", "b", "c"]
    assert [entry.name for entry in list_resources(host) if entry.name == "c"] == []


def test_what_others_need_or_what_is_protected_is_forgotten_only_when_that_is_said(host: Host) -> None:
    with pytest.raises(Refused, match="a: needed by b"):
        forget(host, ["a"])
    with pytest.raises(Refused, match="a: protected"):
        forget(host, ["a", "b"])
    assert forget(host, ["a"], dependents=True, protected=True) == [FILE + "b", FILE + "a"]
    assert [entry.name for entry in list_resources(host)] == ["project-dev", "c"]


def test_a_name_that_is_not_there_is_answered_with_the_nearest(host: Host) -> None:
    with pytest.raises(EngineError, match="no resource 'projectdev' in state") as unknown:
        show_resource(host, "projectdev")
    assert unknown.value.hint == "did you mean 'project-dev'?"


def test_a_state_that_was_changed_in_between_is_not_overwritten(host: Host, workspace: Workspace) -> None:
    exported = host.export_state()
    unprotect(host, ["a"])
    with pytest.raises(Stale):
        host.import_state(exported, expected_serial="0" * 64)
    assert "protect" not in workspace.resource("a")
