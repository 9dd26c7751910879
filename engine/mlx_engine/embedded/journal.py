"""The snapshot while an update changes it, and the thread that keeps the checkpoint on disk close behind.

What is new stands first, in the order in which it was done; what was there before and has not been met yet follows. An
operation is on disk before it starts. A finished one is on disk with the next write: at once when another operation is about
to start, else within ``LATEST`` seconds; writes that are asked for while one runs are joined into the next.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlx_engine.embedded.aliases import with_names_of_now
from mlx_engine.state.checkpoint import Operation, Snapshot
from mlx_engine.state.resource import Resource

LATEST = 0.5

WriteSnapshot = Callable[[Snapshot], None]


class Journal:
    """Knows which resources stand in state, and which operations run."""

    def __init__(self, before: Sequence[Resource], metadata: Mapping[str, Any], write: WriteSnapshot | None) -> None:
        self._before = dict.fromkeys(before)
        """What stood in state when the update began, in its order, until it is met."""
        self._news: dict[str, Resource] = {}
        self._renamed: dict[str, str] = {}
        """Urn of now -> urn in the state that the update began with."""
        self._pending: dict[Resource, Operation] = {}
        self._metadata = metadata
        self._lock = threading.Lock()
        self._writer = SnapshotWriter(self.snapshot, write) if write else None

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
            self._writer.flush()

    def end(self, resource: Resource) -> None:
        """The operation ended without a result."""
        with self._lock:
            self._pending.pop(resource, None)
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
        if resource is not None:
            self._pending.pop(resource, None)

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
    """Writes the latest snapshot, on a thread of its own."""

    def __init__(self, snapshot: Callable[[], Snapshot], write: WriteSnapshot) -> None:
        self._snapshot = snapshot
        self._write = write
        self._state = threading.Condition()
        self._wanted = 0
        self._written = 0
        self._urgent = self._closing = False
        self._due = 0.0
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="mlx-checkpoint", daemon=True)
        self._thread.start()

    def dirty(self) -> None:
        with self._state:
            if self._wanted == self._written:
                self._due = time.monotonic() + LATEST
                self._state.notify_all()
            self._wanted += 1

    def flush(self) -> None:
        with self._state:
            self._wanted += 1
            mine, self._urgent = self._wanted, True
            self._state.notify_all()
            self._state.wait_for(lambda: self._written >= mine or self._fault)
            if self._fault:
                raise self._fault

    def close(self) -> None:
        with self._state:
            self._closing = True
            self._state.notify_all()
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
                self._state.notify_all()

    def _wait_for_work(self) -> bool:
        with self._state:
            while not (self._urgent or self._closing):
                late = self._due - time.monotonic() if self._wanted > self._written else None
                if late is not None and late <= 0:
                    break
                self._state.wait(late)
            self._urgent = False
            return self._wanted > self._written or not self._closing

    def _write_once(self) -> None:
        with self._state:
            target = self._wanted
        self._write(self._snapshot())
        with self._state:
            self._written = target
            self._due = time.monotonic() + LATEST
            self._state.notify_all()
