"""Processes by identity: a pid together with the moment at which its process started."""

import os
import signal
import subprocess
import time
from pathlib import Path

PROC = Path("/proc")
STATE, START = 0, 19
"""Fields of /proc/PID/stat after the command's name; see proc(5)."""


def start_time(pid: int) -> str | None:
    """When the process started, as the kernel counts; None when it has ended (a zombie has)."""
    if not PROC.joinpath("self", "stat").exists():
        return _start_time_by_ps(pid)
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[STATE] in "ZX" else fields[START]


def is_running(pid: int, started: str) -> bool:
    """Whether this very process still runs, not another that was given its pid."""
    return start_time(pid) == started


def end(pid: int, started: str, patience: float) -> None:
    """SIGTERM, and SIGKILL when it has not ended after ``patience`` seconds."""
    for sent, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 10.0)):
        if not is_running(pid, started):
            return
        try:
            os.kill(pid, sent)
        except ProcessLookupError:
            return
        _await_end(pid, started, seconds)


def _await_end(pid: int, started: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while is_running(pid, started) and time.monotonic() < deadline:
        time.sleep(0.01)


def _start_time_by_ps(pid: int) -> str | None:
    """Where there is no /proc (macOS)."""
    found = subprocess.run(["ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.strip()
    state, _, started = found.partition(" ")
    return started.strip() if found and not state.startswith("Z") else None
