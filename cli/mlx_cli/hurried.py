"""What a process that works for a second and ends need not do."""

import gc
from collections.abc import Generator
from contextlib import contextmanager

from mlx_engine.lazily import load_lazily

YOUNG = 100_000
"""How many objects are made before the interpreter looks for cycles among them; its own 700 are for small programs."""


@contextmanager
def hurried() -> Generator[None]:
    """Fewer searches for cycles and lazily loaded modules; at the end none of what is left is searched: it goes with the process."""
    load_lazily()
    before = gc.get_threshold()
    gc.set_threshold(YOUNG, *before[1:])
    try:
        yield
    finally:
        gc.freeze()
