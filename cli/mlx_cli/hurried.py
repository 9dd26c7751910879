"""What a process that works for a second and ends need not do."""

import atexit
import gc
import os
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from mlx_cli.lazily import load_lazily

YOUNG = 100_000
"""How many objects are made before the interpreter looks for cycles among them; its own 700 are for small programs."""
TAKEN_APART = frozenset({"duckdb", "numpy", "sqlite3"})


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


def leave(code: int) -> NoReturn:
    """Ends the process as ``sys.exit`` does, and takes nothing apart first: modules and what they hold go with the process.

    What closes a file of its own only when it is taken apart is: databases, and what is built on numpy.
    """
    if sys.modules.keys() & TAKEN_APART:
        sys.exit(code)
    shut_down: Any = threading
    shut_down._shutdown()  # waits for threads, as at any end
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code)
