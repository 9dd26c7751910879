"""Starts, finds, switches and stops an endpoint's server process.

Who calls may be killed at any instant: the server holds its folder's lock for life, so that calling again finds it
instead of starting another. A process is never touched unless pid, start time and token say that it is ours.
"""

import fcntl
import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlx_runtime.artifact import ArtifactError, verify
from mlx_runtime.errors import RuntimeFailure
from mlx_runtime.server.config import EXIT_LOCKED, HOST, LOCK_FILE, LOG_FILE, EndpointConfig, ServerRecord, config_from, read_config, read_record, write_config
from mlx_runtime.server.process import end, is_running
from mlx_specs.inference_resources import ModelServerInputs
from mlx_specs.resources import Version

START_DEADLINE = 60.0
SWITCH_DEADLINE = 120.0
ASK_DEADLINE = 5.0
STOP_PATIENCE = 10.0
POLL = 0.01
LOG_LINES = 5


class ServerError(RuntimeFailure):
    """The server did not do what was asked; the message is its own last words."""


@dataclass(frozen=True)
class Running:
    """A server that answered."""

    pid: int
    port: int
    current: str
    versions: tuple[Version, ...]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"


def ensure(folder: Path, inputs: ModelServerInputs, workspace: Path) -> Running:
    """Whatever it takes to have exactly this served: nothing, a switch inside the running server, a restart, or a start."""
    config = config_from(inputs, workspace)
    with _one_caller(folder):
        running, before = find(folder), read_config(folder)
        if running is None or before is None:
            return _start(folder, config)
        if before.needs_restart(config):
            _refuse_taken(config, running)
            _stop(folder)
            return _start(folder, config)
        return running if before.serves(config) else switch(folder, config)


def _refuse_taken(config: EndpointConfig, running: Running) -> None:
    """Before a healthy server is stopped: the port that it shall move to must be free."""
    if config.port in (0, running.port):
        return
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, config.port))
        except OSError as error:
            hint = f"free it, or change realtime.port of Inference '{config.name}'; it still serves on port {running.port}"
            raise ServerError(f"port {config.port} of {HOST} is taken by another process", hint=hint) from error


def start(folder: Path, config: EndpointConfig) -> Running:
    """Starts the server and returns when it is ready; finds it when it runs already. It survives the caller."""
    with _one_caller(folder):
        return find(folder) or _start(folder, config)


def find(folder: Path) -> Running | None:
    """The server of this folder if it runs and answers to the token; never another process."""
    record, config = read_record(folder), read_config(folder)
    if record is None or config is None or not is_running(record.pid, record.started):
        return None
    identity = _ask(record, config, "GET", "/admin/identity", None, ASK_DEADLINE)
    if identity is None or identity.get("pid") != record.pid:
        return None
    return _running(record, identity)


def switch(folder: Path, config: EndpointConfig) -> Running:
    """Has the running server load and serve these versions; ``ServerError`` when it refuses, and then it serves what it served."""
    record, before = read_record(folder), read_config(folder)
    if record is None or before is None:
        raise ServerError(f"no server runs for '{config.name}'", hint="mlx apply starts it")
    wanted = config.model_copy(update={"token": before.token})
    identity = _ask(record, before, "POST", "/admin/versions", json.dumps(wanted.wire()).encode(), SWITCH_DEADLINE)
    if identity is None:
        raise ServerError(f"the server of '{config.name}' did not answer: {_last_words(folder)}", hint=f"look into {folder / LOG_FILE}, then mlx apply")
    if "error" in identity:
        raise ServerError(f"the server of '{config.name}' keeps what it serves: {identity['error']}")
    return _running(record, identity)


def stop(folder: Path) -> None:
    """Ends the server, requests in flight first. Nothing happens when it does not run; a later start takes the same port."""
    if not folder.is_dir():
        return
    with _one_caller(folder):
        _stop(folder)


