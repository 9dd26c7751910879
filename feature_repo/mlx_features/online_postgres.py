"""Feast's tables in Postgres: one row for each entity and feature, as in SQLite.

Source: Feast's postgres_online_store/postgres.py and its connection_utils.py.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

from mlx_features.errors import FeatureError
from mlx_features.online import Asked, Stored, View

ANSWER = 2
"""Seconds within which it is connected, and answers; who asks has a request to answer."""
AWAY = "the online store (Postgres) does not answer"
WAITS = "requests are answered again once it does; the Secret of onlineStore.connection says where it is"
FILES = {"sslkey": "sslkey_path", "sslcert": "sslcert_path", "sslrootcert": "sslrootcert_path"}
SELECT = sql.SQL(
    "select entity_key, extract(epoch from max(event_ts))::bigint, string_agg(feature_name, ','), string_agg(encode(value, 'hex'), ' ') "
    "from {} where entity_key = any(%s) group by entity_key"
)
"""All aggregates of a group see its rows in one order."""
COMMENTS = sql.SQL(
    "select relname, obj_description(oid, 'pg_class') from pg_class "
    "where relname = any(%s) and pg_table_is_visible(oid) and obj_description(oid, 'pg_class') is not null"
)
Row = tuple[bytes, int, str, str]


class PostgresStore:
    """A server; each thread has a connection of its own."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._options = _options(settings)
        self._local = threading.local()

    def held(self, asked: Sequence[Asked]) -> Iterator[Stored]:
        """A query for each view."""
        for one in asked:
            yield {key: (stamp, one.view.layout(names).decode(messages)) for key, stamp, names, messages in self._rows(one)}

    def filled(self, project: str, views: Sequence[View]) -> dict[str, str]:
        """The comments of their tables, which are named by the project."""
        del project
        try:
            found = dict(self._ask(COMMENTS, ([view.table for view in views],)))
        except psycopg.Error as error:
            raise FeatureError(f"{AWAY}: {_said(error)}", hint=WAITS) from error
        return {view.name: found[view.table] for view in views if view.table in found}

    def unavailable(self) -> str:
        """Asks it."""
        try:
            self._ask(sql.SQL("select 1"), ())
        except psycopg.Error as error:
            return f"{AWAY}: {_said(error)}"
        return ""

    def _rows(self, asked: Asked) -> list[Row]:
        """A row for each key: key, event time, names and messages, in one order."""
        try:
            return self._ask(SELECT.format(sql.Identifier(asked.view.table)), (asked.keys,))
        except psycopg.OperationalError as error:
            raise FeatureError(f"{AWAY}: {_said(error)}", hint=WAITS) from error
        except psycopg.Error as error:
            message = f"view '{asked.view.name}' cannot be read from the online store: {_said(error)}"
            raise FeatureError(message, hint="its Job makes the table: mlx status says how it goes") from error

    def _ask(self, query: sql.SQL | sql.Composed, parameters: Sequence[Any]) -> list[Any]:
        """A connection that was kept may have ended with the server behind it: it is opened again once."""
        kept = getattr(self._local, "connection", None)
        if kept is not None:
            try:
                return kept.execute(query, parameters, binary=True).fetchall()
            except psycopg.OperationalError:
                if not kept.broken:
                    raise
        self._local.connection = None
        connection = self._local.connection = psycopg.connect(autocommit=True, **self._options)
        return connection.execute(query, parameters, binary=True).fetchall()


def _options(settings: Mapping[str, Any]) -> dict[str, Any]:
    """As Feast connects, and in no longer than somebody waits."""
    lacking = [name for name in ("host", "database", "user", "password") if name not in settings]
    if lacking:
        raise FeatureError(f"the settings of the online store have no '{lacking[0]}'", hint="Postgres needs host, port, database, user and password")
    schema = str(settings.get("db_schema") or "public")
    searched = schema if schema == "public" else f"{schema},public"
    return {
        "host": settings["host"],
        "port": int(settings.get("port", 5432)),
        "dbname": settings["database"],
        "user": settings["user"],
        "password": str(settings["password"]),
        "sslmode": settings.get("sslmode", "require"),
        **{name: settings[key] for name, key in FILES.items() if settings.get(key)},
        "connect_timeout": ANSWER,
        "tcp_user_timeout": ANSWER * 1000,
        "options": f"-c search_path={searched} -c statement_timeout={ANSWER * 1000}",
    }


def _said(error: psycopg.Error) -> str:
    """Its first line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
