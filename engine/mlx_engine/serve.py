"""Serves a Python provider as an executable ``pulumi-resource-NAME``: what the pulumi CLI and other hosts start as a plugin.

The protocol: one argument, the address of the engine that started it; the port it serves on, as the first line on stdout.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as Packed
from pulumi.provider.experimental.provider import Provider
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2, provider_pb2_grpc, status_pb2

from mlx_engine.plugin_protocol import MESSAGE_LIMIT, STATUS_DETAILS
from mlx_engine.provider_calls import BLOCKING_THREADS, ProviderCalls
from mlx_engine.provider_codec import InitFailed, encode, wire_values
from mlx_engine.providers import ProviderFactory, ProviderLog
from mlx_engine.wire import to_struct

PARENT_CHECK = 1.0
"""Seconds between two looks at whether the engine still lives."""
LOG_TIMEOUT = 5.0
"""Seconds."""


class Servicer(ProviderCalls, ProviderServicer):
    """Construct, Call, GetSchema and GetPluginInfo are the SDK's."""

    def __init__(self, provider: Provider, version: str, engine_address: str) -> None:
        ProviderServicer.__init__(self, [], version, provider, engine_address)
        ProviderCalls.__init__(self, provider)


def serve(provider_factory: ProviderFactory, name: str, version: str, arguments: Sequence[str] | None = None) -> None:
    """Serves until it is killed. Progress goes to the engine that started it, as messages of the resource.

    Raises ``SystemExit`` when it was not started by an engine.
    """
    addresses = [argument for argument in (sys.argv[1:] if arguments is None else arguments) if not argument.startswith("-")]
    if not addresses:
        raise SystemExit(f"pulumi-resource-{name} {version} is started by Pulumi, with the address of its engine as argument")
    servicer = Servicer(provider_factory(_engine_log(addresses[0])), version, addresses[0])
    asyncio.run(_serve(servicer))


async def _serve(servicer: Servicer) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(BLOCKING_THREADS))
    loop.add_signal_handler(signal.SIGINT, os._exit, 0)  # how the engine says that it is done with a plugin
    server = grpc.aio.server(interceptors=[PlainErrors()], options=MESSAGE_LIMIT)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await _parent_gone(os.getppid())
    os._exit(1)  # whoever asked is dead: what runs is treated as killed, and healed by the next run


async def _parent_gone(parent: int) -> None:
    while os.getppid() == parent:
        await asyncio.sleep(PARENT_CHECK)


def _engine_log(address: str) -> ProviderLog:
    engine: Any = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))

    def log(urn: str, message: str, ephemeral: bool) -> None:
        request = engine_pb2.LogRequest(severity=engine_pb2.INFO, message=message, urn=urn, ephemeral=ephemeral)
        with suppress(grpc.RpcError):  # an engine that has gone away must not fail the operation
            engine.Log(request, timeout=LOG_TIMEOUT)

    return log


class PlainErrors(grpc.aio.ServerInterceptor):
    """What a provider raises reaches the engine as its message, without a traceback; what it lacks as UNIMPLEMENTED."""

    async def intercept_service(self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], handler_call_details: grpc.HandlerCallDetails) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None or not handler.unary_unary:
            return handler
        return grpc.unary_unary_rpc_method_handler(_plain(handler.unary_unary), handler.request_deserializer, handler.response_serializer)


def _plain(method: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
    async def call(request: Any, context: Any) -> Any:
        try:
            return await method(request, context)
        except InitFailed as error:
            context.set_trailing_metadata(((STATUS_DETAILS, _details(error)),))
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except NotImplementedError as error:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, str(error))
        except Exception as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error) or type(error).__name__)

    return call


def _details(error: InitFailed) -> bytes:
    properties = to_struct(wire_values(encode(error.properties)))
    failed = provider_pb2.ErrorResourceInitFailed(id=error.resource_id, properties=properties, reasons=error.reasons)
    packed = Packed()
    packed.Pack(failed)
    return status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[packed]).SerializeToString()
