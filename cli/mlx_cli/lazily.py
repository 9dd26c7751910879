"""Modules that the SDK imports and most runs never look at: their code runs when somebody does.

``import pulumi`` brings its Automation API, and its dynamic providers bring ``dill``: a sixth of its time.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

SELDOM = frozenset({"dill", "pulumi.automation"})


class LazyFinder:
    """Stands before the interpreter's own finders, for these names only."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in SELDOM else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def load_lazily() -> None:
    """From now on, in this process; what is imported already stays as it is."""
    if LazyFinder not in sys.meta_path:
        sys.meta_path.insert(0, LazyFinder)
