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

from built_tools import end_with_parent

SPARK_CLASS = str(Path(sys.executable).with_name("spark-class"))
EXECUTORS = 2
"""As many as a worker has cores: each takes one."""
WITHIN = 60.0


@dataclass(frozen=True)
class SparkCluster:
    url: str
    worker: "subprocess.Popen[bytes]"
    left: frozenset[int]
    """Children that the script which began the worker never waited for."""

    def executors(self) -> list[int]:
        """Their processes' ids: a worker starts nothing else."""
        return sorted(_children(self.worker) - self.left)


@contextmanager
def spark_cluster(folder: Path, environment: Mapping[str, str]) -> Iterator[SparkCluster]:
    """``environment``: the executors', PATH among it."""
    started = list["subprocess.Popen[bytes]"]()

    def start(name: str, main: str, *arguments: str) -> Path:
        log = folder / f"{name}.log"
        with log.open("wb") as out:
            command = [SPARK_CLASS, main, "--host", "127.0.0.1", "--webui-port", "0", *arguments]
            started.append(
                subprocess.Popen(command, cwd=folder, env=dict(environment), stdout=out, stderr=out, start_new_session=True, preexec_fn=end_with_parent)
            )
        return log

    try:
        url = _said(start("master", "org.apache.spark.deploy.master.Master", "--port", "0"), r"Starting Spark master at (spark://\S+)", started[-1])
        room = ("--cores", str(EXECUTORS), "--memory", "2g", "--work-dir", str(folder / "executors"))
        _said(start("worker", "org.apache.spark.deploy.worker.Worker", *room, url), r"Successfully registered with (master)", started[-1])
        yield SparkCluster(url, started[-1], _children(started[-1]))
    finally:
        for process in reversed(started):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _children(process: "subprocess.Popen[bytes]") -> frozenset[int]:
    tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
    return frozenset(int(child) for task in tasks for child in task.read_text().split())


def _said(log: Path, line: str, by: "subprocess.Popen[bytes]") -> str:
    deadline = time.monotonic() + WITHIN
    while not (found := re.search(line, log.read_text())):
        assert by.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return found[1]
