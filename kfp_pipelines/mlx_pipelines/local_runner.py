"""``python -m mlx_pipelines.local_runner``: runs one compiled pipeline with KFP's local subprocess runner.

Enters: a JSON request on the first line of stdin, which then stays open: when it closes, the parent is gone, and a
watcher ends this process with its whole group. Leaves: JSON events, one a line, on stdout; all that is printed goes to stderr,
the raw log, and what of it is the steps' own to the request's ``log``.
It is the leader of its own process group, for KFP leaves its children behind when it is interrupted.
"""

import contextlib
import json
import logging
import os
import re
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from mlx_pipelines.process import plain_text, remove_tree
from mlx_pipelines.step_log import StepLog

STARTED = re.compile(r"^Executing task '(.+)'$")
ENDED = re.compile(r"^Task '(.+)' finished with status (SUCCESS|FAILURE)$")


def main() -> None:
    """Reads the request, runs, reports."""
    request = json.loads(sys.stdin.readline())
    _end_with_parent(request["temporary"])
    events = os.fdopen(os.dup(1), "w", buffering=1)
    steps = StepLog(os.fdopen(os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC), "w", buffering=1, encoding="utf-8"))
    log = _print_to_log(steps)
    logging.getLogger().addFilter(_StepEvents(events, steps))
    try:
        _send(events, {"outputs": _run(request)})
    except Exception as error:  # the border of this process: the parent turns it into words
        log.write(f"\n{type(error).__name__}: {error}\n")
        _send(events, {"error": plain_text(str(error)), "type": type(error).__name__})
        sys.exit(1)


def _run(request: dict[str, Any]) -> dict[str, Any]:
    import yaml
    from kfp import components, local

    ir = yaml.safe_load(Path(request["ir"]).read_text())
    pipeline = components.load_component_from_text(yaml.safe_dump(_without_pip_lines(ir)))
    # workspace_root stays None: KFP removes that folder with all its content after each pipeline.
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=request["root"])
    if request["memory"]:
        resource.setrlimit(resource.RLIMIT_DATA, (request["memory"], request["memory"]))
    task = pipeline(**request["arguments"])
    return {name: _plain_output(value) for name, value in task.outputs.items()}


def _without_pip_lines(ir: dict[str, Any]) -> dict[str, Any]:
    """Compiling has made sure that what steps install is there; pip itself may not be."""
    from mlx_pipelines.refusals import has_pip_line

    for executor in ir["deploymentSpec"]["executors"].values():
        container = executor.get("container", {})
        if has_pip_line(container.get("command", [])):
            container["command"] = container["command"][3:]
    return ir


def _plain_output(value: Any) -> Any:
    if hasattr(value, "uri"):
        return {"path": value.path, "metadata": value.metadata}
    return value


def _end_with_parent(temporary: str) -> None:
    """The parent holds the other end of our stdin; the kernel closes it however the parent ends, and a watcher then ends us.

    The watcher is a process: a thread would be killed with the group before the temporary folder could be removed. It stays
    in our session, so that our group's number is given to nobody else while it watches.
    """
    group = os.getpgrp()
    if os.fork() == 0:
        try:
            os.setpgid(0, 0)
            _watch(group, temporary)
        finally:
            os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)


def _watch(group: int, temporary: str) -> None:
    # The parent reads our stdout until nobody holds it any more.
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    while os.read(0, 1024):
        pass
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    remove_tree(temporary)


def _print_to_log(steps: StepLog) -> TextIO:
    """Everything that is printed, by KFP, by steps, by libraries, goes to the raw log; KFP prints the steps' lines, too."""
    log = os.fdopen(os.dup(2), "w", buffering=1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr = _Colourless(log, steps)
    return log


class _Colourless:
    """A stream that removes colours; KFP writes through whatever sys.stdout is."""

    def __init__(self, log: TextIO, steps: StepLog) -> None:
        self._log = log
        self._steps = steps

    def write(self, text: str) -> int:
        self._steps.write(plain_text(text))
        return self._log.write(plain_text(text))

    def flush(self) -> None:
        self._log.flush()

    def fileno(self) -> int:
        return self._log.fileno()

    def isatty(self) -> bool:
        return False


class _StepEvents(logging.Filter):
    """KFP tells of its steps only by log lines on the root logger; handlers it replaces, filters it leaves alone."""

    def __init__(self, events: TextIO, steps: StepLog) -> None:
        super().__init__()
        self._events = events
        self._steps = steps
        self._started = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        line, now = plain_text(record.getMessage()), time.monotonic()
        if started := STARTED.match(line):
            self._started = now
            self._steps.started(started[1])
            _send(self._events, {"step": started[1], "state": "started", "at": now})
        elif ended := ENDED.match(line):
            well = ended[2] == "SUCCESS"
            self._steps.ended(ended[1], now - self._started, well=well)
            _send(self._events, {"step": ended[1], "state": "done" if well else "failed", "at": now})
        return True


def _send(events: TextIO, event: dict[str, Any]) -> None:
    events.write(json.dumps(event, default=str) + "\n")


if __name__ == "__main__":
    main()
