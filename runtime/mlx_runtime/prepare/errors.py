"""The one error of preparation, and the words it is made of."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any


class PrepareError(Exception):
    """Something the user can act on: what is wrong, and ``hint`` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def nearest(name: str, known: Sequence[str]) -> str:
    """``, did you mean 'dep_delay'?`` or nothing."""
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    return f", did you mean '{near[0]}'?" if near else ""


def listing(names: Sequence[str], limit: int = 12) -> str:
    """``a, b, c and 7 more``"""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")


def first_line(error: BaseException) -> str:
    """What an engine says, without its advice, its position markers and its name for the kind of error."""
    line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    head, separator, tail = line.partition(" Error: ")
    return tail if separator and " " not in head.removeprefix("Invalid ").removeprefix("Out of ") else line


def counted(rows: int, noun: str = "row") -> str:
    """``1 row``, ``336,776 rows``"""
    return f"{rows:,} {noun}{'' if rows == 1 else 's'}"


def shown(value: Any) -> str:
    """A value as it stands in a message."""
    text = "null" if value is None else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
