"""What a process that works for a second and ends need not do."""

import gc
import sys
from collections.abc import Generator
from contextlib import contextmanager

from mlx_cli.lazily import load_lazily

YOUNG = 100_000
"""How many objects are made before the interpreter looks for cycles among them; its own 700 are for small programs."""


@contextmanager
def hurried() -> Generator[None]:
    """Fewer searches for cycles and lazily loaded modules; at the end what is left is not searched: it goes with the process.

    Where numpy is loaded it is: libraries built on it report at the end what nobody let go of.
    """
    load_lazily()
    before = gc.get_threshold()
    gc.set_threshold(YOUNG, *before[1:])
    try:
        yield
    finally:
        if "numpy" not in sys.modules:
            gc.freeze()
