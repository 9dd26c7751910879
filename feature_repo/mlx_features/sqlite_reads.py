"""Opening an SQLite file to read it: MLflow's registry, a feature store's online rows.

Enters: a path. Leaves: a connection that writes nothing. The one thing that it may write before that is what SQLite itself
has to: a kill or a full disk in the middle of a transaction leaves a journal, and nobody can read until it is rolled back.
"""

import contextlib
import sqlite3
from pathlib import Path

BUSY = 10.0
"""Seconds that a read waits for somebody else's write."""


def open_to_read(path: Path) -> sqlite3.Connection:
    """A read-only connection to a file that is there; raises ``sqlite3.Error`` where it cannot be read."""
    connection = _open(path, "ro")
    try:
        _look(connection)
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
        _roll_back(path)
        return _open(path, "ro")
    return connection


def _open(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=BUSY)


def _look(connection: sqlite3.Connection) -> None:
    connection.execute("select count(*) from sqlite_master").fetchone()


def _roll_back(path: Path) -> None:
    """The first read of whoever may write does it."""
    with contextlib.closing(_open(path, "rw")) as connection:
        _look(connection)
