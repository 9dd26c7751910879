"""MLflow's own server, for tests of what asks a registry that is one."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from built_tools import end_with_parent, free_port

READY = 90
"""Seconds within which it answers: it makes its tables first."""
NO_JOBS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""It would start seven more processes, for what is no part of a registry."""


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Its URL; it ends with the block."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("mlflow")), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, *store],
            cwd=folder,
            env={**os.environ, **NO_JOBS},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Asks until it answers; a process that ends before has its log."""
    deadline = time.monotonic() + READY
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{process.args} ended with {process.returncode}: {log.read_text()}"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{url} has not answered")
