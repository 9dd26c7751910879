"""What the SDK does for each resource and nobody looks at on this host: left out, for it costs a tenth of a plan.

Only within ``short_cut``: a program on the pulumi CLI runs in a process like this, too. A name that the SDK no longer has is
not looked for.
"""

from collections.abc import Callable
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from pulumi import log
from pulumi.runtime import resource as registration
from pulumi.runtime.proto.source_pb2 import StackTrace

_SHORT = ContextVar("_SHORT", default=False)


def short_cut() -> None:
    """For the rest of this context."""
    _SHORT.set(True)


def _no_trace() -> StackTrace:
    """Where a resource is declared does not stand in this host's state."""
    return StackTrace()


def _no_message(*_args: Any, **_options: Any) -> None:
    """This host shows no debug messages."""


def _replace(module: ModuleType, name: str, shortcut: Callable[..., Any]) -> None:
    original: Callable[..., Any] | None = getattr(module, name, None)
    if original is None:
        return

    def chosen(*args: Any, **options: Any) -> Any:
        return (shortcut if _SHORT.get() else original)(*args, **options)

    setattr(module, name, chosen)


_replace(registration, "_get_stack_trace", _no_trace)
_replace(log, "debug", _no_message)
