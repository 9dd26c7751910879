"""What stands on disk: the layout and formats of Pulumi's file backend."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pulumi
import pytest
from conftest import Workspace
from file_program import File
from hypothesis import given, settings
from hypothesis import strategies as st

from mlx_engine import paths, wire
from mlx_engine.host import SECRET, UNKNOWN, Op
from mlx_engine.provider_codec import Secret, decode, encode, wire_value
from mlx_engine.state.checkpoint import CheckpointText, Operation, Snapshot, salt_of, serial, snapshot_of, written
from mlx_engine.state.integrity import BrokenSnapshot, check_snapshot
from mlx_engine.state.resource import Resource
from mlx_engine.state.secrets import Secrets, WrongPassphrase
from mlx_engine.values import differing_paths, keep_secret, make_secret, redacted, revealed

STACK_URN = "urn:pulumi:dev::project::pulumi:pulumi:Stack::project-dev"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**52), 2**52) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def test_a_checkpoint_is_written_as_pulumi_writes_it(workspace: Workspace) -> None:
    workspace.host().up(lambda: File("a", folder=workspace.folder) and None, workspace.heard)
    files = {re.sub(r"\d{19}", "NS", str(path.relative_to(workspace.stack.state))) for path in workspace.stack.state.rglob("*") if path.is_file()}
    assert files == {
        ".pulumi/meta.yaml",
        ".pulumi/stacks/project/dev.json",
        ".pulumi/history/project/dev/dev-NS.history.json",
        ".pulumi/history/project/dev/dev-NS.checkpoint.json",
    }
    document = json.loads((workspace.stack.state / ".pulumi/stacks/project/dev.json").read_text())
    assert (document["version"], document["checkpoint"]["stack"]) == (3, "organization/project/dev")
    assert document["checkpoint"]["latest"]["manifest"]["version"] == "v3.272.0"


def test_a_default_provider_stands_in_state_with_its_version(workspace: Workspace) -> None:
    workspace.host().up(lambda: File("a", folder=workspace.folder) and None, workspace.heard)
    provider = workspace.resource("default_1_0_0")
    shown = {key: value for key, value in provider.items() if key not in ("id", "created", "modified")}
    assert shown == {
        "urn": "urn:pulumi:dev::project::pulumi:providers:files::default_1_0_0",
        "custom": True,
        "type": "pulumi:providers:files",
        "inputs": {"__internal": {}, "version": "1.0.0"},
        "outputs": {"version": "1.0.0"},
    }
    assert workspace.resource("a")["provider"] == f"{provider['urn']}::{provider['id']}"


def test_a_checkpoint_before_an_update_is_kept_as_bak_and_as_backup(workspace: Workspace) -> None:
    workspace.host().up(lambda: None, workspace.heard)
    before = (workspace.stack.state / ".pulumi/stacks/project/dev.json").read_text()
    workspace.host().up(lambda: File("a", folder=workspace.folder) and None, workspace.heard)
    (backup,) = (workspace.stack.state / ".pulumi/backups/project/dev").glob("*.json")
    assert (workspace.stack.state / ".pulumi/stacks/project/dev.json.bak").read_text() == backup.read_text() == before


def test_no_secret_stands_in_clear_in_state_events_or_results(workspace: Workspace) -> None:
    def program() -> None:
        made = File("a", folder=workspace.folder, content={"deep": [pulumi.Output.secret("hunter2")]})
        pulumi.export("password", made.content)

    result = workspace.with_stack(passphrase="x").host().up(program, workspace.heard)
    on_disk = "".join(path.read_text() for path in workspace.stack.state.rglob("*.json"))
    assert "hunter2" not in on_disk + repr(result) + repr(workspace.events)
    assert (result.outputs, workspace.files()) == ({"password": SECRET}, {"a": {"deep": ["hunter2"]}})


def test_a_secret_that_does_not_change_keeps_its_ciphertext(workspace: Workspace) -> None:
    stack = workspace.with_stack(passphrase="x")

    def program(extra: int) -> None:
        File("a", folder=workspace.folder, content=pulumi.Output.secret("hunter2"))
        File("b", folder=workspace.folder, content=extra)

    stack.host().up(lambda: program(1), workspace.heard)
    before = workspace.resource("a")
    stack.host().up(lambda: program(2), workspace.heard)
    assert workspace.resource("a") == before


def test_another_passphrase_does_not_open_the_stack(workspace: Workspace) -> None:
    program = lambda: pulumi.export("x", pulumi.Output.secret("hunter2"))  # noqa: E731
    workspace.with_stack(passphrase="x").host().up(program, workspace.heard)
    with pytest.raises(WrongPassphrase, match="the passphrase does not open this stack's secrets"):
        workspace.with_stack(passphrase="y").host().preview(program, workspace.heard)


def test_secrets_of_configuration_are_secret_to_the_program(workspace: Workspace) -> None:
    stack = workspace.with_stack(config={"project:key": "hunter2", "project:size": "3"}, secret_config=frozenset({"project:key"}))

    def program() -> None:
        config = pulumi.Config()
        pulumi.export("key", config.require_secret("key"))
        pulumi.export("size", config.require_int("size"))

    assert stack.host().up(program, workspace.heard).outputs == {"key": SECRET, "size": 3}
    assert "hunter2" not in "".join(path.read_text() for path in workspace.stack.state.rglob("*.json"))


def test_the_serial_leaves_times_aside_and_sees_everything_else(workspace: Workspace) -> None:
    entry = {"urn": "u", "type": "t", "custom": True, "inputs": {"a": 1}, "created": "yesterday"}
    assert serial({"resources": [entry]}) == serial({"resources": [{**entry, "created": "today", "modified": "now"}]})
    assert serial({"resources": [entry]}) != serial({"resources": [{**entry, "inputs": {"a": 2}}]})
    assert serial({}) == ""


def test_state_is_exported_and_imported_whole(workspace: Workspace) -> None:
    workspace.host().up(lambda: File("a", folder=workspace.folder) and None, workspace.heard)
    exported = workspace.host().export_state()
    workspace.host().destroy(workspace.heard)
    workspace.host().import_state(exported)
    assert workspace.host().export_state()["deployment"]["resources"] == exported["deployment"]["resources"]


def test_history_says_what_was_done_the_newest_first(workspace: Workspace) -> None:
    host = workspace.host(message="from a test")
    host.up(lambda: File("a", folder=workspace.folder) and None, workspace.heard)
    host.destroy(workspace.heard)
    newest, oldest = host.history()
    assert (newest.kind, newest.result, newest.changes) == ("destroy", "succeeded", {"delete": 2})
    assert (oldest.kind, oldest.message, oldest.changes) == ("update", "from a test", {"create": 2})


def test_a_state_of_another_secrets_provider_is_refused_by_name(workspace: Workspace) -> None:
    workspace.host().up(lambda: None, workspace.heard)
    path = workspace.stack.state / ".pulumi/stacks/project/dev.json"
    document = json.loads(path.read_text())
    document["checkpoint"]["latest"]["secrets_providers"] = {"type": "cloud", "state": {"url": "kms://x"}}
    path.write_text(json.dumps(document))
    with pytest.raises(Exception, match="the secrets provider 'cloud' needs the pulumi CLI"):
        workspace.host().up(lambda: None, workspace.heard)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"parent": "urn:missing"}, "needs urn:missing, which does not stand before it"),
        ({"dependencies": ["urn:missing"]}, "needs urn:missing, which does not stand before it"),
        ({"provider": "urn:p::1"}, "refers to the provider urn:p::1, which does not stand before it"),
        ({"id": "x"}, "is a component, and has an id"),
        ({"urn": STACK_URN}, "stands twice in the snapshot"),
        ({"type": ""}, "has no urn or no type"),
    ],
)
def test_a_broken_snapshot_is_not_written(change: dict[str, Any], fault: str) -> None:
    root = Resource(STACK_URN, "pulumi:pulumi:Stack", custom=False)
    sound = Resource("urn:a", "t", custom=False)
    check_snapshot([root, sound, replace(sound, urn=STACK_URN, type="pulumi:pulumi:Stack", delete=True)])
    with pytest.raises(BrokenSnapshot, match=re.escape(fault)):
        check_snapshot([root, replace(sound, **change)])


@given(JSON)
@settings(max_examples=200, deadline=None)
def test_a_checkpoints_text_is_what_json_writes(value: Any) -> None:
    assert written(value) == json.dumps(value, indent=4, ensure_ascii=False)


def test_a_checkpoint_with_pending_operations_is_one_text_whatever_its_resources_hold(workspace: Workspace) -> None:
    root = Resource(STACK_URN, "pulumi:pulumi:Stack", custom=False, outputs={"places": ['"@resources@"', '"@pending@"', "two\nlines", "é"]})
    pending = Resource("urn:a", "t", custom=True, inputs={"place": "@pending@", "secret": make_secret("hunter2")}, parent=STACK_URN)
    texts = CheckpointText(workspace.stack, Secrets("a passphrase"))
    for running in ([Operation(pending, "creating"), Operation(root, "updating")], []):
        text = texts.text(Snapshot([root], running)).decode()
        document = json.loads(text)
        assert text == json.dumps(document, indent=4, ensure_ascii=False) + "\n"
        latest = document["checkpoint"]["latest"]
        assert [item["outputs"] for item in latest["resources"]] == [root.outputs]
        assert [(item["type"], item["resource"]["urn"]) for item in latest.get("pending_operations", [])] == [(one.type, one.resource.urn) for one in running]
        opened = snapshot_of(latest, Secrets("a passphrase", salt_of(latest)))
        assert [one.resource.inputs for one in opened.pending] == [one.resource.inputs for one in running]
    assert "hunter2" not in text


@given(JSON)
@settings(max_examples=200, deadline=None)
def test_any_json_crosses_the_wire_and_the_codec_unchanged(value: Any) -> None:
    values = {"v": value}
    assert differing_paths(wire.from_struct(wire.to_struct(values)), values) == []
    assert differing_paths(decode(encode(values)), values) == []
    assert {key: wire_value(item) for key, item in encode(values).items()} == values


@given(JSON, JSON)
@settings(max_examples=100, deadline=None)
def test_secrets_are_kept_whatever_a_provider_answers(asked: Any, answered: Any) -> None:
    answer = keep_secret({"v": answered, "other": 1}, {"v": make_secret(asked)})
    assert redacted(answer) == {"v": SECRET, "other": 1}
    assert revealed(answer) == {"v": answered, "other": 1}


def test_what_is_sealed_opens_with_the_same_passphrase_and_salt() -> None:
    sealing = Secrets("ünlock")
    sealed = sealing.sealed({"a": [make_secret({"pässword": "hunter2"})]}, "urn")
    assert "hunter2" not in json.dumps(sealed)
    assert Secrets("ünlock", sealing.salt_state).opened(sealed, "urn") == {"a": [make_secret({"pässword": "hunter2"})]}


def test_differing_paths_are_written_as_pulumi_writes_them() -> None:
    old = {"a": {"b.c": 1, "same": [1]}, "list": [1, {"x": True}], "gone": None, "secret": make_secret("s")}
    new = {"a": {"b.c": 2, "same": [1]}, "list": [1, {"x": 1}, 3], "secret": "s"}
    assert differing_paths(old, new) == ['a["b.c"]', "list[1].x", "list[2]"]


def test_the_codec_gives_plain_values_and_takes_marked_secrets() -> None:
    asked = encode({"size": 3, "part": 2.5, "later": UNKNOWN, "list": [{"deep": None}]})
    assert decode(asked) == {"size": 3, "part": 2.5, "later": UNKNOWN, "list": [{"deep": None}]}
    marked = encode({"token": Secret({"a": 1})})
    assert (marked["token"].is_secret, decode(marked)) == (True, {"token": {"a": 1}})


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        ("a", {"a": 1}, {"a": 2, "b": 3}, {"a": 1, "b": 3}),
        ("a", {}, {"a": 2}, {}),
        ("a.b", {"a": {"b": 1}}, {"a": {"b": 2, "c": 3}}, {"a": {"b": 1, "c": 3}}),
        ("a[1]", {"a": [1, 2]}, {"a": [8, 9]}, {"a": [8, 2]}),
        ('a["x.y"]', {"a": {"x.y": 1}}, {"a": {"x.y": 2}}, {"a": {"x.y": 1}}),
        ("a[*].b", {"a": [{"b": 1}]}, {"a": [{"b": 2}, {"b": 3}]}, {"a": [{"b": 1}, {"b": 3}]}),
        ("a.*", {"a": {"x": 1, "y": 2}}, {"a": {"x": 9, "z": 3}}, {"a": {"x": 1, "y": 2}}),
        ("*.b", {"a": {"b": 1}}, {"a": {"b": 2}, "c": {"b": 3}}, {"a": {"b": 1}, "c": {"b": 3}}),
        ("a[0]", {"a": {"0": 1}}, {"a": {"0": 2}}, {"a": {"0": 2}}),
        ('a["x\\"y"]', {"a": {'x"y': 1}}, {"a": {'x"y': 2}}, {"a": {'x"y': 1}}),
        ("a.b", {"a": {"b": 1}}, {"a": make_secret({"b": 2})}, {"a": make_secret({"b": 1})}),
        ("a.b", {"a": make_secret({"b": 1})}, {"a": {"b": 2}}, {"a": {"b": make_secret(1)}}),
    ],
)
def test_property_paths_reset_what_they_name(path: str, old: Any, new: Any, expected: Any) -> None:
    assert paths.reset(paths.parse(path), old, new) == expected


def test_the_protocol_is_imported_without_pulumi() -> None:
    check = "import sys, mlx_engine.host, mlx_engine; sys.exit('pulumi' in sys.modules or 'grpc' in sys.modules)"
    environment = {"PYTHONPATH": ":".join(sys.path)}
    assert subprocess.run([sys.executable, "-c", check], env=environment, check=False).returncode == 0


def test_a_long_program_is_waited_for_in_linear_time(workspace: Workspace) -> None:
    """The SDK's own wait looks at every output again for each that completes: 400 of them would be 80,000 looks."""

    def program() -> None:
        for at in range(400):
            File(f"f{at}", folder=workspace.folder).size.apply(lambda size: size)

    result = workspace.host().preview(program, workspace.heard)
    assert [step.op for step in result.steps].count(Op.CREATE) == 402
