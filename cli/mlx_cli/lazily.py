"""Modules that the SDK imports and most runs never look at: their code runs when somebody does.

``import pulumi`` brings its Automation API, its dynamic providers bring ``dill``, its tracing OpenTelemetry's SDK with psutil, and all of
it gRPC, over which nothing is said on the embedded host: together half of its time. Tracing looks at TRACEPARENT as it is loaded:
where that is set, it is loaded at once. ``importlib.util.LazyLoader`` reads a package as soon as something is imported from it.
"""

import os
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

TRACING = "pulumi.runtime._instrumentation"
SERVING = ("pulumi.provider", "pulumi.provider.experimental")
"""Of the SDK's, what makes a plugin of a provider; modules below the packages are read by themselves."""
UNUSED = "google.protobuf.internal.python_message"
"""Messages without the compiled ones, which are installed everywhere."""
SELDOM = frozenset({"dill", UNUSED, "grpc", "grpc.aio", "psutil", "pulumi.automation", *SERVING, *(() if "TRACEPARENT" in os.environ else (TRACING,))})
_READING = threading.RLock()


class ReadLater(ModuleType):
    """A module whose code runs when a name of it is asked for that it has not got yet."""

    def __getattr__(self, name: str) -> Any:
        with _READING:
            loader = self.__dict__.pop("_unread", None)  # once: its own code may ask for its names, too
            if loader is not None:
                self._read(loader)
        if name in self.__dict__:
            return self.__dict__[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def _read(self, loader: Any) -> None:
        try:
            loader.exec_module(self)
        except BaseException:
            self.__dict__["_unread"] = loader
            raise


class LaterLoader:
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = module.__dict__["_unread"] = self._loader
        assert module.__spec__
        module.__spec__.loader = self._loader
        module.__class__ = ReadLater
        for inner in sorted(SELDOM):  # so that what is imported from the package does not make it read
            if inner.startswith(f"{module.__name__}."):
                import_module(inner)


class LazyFinder:
    """Stands before the interpreter's own finders, for these names only."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in SELDOM else None
        if spec is not None and spec.loader is not None:
            later: Any = LaterLoader(spec.loader)
            spec.loader = later
        return spec


def load_lazily() -> None:
    """From now on, in this process; what is imported already stays as it is."""
    if LazyFinder not in sys.meta_path:
        sys.meta_path.insert(0, LazyFinder)
