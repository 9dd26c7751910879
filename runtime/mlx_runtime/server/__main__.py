"""``python -m mlx_runtime.server --folder HOME/endpoints/NAME``: the server process.

It holds its folder's lock for life, so that there is never a second one; it listens before it says so in server.json; it
stops on SIGTERM after the requests in flight, or when its folder is deleted. Its log is its standard error.
"""

import argparse
import fcntl
import logging
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from mlx_runtime.artifact import ArtifactError
from mlx_runtime.engines import EngineError
from mlx_runtime.features import CodeError
from mlx_runtime.quantity import limit_memory
from mlx_runtime.server.config import EXIT_LOCKED, HOST, LOCK_FILE, EndpointConfig, ServerRecord, read_config, read_record, write_config, write_record
from mlx_runtime.server.listen import StartError, bind, settings
from mlx_runtime.server.process import start_time

if TYPE_CHECKING:
    from mlx_runtime.server.app import Application

LOOK = 1.0
"""Seconds between two looks at whether its folder is still there."""
logger = logging.getLogger("mlx.server")


def main() -> int:
    """The process; returns its exit status."""
    parser = argparse.ArgumentParser(prog="mlx_runtime.server")
    parser.add_argument("--folder", type=Path, required=True)
    folder = parser.parse_args().folder.resolve()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with (folder / LOCK_FILE).open("a") as lock:
        if not _take(lock):
            logger.error("another server holds %s", folder)
            return EXIT_LOCKED
        threading.Thread(target=_end_without, args=(lock,), daemon=True).start()
        try:
            _serve(folder)
        except (StartError, ArtifactError, EngineError, CodeError) as error:
            logger.error("%s", error)
            return 1
    return 0


def _end_without(lock: IO[str]) -> None:
    """Once somebody has deleted its folder, nobody could find or stop this server any more: it stops by itself."""
    held = os.fstat(lock.fileno()).st_ino
    while True:
        time.sleep(LOOK)
        try:
            found = Path(lock.name).stat().st_ino
        except FileNotFoundError:
            found = 0
        except OSError:
            continue  # it cannot be told now
        if found != held:
            logger.error("%s is gone: stopping", Path(lock.name).parent)
            os.kill(os.getpid(), signal.SIGTERM)
            return


def _serve(folder: Path) -> None:
    config = read_config(folder)
    if config is None:
        raise StartError(f"{folder} holds no endpoint.json: run mlx apply")
    listener = _listen(folder, config)
    application = _application(folder, config)
    write_record(folder, ServerRecord(os.getpid(), start_time(os.getpid()) or "", listener.getsockname()[1]))
    _run(application, listener, config)


def _application(folder: Path, config: EndpointConfig) -> "Application":
    """Loads under the memory limit, after the libraries, which are the same for every model."""
    from mlx_runtime.server.app import Application
    from mlx_runtime.server.describe import serving
    from mlx_runtime.server.held import load_snapshot
    from mlx_runtime.workspace_code import make_importable

    make_importable(Path(config.workspace))
    if config.memory:
        limit_memory(config.memory)
    try:
        snapshot = load_snapshot(config)
    except MemoryError as error:
        raise StartError(f"the model does not fit into memory ({config.memory}): raise compute.memory of Inference '{config.name}'") from error
    logger.info("serving %s", serving(snapshot))
    return Application(snapshot, lambda switched: write_config(folder, switched))


def _run(application: "Application", listener: socket.socket, config: EndpointConfig) -> None:
    import uvicorn

    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logger.info("listening on http://%s:%d", *listener.getsockname())
    uvicorn.Server(settings(application, config.timeout)).run(sockets=[listener])
    logger.info("stopped")


def _listen(folder: Path, config: EndpointConfig) -> socket.socket:
    """The port asked for, or else the one it had before if that is free, or else any."""
    if config.port:
        return bind(
            HOST, config.port, f"port {config.port} of {HOST} is taken by another process: free it, or change realtime.port of Inference '{config.name}'"
        )
    previous = read_record(folder)
    try:
        return bind(HOST, previous.port if previous else 0, "taken")
    except StartError:
        return bind(HOST, 0, f"no free port on {HOST}")


def _take(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
