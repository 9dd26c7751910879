"""What is wrong, where, and what to do next; in the user's words.

A problem becomes a frozen, sortable, JSON-able ``Diagnostic``; ``render`` makes the text that people read. A secret on the
line is masked when the diagnostic is made, so that no later reader can leak it.
"""

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from mlx_specs.secrets import SUSPICIOUS, mask

Severity = Literal["error", "warning"]
WIDTH = 120
"""How much of a long line is shown around the column."""


@dataclass(frozen=True)
class File:
    """A file as it was read; ``path`` is relative to the workspace, with '/'."""

    path: str
    text: str = ""

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their ends."""
        return self.text.splitlines()

    @cached_property
    def has_variables(self) -> bool:
        """Whether anything in it can be a variable."""
        return "${" in self.text

    @cached_property
    def suspicious(self) -> bool:
        """Whether anything in it can be a secret."""
        return SUSPICIOUS.search(self.text) is not None

    def line(self, number: int) -> str:
        """The line of a 1-based number; empty beyond the end."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""


@dataclass(frozen=True)
class Place:
    """Where something stands: line and column count from 1; 0 stands for the file as a whole."""

    file: File
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file.path}:{self.line}:{self.column}" if self.line else self.file.path


@dataclass(frozen=True)
class Diagnostic:
    """One problem at one place."""

    severity: Severity
    message: str
    hint: str
    file: str
    line: int
    column: int
    source_line: str
    code: str

    def as_json(self) -> dict[str, Any]:
        """The JSON value, with the field names of this class."""
        return asdict(self)


def diagnostic(place: Place, code: str, message: str, hint: str = "", severity: Severity = "error") -> Diagnostic:
    """A problem at a place, with its line, secrets masked."""
    line = mask(place.file.line(place.line)[:1000]) if place.line else ""
    return Diagnostic(severity, mask(printable(message)), mask(printable(hint)), place.file.path, place.line, place.column, line, code)


def printable(text: str) -> str:
    """The text on one line: what a name or a value has of line ends, control characters and half letters is escaped."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    """The escape is one of YAML's double-quoted texts, too."""
    code = ord(letter)
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(letter)
    return short or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")


def ordered(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """By file, line and column, each problem once."""
    return sorted(set(diagnostics), key=lambda d: (d.file, d.line, d.column, d.severity, d.message))


def render(problem: Diagnostic) -> str:
    """``file:line:column: error: message``, the line with a caret under the column, and the hint."""
    where = f"{problem.file}:{problem.line}:{problem.column}" if problem.line else problem.file
    lines = [f"{where}: {problem.severity}: {problem.message}"]
    if problem.source_line.strip():
        lines += _excerpt(problem.source_line, problem.column)
    if problem.hint:
        lines.append(f"    = {problem.hint}")
    return "\n".join(lines)


def _excerpt(line: str, column: int) -> list[str]:
    start = max(0, column - 1 - WIDTH // 2) if len(line) > WIDTH else 0
    shown = "".join(letter if letter.isprintable() else " " for letter in line[start : start + WIDTH])
    caret = min(max(column, 1) - 1 - start, len(shown))
    return [f"    {shown}", f"    {' ' * caret}^"]


def nearest(name: str, options: Iterable[str]) -> str | None:
    """The option that the name was most likely meant to be, or None."""
    candidates = sorted(options)
    plain = {_plain(option): option for option in reversed(candidates)}
    if _plain(name) in plain:
        return plain[_plain(name)]
    close = difflib.get_close_matches(_plain(name), list(plain), n=1, cutoff=0.6)
    return plain[close[0]] if close else None


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """``, did you mean 'max_depth'?`` or nothing."""
    found = nearest(name, options)
    return f", did you mean '{found}'?" if found is not None else ""


def listing(options: Iterable[str], limit: int = 12) -> str:
    """``a, b, c`` with an end for long lists."""
    names = list(options)
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def there_are(options: Iterable[str]) -> str:
    """``there are a and b``, ``there is only a`` or ``there is none``: what else could have been named."""
    names = list(options)
    if not names:
        return "there is none"
    return f"there is only {names[0]}" if len(names) == 1 else f"there are {listing(names)}"


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def plural(number: int, noun: str) -> str:
    """``1 object``, ``12,000 objects``"""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
