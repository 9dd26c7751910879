"""Run by tests in a process of its own, as on a machine of its own: ``run_remote.py HOSTNAME ROOT URL VERB TIMEOUT NAME...``.

A file for each name, one after the other; ``NAME@GATE`` waits in its creation for the file GATE. An event a line on stdout, and how
it ended. A process that may not have another host name ends with NOT_PERMITTED.
"""

import ctypes
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))

from file_program import File  # noqa: E402
from file_provider import FileProvider  # noqa: E402

from mlx_engine.embedded import embedded_host  # noqa: E402
from mlx_engine.host import EngineError, Event, Host, Options, Stack  # noqa: E402

NOT_PERMITTED = 77
NEW_HOST_NAME, NEW_USERS = 0x04000000, 0x10000000


def main(hostname: str, root: Path, url: str, verb: str, timeout: float, names: Sequence[str]) -> None:
    _become(hostname)
    host = embedded_host(Stack("project", "dev", root, url), Options(parallel=2, lock_timeout=timeout), {"files": FileProvider})
    try:
        _run(host, verb, str(root / "files"), names)
    except EngineError as error:
        _say(f"{type(error).__name__}: {error}")
    else:
        _say("done")


def _become(hostname: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if hostname and libc.unshare(NEW_HOST_NAME) and libc.unshare(NEW_USERS | NEW_HOST_NAME):
        sys.exit(NOT_PERMITTED)
    if hostname:
        socket.sethostname(hostname)


def _run(host: Host, verb: str, folder: str, names: Sequence[str]) -> None:
    def program() -> None:
        before: File | None = None
        for name, _, gate in (text.partition("@") for text in names):
            waits = {"gate": gate} if gate else {}
            before = File(name, folder=folder, content=before.size if before else 1, **waits)

    if verb == "up":
        host.up(program, _print)
    else:
        _say(host.cancel())


def _print(event: Event) -> None:
    _say(f"{event.kind} {event.step.op} {event.step.name}" if event.step else f"{event.kind} {event.message}")


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4], float(sys.argv[5]), sys.argv[6:])
