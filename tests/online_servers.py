"""Servers that features are looked up in, each of its own on 127.0.0.1: Redis and PostgreSQL, both Debian packages."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from built_tools import NoTool, free_port

PASSWORD = "geheim"
LIMIT = 30.0
"""Seconds within which a server answers."""


@dataclass
class OnlineServer:
    """One that can be ended and started again on its port, with what it held."""

    type: str
    settings: str
    """As a Secret holds them: Feast's settings of the store, as YAML."""
    port: int
    command: list[str]
    answers: Callable[[], None]
    """Raises while it does not answer."""
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    _process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        self._process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.options)
        deadline = time.monotonic() + LIMIT
        while not self._is_up():
            assert self._process.poll() is None, f"{self.command[0]} ended"
            assert time.monotonic() < deadline, f"{self.command[0]} did not answer within {LIMIT:g} s"
            time.sleep(0.01)

    def end(self) -> None:
        """Connections are cut."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(LIMIT)
            self._process = None

    def _is_up(self) -> bool:
        with suppress(Exception):
            self.answers()
            return True
        return False


def program(name: str, package: str) -> str:
    """Where it is; ``NoTool`` where it is not."""
    found = shutil.which(name)
    if found is None:
        raise NoTool(f"{name} is not on PATH: it is in the Debian package {package}")
    return found


@contextmanager
def redis_server() -> Iterator[OnlineServer]:
    """What it holds is written to its folder when it ends."""
    command, port = program("redis-server", "redis-server"), free_port()

    def answers() -> None:
        from redis import Redis

        with Redis(port=port, password=PASSWORD, socket_timeout=1) as client:
            client.ping()

    with tempfile.TemporaryDirectory() as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--requirepass", PASSWORD, "--dir", folder, "--save", "3600", "1", "--appendonly", "no"]
        settings = f"connection_string: 127.0.0.1:{port},db=1,password={PASSWORD}\n"
        server = OnlineServer("redis", settings, port, [command, *options], answers, {"cwd": folder})
        yield from _running(server)


@contextmanager
def postgres_server() -> Iterator[OnlineServer]:
    """It refuses to run as root, so root runs it as postgres."""
    command, port = program("postgres", "postgresql"), free_port()
    program("initdb", "postgresql")
    user: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}

    def answers() -> None:
        import psycopg

        psycopg.connect(f"postgresql://mlx:{PASSWORD}@127.0.0.1:{port}/postgres", connect_timeout=5).close()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "password").write_text(PASSWORD)
        for path in (folder, folder / "password") if user else ():
            shutil.chown(path, "postgres", "postgres")
        options = {"cwd": folder, "env": environment, **user}
        init = ["initdb", "-D", f"{folder}/data", "-U", "mlx", "--auth=scram-sha-256", f"--pwfile={folder}/password", "--no-sync"]
        subprocess.run(init, check=True, stdout=subprocess.DEVNULL, **options)
        settings = f"host: 127.0.0.1\nport: {port}\ndatabase: postgres\nuser: mlx\npassword: {PASSWORD}\nsslmode: disable\n"
        server = OnlineServer(
            "postgres", settings, port, [command, "-D", f"{folder}/data", "-p", str(port), "-h", "127.0.0.1", "-k", "", "-F"], answers, options
        )
        yield from _running(server)


def _running(server: OnlineServer) -> Iterator[OnlineServer]:
    server.start()
    try:
        yield server
    finally:
        server.end()


SERVERS = {"postgres": postgres_server, "redis": redis_server}


def hanging(port: int) -> socket.socket:
    """Something that takes connections on a port and never answers."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    return listener
