"""Feast's Postgres store by the laptop's rules: the newest value of an entity wins, and a full materialisation leaves nothing else.

Feast's writes whatever comes. The tables are Feast's own, so that its servers read them. Imports Feast.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal

from feast import FeatureView
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.postgres_online_store.postgres import PostgreSQLOnlineStore, PostgreSQLOnlineStoreConfig
from feast.infra.utils.postgres.connection_utils import _get_conn as connect
from feast.repo_config import RepoConfig
from psycopg import sql

from mlx_features.online_filled import filled_with
from mlx_features.online_rows import Row, Stamp, newest
from mlx_features.online_state import Held

NAME = "mlx_features.postgres_store.NewestPostgreSQLOnlineStore"
UPSERT = sql.SQL(
    "insert into {} (entity_key, feature_name, value, event_ts, created_ts) values (%s, %s, %s, to_timestamp(%s), to_timestamp(%s)) "
    "on conflict (entity_key, feature_name) do update set value = excluded.value, value_text = null, event_ts = excluded.event_ts, "
    "created_ts = excluded.created_ts"
)
STAMPS = sql.SQL(
    "select entity_key, extract(epoch from max(event_ts))::bigint, extract(epoch from max(created_ts))::bigint from {} "
    "where entity_key = any(%s) group by entity_key"
)


class NewestPostgreSQLOnlineStoreConfig(PostgreSQLOnlineStoreConfig):
    """The same settings."""

    type: Literal["mlx_features.postgres_store.NewestPostgreSQLOnlineStore"] = NAME  # type: ignore[assignment]


class NewestPostgreSQLOnlineStore(PostgreSQLOnlineStore):
    """What is stored of an entity and a view is written in one transaction: it is always of one moment."""

    _connection: Any = None
    _replacing = False

    @contextmanager
    def _get_conn(self, config: RepoConfig, autocommit: bool = False) -> Iterator[Any]:
        """Feast's asks for a type of its own name."""
        if self._connection is None:
            self._connection = connect(config.online_store)  # type: ignore[arg-type]
        if self._connection.autocommit != autocommit:
            self._connection.set_autocommit(autocommit)
        yield self._connection

    @contextmanager
    def replacing(self, config: RepoConfig, view: FeatureView) -> Iterator[None]:
        """What is written inside takes the place of all that the view holds; readers see the old rows until it is complete."""
        with self._transaction(config, view.name) as connection:
            connection.execute(sql.SQL("delete from {}").format(_table(config, view.name)))
            self._replacing = True
            try:
                yield
            finally:
                self._replacing = False

    def complete(self, config: RepoConfig, view: FeatureView) -> None:
        """Say that the view holds these features now: endpoints wait for that (online_postgres)."""
        with self._get_conn(config) as connection, connection.transaction():
            _comment(connection, _table(config, view.name), filled_with(one.name for one in view.features))

    def held(self, config: RepoConfig, view: FeatureView) -> Held:
        """What the store holds of a view."""
        with self._get_conn(config) as connection, connection.transaction():
            query = sql.SQL("select count(distinct entity_key), extract(epoch from max(event_ts))::bigint from {}")
            keys, latest = connection.execute(query.format(_table(config, view.name))).fetchone()
        return Held(keys, None if latest is None else datetime.fromtimestamp(latest, UTC))

    def forget(self, config: RepoConfig, view: str, join_keys: Collection[str], features: Collection[str], *, whole: bool) -> None:
        """Remove features of a view, or all that is stored of it."""
        with self._transaction(config, view) as connection:
            if connection.execute("select to_regclass(%s)", [f'"{config.project}_{view}"']).fetchone() == (None,):
                return
            _comment(connection, _table(config, view), None)
            chosen = sql.SQL("") if whole else sql.SQL(" where feature_name = any(%s)")
            connection.execute(sql.SQL("delete from {}").format(_table(config, view)) + chosen, [] if whole else [sorted(features)])

    def online_write_batch(self, config: RepoConfig, table: FeatureView, data: list[Row], progress: Callable[[int], Any] | None) -> None:
        """Write the rows that are not older than what is stored."""
        if self._replacing:
            _write(self._connection, config, table.name, data)
        else:
            with self._transaction(config, table.name) as connection:
                _write(connection, config, table.name, data)
        if progress:
            progress(len(data))

    @contextmanager
    def _transaction(self, config: RepoConfig, view: str) -> Iterator[Any]:
        """One writer of a view at a time, wherever it runs."""
        with self._get_conn(config) as connection, connection.transaction():
            connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"{config.project}_{view}"])
            yield connection


def _write(connection: Any, config: RepoConfig, view: str, data: Sequence[Row]) -> None:
    keys = [serialize_entity_key(key, entity_key_serialization_version=3) for key, *_ in data]
    table = _table(config, view)
    known: dict[bytes, Stamp] = {key: (event, created) for key, event, created in connection.execute(STAMPS.format(table), [keys]).fetchall()}
    rows = [(key, name, value.SerializeToString(), *stamp) for key, values, stamp in newest(keys, data, known) for name, value in values.items()]
    with connection.cursor() as cursor:
        cursor.executemany(UPSERT.format(table), rows)


def _comment(connection: Any, table: sql.Identifier, text: str | None) -> None:
    connection.execute(sql.SQL("comment on table {} is {}").format(table, text))


def _table(config: RepoConfig, view: str) -> sql.Identifier:
    return sql.Identifier(f"{config.project}_{view}")
