"""Providers written in Python, called in this process: the same servicer that serves them as executables, without the socket."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from functools import partial
from typing import Any, TypeVar

from google.protobuf.message import Message
from pulumi.provider.experimental.provider import Provider

from mlx_engine.embedded.plugin import Call, InitializationFailed, Live, ProviderError, Unimplemented
from mlx_engine.provider_codec import InitFailed, encode, wire_values
from mlx_engine.provider_servicer import BLOCKING_THREADS, Servicer

T = TypeVar("T")


class InProcess(Servicer):
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
        self._local = threading.local()
        self._callers: list[asyncio.AbstractEventLoop] = []

    def caller(self, provider: Provider, version: str) -> Call:
        servicer = InProcess(provider, version)

        def call(method: str, request: Message) -> Any:
            work = getattr(servicer, method)(request, None)
            here = servicer.is_threaded(method) and not _in_a_loop()
            return _result(partial(self._run_here, work) if here else asyncio.run_coroutine_threadsafe(work, self._loop).result)

        return call

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._loop.shutdown_default_executor(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        for loop in (self._loop, *self._callers):
            loop.close()

    def _run_here(self, work: Coroutine[Any, Any, Any]) -> Any:
        """In a context of its own: what the program has set is none of the provider's."""
        return Context().run(self._loop_of_this_thread().run_until_complete, work)

    def _loop_of_this_thread(self) -> asyncio.AbstractEventLoop:
        loop = getattr(self._local, "loop", None)
        if loop is None:
            loop = self._local.loop = asyncio.new_event_loop()
            self._callers.append(loop)
        return loop


def _in_a_loop() -> bool:
    """Whether this thread runs an event loop: it cannot run a second one."""
    return asyncio.events._get_running_loop() is not None


def _result(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except NotImplementedError as error:
        raise Unimplemented(str(error)) from error
    except InitFailed as error:
        raise InitializationFailed(Live(error.resource_id, wire_values(encode(error.properties)), init_errors=error.reasons)) from error
    except Exception as error:
        raise ProviderError(str(error) or type(error).__name__) from error
