"""The prediction log of an endpoint that a Monitor watches: what was asked and what was answered, row by row.

Requests leave their numbers and references to their texts, and never wait; one thread makes Parquet of them. What the bound does not hold, and what cannot be
written before the server ends, is dropped, counted and said. A process that is killed loses the rows of its last half minute.
"""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mlx_runtime.cluster.storage import Storage, open_storage
from mlx_runtime.cluster.stores.local import LocalStore
from mlx_runtime.server.config import EndpointConfig
from mlx_runtime.server.counters import LogCounters
from mlx_runtime.server.log_bound import Bound, Limits
from mlx_runtime.server.scored import HOUR, Block, Scored
from mlx_specs import layout

if TYPE_CHECKING:
    from mlx_runtime.server.log_writer import LogWriter

PATIENCE = 8.0
"""Seconds that the end of a server waits for the last rows: it fits into a pod's grace period, after the requests in flight."""
LIMITS = Limits()
logger = logging.getLogger("mlx.server")


def log_storage(config: EndpointConfig) -> Storage:
    """Where an endpoint's parts go; ``StorageError`` where that is no place."""
    if "://" in config.log:
        return open_storage(config.log).below(str(layout.prediction_log("", config.name)))
    folder = Path(config.workspace, config.log)
    return Storage(LocalStore(), str(folder), f"{folder}/".lstrip("/"))


class PredictionLog:
    """``open_storage`` is asked when there is something to write."""

    def __init__(self, open_storage: Callable[[], Storage], counters: LogCounters, limits: Limits = LIMITS) -> None:
        self._open_storage, self._limits, self._bound = open_storage, limits, Bound(limits, counters)
        self._blocks, self._lock = list[Block](), threading.Lock()
        self._wake, self._closed = threading.Event(), False
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def offer(self, request: Scored) -> None:
        """Takes a request that was answered, unless the log is full."""
        if not request.rows or not self._bound.enter(request.rows, request.size):
            return
        with self._lock:
            block = self._blocks[-1] if self._blocks else None
            if block is None or block.rows >= self._limits.block or not block.takes(request):
                block = Block(request.moment // HOUR, request.version, request.layout)
                self._blocks.append(block)
            block.add(request)
        if block.rows >= self._limits.block:
            self._wake.set()

    def lack(self, rows: int) -> None:
        """Counts rows of a request that was answered, and cannot be logged."""
        self._bound.drop(rows)

    def close(self, patience: float = PATIENCE) -> None:
        """Writes what waits, and gives up what is not written after ``patience`` seconds."""
        self._closed = True
        self._wake.set()
        self._thread.join(patience)
        if lost := self._bound.close():
            logger.error("prediction log: the last %s rows are lost: %s", f"{lost:,}", self._trouble or f"not written within {patience:g} s")

    def _run(self) -> None:
        try:
            self._write()
        except Exception:  # broad: without its thread there is no log; whoever scrapes the counters sees it
            logger.exception("prediction log: it ends here")
            self._bound.close()

    def _write(self) -> None:
        from mlx_runtime.server.log_writer import LogWriter

        writer = LogWriter(self._open_storage, self._bound, self._limits)
        while not self._closed:
            self._wake.wait(self._limits.turn)
            self._wake.clear()
            self._take(writer)
            writer.write()
        self._take(writer)
        writer.write(everything=True)
        self._trouble = writer.trouble

    def _take(self, writer: "LogWriter") -> None:
        """Whatever was handed over until now."""
        with self._lock:
            blocks, self._blocks = self._blocks, []
        for block in blocks:
            writer.take(block)
