"""Spark's own master and a worker, as processes of this machine: executors that share neither process, environment nor folder with their driver."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SPARK_CLASS = str(Path(sys.executable).with_name("spark-class"))
EXECUTORS = 2
"""As many as a worker has cores: each takes one."""
BACKEND = b"CoarseGrainedExecutorBackend"
"""The main class of an executor."""
WITHIN = 60.0


@dataclass(frozen=True)
class SparkCluster:
    url: str
    worker: "subprocess.Popen[bytes]"

    def executors(self) -> list[int]:
        """Their processes' ids."""
        processes = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
        return sorted(int(path.name) for path in processes if BACKEND in _command(path) and _group(path) == self.worker.pid)


@contextmanager
def spark_cluster(folder: Path, environment: Mapping[str, str]) -> Iterator[SparkCluster]:
    """``environment``: the executors', PATH among it."""
    started = list["subprocess.Popen[bytes]"]()

    def start(name: str, main: str, *arguments: str) -> Path:
        log = folder / f"{name}.log"
        with log.open("wb") as out:
            command = [SPARK_CLASS, main, "--host", "127.0.0.1", "--webui-port", "0", *arguments]
            started.append(subprocess.Popen(command, cwd=folder, env=dict(environment), stdout=out, stderr=out, start_new_session=True))
        return log

    try:
        url = _said(start("master", "org.apache.spark.deploy.master.Master", "--port", "0"), r"Starting Spark master at (spark://\S+)", started[-1])
        room = ("--cores", str(EXECUTORS), "--memory", "2g", "--work-dir", str(folder / "executors"))
        _said(start("worker", "org.apache.spark.deploy.worker.Worker", *room, url), r"Successfully registered with (master)", started[-1])
        yield SparkCluster(url, started[-1])
    finally:
        for process in reversed(started):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _said(log: Path, line: str, by: "subprocess.Popen[bytes]") -> str:
    deadline = time.monotonic() + WITHIN
    while not (found := re.search(line, log.read_text())):
        assert by.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return found[1]


def _group(process: Path) -> int:
    try:
        return os.getpgid(int(process.name))
    except ProcessLookupError:
        return 0


def _command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:  # it has ended meanwhile
        return b""
