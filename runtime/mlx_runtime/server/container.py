"""``python -m mlx_runtime.server.container --model NAME --folder /mnt/models``: the model server inside KServe.

The folder is what mlx_runtime.cluster.fetch_model laid down: it is verified, and never written to. The server listens while it loads,
because the liveness probe does not wait for a large model. SIGTERM makes it unready first and ends it after the requests in
flight. Its log is its standard error; besides, it writes the functions of on-demand features into a folder of its own.
"""

import argparse
import contextlib
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn
from pydantic import ValidationError

from mlx_runtime.artifact import digest_of, verify
from mlx_runtime.errors import RuntimeFailure
from mlx_runtime.server.config import EndpointConfig
from mlx_runtime.server.listen import StartError, bind, settings
from mlx_specs.artifact import MODEL_FILE
from mlx_specs.resources import About, Version

if TYPE_CHECKING:
    from mlx_runtime.server.app import Application

ANYWHERE = "0.0.0.0"
DRAIN = 5.0
"""Seconds for which a server that is to end still takes new requests: proxies learn only then that its address is gone."""
LOADING, STOPPING = "the model is being loaded", "the server is stopping"
DIGITS = 12
"""Of a fingerprint that stands for a version whose number nobody gave."""
KILLED = 128 + signal.SIGTERM
logger = logging.getLogger("mlx.server")


@dataclass(frozen=True)
class Arguments:
    """The command line, as the ServingRuntime has it."""

    model: str
    folder: Path
    host: str
    port: int
    timeout: int
    max_rows: int
    features: Path | None
    log: str


def main() -> int:
    """The process; returns its exit status."""
    # As the first process of a container it would otherwise take no notice of a SIGTERM that comes before uvicorn listens to it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(KILLED))
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        return serve(parse(sys.argv[1:]), os.environ)
    except (StartError, RuntimeFailure) as error:
        logger.error("%s", error)
        return 1


def parse(given: list[str]) -> Arguments:
    """Exits with status 2 on arguments that are none."""
    parser = argparse.ArgumentParser(prog="mlx_runtime.server.container")
    parser.add_argument("--model", required=True, help="its name in requests")
    parser.add_argument("--folder", type=Path, required=True, help="the artifact")
    parser.add_argument("--host", default=ANYWHERE)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--timeout", type=int, default=30, help="seconds for one request")
    parser.add_argument("--max-rows", type=int, default=10_000, help="in one request")
    parser.add_argument("--features", type=Path, help="the file that says how requests are completed")
    parser.add_argument("--log", default="", metavar="URL", help="the environment's storage, where predictions are logged")
    return Arguments(**vars(parser.parse_args(given)))


def serve(arguments: Arguments, environment: Mapping[str, str]) -> int:
    """Listens, loads, serves until SIGTERM; the exit status."""
    config = configured(arguments, environment)
    _limit_threads(config.threads)
    from mlx_runtime.server.app import Application
    from mlx_runtime.server.held import Snapshot

    listener = bind(arguments.host, arguments.port, f"port {arguments.port} of {arguments.host} is taken by another process")
    application = Application(Snapshot(config, unready=LOADING), lambda _: None)
    server = ContainerServer(application, settings(application, config.timeout))
    with tempfile.TemporaryDirectory(prefix="mlx-") if arguments.features else contextlib.nullcontext("") as scratch:
        threading.Thread(target=server.load, args=(arguments, environment, Path(scratch)), daemon=True).start()
        logger.info("listening on http://%s:%d", *listener.getsockname())
        server.run(sockets=[listener])
    logger.info("stopped")
    return 1 if server.failed else 0


def configured(arguments: Arguments, environment: Mapping[str, str]) -> EndpointConfig:
    """The endpoint before its version is known; raises ``StartError``."""
    try:
        about = About.model_validate_json(environment.get("MLX_ABOUT", "{}"))
        threads = int(environment.get("MLX_THREADS", "1"))
    except ValueError as error:
        raise StartError("MLX_ABOUT is a JSON object and MLX_THREADS a number: they come with the ServingRuntime") from error
    return EndpointConfig(
        name=arguments.model, workspace=str(arguments.folder), port=arguments.port, timeout=arguments.timeout, max_rows=arguments.max_rows,
        threads=threads, about=about, log=arguments.log,
    )  # fmt: skip


def version_of(folder: Path, environment: Mapping[str, str]) -> Version:
    """The version that MLX_VERSION says, whose digest the artifact must have; without it, what the artifact says of itself."""
    try:
        told = Version.model_validate_json(environment.get("MLX_VERSION", "{}"))
    except ValidationError as error:
        raise StartError("MLX_VERSION is no version of a model: it comes with the InferenceService") from error
    if told.exists:
        return told.model_copy(update={"artifact": str(folder)})
    if not (folder / MODEL_FILE).is_file():
        raise StartError(f"{folder} holds no {MODEL_FILE}: nothing laid down an artifact of mlx")
    digest = digest_of(folder)
    fingerprint = verify(folder, digest).fingerprint
    return Version(fingerprint=fingerprint, version=fingerprint[:DIGITS], artifact=str(folder), artifact_digest=digest)


class ContainerServer(uvicorn.Server):
    """``failed`` says that it ended because there was nothing to serve."""

    def __init__(self, application: "Application", config: uvicorn.Config) -> None:
        super().__init__(config)
        self.failed = False
        self._application = application
        self._stopping = False

    def load(self, arguments: Arguments, environment: Mapping[str, str], scratch: Path) -> None:
        """Serves the artifact of the folder, or ends the server with the reason."""
        from mlx_runtime.server.describe import serving
        from mlx_runtime.server.held import load_snapshot
        from mlx_runtime.server.remote_features import open_remote

        folder = arguments.folder
        try:
            version = version_of(folder, environment)
            config = self._application.snapshot.config.model_copy(update={"versions": [version], "current": version.version})
            features = open_remote(arguments.features, environment, scratch) if arguments.features else None
            self._application.snapshot = load_snapshot(config, features=features)
        except MemoryError:
            self._fail("the model does not fit into memory: raise compute.memory of the Inference")
        except (StartError, RuntimeFailure) as error:
            self._fail(str(error))
        except Exception as error:  # broad: whatever an engine raises, a server that can never be ready must end to be seen
            self._fail(f"{folder} cannot be loaded: {type(error).__name__}: {error}".splitlines()[0])
        else:
            logger.info("serving %s", serving(self._application.snapshot))
        if self._stopping:
            self._withdraw()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal makes it unready, the second, or time, ends it."""
        if self._stopping:
            self.should_exit = True
            return
        logger.info("stopping in %g s", DRAIN)
        self._stopping = True
        self._withdraw()
        timer = threading.Timer(DRAIN, self._end)
        timer.daemon = True
        timer.start()

    def _withdraw(self) -> None:
        self._application.snapshot = replace(self._application.snapshot, unready=STOPPING)

    def _fail(self, reason: str) -> None:
        logger.error("%s", reason)
        self.failed = True
        self._end()

    def _end(self) -> None:
        self.should_exit = True


def _limit_threads(threads: int) -> None:
    """Numerical libraries read it once, when they are imported."""
    os.environ.update({"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)})


if __name__ == "__main__":
    sys.exit(main())
