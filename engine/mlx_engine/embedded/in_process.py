"""Providers written in Python, called in this process: the same calls that an executable serves, without the socket."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from typing import Any, TypeVar

from google.protobuf.message import Message
from pulumi.provider.experimental.provider import Provider

from mlx_engine.embedded.plugin import Call, InitializationFailed, Live, ProviderError, Unimplemented
from mlx_engine.provider_calls import BLOCKING_THREADS, ProviderCalls, to_its_end
from mlx_engine.provider_codec import InitFailed, encode, wire_values

T = TypeVar("T")


class InProcess(ProviderCalls):
    """What blocks, blocks the thread of the host that asked: it is of no use to anything else meanwhile."""

    async def _work(self, method: str, operation: Coroutine[Any, Any, T]) -> T:
        return await operation


class ProviderLoop:
    """The event loop on which every in-process provider of a run lives, on a thread of its own; what blocks runs on its caller's."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(BLOCKING_THREADS, "mlx-provider"))
        self._thread = threading.Thread(target=self._loop.run_forever, name="mlx-providers", daemon=True)
        self._thread.start()

    def caller(self, provider: Provider) -> Call:
        calls = InProcess(provider)

        def call(method: str, request: Message) -> Any:
            work = getattr(calls, method)(request, None)
            if calls.is_threaded(method):  # in a context of its own: what the program has set is none of the provider's
                return _result(lambda: Context().run(to_its_end, work))
            return _result(asyncio.run_coroutine_threadsafe(work, self._loop).result)

        return call

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._loop.shutdown_default_executor(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _result(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except NotImplementedError as error:
        raise Unimplemented(str(error)) from error
    except InitFailed as error:
        raise InitializationFailed(Live(error.resource_id, wire_values(encode(error.properties)), init_errors=error.reasons)) from error
    except Exception as error:
        raise ProviderError(str(error) or type(error).__name__) from error
