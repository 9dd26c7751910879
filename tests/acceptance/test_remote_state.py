"""`mlx` in two clones of a workspace whose state stands in a bucket: real versitygw, the CLI as a user runs it."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from built_tools import NoTool
from workspaces import UserWorkspace, make_workspace

sys.path.append(str(Path(__file__).parents[1] / "engine" / "remote_state"))

from servers import Server, serve

ROWS = {"kind": "Dataset", "metadata": {"name": "rows"}, "spec": {"source": {"type": "csv", "path": "data/rows.csv"}}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    try:
        with serve("s3", tmp_path_factory.mktemp("s3"), sys.stderr.write) as running:
            yield running
    except NoTool as missing:
        pytest.skip(str(missing))


@pytest.fixture
def clones(server: Server, tmp_path: Path) -> tuple[UserWorkspace, UserWorkspace]:
    """Two people's copies of one workspace; nothing is applied."""
    url = server.url(f"team-{tmp_path.name}")
    first = make_workspace(tmp_path / "first", "shared", [ROWS], {"state": {"backend": url}})
    first.write("data/rows.csv", "a,b\n1,2\n3,4\n")
    shutil.copytree(first.root, tmp_path / "second")
    return first, UserWorkspace(tmp_path / "second")


def mlx(workspace: UserWorkspace, server: Server, *args: str, code: int = 0) -> str:
    return workspace.mlx(*args, code=code, env=dict(server.variables())).out


def test_two_clones_share_one_state(clones: tuple[UserWorkspace, UserWorkspace], server: Server) -> None:
    first, second = clones
    mlx(first, server, "apply", "--yes")
    assert mlx(first, server, "plan").startswith("No changes")
    assert not (first.root / ".mlx" / "state").exists()
    second.write("data/rows.csv", "a,b\n1,2\n3,4\n5,6\n")
    mlx(second, server, "apply", "--yes")
    history = json.loads(mlx(first, server, "history", "-o", "json"))
    assert [entry["result"] for entry in history["updates"]] == ["succeeded", "succeeded"]
    mlx(second, server, "destroy", "--yes")
    assert "1 to create" in mlx(first, server, "plan")


def test_two_clones_that_apply_at_once_do_one_after_the_other(clones: tuple[UserWorkspace, UserWorkspace], server: Server) -> None:
    """Who comes second waits, or is told who applies where and since when, and loses nothing by it."""
    environment = {**os.environ, **server.variables()}
    running = [
        subprocess.Popen(clone.command("apply", "--yes"), cwd=clone.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for clone in clones
    ]
    ended = [(process.communicate(timeout=300)[0], process.returncode) for process in running]
    told = [said for said, code in ended if code]
    assert all(re.search(r"is locked by \S+@\S+ \(pid \d+\) since 20\S+Z|stale", said) for said in told), told
    assert len(told) < 2
    for clone in clones:
        mlx(clone, server, "apply", "--yes")
    assert mlx(clones[1], server, "plan").startswith("No changes")
    assert mlx(clones[0], server, "cancel") == "environment local is not locked: there is nothing to cancel\n"
