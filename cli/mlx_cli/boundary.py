"""The one place where an exception becomes words and an exit code; no traceback ever reaches a person.

An exception of ours that says what to do next carries ``hint``: that convention holds in every package below, so this
module names none of their classes but those that have an exit code of their own or more than one line to tell.
"""

import errno
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from typer.exceptions import TyperException

from mlx_cli.unread import Unread, going_on_unread

DONE, WRONG, CHANGES, BLOCKED, DRIFT, ROLLED_BACK, BUG, INTERRUPTED = 0, 1, 2, 3, 4, 5, 70, 130

MAY_WRITE = "mlx writes below .mlx in the workspace; mlx doctor says what is in the way"
DISK = {
    errno.EACCES: MAY_WRITE,
    errno.EPERM: MAY_WRITE,
    errno.EROFS: MAY_WRITE,
    errno.ENOSPC: "make room on this disk, then run it again",
    errno.EDQUOT: "make room in your quota, then run it again",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), then run it again",
}
"""What helps when a file cannot be written."""
WORDS = {
    "Value error, ": "",
    "Input should be a valid integer, unable to parse string as an integer": "it is not a whole number",
    "Input should be a valid number, unable to parse string as a number": "it is not a number",
    "Input should be": "it must be",
}


class UsageError(Exception):
    """What was typed cannot be done: what is wrong, and ``hint`` says what to type instead."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class StoppedHalfway(Exception):
    """The user interrupted an update: what is done by then, and ``hint`` says how it goes on."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def guarded(call: Callable[[], Any]) -> int:
    """Runs a verb; whatever it raises is told on stderr, if anybody reads it. The verb's own exit code, or the error's."""
    try:
        return ended(call)
    except BrokenPipeError:
        return reader_left()
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # Typer makes an exit with 1 of it
            return reader_left()
        raise
    except BaseException as error:
        with going_on_unread():
            return told(error)


def ended(call: Callable[[], Any]) -> int:
    """The exit code of a verb that raises nothing."""
    code = call()
    sys.stdout.flush()
    if code == INTERRUPTED:  # Typer makes this code of a KeyboardInterrupt, and says nothing
        raise KeyboardInterrupt
    return code if isinstance(code, int) else DONE


def told(error: BaseException) -> int:
    """Says what a verb raised, and its exit code."""
    match error:
        case KeyboardInterrupt() | typer.Abort():
            tell("interrupted")
            return INTERRUPTED
        case TyperException():
            tell(f"error: {in_words(error.format_message())}", hint=usage_of(error))
            return WRONG
        case StoppedHalfway():
            tell(str(error), hint=error.hint)
            return INTERRUPTED
        case Exception():
            return known(error)
        case _:
            raise error


def known(error: Exception) -> int:
    """An error of ours, one of this machine's disk, or a bug."""
    if hasattr(error, "hint"):
        return explained(error)
    if isinstance(error, OSError) and error.errno in DISK:
        tell(f"error: cannot write {error.filename or 'a file'}: {error.strerror}", hint=DISK[error.errno])
        return WRONG
    return unexpected(error)


def explained(error: Any) -> int:
    """An error that the user can act on; with diagnostics, these come first."""
    from mlx_engine.host import EngineError, Interrupted, Locked, Refused, UpdateFailed
    from mlx_stacks.errors import Blocked, UserError, hint_of

    if isinstance(error, UserError) and error.diagnostics:
        from mlx_cli.output import problems_text

        print(problems_text(error.diagnostics), file=sys.stderr)
    if isinstance(error, UpdateFailed) and error.failures and "" not in error.failures:
        return failed(error)
    if isinstance(error, Interrupted):
        tell("interrupted")
        return INTERRUPTED
    said = (isinstance(error, UserError) and error.several) or [error.args[0] if error.args else error]
    tell("\n".join(f"error: {sentence}" for sentence in said), hint=hint_of(error) if isinstance(error, EngineError) else error.hint)
    match error:
        case Refused() | Locked() | Blocked():
            return BLOCKED
        case _:
            return WRONG


def failed(error: Any) -> int:
    """What failed, object by object; the engine's general hint only where none has one of its own."""
    from mlx_cli.failures import sentences

    told = [f"error: {sentence}" for sentence in sentences(dict(error.failures))]
    tell("\n".join(told), hint="" if any("\n  hint: " in sentence for sentence in told) else error.hint)
    return WRONG


def unexpected(error: Exception) -> int:
    """A bug of ours: one line, and everything else in a log."""
    path = write_log(error)
    what = str(error).splitlines()[0] if str(error) else "no message"
    tell(f"error: a bug in mlx: {type(error).__name__}: {what}", hint=f"please report it with {path}")
    return BUG


def write_log(error: Exception) -> Path:
    """The traceback and the command line, in the workspace's logs, else in the temporary folder."""
    from mlx_specs.layout import LOGS, find_workspace

    name = f"mlx-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    text = f"{' '.join(sys.argv)}\nPython {sys.version}\n\n{''.join(traceback.format_exception(error))}"
    workspace = find_workspace(Path.cwd())
    for folder in ([workspace / LOGS] if workspace else []) + [Path(tempfile.gettempdir())]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
            return folder / name
        except OSError:
            continue  # a full or read-only disk must not hide the first error
    return Path(os.devnull)


def reader_left() -> int:
    """``mlx plan | head``: the reader has seen enough. Python would complain again when it flushes at exit."""
    for stream in (sys.stdout, sys.stderr):
        Unread(stream).flush()
    return DONE


def in_words(message: str) -> str:
    """Typer's message without pydantic's vocabulary."""
    for theirs, ours in WORDS.items():
        message = message.replace(theirs, ours)
    return message


def usage_of(error: TyperException) -> str:
    """``mlx plan --help``, where the error knows its verb."""
    context = getattr(error, "ctx", None)
    return f"{context.command_path} --help says what it takes" if context else ""


def tell(message: str, *, hint: str = "") -> None:
    """A message and its hint, on stderr."""
    from mlx_cli.output import note, short

    note(short(message))
    for line in hint.splitlines():
        note(f"  hint: {line}")
