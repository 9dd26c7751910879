"""The stack's lock: a file per holder, as Pulumi's file backend keeps it, so that the CLI and this host respect each other.

A lock is written, then the folder is looked at again: of two that come at once, at least one sees the other and steps back.
"""

import getpass
import json
import os
import random
import socket
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlx_engine.host import Locked
from mlx_engine.state.checkpoint import now
from mlx_engine.state.files import StackFiles, write_durably

PAUSE = 0.2
"""Seconds between two looks at a lock that another holds."""


@dataclass(frozen=True)
class Holder:
    path: Path
    pid: int
    username: str
    hostname: str
    timestamp: str

    def __str__(self) -> str:
        return f"{self.username}@{self.hostname} (pid {self.pid}) since {self.timestamp}"


@contextmanager
def locked(files: StackFiles, timeout: float, on_wait: Callable[[str], None]) -> Generator[None]:
    """Holds the stack's lock; waits ``timeout`` seconds for it, telling ``on_wait`` whose it is, then raises ``Locked``."""
    mine = _acquire(files, time.monotonic() + timeout, on_wait)
    try:
        yield
    finally:
        mine.unlink(missing_ok=True)


def holders(files: StackFiles) -> list[Holder]:
    """Who holds the stack's lock; the locks of processes of this machine that are dead are removed on the way."""
    found = [_read(path) for path in sorted(files.locks.glob("*.json"))]
    alive: list[Holder] = []
    for holder in filter(None, found):
        if _is_dead(holder):
            holder.path.unlink(missing_ok=True)
        else:
            alive.append(holder)
    return alive


def break_locks(files: StackFiles) -> list[Holder]:
    """Removes every lock of the stack and says whose they were."""
    broken = [holder for path in sorted(files.locks.glob("*.json")) if (holder := _read(path))]
    for holder in broken:
        holder.path.unlink(missing_ok=True)
    return broken


def _acquire(files: StackFiles, deadline: float, on_wait: Callable[[str], None]) -> Path:
    told: set[Path] = set()
    while True:
        others = holders(files)
        if not others:
            mine = _write(files)
            others = [holder for holder in holders(files) if holder.path != mine]
            if not others:
                return mine
            mine.unlink(missing_ok=True)
        _refuse_when_late(others, deadline)
        if others[0].path not in told:
            on_wait(f"waiting for the lock of {others[0]}")
            told.add(others[0].path)
        time.sleep(min(PAUSE * (0.5 + random.random()), max(deadline - time.monotonic(), 0.01)))


def _refuse_when_late(others: list[Holder], deadline: float) -> None:
    if time.monotonic() >= deadline:
        hint = "wait for it to end, or remove the lock with cancel if that process is gone"
        raise Locked(f"the stack is locked by {', '.join(map(str, others))}", hint=hint)


def _write(files: StackFiles) -> Path:
    mine = files.locks / f"{uuid.uuid4()}.json"
    content = {"pid": os.getpid(), "username": _username(), "hostname": socket.gethostname(), "timestamp": now()}
    write_durably(mine, json.dumps(content).encode())
    return mine


def _read(path: Path) -> Holder | None:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except json.JSONDecodeError:
        content = {}
    return Holder(path, content.get("pid", 0), content.get("username", "?"), content.get("hostname", "?"), content.get("timestamp", "?"))


def _is_dead(holder: Holder) -> bool:
    if holder.hostname != socket.gethostname() or holder.pid <= 0:
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _username() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())
