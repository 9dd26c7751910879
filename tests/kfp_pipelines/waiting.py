"""Waiting for other processes: for what one tells, and for its end. The kernel wakes the test; nothing is asked again and again."""

import os
import select
from collections.abc import Iterable
from pathlib import Path

SECONDS = 60


class Told:
    """A named pipe: what another process writes to ``path`` is read here."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def read(self) -> str:
        """What was written; waits until something is."""
        assert select.select([self._end], [], [], SECONDS)[0], f"nobody wrote to {self.path}"
        return os.read(self._end, 1 << 16).decode()


def watched(pids: Iterable[int]) -> list[int]:
    """A handle for each process that still runs; it stays that process's when the number is given to another."""
    handles: list[int] = []
    for pid in pids:
        try:
            handles.append(os.pidfd_open(pid))
        except ProcessLookupError:
            continue
    return handles


def wait_for_end(handles: Iterable[int]) -> None:
    """Until all have ended; a zombie has, though its parent may be slow to collect it."""
    for handle in handles:
        assert select.select([handle], [], [], SECONDS)[0], "a process did not end"
        os.close(handle)


def with_variable(name: str, value: str) -> list[int]:
    """The processes that were started with an environment variable of this value, or of a path below it."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(variable == f"{name}={value}" or variable.startswith(f"{name}={value}/") for variable in variables):
            found.append(int(folder.name))
    return found
