"""The writing end of the prediction log: requests to parts, parts to files, files into the storage.

What cannot be written is kept and tried again; what cannot be made a row or a file of is dropped. Both are said, once a minute at
most. Used by one thread only, which is the first to load Arrow.
"""

import logging
import time
from collections import deque
from collections.abc import Callable

from mlx_runtime.cluster.storage import Storage, first_line
from mlx_runtime.server.log_bound import Bound, Limits
from mlx_runtime.server.log_parts import SECOND, File, Part, Parts
from mlx_runtime.server.scored import Block

QUIET = 60.0
"""Seconds between two complaints."""
logger = logging.getLogger("mlx.server")


class LogWriter:
    """``open_storage`` is asked when there is something to write; ``trouble`` is what is in the way, if anything is."""

    def __init__(self, open_storage: Callable[[], Storage], bound: Bound, limits: Limits) -> None:
        self.trouble = ""
        self._open_storage, self._bound, self._limits = open_storage, bound, limits
        self._storage: Storage | None = None
        self._parts, self._files = Parts(), deque[File]()
        self._again, self._quiet, self._told = 0.0, 0.0, 0

    def take(self, block: Block) -> None:
        """Makes rows of answered requests."""
        try:
            self._bound.resize(self._parts.add(block) - block.size)
        except Exception as error:  # broad: whatever a model returned, or memory that is short, ends neither the log nor the server
            self._give_up(error, block.rows, block.size)

    def write(self, *, everything: bool = False) -> None:
        """Writes what is due, after what could not be written before."""
        age = 0 if everything else int(self._limits.age * SECOND)
        for part in self._parts.due(time.time_ns() // 1000, 0 if everything else self._limits.part, age):
            self._finish(part)
        if everything or time.monotonic() >= self._again:
            self._send()
        self._tell()

    def _finish(self, part: Part) -> None:
        try:
            file = self._parts.file(part)
        except Exception as error:  # broad: as above
            self._give_up(error, part.rows, part.size)
        else:
            self._bound.resize(len(file.content) - part.size)
            self._files.append(file)

    def _give_up(self, error: Exception, rows: int, size: int) -> None:
        self.trouble = f"rows cannot be written: {type(error).__name__}: {first_line(error)}"
        self._bound.give_up(rows, size)

    def _send(self) -> None:
        """The oldest first; the first failure ends it for now."""
        try:
            while self._files:
                self._storage = self._storage or self._open_storage()
                file = self._files[0]
                self._storage.write(file.key, file.content)
                self._files.popleft()
                self._bound.written(file.rows, len(file.content))
                self.trouble = ""
        except Exception as error:  # broad: clients of storages raise classes of their own; what waits is tried again
            self.trouble, self._again = first_line(error), time.monotonic() + self._limits.again

    def _tell(self) -> None:
        """The server's log hears of it when something is in the way, or rows were dropped since it heard last."""
        dropped, now = self._bound.dropped, time.monotonic()
        if (not self.trouble and dropped == self._told) or now < self._quiet:
            return
        self._told, self._quiet = dropped, now + QUIET
        reason = self.trouble or "they came faster than they are written"
        logger.warning("prediction log: %s rows wait, %s were dropped: %s", f"{self._bound.rows:,}", f"{dropped:,}", reason)
