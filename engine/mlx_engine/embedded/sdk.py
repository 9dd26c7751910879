# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""The border to the Pulumi SDK's internals: how a program is run on a monitor that is an object in this process.

Pinned to one version of the SDK, with a test; where its internals are not what they were, the SDK's own loop is used.
"""

import asyncio
import contextvars
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from pulumi.runtime import settings
from pulumi.runtime.config import set_all_config
from pulumi.runtime.stack import Stack as RootComponent
from pulumi.runtime.stack import run_in_stack

from mlx_engine.embedded.sdk_shortcuts import short_cut
from mlx_engine.host import Program, Stack

AHEAD = 64
"""How many resources are taken on at once: while some are worked on, the others are decided and written down, many with one write of the state."""
_SETTINGS: Any = settings.SETTINGS
"""Its attributes are made when it is configured, each for the context that reads it."""


def run_program(program: Program, stack: Stack, monitor: Any, engine: Any, *, parallel: int, dry_run: bool) -> None:
    """Runs the program to its end, in a context of its own. What it raises comes out as it is."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # the SDK leaves futures with exceptions behind

    def run() -> None:
        short_cut()
        _configure(stack, monitor, engine, parallel=parallel, dry_run=dry_run)
        _run_loop(_driver(program), threads=max(AHEAD, parallel))

    context = contextvars.copy_context()
    if _in_a_loop():
        _run_elsewhere(lambda: context.run(run))
    else:
        context.run(run)


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _run_elsewhere(work: Callable[[], None]) -> None:
    """A thread has one running loop at most: where the caller runs one, the program gets a thread of its own."""
    with ThreadPoolExecutor(1, "mlx-main") as pool:
        pool.submit(work).result()


def _configure(stack: Stack, monitor: Any, engine: Any, *, parallel: int, dry_run: bool) -> None:
    settings.ROOT.set(None)
    configured = settings.Settings(
        project=stack.project,
        stack=stack.name,
        monitor=monitor,
        engine=engine,
        parallel=parallel,
        dry_run=dry_run,
        organization="organization",
        root_directory=str(stack.root),
    )
    settings.configure(configured)
    set_all_config(dict(stack.config), list(stack.secret_config))


def _run_loop(main: Awaitable[None], *, threads: int) -> None:
    loop = asyncio.new_event_loop()
    executor = ThreadPoolExecutor(threads, "mlx-program")
    loop.set_default_executor(executor)
    loop.set_exception_handler(_ignore)
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(main)
    finally:
        _cancel_rest(loop, executor)
        asyncio.set_event_loop(None)


def _cancel_rest(loop: asyncio.AbstractEventLoop, executor: ThreadPoolExecutor) -> None:
    """Waits for registrations that run, and cancels what only waits."""
    executor.shutdown(wait=True, cancel_futures=True)
    for task in asyncio.all_tasks(loop):
        task.cancel()
        with suppress(BaseException):
            loop.run_until_complete(task)
    loop.close()


def _ignore(_loop: asyncio.AbstractEventLoop, _context: Mapping[str, Any]) -> None:
    """The first exception comes out of the run; the rest are its consequences."""


def _driver(program: Program) -> Awaitable[None]:
    known = hasattr(_SETTINGS, "rpc_manager") and hasattr(_SETTINGS, "outputs") and hasattr(RootComponent, "_finish")
    return drive(program) if known else run_in_stack(program)


async def drive(program: Callable[[], Any]) -> None:
    """What ``run_in_stack`` does, in linear time: its own wait is quadratic in the number of outputs."""
    await settings._load_monitor_feature_support()
    try:
        await _declare(program)
        await _settle()
    finally:
        await settings._shutdown_callbacks()


async def _declare(program: Callable[[], Any]) -> None:
    root = RootComponent()
    try:
        result = program()
        if inspect.isawaitable(result):
            await result
        late = root._take_async_program()
        if late is not None:
            root._add_program_outputs(await late())
    finally:
        root._finish()


async def _settle() -> None:
    """Returns when no registration and no output is left; raises the first exception."""
    while tasks := _take_tasks():
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        await asyncio.sleep(0)
    manager = _SETTINGS.rpc_manager
    if manager.unhandled_exception is not None:
        raise manager.unhandled_exception


def _take_tasks() -> set["asyncio.Future[Any]"]:
    manager = _SETTINGS.rpc_manager
    tasks: set[asyncio.Future[Any]] = {asyncio.ensure_future(rpc) for rpc in manager.rpcs}
    manager.rpcs.clear()
    with _SETTINGS.lock:
        tasks.update(_SETTINGS.outputs)
        _SETTINGS.outputs.clear()
    return tasks
