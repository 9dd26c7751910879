"""From all that KFP's runner prints to what a person wants to read: each step's name, its own lines, how long it took.

Enters: the runner's output as it comes, and when steps start and end. Leaves: lines on a stream, at once, so that the log can
be followed. What KFP says of itself is left out here; it stands in the raw log.
"""

import re
from typing import TextIO

INDENT = "    "
"""KFP puts it before each line of a step, and before none of its own; so do we."""
OF_EXECUTOR = re.compile(r"^\[KFP Executor [^\]]*? (?P<level>[A-Z]+)\]: (?P<message>.*)")
"""KFP sets up logging in a step: the lines of the step's own loggers look like KFP's."""
KFPS_OWN = re.compile(r"Looking for component `|Loading KFP component \"|Got executor_input:|Wrote executor output file to |Did not write output file\.")
INPUT_STARTS, INPUT_ENDS = "Got executor_input:", "}"
"""JSON over many lines; its last one is the only one without an indentation of its own."""


class StepLog:
    """Writes the readable log of one run."""

    def __init__(self, log: TextIO) -> None:
        self._log = log
        self._rest = ""
        self._inside = False
        self._in_input = False
        self._blank = 0
        """Blank lines are held back until the step prints more: KFP ends each step with some."""

    def started(self, step: str) -> None:
        """What comes now is the step's."""
        self._log.write(f"step {step}\n")
        self._inside, self._in_input, self._blank, self._rest = True, False, 0, ""

    def ended(self, step: str, seconds: float, *, well: bool) -> None:
        """What comes now is KFP's again."""
        self._inside = False
        self._log.write(f"step {step} {'done in' if well else 'failed after'} {seconds:.1f} s\n")

    def write(self, text: str) -> None:
        """A piece of output; it may end within a line."""
        if self._inside:
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                if line.startswith(INDENT):
                    self._line(line.removeprefix(INDENT).rstrip())

    def _line(self, line: str) -> None:
        if self._in_input:
            self._in_input = line != INPUT_ENDS
        elif not line:
            self._blank += 1
        elif (own := _of_the_step(line)) is not None:
            self._log.write("\n" * self._blank + INDENT + own + "\n")
            self._blank = 0
        else:
            self._in_input = INPUT_STARTS in line


def _of_the_step(line: str) -> str | None:
    """The line as the step meant it; None for a line of KFP's own."""
    said = OF_EXECUTOR.match(line)
    if said is None:
        return line
    return None if KFPS_OWN.match(said["message"]) else f"{said['level']}: {said['message']}"
