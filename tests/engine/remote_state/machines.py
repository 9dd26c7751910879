"""Updates in processes of their own, each as if on another machine."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from run_remote import NOT_PERMITTED

SCRIPT = Path(__file__).with_name("run_remote.py")
LIMIT = 60
"""Seconds after which something counts as hanging."""


class Machine:
    """A process that runs one verb; what it said so far is in ``lines``."""

    def __init__(self, hostname: str, root: Path, url: str, verb: str, *names: str, timeout: float, variables: Mapping[str, str]) -> None:
        command = [sys.executable, str(SCRIPT), hostname, str(root), url, verb, str(timeout), *names]
        root.mkdir(exist_ok=True)
        self._log = root / f"{hostname or 'here'}-{time.monotonic_ns()}.log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **variables})

    @property
    def lines(self) -> list[str]:
        return self._log.read_text().splitlines()

    def says(self, text: str) -> str:
        """The first line with this text, waited for."""
        wait_until(lambda: self.process.poll() is not None or any(text in line for line in self.lines), lambda: f"{text!r} in {self.lines}")
        self._skip_where_refused()
        found = [line for line in self.lines if text in line]
        assert found, f"{text!r} was not said: {self.lines}"
        return found[0]

    def ends(self) -> str:
        """The last line."""
        self.process.wait(LIMIT)
        self._skip_where_refused()
        return self.lines[-1]

    def is_killed(self) -> None:
        self.process.kill()
        self.process.wait(LIMIT)

    def _skip_where_refused(self) -> None:
        if self.process.poll() == NOT_PERMITTED:
            pytest.skip("this system gives no process another host name")


@contextmanager
def machine(hostname: str, root: Path, url: str, verb: str, *names: str, timeout: float = 0, variables: Mapping[str, str] | None = None) -> Iterator[Machine]:
    """Ended with the test, whatever becomes of it."""
    started = Machine(hostname, root, url, verb, *names, timeout=timeout, variables=variables or {})
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.is_killed()


def wait_until(holds: Callable[[], bool], describe: Callable[[], str]) -> None:
    deadline = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < deadline, f"waited {LIMIT} s for {describe()}"
        time.sleep(0.02)
