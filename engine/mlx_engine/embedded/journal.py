"""The snapshot while an update changes it, and the thread that keeps the checkpoint on disk close behind.

What is new stands first, in the order in which it was done; what was there before and has not been met yet follows. An
operation is on disk before it starts: several with one write, as late as leaves nobody idle. A finished one is on disk with the next
write, within ``LATEST`` seconds.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlx_engine.embedded.aliases import with_names_of_now
from mlx_engine.embedded.gates import Gate
from mlx_engine.state.checkpoint import Operation, Snapshot
from mlx_engine.state.resource import Resource

LATEST = 0.5

WriteSnapshot = Callable[[Snapshot], None]


class Journal:
    """Knows which resources stand in state, and which operations run."""

    def __init__(self, before: Sequence[Resource], metadata: Mapping[str, Any], write: WriteSnapshot | None, parallel: int = 1) -> None:
        self._before = dict.fromkeys(before)
        """What stood in state when the update began, in its order, until it is met."""
        self._news: dict[str, Resource] = {}
        self._renamed: dict[str, str] = {}
        """Urn of now -> urn in the state that the update began with."""
        self._pending: dict[Resource, Operation] = {}
        self._metadata = metadata
        self._lock = threading.Lock()
        self._writer = SnapshotWriter(self.snapshot, write, enough=2 * parallel) if write else None

    def snapshot(self) -> Snapshot:
        with self._lock:
            resources = with_names_of_now([*self._news.values(), *self._before], self._renamed)
            return Snapshot(resources, list(self._pending.values()), self._metadata)

    @property
    def standing(self) -> list[Resource]:
        """What stands in state, in its order; what has not been met yet under the names of before."""
        with self._lock:
            return [*self._news.values(), *self._before]

    @property
    def leftovers(self) -> list[Resource]:
        """What stood in state before, and has neither been kept nor removed."""
        with self._lock:
            return list(self._before)

    def current(self, urn: str) -> Resource | None:
        """What has been kept under this urn in this update."""
        with self._lock:
            return self._news.get(urn)

    def rename(self, before: str, now: str) -> None:
        with self._lock:
            self._renamed[now] = before

    def begin(self, kind: str, resource: Resource) -> None:
        """Records that an operation is about to start, and returns when that is on disk."""
        with self._lock:
            self._pending[resource] = Operation(resource, kind)
        if self._writer:
            self._writer.begin()

    def end(self, resource: Resource) -> None:
        """The operation ended without a result."""
        with self._lock:
            self._end(resource)
        self._changed()

    def keep(self, new: Resource, instead_of: Resource | None = None, *, ends: Resource | None = None, changed: bool = True) -> None:
        """``new`` stands in state now, and what it is instead of does not; the operation on ``ends`` has ended."""
        with self._lock:
            self._forget(instead_of)
            self._news[new.urn] = new
            self._end(ends)
        if changed:
            self._changed()

    def amend(self, new: Resource) -> None:
        """A resource that was kept before is ``new`` now, at its old place."""
        with self._lock:
            self._news[new.urn] = new
        self._changed()

    def condemn(self, old: Resource) -> Resource:
        """``old`` was replaced and is still to be deleted."""
        return self._set(old, replace(old, delete=True))

    def await_replacement(self, old: Resource, *, ends: Resource | None = None) -> Resource:
        """``old`` was deleted and is to be created again."""
        return self._set(old, replace(old, pending_replacement=True), ends)

    def refresh(self, old: Resource, found: Resource | None) -> None:
        """``old`` was read, and is ``found`` or gone."""
        if found is None:
            self.drop(old)
        else:
            self._set(old, found)

    def drop(self, old: Resource, *, ends: Resource | None = None) -> None:
        with self._lock:
            self._forget(old)
            self._end(ends)
        self._changed()

    def close(self) -> None:
        """Returns when everything is on disk; raises what made that impossible."""
        if self._writer:
            self._writer.close()

    def _forget(self, old: Resource | None) -> None:
        if old is None:
            return
        self._before.pop(old, None)
        if self._news.get(old.urn) is old:
            del self._news[old.urn]

    def _end(self, resource: Resource | None) -> None:
        if resource is not None and self._pending.pop(resource, None) and self._writer:
            self._writer.end()

    def _set(self, old: Resource, changed: Resource, ends: Resource | None = None) -> Resource:
        with self._lock:
            self._end(ends)
            self._before = {changed if resource is old else resource: None for resource in self._before}
        self._changed()
        return changed

    def _changed(self) -> None:
        if self._writer:
            self._writer.dirty()


class SnapshotWriter:
    """Writes the latest snapshot, on a thread of its own.

    Where ``enough`` operations are on disk and have not ended, nobody waits for another one: those that are to begin are written together later.
    """

    def __init__(self, snapshot: Callable[[], Snapshot], write: WriteSnapshot, *, enough: int) -> None:
        self._snapshot = snapshot
        self._write = write
        self._enough = enough
        self._state = threading.Condition()
        """Only the thread waits for it."""
        self._dirty = self._closing = False
        self._due = 0.0
        self._beginning: list[Gate] = []
        """Of operations that wait to be on disk."""
        self._running = 0
        """Operations that are on disk and have not ended."""
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="mlx-checkpoint", daemon=True)
        self._thread.start()

    def dirty(self) -> None:
        with self._state:
            if not self._dirty:
                self._dirty, self._due = True, time.monotonic() + LATEST
                self._state.notify()

    def begin(self) -> None:
        """Returns when the operation that was recorded before is on disk."""
        written = Gate()
        with self._state:
            if self._fault:
                raise self._fault
            self._beginning.append(written)
            self._wake_if_urgent()
        written.wait()
        if self._fault:
            raise self._fault

    def end(self) -> None:
        """One that had begun has ended."""
        with self._state:
            self._running -= 1
            self._wake_if_urgent()

    def close(self) -> None:
        with self._state:
            self._closing = True
            self._state.notify()
        self._thread.join()
        if self._fault:
            raise self._fault

    def _run(self) -> None:
        try:
            while self._wait_for_work():
                self._write_once()
        except BaseException as fault:  # whoever waits for the disk raises it
            with self._state:
                self._fault = fault
            for written in self._beginning:
                written.open()

    def _wait_for_work(self) -> bool:
        with self._state:
            while not (self._is_urgent() or self._closing):
                late = self._due - time.monotonic() if self._dirty else None
                if late is not None and late <= 0:
                    break
                self._state.wait(late)
            return self._dirty or bool(self._beginning) or not self._closing

    def _wake_if_urgent(self) -> None:
        if self._is_urgent():
            self._state.notify()

    def _is_urgent(self) -> bool:
        return bool(self._beginning) and self._running < self._enough

    def _write_once(self) -> None:
        with self._state:
            beginning, self._dirty = len(self._beginning), False
        self._write(self._snapshot())
        with self._state:
            begun, self._beginning = self._beginning[:beginning], self._beginning[beginning:]
            self._running += beginning
        for written in begun:
            written.open()
