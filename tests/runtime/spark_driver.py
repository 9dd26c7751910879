"""A Spark application's driver as a process of this machine: the rendered arguments and environment, under a master that is no cluster's."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from made_cluster import NO_SECRETS, PACKAGES, ROOT, Secrets, container_of, of_kind

from mlx_components.kubernetes.place import Manifest
from mlx_components.kubernetes.programs import OBJECT_FILE, OBJECT_FOLDER

ENDED = 128 + signal.SIGTERM
"""The exit status of a driver that was told to end."""
QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""No thorough compilation of what runs for seconds."""
ONE_CORE_EACH = "--conf spark.executor.cores=1 --conf spark.executor.memory=512m"
"""Of executors, where the master is not local."""
WITHIN = 120.0
"""Seconds in which a driver does what it is waited for."""
needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="java is not on PATH: Spark runs on it")


def environment_of(role: str, manifests: Sequence[Manifest], variables: Mapping[str, str], pod: Path, secrets: Secrets = NO_SECRETS) -> dict[str, str]:
    """Of the pods of the driver, or of an executor."""
    (templated,) = of_kind(manifests, "SparkApplication")["spec"][role]["template"]["spec"]["containers"]
    return {
        **container_of({"command": [], "env": templated["env"]}, secrets).env,
        **variables,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": PACKAGES,
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "HOME": str(pod),
        "TMPDIR": str(pod),
    }


@dataclass
class Driver:
    """A running driver; its scratch is gone with its pod."""

    manifests: Sequence[Manifest]
    variables: Mapping[str, str]
    jars: Sequence[Path] = ()
    secrets: Secrets = field(default_factory=lambda: NO_SECRETS)
    master: str = "local[2]"
    process: subprocess.Popen[str] = field(init=False)
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        pod = Path(tempfile.mkdtemp(prefix="pod-", dir=self.variables["PODS"]))
        (pod / OBJECT_FILE).write_text(of_kind(self.manifests, "ConfigMap")["data"][OBJECT_FILE])
        application = of_kind(self.manifests, "SparkApplication")["spec"]
        arguments = [argument.replace(OBJECT_FOLDER, str(pod), 1) for argument in application["arguments"]]
        jars = f"--jars {','.join(map(str, self.jars))} " if self.jars else ""
        environment = {
            **environment_of("driver", self.manifests, self.variables, pod, self.secrets),
            "PYSPARK_SUBMIT_ARGS": f"--master {self.master} --driver-java-options '{QUICK}' {ONE_CORE_EACH} --conf spark.ui.enabled=false {jars}pyspark-shell",
        }
        self.log = pod / "log"
        with self.log.open("w") as log:
            command = [sys.executable, str(ROOT / "runtime" / "images" / "spark.py"), *arguments]
            self.process = subprocess.Popen(command, cwd=pod, env=environment, stdout=log, stderr=log, text=True, start_new_session=True)

    def until(self, done: Callable[[], bool]) -> None:
        """Waits; a driver that has ended does nothing any more."""
        deadline = time.monotonic() + WITHIN
        while not done():
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def wait(self) -> int:
        """The exit status of one that ends by itself."""
        return self.process.wait(WITHIN)

    def end(self, sent: signal.Signals = signal.SIGTERM) -> int:
        """Its exit status; Spark's own processes end with it."""
        if sent is signal.SIGKILL:
            os.killpg(self.process.pid, sent)
        else:
            self.process.send_signal(sent)
        return self.process.wait(WITHIN)

    @property
    def said(self) -> list[str]:
        """The lines that are ours, not Spark's."""
        return [line for line in self.log.read_text().splitlines() if line.startswith(("following", "micro-batch", "error:", "hint:"))]


@contextmanager
def driving(manifests: Sequence[Manifest], variables: Mapping[str, str], master: str = "local[2]") -> Iterator[Driver]:
    """One that is killed at the end, if it still runs."""
    driver = Driver(manifests, variables, master=master)
    try:
        yield driver
    finally:
        if driver.process.poll() is None:
            driver.end(signal.SIGKILL)
