"""What the SDK does for each resource and nobody looks at on this host: left out, for it costs a sixth of a first apply.

Only within ``short_cut``: a program on the pulumi CLI runs in a process like this, too. A name that the SDK no longer has is
not looked for.
"""

from collections.abc import Callable
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from pulumi import Resource, log
from pulumi.runtime import resource as registration
from pulumi.runtime import rpc
from pulumi.runtime.proto.source_pb2 import StackTrace

_SHORT = ContextVar("_SHORT", default=False)
_LEAVES = frozenset({str, int, float, bool, type(None)})


def short_cut() -> None:
    """For the rest of this context."""
    _SHORT.set(True)


def _no_trace() -> StackTrace:
    """Where a resource is declared does not stand in this host's state."""
    return StackTrace()


def _no_message(*_args: Any, **_options: Any) -> None:
    """This host shows no debug messages."""


class _NoUrn:
    """Of a resource that a monitor registers: the SDK works a urn out for programs that run without one."""

    def __init__(self, *_args: Any) -> None: ...

    async def future(self) -> None:
        return None


async def _itself(value: Any, *_args: Any, **_options: Any) -> Any:
    """Plain JSON as it crosses the wire; the SDK asks each of its values whether it is an asset, an output, a resource."""
    return value


def _is_registered(name: Any, type_: Any, parent: Any = None, *others: Any, **options: Any) -> bool:
    """Whether it is the urn of a resource on its way to the monitor; those of aliases are made of outputs, or of other stacks."""
    return type(name) is str and type(type_) is str and type(parent) is str and not others and not options


def _crosses_as_it_is(value: Any, _deps: Any, _key: Any, _resource: Any = None, translate: Any = None, typ: Any = None, *_flags: Any, **options: Any) -> bool:
    """Whether it is plain JSON whose names nobody translates, asked for as it is."""
    named = translate is None or getattr(translate, "__func__", None) is Resource.translate_input_property
    return typ is None and named and "return_protobuf_value" not in options and _is_plain(value)


def _is_plain(value: Any) -> bool:
    kind = value.__class__
    if kind in _LEAVES:
        return True
    if kind is dict:
        return all(map(_is_plain, value.values()))
    return kind is list and all(map(_is_plain, value))


def _always(*_args: Any, **_options: Any) -> bool:
    return True


def _replace(module: ModuleType, name: str, shortcut: Callable[..., Any], where: Callable[..., bool] = _always) -> None:
    original: Callable[..., Any] | None = getattr(module, name, None)
    if original is None:
        return

    def chosen(*args: Any, **options: Any) -> Any:
        return (shortcut if _SHORT.get() and where(*args, **options) else original)(*args, **options)

    setattr(module, name, chosen)


_replace(registration, "_get_stack_trace", _no_trace)
_replace(registration, "create_urn", _NoUrn, _is_registered)
_replace(rpc, "serialize_property", _itself, _crosses_as_it_is)
_replace(log, "debug", _no_message)
