"""What a step's output says about why it failed: the user's own exception line, or that memory or room on the disk ran out."""

import re
from pathlib import Path

from mlx_pipelines.errors import HINT, StepFailed

TRACEBACK = "Traceback (most recent call last):"
OUT_OF_MEMORY = re.compile(
    r"MemoryError|Unable to allocate|bad_alloc|Cannot allocate memory|malloc of size|failed to map segment|can't allocate|cannot map zero-fill pages"
)
FULL_DISK = re.compile(r"No space left on device|database or disk is full|Disk quota exceeded|disk I/O error|File too large")
"""As Python and SQLite word it."""
ROOM = "make room on this disk, or in your quota or limit (ulimit -f), then mlx apply trains it again"
NO_NEWS = "(Background on this error at: https://sqlalche.me"
"""SQLAlchemy's advertisement below each error of a database."""
OWN_ERROR = re.compile(r"^mlx_\w+(\.\w+)+: ")
"""The class of one of our own errors: its message is written for users as it is."""
KFP_LINE = re.compile(r"^\d\d:\d\d:\d\d\.\d{3} - [A-Z]+ - ")
LONGEST = 600


def step_failure(raw: Path, step: str, memory: str | None, *, log: Path) -> StepFailed:
    """The error to raise for a step that ended badly; ``raw`` is the output of the whole run, without colours, ``log`` what people read of it."""
    section = step_section(raw.read_text(errors="replace"), step)
    message = last_exception(section)
    if message is None or OUT_OF_MEMORY.search(message):
        return _out_of_memory(log, step, memory, killed=message is None)
    text, _, hint = OWN_ERROR.sub("", message).partition(f"\n{HINT}")
    if FULL_DISK.search(text):
        return StepFailed(step, f"no room on the disk: {text}", log=log, hint=f"{ROOM}; what its steps printed is in {log}")
    return StepFailed(step, text, log=log, hint=hint)


def step_section(text: str, step: str) -> str:
    """What the step printed, without the indentation that KFP adds."""
    _, _, after = text.rpartition(f"Executing task {step!r}")
    lines = after.splitlines()[1:]
    return "\n".join(line.removeprefix("    ") for line in lines if not KFP_LINE.match(line))


def last_exception(text: str) -> str | None:
    """The last traceback's own text: ``ValueError: ...`` with the lines that belong to it; None where there is none."""
    _, found, after = text.rpartition(TRACEBACK)
    if not found:
        return None
    lines = after.splitlines()[1:]
    start = next((index for index, line in enumerate(lines) if line and not line.startswith(" ")), None)
    if start is None:
        return None
    return _own_lines(lines[start:])[:LONGEST]


def _own_lines(lines: list[str]) -> str:
    """An exception's message may have several lines; a blank one or a rule of KFP's ends it."""
    own = [lines[0]]
    for line in lines[1:]:
        if not line.strip() or line.startswith(("---", NO_NEWS)):
            break
        own.append(line)
    return "\n".join(own).strip()


def _out_of_memory(log: Path, step: str, memory: str | None, *, killed: bool) -> StepFailed:
    limit = f"; the limit is {memory}" if memory else ""
    message = "it ended without a Python error; most often memory ran out and it was killed" if killed else "out of memory"
    return StepFailed(step, message + limit, log=log, hint=f"raise compute.memory, or train on fewer rows; what its steps printed is in {log}")
