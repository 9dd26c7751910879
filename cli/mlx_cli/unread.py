"""Output that nobody reads any more, as after ``mlx apply | head -1``, or never did, as with ``>&-``.

A verb that only reads may end there: the boundary sees to that. One that changes something goes on quietly, and exits as its work did.
"""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TextIO


class Unread:
    """A stream whose reader may leave: from then on what is written goes nowhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            goes_nowhere(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            goes_nowhere(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def goes_nowhere(stream: TextIO) -> None:
    """Python keeps what it could not write, and tries again when it flushes at exit: then it must succeed."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def open_closed() -> None:
    """Python has no stream where the shell closed a descriptor: what is written there goes nowhere, and nothing is read."""
    sys.stdin = sys.stdin or _nowhere("r")
    sys.stdout = sys.stdout or _nowhere("w")
    sys.stderr = sys.stderr or _nowhere("w")


def _nowhere(mode: str) -> Any:
    return os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8")


@contextmanager
def going_on_unread() -> Generator[None]:
    """While it lasts, a reader that leaves stops nothing."""
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Unread(sys.stdout), Unread(sys.stderr)  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = streams
