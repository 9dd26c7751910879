"""What was tried before a model was fitted: one line for each attempt, as soon as it has ended, and the leaderboard of all.

RUN_FOLDER/attempts.jsonl grows while candidates and trials are fitted, so that a training that was killed goes on after the
last of them; RUN_FOLDER/leaderboard.json is written when all are done. The folder is named by the fingerprint: what stands there was
tried for this very model.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ATTEMPTS = "attempts.jsonl"
LEADERBOARD = "leaderboard.json"


@dataclass(frozen=True)
class Attempt:
    """One algorithm with its parameters, and how good it was on the validation rows."""

    name: str
    algorithm: str
    parameters: dict[str, Any]
    value: float | None
    """The metric; None where it failed."""
    seconds: float
    reason: str = ""
    """Why it failed."""
    drawn: dict[str, Any] = field(default_factory=dict[str, Any])
    """The parameters that a search drew."""


@dataclass(frozen=True)
class Leaderboard:
    """All attempts, the best first, those that failed last."""

    metric: str
    higher_is_better: bool
    fitted_rows: int
    validation_rows: int
    attempts: tuple[Attempt, ...]
    not_begun: int = 0
    """Trials that the timeout left out."""

    @property
    def best(self) -> Attempt:
        """The first; there is one, and it has not failed."""
        return self.attempts[0]


def ranked(attempts: Sequence[Attempt], *, higher_is_better: bool) -> tuple[Attempt, ...]:
    """The best first; of equals the one that was tried first."""
    sign = -1.0 if higher_is_better else 1.0
    done = [attempt for attempt in attempts if attempt.value is not None]
    return (*sorted(done, key=lambda attempt: sign * (attempt.value or 0.0)), *(attempt for attempt in attempts if attempt.value is None))


def read_attempts(folder: Path) -> tuple[Attempt, ...]:
    """What was finished before; a line that a kill has torn is not."""
    path = folder / ATTEMPTS
    return tuple(_whole(path.read_text().splitlines())) if path.is_file() else ()


def add_attempt(folder: Path, attempt: Attempt) -> None:
    """On disk when this returns. A torn line before it is ended first."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ATTEMPTS).open("ab") as file:
        torn = file.tell() > 0 and not _ends_a_line(folder / ATTEMPTS)
        file.write((b"\n" if torn else b"") + json.dumps(asdict(attempt)).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def write_leaderboard(folder: Path, board: Leaderboard) -> None:
    """As JSON, for people and for ``mlx status``."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{LEADERBOARD}.part"
    part.write_text(json.dumps(asdict(board), indent=2) + "\n")
    part.replace(folder / LEADERBOARD)


def read_leaderboard(folder: Path) -> Leaderboard | None:
    """None where nothing was chosen among."""
    path = folder / LEADERBOARD
    if not path.is_file():
        return None
    found = json.loads(path.read_text())
    return Leaderboard(**{**found, "attempts": tuple(Attempt(**attempt) for attempt in found["attempts"])})


def _whole(lines: Sequence[str]) -> Iterator[Attempt]:
    for line in lines:
        try:
            yield Attempt(**json.loads(line))
        except (ValueError, TypeError):
            continue


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
