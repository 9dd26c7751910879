"""Where a fault can strike an update, and the fault itself.

Enters: calls of a provider, writes of state (by an audit hook of Python: nothing of ours knows of it), steps of a pipeline. Each
is an instant with a name. Leaves: their list, or one of three faults at one of them. Must run in a process of its own.
"""

import errno
import json
import os
import re
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

Answer = TypeVar("Answer")
DELAY = 0.7
"""Seconds; longer than the half second in which checkpoints are joined."""
STARTED = re.compile(r"^step \d+(?:/\d+)? (\S+) \.\.\.$")
ENDED = re.compile(r"^step (\S+) done in ")
VARYING = re.compile(r"\d{19}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|\.\d+(?=\.tmp)")
"""Times, lock ids and process ids in names of files."""


class Kind(StrEnum):
    KILL = "kill"
    ERROR = "error"
    DELAY = "delay"


@dataclass(frozen=True)
class Instant:
    """One place in an update: ``write /stacks/tiny/local.json``, ``torn``, the second time."""

    what: str
    when: str
    nth: int

    def __str__(self) -> str:
        return f"{self.what} #{self.nth} {self.when}"


class Watch:
    """Counts instants as they pass; at the chosen one it does the fault, once."""

    def __init__(self, notes: Path, chosen: Instant | None = None, kind: Kind = Kind.KILL) -> None:
        self.seen: list[Instant] = []
        self._notes = notes
        self._chosen = chosen
        self._kind = kind
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def passes(self, what: str, when: str, spoil: Callable[[Kind], None] | None = None) -> None:
        """``spoil`` does what the fault does here beside what it does everywhere."""
        with self._lock:
            self._counts[what, when] += 1
            instant = Instant(what, when, self._counts[what, when])
            self.seen.append(instant)
        if instant == self._chosen:
            self._notes.with_suffix(".struck").touch()
            _strike(self._kind, what, spoil)

    def record(self) -> None:
        """Leaves what passed for the process that asked."""
        self._notes.write_text(json.dumps([[item.what, item.when, item.nth] for item in self.seen]))


def _strike(kind: Kind, what: str, spoil: Callable[[Kind], None] | None) -> None:
    if spoil:
        spoil(kind)
    match kind:
        case Kind.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        case Kind.DELAY:
            time.sleep(DELAY)
        case Kind.ERROR:
            if not what.startswith("step "):
                raise OSError(errno.EIO, f"injected fault at {what}")


def faulty(provider: type, watch: Watch) -> type:
    """The same provider, whose calls pass the watch."""

    class Faulty(provider):
        async def check(self, request: Any) -> Any:
            return await _around(watch, "check", request, super().check(request))

        async def diff(self, request: Any) -> Any:
            return await _around(watch, "diff", request, super().diff(request))

        async def create(self, request: Any) -> Any:
            return await _around(watch, "create", request, super().create(request))

        async def read(self, request: Any) -> Any:
            return await _around(watch, "read", request, super().read(request))

        async def update(self, request: Any) -> Any:
            return await _around(watch, "update", request, super().update(request))

        async def delete(self, request: Any) -> Any:
            return await _around(watch, "delete", request, super().delete(request))

    return Faulty


async def _around(watch: Watch, call: str, request: Any, answer: Awaitable[Answer]) -> Answer:
    kind, _, name = request.urn.rpartition("::")
    what = f"{call} {kind.rpartition(':')[2]} {name}"
    try:
        watch.passes(what, "before")
    except OSError:
        answer.close()  # type: ignore[attr-defined]
        raise
    given = await answer
    watch.passes(what, "after")
    return given


def watch_state(watch: Watch, state: Path) -> None:
    """A file of state is opened aside, renamed, and its .attrs removed: these are before, torn and after."""
    root = str(state / ".pulumi")

    def heard(event: str, values: tuple[Any, ...]) -> None:
        if event not in ("open", "os.rename", "os.remove") or not str(values[0]).startswith(root):
            return
        path = VARYING.sub("*", str(values[0]).removeprefix(root))
        if event == "open" and path.endswith(".tmp"):
            watch.passes(f"write {path.removesuffix('*.tmp').rstrip('.')}", "before")
        elif event == "os.rename":
            watch.passes(f"write {path.removesuffix('*.tmp').rstrip('.')}", "torn", lambda kind: _tear(kind, str(values[0])))
        elif event == "os.remove":
            attrs = path.endswith(".attrs")
            watch.passes(f"write {path.removesuffix('.attrs')}" if attrs else f"remove {path}", "after" if attrs else "before")

    sys.addaudithook(heard)


def _tear(kind: Kind, path: str) -> None:
    if kind is not Kind.DELAY:
        os.truncate(path, Path(path).stat().st_size // 2)


def watch_steps(watch: Watch) -> Callable[[Any], None]:
    """An ``on_event`` for whom each step of a pipeline is three instants: before, in, after."""

    def heard(event: Any) -> None:
        if started := STARTED.match(event.message):
            watch.passes(f"step {started[1]}", "before", _strike_step)
            threading.Timer(0.4, watch.passes, (f"step {started[1]}", "in", _strike_step)).start()
        elif ended := ENDED.match(event.message):
            watch.passes(f"step {ended[1]}", "after", _strike_step)

    return heard


def _strike_step(kind: Kind) -> None:
    """An error ends the runner's processes, a delay halts them; a kill is that of the whole update."""
    groups = [pid for pid in _children(os.getpid()) if os.getpgid(pid) == pid]
    for group in groups if kind is not Kind.KILL else ():
        os.killpg(group, signal.SIGKILL if kind is Kind.ERROR else signal.SIGSTOP)
        if kind is Kind.DELAY:
            threading.Timer(DELAY, os.killpg, (group, signal.SIGCONT)).start()


def _children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]
