"""Feast's SQLite store, in which the newest value of an entity wins whatever the order of writing; Feast's own tables.

Feast's writes whatever comes: a full materialisation after a push, or a backfill of an old range, would bring back old values.
Named in feature_store.yaml, so that Feast's own commands write by the same rule.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from feast import FeatureView
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.sqlite import SqliteOnlineStore, SqliteOnlineStoreConfig
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig

from mlx_features.online_rows import Row, Stamp, newest
from mlx_features.online_state import Held, clear, forget_features, held

BUSY = 30.0
"""Seconds to wait for another writer."""
CHUNK = 10_000
"""Keys of a statement."""
UPSERT = """insert into "{table}" (entity_key, feature_name, value, value_text, event_ts, created_ts) values (?, ?, ?, ?, ?, ?)
on conflict (entity_key, feature_name) do update set
value = excluded.value, value_text = excluded.value_text, event_ts = excluded.event_ts, created_ts = excluded.created_ts"""


class NewestSqliteOnlineStoreConfig(SqliteOnlineStoreConfig):
    """The same settings."""

    type: Literal["mlx_features.online_store.NewestSqliteOnlineStore"] = "mlx_features.online_store.NewestSqliteOnlineStore"  # type: ignore[assignment]


class NewestSqliteOnlineStore(SqliteOnlineStore):
    """An entity's features are written together or not at all: what is stored of it is always of one moment."""

    _replacing = False

    @staticmethod
    def _get_db_path(config: RepoConfig) -> str:
        """Without ``..``: the path stands in the registry, and Feast compares it."""
        path = Path(config.online_store.path)  # type: ignore[union-attr]
        return str((path if path.is_absolute() or not config.repo_path else config.repo_path / path).resolve())

    def _get_conn(self, config: RepoConfig) -> sqlite3.Connection:
        if not self._conn:
            self._conn = sqlite3.connect(
                self._get_db_path(config), timeout=BUSY, detect_types=sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES, check_same_thread=False
            )
            self._conn.execute("pragma journal_mode = wal")  # readers are never kept waiting
        return self._conn

    @contextmanager
    def replacing(self, config: RepoConfig, view: FeatureView) -> Iterator[None]:
        """What is written inside takes the place of all that the view holds; readers see the old rows until it is complete."""
        connection = self._get_conn(config)
        connection.execute("begin immediate")
        self._replacing = True
        try:
            connection.execute(f'delete from "{config.project}_{view.name}"')
            yield
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        finally:
            self._replacing = False

    def complete(self, config: RepoConfig, view: FeatureView) -> None:
        """Who reads a file on this machine comes after who fills it, and asks nothing."""

    def held(self, config: RepoConfig, view: FeatureView) -> Held:
        """What the store holds of a view."""
        return held(Path(self._get_db_path(config)).parent, f"{config.project}_{view.name}")

    def forget(self, config: RepoConfig, view: str, join_keys: Collection[str], features: Collection[str], *, whole: bool) -> None:
        """Remove features of a view, or all that is stored of it."""
        folder, table = Path(self._get_db_path(config)).parent, f"{config.project}_{view}"
        if whole:
            clear(folder, table)
        else:
            forget_features(folder, table, features)

    def online_write_batch(self, config: RepoConfig, table: FeatureView, data: list[Row], progress: Callable[[int], Any] | None) -> None:
        """Write the rows that are not older than what is stored."""
        connection, name = self._get_conn(config), f"{config.project}_{table.name}"
        if self._replacing:
            _write(connection, name, data)
            return
        connection.execute("begin immediate")
        try:
            _write(connection, name, data)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        finally:
            if progress:
                progress(len(data))

    def online_read(
        self, config: RepoConfig, table: FeatureView, entity_keys: list[EntityKey], requested_features: list[str] | None = None
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        """As Feast reads; but Feast takes the local time of its moments for UTC."""
        rows = super().online_read(config, table, entity_keys, requested_features)
        return [(None if moment is None else moment.replace(tzinfo=None).astimezone(UTC), values) for moment, values in rows]

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Any]) -> None:
        """Also what SQLite keeps beside its file."""
        super().teardown(config, tables, entities)
        for suffix in ("-wal", "-shm"):
            Path(self._get_db_path(config) + suffix).unlink(missing_ok=True)


def _write(connection: sqlite3.Connection, table: str, data: Sequence[Row]) -> None:
    keys = [serialize_entity_key(key, entity_key_serialization_version=3) for key, *_ in data]
    known = _stamps(connection, table, keys)
    rows = [(key, name, value.SerializeToString(), None, *stamp) for key, values, stamp in newest(keys, data, known) for name, value in values.items()]
    connection.executemany(UPSERT.format(table=table), rows)


def _stamps(connection: sqlite3.Connection, table: str, keys: Sequence[bytes]) -> dict[bytes, Stamp]:
    """Of what is stored."""
    found: dict[bytes, Stamp] = {}
    for first in range(0, len(keys), CHUNK):
        chunk = keys[first : first + CHUNK]
        query = f"""select entity_key, max(event_ts) as "e [integer]", max(created_ts) as "c [integer]" from "{table}" """
        for key, event, created in connection.execute(f"{query} where entity_key in ({','.join('?' * len(chunk))}) group by entity_key", chunk):
            found[key] = (event, created)
    return found
