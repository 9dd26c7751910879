"""Providers written in Python, called in this process: the same servicer that serves them as executables, without the socket."""

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from google.protobuf.message import Message

from mlx_engine.embedded.plugin import Call, InitializationFailed, Live, ProviderError, Unimplemented
from mlx_engine.provider_codec import InitFailed, encode, wire_value
from mlx_engine.provider_servicer import BLOCKING_THREADS, Servicer


class ProviderLoop:
    """The event loop on which every in-process provider of a run lives, on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(BLOCKING_THREADS, "mlx-provider"))
        self._thread = threading.Thread(target=self._loop.run_forever, name="mlx-providers", daemon=True)
        self._thread.start()

    def caller(self, servicer: Servicer) -> Call:
        def call(method: str, request: Message) -> Any:
            work = getattr(servicer, method)(request, None)
            return _result(asyncio.run_coroutine_threadsafe(work, self._loop))

        return call

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._loop.shutdown_default_executor(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _result(future: "Future[Any]") -> Any:
    try:
        return future.result()
    except NotImplementedError as error:
        raise Unimplemented(str(error)) from error
    except InitFailed as error:
        outputs = {key: wire_value(value) for key, value in encode(error.properties).items()}
        raise InitializationFailed(Live(error.resource_id, outputs, init_errors=error.reasons)) from error
    except Exception as error:
        raise ProviderError(str(error) or type(error).__name__) from error
