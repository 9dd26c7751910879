"""Providers that are executables, ``pulumi-resource-NAME``: found, started, and called over gRPC."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2, provider_pb2_grpc, status_pb2

from mlx_engine.embedded.plugin import Call, InitializationFailed, Live, Plugin, ProviderError, Unimplemented
from mlx_engine.host import EngineError, Unsupported
from mlx_engine.plugin_protocol import MESSAGE_LIMIT, STATUS_DETAILS
from mlx_engine.providers import ProviderLog
from mlx_engine.wire import from_struct


class Executables:
    """Starts plugin executables, with one engine for all of them to log to."""

    def __init__(self, log: ProviderLog) -> None:
        self._log = log
        self._engine: grpc.Server | None = None
        self._address = ""

    def start(self, package: str, version: str) -> Plugin:
        """Raises ``Unsupported`` where no executable is found, ``EngineError`` where it does not start."""
        path = find_executable(package, version)
        if path is None:
            wanted = f"pulumi-resource-{package}" + (f" {version}" if version else "")
            raise Unsupported(f"no provider for the package {package!r}", hint=f"put {wanted} on PATH, or install the pulumi CLI and set host: pulumi")
        # a session of its own: Ctrl-C must reach the operation through Cancel, not kill it
        arguments = [str(path), self._engine_address()]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        port = _read_port(package, process)
        self._drain(process.stdout)
        self._drain(process.stderr)
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=MESSAGE_LIMIT)
        return Plugin(package, _caller(provider_pb2_grpc.ResourceProviderStub(channel)), stop=lambda: _stop(process, channel))

    def close(self) -> None:
        if self._engine:
            self._engine.stop(None)

    def _engine_address(self) -> str:
        if self._engine is None:
            self._engine = grpc.server(ThreadPoolExecutor(2, "mlx-engine"))
            engine_pb2_grpc.add_EngineServicer_to_server(EngineLog(self._log), self._engine)
            self._address = f"127.0.0.1:{self._engine.add_insecure_port('127.0.0.1:0')}"
            self._engine.start()
        return self._address

    def _drain(self, stream: IO[str] | None) -> None:
        """A plugin whose output nobody reads would block when the pipe is full."""
        lines: Iterator[str] = iter(stream) if stream else iter(())
        threading.Thread(target=lambda: [self._log("", line.rstrip(), True) for line in lines], daemon=True).start()


class EngineLog(engine_pb2_grpc.EngineServicer):
    """Pulumi's ``Engine`` service, as far as providers use it."""

    def __init__(self, log: ProviderLog) -> None:
        self._log = log

    def Log(self, request: engine_pb2.LogRequest, context: Any) -> Empty:
        if request.severity != engine_pb2.DEBUG:
            self._log(request.urn, request.message, request.ephemeral)
        return Empty()


def find_executable(package: str, version: str) -> Path | None:
    """On PATH, else among the CLI's installed plugins, of the wanted version where one is wanted."""
    name = f"pulumi-resource-{package}"
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path)
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    installed = sorted((home / "plugins").glob(f"resource-{package}-v{version or '*'}/{name}"))
    return installed[-1] if installed else None


def _read_port(package: str, process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline().strip()
    if not line.isdigit():
        process.kill()
        said = process.stderr.read().strip() or line or "nothing"
        raise EngineError(f"pulumi-resource-{package} did not start; it said: {said}", hint="run it by hand to see why")
    return int(line)


def _caller(stub: Any) -> Call:
    def call(method: str, request: Message) -> Any:
        try:
            return getattr(stub, method)(request)
        except grpc.RpcError as error:
            raise _translated(error) from error

    return call


def _translated(error: Any) -> ProviderError:
    if error.code() == grpc.StatusCode.UNIMPLEMENTED:
        return Unimplemented(error.details())
    details = next((value for key, value in error.trailing_metadata() or () if key == STATUS_DETAILS), None)
    for packed in status_pb2.Status.FromString(details).details if details else ():
        failed = provider_pb2.ErrorResourceInitFailed()
        if packed.Unpack(failed):
            return InitializationFailed(Live(failed.id, from_struct(failed.properties), init_errors=list(failed.reasons)))
    return ProviderError(error.details())


def _stop(process: "subprocess.Popen[str]", channel: "grpc.Channel") -> None:
    channel.close()
    process.kill()
    process.wait()
