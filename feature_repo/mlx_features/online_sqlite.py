"""Feast's own SQLite tables: one row for each entity and feature."""

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlx_features.errors import FeatureError
from mlx_features.online import Asked, OnlineReader, Stored
from mlx_features.sqlite_reads import open_to_read
from mlx_specs.feature_resources import FeatureLookup

LIMIT = 30_000
"""Keys of a statement; SQLite takes 32,766 parameters."""
# One row for an entity, its messages as one text, costs half of a row for each feature. All aggregates of a group see its rows in one order.
SELECT = "select entity_key, max(event_ts), group_concat(feature_name), group_concat(hex(value), ' ') from \"{table}\" where entity_key in "


def sqlite_reader(lookup: FeatureLookup, workspace: Path) -> OnlineReader:
    """Of the file that the lookup names."""
    return OnlineReader(lookup, SqliteStore(workspace / lookup.path, lookup.path))


class SqliteStore:
    """A file; each thread has a connection of its own."""

    def __init__(self, path: Path, shown: str) -> None:
        self._path, self._shown = str(path.absolute()), shown
        self._local = threading.local()

    def held(self, asked: Sequence[Asked]) -> Iterator[Stored]:
        """A statement for each view."""
        connection = self._connection()
        for one in asked:
            keys, found = one.keys, dict[bytes, tuple[int, dict[str, object]]]()
            for first in range(0, len(keys), LIMIT):
                for key, stamp, names, messages in self._rows(connection, one, keys[first : first + LIMIT]):
                    found[key] = (stamp, one.view.layout(names).decode(messages))
            yield found

    def unavailable(self) -> str:
        """Whether the file is there."""
        return "" if Path(self._path).is_file() else f"the online store {self._shown} is not there: mlx apply makes it, mlx features materialize fills it"

    def _rows(self, connection: sqlite3.Connection, asked: Asked, keys: Sequence[bytes]) -> list[tuple[bytes, int, str, str]]:
        """A row for each key: key, event time, names and messages, in one order."""
        try:
            return connection.execute(f"{SELECT.format(table=asked.view.table)}({','.join('?' * len(keys))}) group by entity_key", keys).fetchall()
        except sqlite3.OperationalError as error:
            raise FeatureError(f"view '{asked.view.name}' cannot be read from the online store: {error}", hint="mlx apply makes its table") from error
        except sqlite3.Error as error:
            raise self._unread(error) from error

    def _connection(self) -> sqlite3.Connection:
        """This thread's connection; another one when the file at the path is another."""
        try:
            facts = os.stat(self._path)  # noqa: PTH116 - a third of the time of Path.stat, on every request
        except FileNotFoundError:
            raise FeatureError(f"the online store {self._path} is not there", hint="mlx apply makes it; mlx features materialize fills it") from None
        identity = (facts.st_dev, facts.st_ino)
        if getattr(self._local, "identity", None) != identity:
            self._local.connection = self._opened()
            self._local.identity = identity
        return self._local.connection

    def _opened(self) -> sqlite3.Connection:
        try:
            return open_to_read(Path(self._path))
        except sqlite3.Error as error:  # such as a file that is being written as a whole
            raise self._unread(error) from error

    def _unread(self, error: sqlite3.Error) -> FeatureError:
        return FeatureError(f"the online store {self._shown} cannot be read: {error}", hint="ask again; mlx apply makes it where it is damaged")
