"""What processes of one machine share: a folder that one of them makes while the others wait."""

import fcntl
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def kept(name: str, make: Callable[[Path], object]) -> Path:
    """The folder of this name, which ``make`` fills where it is not there yet; never half of one."""
    folder = Path(tempfile.gettempdir(), name)
    with folder.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            fresh = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=folder.parent))
            try:
                make(fresh)
                fresh.rename(folder)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
    return folder
