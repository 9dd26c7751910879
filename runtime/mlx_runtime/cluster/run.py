"""What every program in a pod is given: the environment's name, a scratch workspace, its variables, and whom it tells how it goes."""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from mlx_runtime.errors import RuntimeFailure
from mlx_specs.layout import Layout

Report = Callable[[str], None]
KILLED = 128 + signal.SIGTERM
"""The exit status of one that was told to end."""


@dataclass(frozen=True)
class Run:
    """One run of one verb."""

    environment: str
    workspace: Path
    """Empty, and gone afterwards."""
    report: Report
    threads: int = 1
    spread: bool = False
    """Whether there are executors to share the work with."""

    @property
    def home(self) -> str:
        """The environment's folder in the workspace, as on a laptop."""
        return Layout(self.environment).home


def say(line: str) -> None:
    """One line of the pod's log."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def exit_status(work: Callable[[], None], misread: Callable[[ValidationError], str]) -> int:
    """Of a program that does this; what it could not do is told, and ``misread`` what it was given that is of another shape."""
    try:
        work()
    except RuntimeFailure as error:
        say(f"error: {error}")
        if error.hint:
            say(f"hint: {error.hint}")
        return 1
    except ValidationError as error:
        say(f"error: {misread(error)}")
        return 1
    except OSError as error:
        say(f"error: {error.filename or 'a file'}: {error.strerror or error}")
        return 1
    return 0


def variable(name: str, set_by: str) -> str:
    """Of the container; raises ``RuntimeFailure`` with what of mlx sets it."""
    if name not in os.environ:
        raise RuntimeFailure(f"environment variable {name} is not set", hint=f"{set_by} that mlx renders sets it")
    return os.environ[name]
