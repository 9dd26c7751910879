"""What the world does to state: each time one clear word, and a way out that a person can take."""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from differential_programs import PROGRAMS
from file_provider import FileProvider

from mlx_engine.embedded import embedded_host
from mlx_engine.host import EngineError, Host, Options, Stack, UpdateFailed

CHECKPOINT = "state/.pulumi/stacks/project/dev.json"
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda data: data[: len(data) // 2],
    "empty": lambda _data: b"",
    "not text": lambda data: b"\xff\xfe" + data,
    "of another shape": lambda _data: b"[]",
    "without a checkpoint": lambda _data: b'{"version": 3}',
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_state_is_named_and_one_command_brings_back_the_newest_copy(damage: str, tmp_path: Path) -> None:
    applied(tmp_path)
    checkpoint = tmp_path / CHECKPOINT
    checkpoint.write_bytes(DAMAGES[damage](checkpoint.read_bytes()))
    with pytest.raises(EngineError) as refused:
        host(tmp_path).preview(plain(tmp_path), quiet)
    assert str(refused.value) == f"{checkpoint}: the state is damaged: not a checkpoint in JSON"
    said, _, command = refused.value.hint.partition(": ")
    assert said == "restore it, then apply"
    subprocess.run(command, shell=True, check=True)
    assert host(tmp_path).preview(plain(tmp_path), quiet).changes == []


def test_a_copy_that_is_damaged_too_is_passed_over(tmp_path: Path) -> None:
    applied(tmp_path)
    applied(tmp_path)
    checkpoint = tmp_path / CHECKPOINT
    for copy in (checkpoint, *tmp_path.glob("state/.pulumi/history/project/dev/*.checkpoint.json")):
        copy.write_text("{")
    with pytest.raises(EngineError) as refused:
        host(tmp_path).preview(plain(tmp_path), quiet)
    assert refused.value.hint == f"restore it, then apply: cp '{checkpoint}.bak' '{checkpoint}'"


def test_without_any_copy_what_is_there_is_adopted(tmp_path: Path) -> None:
    applied(tmp_path)
    before = objects(tmp_path)
    shutil.rmtree(tmp_path / "state/.pulumi/history")
    checkpoint = tmp_path / CHECKPOINT
    checkpoint.write_text("{")
    with pytest.raises(EngineError) as refused:
        host(tmp_path).preview(plain(tmp_path), quiet)
    assert refused.value.hint == "there is no copy of it: move it away and apply again, what is there is found and adopted"
    checkpoint.rename(tmp_path / "away.json")
    applied(tmp_path)
    assert objects(tmp_path) == before


def test_a_clock_that_jumped_back_changes_nothing(tmp_path: Path) -> None:
    """What was written before the jump bears times of the future."""
    applied(tmp_path)
    for entry in (tmp_path / "state/.pulumi/history/project/dev").iterdir():
        stem, _, suffix = entry.name.partition(".")
        later = int(stem.rpartition("-")[2]) + 365 * 24 * 3600 * 10**9
        entry.rename(entry.with_name(f"dev-{later}.{suffix}"))
    host(tmp_path).up(lambda: PROGRAMS["plain"][1](folder(tmp_path)), quiet)
    assert host(tmp_path).preview(lambda: PROGRAMS["plain"][1](folder(tmp_path)), quiet).changes == []
    assert len(host(tmp_path).history()) == 2


class RemovesAndFails(FileProvider):
    """Its answer to a delete is lost."""

    async def delete(self, request: Any) -> None:
        await super().delete(request)
        raise ConnectionError("the answer was lost")


def test_an_object_whose_delete_failed_after_it_was_removed_is_made_again_by_the_next_apply(tmp_path: Path) -> None:
    applied(tmp_path)
    before = objects(tmp_path)
    with pytest.raises(UpdateFailed, match="the answer was lost"):
        host(tmp_path, RemovesAndFails).destroy(quiet)
    assert objects(tmp_path) != before
    applied(tmp_path)
    assert objects(tmp_path) == before


def test_a_write_that_finds_no_room_names_the_file_and_leaves_no_part_of_it(tmp_path: Path) -> None:
    """A limit on the size of files is a full disk that a test can make."""
    applied(tmp_path)
    stands = (tmp_path / CHECKPOINT).read_bytes()
    done = subprocess.run(["bash", "-c", f"ulimit -f 1; exec {writing()}", "-", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == f"File too large: {tmp_path / CHECKPOINT}.bak\n"
    assert (tmp_path / CHECKPOINT).read_bytes() == stands
    assert list((tmp_path / "state").rglob("*.tmp")) == []
    assert host(tmp_path).preview(plain(tmp_path), quiet).changes == []


def writing() -> str:
    """A command for bash that writes state where there is no room; the workspace is its first argument."""
    lines = "import sys; from pathlib import Path; from mlx_engine.state.folder import FolderBlobs as B\n"
    lines += f"try: B(Path(sys.argv[1])).write('{CHECKPOINT}.bak', b'x' * 100_000)\n"
    lines += "except OSError as error: print(f'{error.strerror}: {error.filename}'); sys.exit(1)"
    return f'{shlex.quote(sys.executable)} -c {shlex.quote(lines)} "$1"'


def applied(root: Path) -> None:
    host(root).up(plain(root), quiet)


def host(root: Path, provider: type = FileProvider) -> Host:
    return embedded_host(Stack("project", "dev", root, root / "state"), Options(parallel=1), {"files": provider})


def plain(root: Path) -> Callable[[], Any]:
    return lambda: PROGRAMS["plain"][0](folder(root))


def folder(root: Path) -> str:
    return str(root / "files")


def objects(root: Path) -> dict[str, Any]:
    return {path.name: json.loads(path.read_text()) for path in (root / "files").glob("*.json")}


def quiet(_event: Any) -> None:
    return
