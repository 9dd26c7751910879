"""How much of the prediction log may wait: whatever is in the way, a server's memory stays bounded."""

import threading
from dataclasses import dataclass

from mlx_runtime.server.counters import LogCounters


@dataclass(frozen=True)
class Limits:
    """What may wait, and when it is written."""

    rows: int = 200_000
    size: int = 128 << 20
    """Bytes."""
    part: int = 50_000
    """Rows of a part."""
    age: float = 30.0
    """Seconds that a row waits for its part."""
    turn: float = 1.0
    """Seconds between two looks of the writer, unless a block is full before."""
    block: int = 16_384
    """Rows that are made Arrow of at once, or those of a larger request."""
    again: float = 5.0
    """Seconds after which what failed is tried again."""


class Bound:
    """Rows that wait, as whatever, and what became of the others; requests and the writer share it."""

    def __init__(self, limits: Limits, counters: LogCounters) -> None:
        self.rows = self.size = 0
        self._limits, self._counters, self._lock = limits, counters, threading.Lock()
        self._closed = False

    @property
    def dropped(self) -> int:
        """Rows."""
        return self._counters.dropped

    def enter(self, rows: int, size: int) -> bool:
        """False, and they count as dropped, where there is no room."""
        with self._lock:
            fits = not self._closed and self.rows + rows <= self._limits.rows and self.size + size <= self._limits.size
            self.rows, self.size = (self.rows + rows, self.size + size) if fits else (self.rows, self.size)
            self._counters.dropped += 0 if fits else rows
            return fits

    def resize(self, more: int) -> None:
        """The same rows need more bytes, or less."""
        with self._lock:
            self.size += more

    def written(self, rows: int, size: int) -> None:
        """They are where readers see them."""
        with self._lock:
            self.rows, self.size = self.rows - rows, self.size - size
            self._counters.written += rows

    def give_up(self, rows: int, size: int) -> None:
        """They waited, and never will be."""
        with self._lock:
            self.rows, self.size = self.rows - rows, self.size - size
            self._counters.dropped += rows

    def drop(self, rows: int) -> None:
        """They did not wait, and never will be."""
        with self._lock:
            self._counters.dropped += rows

    def close(self) -> int:
        """Nothing enters any more, and what waits is dropped: so many rows."""
        with self._lock:
            lost, self.rows, self._closed = self.rows, 0, True
            self._counters.dropped += lost
            return lost
