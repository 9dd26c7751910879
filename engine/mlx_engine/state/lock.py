"""The stack's lock: a file that says who holds it, as Pulumi's file backend keeps it, so that the CLI and this host respect each other.

A lock is written, then the folder is looked at again: of two that come at once, at least one sees the other and steps back.
In a bucket the locks of this host have one name, created only where it is not there: of two, exactly one wins.
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

from mlx_engine.host import EngineError, Locked, LockLost
from mlx_engine.state.blobs import ABSENT, Conflict
from mlx_engine.state.checkpoint import now
from mlx_engine.state.files import StackFiles

PAUSE = 0.2
"""Seconds between two looks at a lock that another holds."""
SHARED = "mlx"
"""The name of this host's lock in a bucket."""


@dataclass(frozen=True)
class Holder:
    key: str
    version: str
    pid: int
    username: str
    hostname: str
    timestamp: str
    machine: str

    def __str__(self) -> str:
        return f"{self.username}@{self.hostname} (pid {self.pid}) since {self.timestamp}"


class Lease:
    """The lock while it is held. The checkpoint is written through it, and only so long as nobody else took or wrote anything."""

    def __init__(self, files: StackFiles, key: str, lock: str) -> None:
        self.files = files
        self.key = key
        self._lock = lock
        self._checkpoint = ABSENT

    def begin(self) -> None:
        """From here on the checkpoint is this update's alone."""
        found = self.files.blobs.read(self.files.checkpoint)
        self._checkpoint = found.version if found else ABSENT

    def write_checkpoint(self, data: bytes) -> None:
        self._check()
        try:
            self._checkpoint = self.files.blobs.write(self.files.checkpoint, data, self._checkpoint)
        except Conflict as error:
            raise self._lost("another update wrote the state of this stack") from error

    def release(self) -> None:
        """Removes the lock, where it is still this one."""
        try:
            self.files.blobs.remove(self.key, self._lock)
        except Conflict:
            return

    def _check(self) -> None:
        found = self.files.blobs.read(self.key)
        if found is None:
            raise self._lost("the lock of this update was removed")
        if found.version != self._lock:
            raise self._lost(f"the lock of this update was taken over by {_holder(self.key, found.version, found.data)}")

    def _lost(self, why: str) -> LockLost:
        where = self.files.blobs.where(self.files.checkpoint)
        return LockLost(f"{why} while it ran: nothing more is written to {where}", hint="apply again: what was done and not recorded is found and adopted")


@contextmanager
def locked(files: StackFiles, timeout: float, on_wait: Callable[[str], None]) -> Generator[Lease]:
    """Holds the stack's lock; waits ``timeout`` seconds for it, telling ``on_wait`` whose it is, then raises ``Locked``."""
    lease = _acquire(files.telling(on_wait), time.monotonic() + timeout, on_wait)
    try:
        lease.begin()
        yield lease
    finally:
        _release(lease, on_wait)


def user_and_host() -> tuple[str, str]:
    """Who this process is, as a lock and the history say it."""
    return _username(), socket.gethostname()


def holders(files: StackFiles) -> list[Holder]:
    """Who holds the stack's lock; the locks of processes of this machine that are dead are removed on the way."""
    return [holder for holder in _found(files) if not _is_buried(files, holder)]


def break_locks(files: StackFiles) -> list[Holder]:
    """Removes every lock of the stack and says whose they were."""
    broken = _found(files)
    for holder in broken:
        files.blobs.remove(holder.key)
    return broken


def _acquire(files: StackFiles, deadline: float, on_wait: Callable[[str], None]) -> Lease:
    told: set[str] = set()
    while True:
        others = holders(files)
        if not others:
            lease = _taken(files)
            others = [holder for holder in holders(files) if lease is None or holder.key != lease.key]
            if lease and not others:
                return lease
            if lease:
                lease.release()
        if others:
            _refuse_when_late(others, deadline)
            if others[0].version not in told:
                on_wait(f"waiting for the lock of {others[0]}")
                told.add(others[0].version)
        time.sleep(max(min(PAUSE * (0.5 + random.random()), deadline - time.monotonic()), 0.01))


def _refuse_when_late(others: list[Holder], deadline: float) -> None:
    if time.monotonic() >= deadline:
        hint = "wait for it to end, or remove the lock with cancel if that process is gone"
        raise Locked(f"the stack is locked by {', '.join(map(str, others))}", hint=hint)


def _taken(files: StackFiles) -> Lease | None:
    """The lock of this process, None when another's came first."""
    own = uuid.uuid4()
    key = f"{files.locks}/{SHARED if files.blobs.shared else own}.json"
    username, hostname = user_and_host()
    holder = {"pid": os.getpid(), "username": username, "hostname": hostname, "timestamp": now()}
    content = json.dumps({**holder, "machine": _machine(), "lock": str(own)}).encode()
    try:
        lease = Lease(files, key, files.blobs.write(key, content, ABSENT))
    except Conflict:
        return None
    if files.blobs.shared:
        _check_conditions(lease)
    return lease


def _check_conditions(lease: Lease) -> None:
    """A store that takes a condition and does not keep it would let two in."""
    try:
        lease.files.blobs.write(lease.key, b"{}", ABSENT)
    except Conflict:
        return
    lease.files.blobs.remove(lease.key)
    where = lease.files.blobs.where(lease.key)
    raise EngineError(f"{where}: this store does not keep the condition of a write (If-None-Match)", hint="keep state in a store that does")


def _release(lease: Lease, on_wait: Callable[[str], None]) -> None:
    try:
        lease.release()
    except EngineError as error:  # what the update raised says more
        on_wait(f"the lock could not be removed ({error}): `mlx cancel` removes it")


def _found(files: StackFiles) -> list[Holder]:
    keys = files.blobs.keys(files.locks, ".json")
    return [_holder(key, blob.version, blob.data) for key in keys if (blob := files.blobs.read(key))]


def _holder(key: str, version: str, data: bytes) -> Holder:
    try:
        content: dict[str, Any] = json.loads(data)
    except json.JSONDecodeError:
        content = {}
    said = {name: content.get(name, "?") for name in ("username", "hostname", "timestamp")}
    return Holder(key, version, content.get("pid", 0), **said, machine=content.get("machine", ""))


def _is_buried(files: StackFiles, holder: Holder) -> bool:
    if not _is_dead(holder, shared=files.blobs.shared):
        return False
    try:
        files.blobs.remove(holder.key, holder.version)
    except Conflict:  # another buried it first, and took the lock
        return False
    return True


def _is_dead(holder: Holder, *, shared: bool) -> bool:
    if holder.hostname != socket.gethostname() or holder.pid <= 0:
        return False
    if shared and holder.machine != _machine():
        return False  # two machines may have one name; process ids say nothing between them
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _machine() -> str:
    """Where process ids mean what they mean here: one boot of one machine and one namespace of processes."""
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    try:
        return f"{boot.read_text().strip()} {namespace.readlink()}"
    except OSError:  # no Linux: the address of its network card
        return f"{uuid.getnode():x}"


def _username() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())
