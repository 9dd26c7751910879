"""A workspace that may be read but not written: looking works, changing says which folder is in the way, and doctor finds it.

Only a process without the superuser's right to write anywhere can see this, so each verb is one.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlx_cli.checks import Check, writable

UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
pytestmark = pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root writes everywhere; setpriv takes that right away")


def as_anybody(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*UNPRIVILEGED, sys.executable, "-m", "mlx_cli", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("place", [".", ".mlx/state"])
def test_apply_names_what_it_cannot_write_and_doctor_the_folder(place: str, tiny: Path) -> None:
    locked = tiny / place
    locked.mkdir(parents=True, exist_ok=True)
    locked.chmod(0o555)
    try:
        assert as_anybody(tiny, "plan").returncode == 0
        applied, examined = as_anybody(tiny, "apply", "--yes"), as_anybody(tiny, "doctor")
    finally:
        locked.chmod(0o755)
    missing = tiny / ".mlx" if place == "." else locked / ".pulumi"
    assert applied.returncode == 1
    assert f"error: cannot write {missing}: Permission denied\n  hint: mlx writes below .mlx in the workspace" in applied.stderr
    assert examined.returncode == 1
    assert f"bad  folder     {locked.resolve()} cannot be written; make it a folder that " in examined.stdout


def test_a_file_in_the_place_of_the_folder_is_named(tiny: Path) -> None:
    assert writable(tiny) == Check("folder", True, f"{tiny} can be written")
    (tiny / ".mlx").write_text("")
    found = writable(tiny)
    assert (found.ok, found.detail) == (False, f"{tiny / '.mlx'} is a file, not a folder")


def test_the_first_folder_in_the_way_is_named(tiny: Path) -> None:
    (tiny / ".mlx" / "local").mkdir(parents=True)
    assert writable(tiny, lambda path: path.name != "local").detail == f"{tiny / '.mlx/local'} cannot be written"