def _stop(folder: Path) -> None:
    """pid and start time suffice here: a server that hangs answers no token, and it must go as well."""
    _await_record(folder)
    record, config = read_record(folder), read_config(folder)
    if record is not None:
        end(record.pid, record.started, STOP_PATIENCE + (config.timeout if config else 0))
        _reap(record.pid)


def _await_record(folder: Path) -> None:
    """A server that a killed caller began may still be coming up: it holds the lock, and has not said which process it is."""
    deadline = time.monotonic() + START_DEADLINE
    while time.monotonic() < deadline:
        record = read_record(folder)
        if (record is not None and is_running(record.pid, record.started)) or not _is_locked(folder):
            return
        time.sleep(POLL)


def _is_locked(folder: Path) -> bool:
    with (folder / LOCK_FILE).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _way_out(folder: Path, config: EndpointConfig) -> str:
    """An artifact that is not what its digest says has a way out of its own."""
    try:
        for version in config.versions:
            verify(Path(config.workspace) / version.artifact, version.artifact_digest)
    except ArtifactError as error:
        return error.hint
    return f"the whole log is {folder / LOG_FILE}"


def _start(folder: Path, config: EndpointConfig) -> Running:
    before = read_config(folder)
    token = before.token if before and before.token else secrets.token_urlsafe(32)
    write_config(folder, config.model_copy(update={"token": token}))
    process = _spawn(folder, config)
    deadline = time.monotonic() + START_DEADLINE
    while time.monotonic() < deadline:
        # EXIT_LOCKED: the server that a killed caller began is still coming up; it is the one to wait for.
        if process.poll() not in (None, EXIT_LOCKED):
            raise ServerError(_last_words(folder), hint=_way_out(folder, config))
        running = find(folder)
        if running is not None and running.pid == process.pid:
            return running
        if running is not None:
            process.wait()
            return switch(folder, config)
        time.sleep(POLL)
    process.kill()
    process.wait()
    raise ServerError(
        f"the server of '{config.name}' was not ready within {START_DEADLINE:g} s: {_last_words(folder)}", hint=f"the whole log is {folder / LOG_FILE}"
    )


def _spawn(folder: Path, config: EndpointConfig) -> subprocess.Popen[bytes]:
    """A session of its own: neither the caller's end nor a Ctrl-C in its terminal reaches the server."""
    threads = str(config.threads)
    environment = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-P", "-m", "mlx_runtime.server", "--folder", str(folder.resolve())]
    with (folder / LOG_FILE).open("ab") as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=config.workspace, env=environment, close_fds=True
        )


def _running(record: ServerRecord, identity: dict[str, Any]) -> Running:
    versions = tuple(Version.model_validate(version) for version in identity["versions"])
    return Running(record.pid, record.port, identity["current"], versions)


def _ask(record: ServerRecord, config: EndpointConfig, method: str, path: str, body: bytes | None, timeout: float) -> dict[str, Any] | None:
    """The JSON answer; None when nothing of ours answers there."""
    connection = http.client.HTTPConnection(HOST, record.port, timeout=timeout)
    try:
        connection.request(method, path, body, {"Authorization": f"Bearer {config.token}"})
        response = connection.getresponse()
        answer = json.loads(response.read())
        return answer if isinstance(answer, dict) and response.status != 403 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


@contextmanager
def _one_caller(folder: Path) -> Iterator[None]:
    """Callers take turns; a killed one's turn ends with it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "caller.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _last_words(folder: Path) -> str:
    """The last lines of the log without time and level."""
    try:
        lines = (folder / LOG_FILE).read_text(errors="replace").strip().splitlines()
    except FileNotFoundError:
        return "it left no log"
    errors = [line.split(" ERROR ", 1)[1] for line in lines if " ERROR " in line]
    return errors[-1] if errors and errors[-1] in lines[-1] else " / ".join(lines[-LOG_LINES:])


def _reap(pid: int) -> None:
    """Where the caller itself started it, the kernel keeps its status until it is asked for."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
