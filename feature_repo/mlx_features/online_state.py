"""What an online store holds, and the removal of what it should not: SQLite only, without Feast."""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mlx_features.repository import ONLINE

BUSY = 30.0


@dataclass(frozen=True)
class Held:
    """One view's rows."""

    keys: int = 0
    latest: datetime | None = None
    """The latest event time."""


def held(folder: Path, table: str) -> Held:
    """What the online store of a feature store's folder holds of a view; nothing where file or table is missing."""
    if not (folder / ONLINE).is_file():
        return Held()
    with _open(folder) as connection:
        if not _is_there(connection, table):
            return Held()
        keys, latest = connection.execute(f'select count(distinct entity_key), max(event_ts) from "{table}"').fetchone()
    return Held(keys, None if latest is None else datetime.fromtimestamp(latest, UTC))


def clear(folder: Path, table: str) -> None:
    """Remove all rows of a view."""
    with _open(folder) as connection, connection:
        if _is_there(connection, table):
            connection.execute(f'delete from "{table}"')


def forget_features(folder: Path, table: str, features: Collection[str]) -> None:
    """Remove the values of features that a view has no more."""
    with _open(folder) as connection, connection:
        if _is_there(connection, table):
            connection.executemany(f'delete from "{table}" where feature_name = ?', [(name,) for name in sorted(features)])


def _is_there(connection: sqlite3.Connection, table: str) -> bool:
    return connection.execute("select 1 from sqlite_master where type = 'table' and name = ?", (table,)).fetchone() is not None


@contextmanager
def _open(folder: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(folder / ONLINE, timeout=BUSY)
    try:
        yield connection
    finally:
        connection.close()
