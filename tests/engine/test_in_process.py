"""Providers in this process: on whose thread they run, and what the SDK does not do for programs that run here."""

import asyncio
import contextvars
import subprocess
import sys
import threading
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import pulumi
import pytest
from conftest import Workspace
from pulumi import log
from pulumi.provider.experimental.provider import CheckRequest, CheckResponse, CreateRequest, CreateResponse
from pulumi.runtime import resource as registration
from pulumi.runtime import rpc
from pulumi.runtime.proto import provider_pb2 as pb

from mlx_engine.embedded.in_process import ProviderLoop
from mlx_engine.embedded.plugin import Call, ProviderError
from mlx_engine.embedded.sdk_shortcuts import short_cut
from mlx_engine.provider_codec import BlockingProvider, decode, encode
from mlx_engine.wire import from_struct, to_struct

OF_THE_PROGRAM = contextvars.ContextVar("OF_THE_PROGRAM", default="")
URN = "urn:pulumi:dev::project::files:index:File::a"


class Told(BlockingProvider):
    """Answers with where it ran."""

    async def check(self, request: CheckRequest) -> CheckResponse:
        return CheckResponse(inputs=encode({"thread": threading.get_ident()}))

    async def create(self, request: CreateRequest) -> CreateResponse:
        asked = decode(request.properties)
        if asked.get("fails"):
            raise ValueError("no room")
        if asked.get("awaits"):
            await asyncio.sleep(0)
        return CreateResponse("a", encode({"thread": threading.get_ident(), "seen": OF_THE_PROGRAM.get()}))


@pytest.fixture
def call() -> Iterator[Call]:
    loop = ProviderLoop()
    yield loop.caller(Told())
    loop.close()


def created(call: Call, **properties: Any) -> dict[str, Any]:
    return from_struct(call("Create", pb.CreateRequest(urn=URN, properties=to_struct(properties))).properties)


def test_what_may_block_runs_on_the_thread_that_asked_and_sees_nothing_of_the_program(call: Call) -> None:
    OF_THE_PROGRAM.set("its own")
    assert created(call) == {"thread": threading.get_ident(), "seen": ""}
    assert created(call) == {"thread": threading.get_ident(), "seen": ""}


def test_what_must_be_quick_runs_on_the_providers_thread(call: Call) -> None:
    assert from_struct(call("Check", pb.CheckRequest(urn=URN)).inputs)["thread"] != threading.get_ident()


def test_a_caller_that_runs_a_loop_itself_is_served_like_any_other(call: Call) -> None:
    async def main() -> dict[str, Any]:
        return created(call)

    assert asyncio.run(main())["thread"] == threading.get_ident()


def test_what_says_that_it_may_block_and_awaits_is_told_so(call: Call) -> None:
    with pytest.raises(ProviderError, match="a method in `threaded` may block, and cannot wait on an event loop"):
        created(call, awaits=True)


def test_what_it_raises_is_the_providers_error(call: Call) -> None:
    with pytest.raises(ProviderError, match="no room"):
        created(call, fails=True)


class Declared:
    """The SDK looks for three constructors on the stack: of a resource, and of the two classes above it."""

    def __init__(self, above: int = 2) -> None:
        self.frames: int = Declared(above - 1).frames if above else len(registration._get_stack_trace().frames)  # type: ignore[attr-defined]


def test_the_sdk_looks_up_no_source_lines_for_this_host_and_does_for_others(workspace: Workspace) -> None:
    """Seen on its own name: were it another, the lines would be looked up again in silence."""
    seen: list[int] = []
    workspace.host().preview(lambda: seen.append(Declared().frames), workspace.heard)
    assert seen == [0]
    assert Declared().frames > 0


def test_messages_that_are_not_for_debugging_are_still_told(workspace: Workspace) -> None:
    def program() -> None:
        log.debug("not shown")
        log.info("shown")

    workspace.host().preview(program, workspace.heard)
    assert [event.message for event in workspace.events if event.message] == ["shown"]


def test_a_shortcut_holds_in_its_own_context_only() -> None:
    contextvars.copy_context().run(short_cut)
    assert Declared().frames > 0


class Colour(StrEnum):
    RED = "red"


async def crossing(translate: Any) -> dict[str, Any]:
    """Properties of every kind, as the SDK sends them to the monitor."""
    inner = {"text": "a", "number": 1, "share": 0.5, "flag": True, "none": None, "list": [{"deep": [1, "b"]}], "snake_case": {"more_of_it": 1}}
    later = pulumi.Output.from_input(inner)
    given = {"plain": inner, "pair": ("a", 1), "colour": Colour.RED, "none": None, "later": later, "mixed": [{"a": later}, 1], "one_two": {"three_four": 1}}
    return from_struct(await rpc.serialize_properties(given, {}, None, translate))


@pytest.mark.parametrize("translate", [None, lambda key: key.upper()])
def test_properties_cross_to_the_monitor_the_same_by_a_shortcut(translate: Any) -> None:
    def shortened() -> dict[str, Any]:
        short_cut()
        return asyncio.run(crossing(translate))

    at_length = contextvars.copy_context().run(lambda: asyncio.run(crossing(translate)))
    assert contextvars.copy_context().run(shortened) == at_length
    assert at_length["PLAIN" if translate else "plain"] != {}


def test_a_host_is_made_before_the_sdk_is_read_and_a_verb_reads_it() -> None:
    """What a verb has to do first, such as a new stack's key, goes on meanwhile."""
    code = "import sys, mlx_engine.embedded; before = 'pulumi' in sys.modules; import mlx_engine.embedded.run; print(before, 'pulumi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False True\n"
