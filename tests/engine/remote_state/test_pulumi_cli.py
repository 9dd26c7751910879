"""The real pulumi CLI on the state that the embedded host keeps in a bucket, and the other way round."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from buckets import Bucket, in_bucket
from conftest import Workspace
from file_program import File

from mlx_engine.cli_host import cli_host
from mlx_engine.host import Locked, Op, Options
from mlx_engine.state.files import files_of
from mlx_engine.state.lock import locked

pytestmark = pytest.mark.skipif(shutil.which("pulumi") is None, reason="needs the pulumi CLI on PATH")


@pytest.fixture
def remote(workspace: Workspace, bucket: Bucket) -> Workspace:
    return in_bucket(workspace, bucket.url)


def pulumi_says(workspace: Workspace, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What the CLI says after `pulumi login URL`, with the bucket's own variables."""
    home = workspace.root / ".pulumi-home"
    (workspace.root / "Pulumi.yaml").write_text("name: project\nruntime: python\n")
    variables = {"PULUMI_HOME": str(home), "PULUMI_CONFIG_PASSPHRASE": "", "PULUMI_SKIP_UPDATE_CHECK": "true"}
    environment = {**os.environ, **variables}
    command = ["pulumi", "--non-interactive", "--cwd", str(workspace.root)]
    subprocess.run([*command, "login", str(workspace.stack.state)], env=environment, capture_output=True, text=True, check=True)
    return subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_pulumi_login_opens_the_bucket_and_lists_the_stack(remote: Workspace) -> None:
    remote.host().up(lambda: File("a", folder=remote.folder) and None, remote.heard)
    listed = pulumi_says(remote, "stack", "ls")
    assert listed.returncode == 0, listed.stderr
    name, _when, count = re.split(r"\s{2,}", listed.stdout.splitlines()[1].strip())
    assert (name, count) == ("dev", "3")


def test_the_cli_finds_everything_the_same(remote: Workspace, plugin_folder: Path) -> None:
    def program() -> None:
        first = File("a", folder=remote.folder, content={"text": "ü"})
        File("b", folder=remote.folder, content=first.size)

    remote.host().up(program, remote.heard)
    seen = cli_host(remote.stack, Options(), [plugin_folder]).preview(program, remote.heard)
    assert {step.op for step in seen.steps} == {Op.SAME}
    assert len(seen.steps) == 4  # the stack, the provider and two files


def test_what_the_cli_applied_in_the_bucket_is_the_same_for_the_embedded_host(remote: Workspace, plugin_folder: Path) -> None:
    def program() -> None:
        File("a", folder=remote.folder, content=1)

    cli_host(remote.stack, Options(), [plugin_folder]).up(program, remote.heard)
    assert {step.op for step in remote.host().preview(program, remote.heard).steps} == {Op.SAME}
    assert remote.host().history()[0].kind == "update"


def test_the_cli_respects_this_hosts_lock_and_removes_it_on_cancel(remote: Workspace, bucket: Bucket) -> None:
    remote.host().up(lambda: None, remote.heard)
    with locked(files_of(remote.stack), 0, lambda _message: None):
        refused = pulumi_says(remote, "destroy", "--stack", "dev", "--yes")
        assert "the stack is currently locked by 1 lock(s)" in refused.stderr + refused.stdout
        assert pulumi_says(remote, "cancel", "--stack", "dev", "--yes").returncode == 0
        assert bucket.blobs.keys(".pulumi/locks/organization/project/dev", ".json") == []


def test_this_host_respects_the_lock_of_a_cli_elsewhere(remote: Workspace, bucket: Bucket) -> None:
    theirs: dict[str, Any] = {"pid": 1, "username": "ann", "hostname": "elsewhere", "timestamp": "2026-01-01T00:00:00Z"}
    bucket.blobs.write(".pulumi/locks/organization/project/dev/0e0e.json", str(theirs).replace("'", '"').encode())
    with pytest.raises(Locked, match=r"ann@elsewhere \(pid 1\) since 2026-01-01"):
        remote.host().up(lambda: None, remote.heard)
