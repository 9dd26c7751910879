"""Where text goes: results on stdout, the rest on stderr; colours only on a terminal; columns that line up."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TextIO

from mlx_cli.addressed import addressed

if TYPE_CHECKING:
    from mlx_specs.diagnostics import Diagnostic

CODES = {"green": "32", "yellow": "33", "red": "31", "blue": "34", "dim": "2", "bold": "1", "plain": ""}

DIGEST = re.compile(r"(?<![0-9a-f])([0-9a-f]{12})[0-9a-f]{52}(?![0-9a-f])")
DIGEST_IN_PATH = re.compile(r"(?<=/)([0-9a-f]{12})[0-9a-f]{52}(?=[/.])")


class Paint:
    """Colours text, or leaves it as it is."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def __call__(self, text: str, colour: str) -> str:
        return f"\x1b[{CODES[colour]}m{text}\x1b[0m" if self.enabled and text and CODES[colour] else text


PLAIN = Paint(enabled=False)


def paint_for(stream: TextIO) -> Paint:
    """Colours on a terminal, unless NO_COLOR is set (no-color.org)."""
    return Paint(enabled=stream.isatty() and not os.environ.get("NO_COLOR"))


def result(text: str) -> None:
    """A result that a person reads, on stdout."""
    print(text)


def result_json(value: Any) -> None:
    """A result that a machine reads, on stdout."""
    print(as_json(value))


def answer(text: str) -> None:
    """A result that suggests commands, on stdout."""
    result(addressed(text))


def answer_json(value: Any) -> None:
    """The same for machines."""
    result(addressed(as_json(value)))


def as_json(value: Any) -> str:
    """As every verb prints it."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def note(text: str) -> None:
    """What accompanies a result, on stderr."""
    print(addressed(text), file=sys.stderr, flush=True)


def problems_text(problems: Iterable[Diagnostic]) -> str:
    """Problems of the specs with their places; of what is quoted nothing is changed."""
    from mlx_specs.diagnostics import render

    return "\n".join(render(replace(problem, message=addressed(problem.message), hint=addressed(problem.hint))) for problem in problems)


def columns(rows: Sequence[Sequence[str]], *, indent: str = "", header: Sequence[str] = ()) -> str:
    """Rows with aligned columns, two spaces between them and none at the end of a line; an empty column takes no room."""
    lines = [*([header] if header else []), *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    cells = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width] for row in lines]
    return "\n".join((indent + "  ".join(row)).rstrip() for row in cells)


def shown(value: Any, limit: int = 40) -> str:
    """A value of a spec as one short piece of text."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return cut(" ".join(text.split()), limit)


def shown_change(old: Any, new: Any, limit: int = 40) -> str:
    """``6 -> 8``; long values are cut around the first place where they differ, so that what is shown differs too."""
    texts = [shown(value, sys.maxsize) for value in (old, new)]
    if texts[0] == texts[1]:  # they differ in type or white space only: JSON shows both
        texts = [json.dumps(value, ensure_ascii=False, default=str) for value in (old, new)]
    start = shared_beginning(*texts) - limit // 4
    if max(map(len, texts)) > limit and start > limit // 4:
        texts = [f"…{text[start:]}" for text in texts]
    return " -> ".join(cut(text, limit) for text in texts)


def shared_beginning(one: str, other: str) -> int:
    """How many letters two texts begin with in common."""
    shorter = min(len(one), len(other))
    return next((index for index in range(shorter) if one[index] != other[index]), shorter)


def cut(text: str, limit: int) -> str:
    """The text, or its beginning with ``…``."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def short(text: str) -> str:
    """Digests with 12 letters, as people compare them; within a path with a ``*``, so that a shell still finds the file."""
    return DIGEST.sub(r"\1", DIGEST_IN_PATH.sub(r"\1*", text))


def cell(value: Any) -> str:
    """A value of a table of rows: figures with six digits, which is more than a person compares."""
    return f"{value:.6g}" if isinstance(value, float) else shown(value)


def duration(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``2 min 5 s``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"
