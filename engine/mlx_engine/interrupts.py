"""Ctrl-C while a run goes on: the first asks it to stop in good order, the second raises ``KeyboardInterrupt``."""

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interruptible(on_interrupt: Callable[[], None]) -> Generator[None]:
    """Within, SIGINT calls ``on_interrupt``. On threads other than the main one signals are not ours to take."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def first(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        on_interrupt()

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
