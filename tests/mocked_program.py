"""Programs on Pulumi's own mocks, which stand for engine and providers: what a program declares, as the engine is told it."""

import asyncio
import contextvars
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Thread
from typing import Any

from pulumi.runtime import rpc, set_mocks
from pulumi.runtime.mocks import MockMonitor, Mocks, test


@dataclass(frozen=True)
class Declared:
    """One resource as the engine is told it."""

    type: str
    name: str
    parent: str
    inputs: Mapping[str, Any]
    protect: bool
    ignore_changes: tuple[str, ...]
    delete_before_replace: bool
    depends_on: tuple[str, ...]
    provider: str


class Recorder(MockMonitor):
    """Keeps what mocks are not told: parents and options."""

    def __init__(self, mocks: Mocks) -> None:
        super().__init__(mocks)
        self.declared: list[Declared] = []

    def RegisterResource(self, request: Any) -> Any:
        answer = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            self.declared.append(
                Declared(
                    type=request.type,
                    name=request.name,
                    parent=named(request.parent),
                    inputs=rpc.deserialize_properties(request.object),
                    protect=request.protect,
                    ignore_changes=tuple(request.ignoreChanges),
                    delete_before_replace=request.deleteBeforeReplace,
                    depends_on=tuple(sorted({named(urn) for urn in request.dependencies})),
                    provider=named(request.provider.rpartition("::")[0]),
                )
            )
        return answer


def declared_by(program: Callable[[], Any], mocks: Mocks) -> tuple[Declared, ...]:
    """What the program declares, in the order of types and names; what it raises is raised. It may return an output to wait for."""
    monitor = Recorder(mocks)
    failures: list[BaseException] = []

    def run() -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        try:
            set_mocks(mocks, project="clusters", stack="main", preview=False, monitor=monitor)
            test(program)()
        except BaseException as error:
            failures.append(error)

    # A thread of its own has settings and an event loop of its own, so that no other test sees the mocks.
    thread = Thread(target=lambda: contextvars.Context().run(run))
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return tuple(sorted(monitor.declared, key=lambda each: (each.type, each.name)))


def named(urn: str) -> str:
    """``Type name`` of a URN."""
    if not urn:
        return ""
    kinds, _, name = urn.rpartition("::")
    return f"{kinds.rpartition('::')[2].rpartition('$')[2].rpartition(':')[2]} {name}"
