"""Work in a child of this process that begins with everything imported, and that may be killed."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

LIMIT = 300.0
"""Seconds after which a child counts as hanging."""
HANGS = -1000


def in_child(work: Callable[[], int | None], log: Path) -> int:
    """What ``work`` returned; 1 when it raised; the signal, negative, that ended it. What it said is in ``log``. It has no terminal to ask on."""
    pid = os.fork()
    if pid == 0:
        _redirect(log)
        code = 1
        try:
            code = work() or 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return _waited(pid)


def _redirect(log: Path) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for source, target in ((null, 0), (said, 1), (said, 2)):
        os.dup2(source, target)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)


def _waited(pid: int) -> int:
    deadline, pause = time.monotonic() + LIMIT, 0.002
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(pause := min(pause * 1.5, 0.05))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return HANGS
