"""Where threads wait for one thing, and exactly those that wait for it are woken: a condition would wake all, for each to look and wait again."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass


class Gate:
    """Shut until it is opened, once; then whoever waits, or comes, passes."""

    def __init__(self) -> None:
        self._shut = threading.Lock()
        self._shut.acquire()

    def open(self) -> None:
        self._shut.release()

    def wait(self) -> None:
        with self._shut:
            pass


@dataclass(frozen=True)
class Turn:
    """One number of ``Turns``."""

    comes: Gate
    ends: Gate

    @contextmanager
    def taken(self) -> Generator[None]:
        """Waits until all turns before have been taken."""
        self.comes.wait()
        try:
            yield
        finally:
            self.ends.open()


class Turns:
    """Threads do something one after the other, in the order in which they drew their turns."""

    def __init__(self) -> None:
        self._last = Gate()
        self._last.open()

    def draw(self) -> Turn:
        """Not safe by itself: who draws holds a lock, which also says what the order is of."""
        turn = Turn(self._last, Gate())
        self._last = turn.ends
        return turn
