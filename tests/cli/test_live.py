"""The terminal's screen, on a real terminal: a pseudo-terminal whose other end is read here."""

import os
import pty
import re
import subprocess
import sys

SCRIPT = """
import sys
from mlx_cli.progress import progress
from mlx_engine.host import Event, EventKind, Op, Step
urn = "urn:pulumi:local::flights::mlx:components:Model$mlx:index:ModelVersion::delay"
step = Step(Op.CREATE, urn, "mlx:index:ModelVersion", "delay", custom=True)
with progress() as watch:
    watch(Event(EventKind.STARTED, step))
    watch(Event(EventKind.LOG, urn=urn, message="step 3/8 train", ephemeral=True))
    watch(Event(EventKind.DONE, step))
"""


def on_a_terminal(environment: dict[str, str]) -> str:
    """What the script writes to a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "COLUMNS": "100", **environment})
    os.close(theirs)
    written = b""
    while chunk := read(ours):
        written += chunk
    os.close(ours)
    assert process.wait() == 0, written
    return written.decode()


def read(terminal: int) -> bytes:
    """The next bytes; none when the other end is closed, which Linux reports as an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def test_a_terminal_shows_the_step_of_the_pipeline_while_it_runs_and_keeps_what_is_done() -> None:
    screen = on_a_terminal({"TERM": "xterm"})
    assert "step 3/8 train" in screen
    assert re.search("\x1b\\[32mtrain: done in [0-9.]+ s\x1b\\[0m", screen)
    assert screen.rindex("train: done") > screen.rindex("step 3/8 train")


def test_no_color_is_respected_on_a_terminal() -> None:
    assert "\x1b[32m" not in on_a_terminal({"TERM": "xterm", "NO_COLOR": "1"})
