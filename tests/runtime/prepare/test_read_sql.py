"""SQLite and PostgreSQL as sources: rows and types as the database has them, secrets nowhere, complaints in one sentence."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from online_servers import PASSWORD, postgres_server

from mlx_runtime.prepare.digests import source_digest
from mlx_runtime.prepare.errors import PrepareError

QUERY = "select * from orders order by id"


@pytest.fixture
def shop(workspace: Any) -> Path:
    path = workspace.root / "shop.db"
    with closing(sqlite3.connect(path)) as client:
        client.execute("create table orders (id integer, price real, note text, placed text)")
        client.executemany("insert into orders values (?, ?, ?, ?)", [(1, 0.1, "", "2013-01-02 10:00:00"), (2, 3, "007", None), (3, None, None, "2013-01-03")])
        client.commit()
    return path


def sqlite_source(**more: Any) -> dict[str, Any]:
    return {"source": {"type": "sql", "url": "sqlite:///shop.db", "query": QUERY, **more}}


def test_sqlite_rows_keep_the_types_of_their_values_where_none_are_declared(workspace: Any, shop: Path) -> None:
    outputs = workspace.prepare(sqlite_source())
    assert workspace.rows(outputs) == [
        {"id": 1, "price": 0.1, "note": "", "placed": "2013-01-02 10:00:00"},
        {"id": 2, "price": 3.0, "note": "007", "placed": None},
        {"id": 3, "price": None, "note": None, "placed": "2013-01-03"},
    ]
    assert [column.type for column in outputs.columns] == ["integer", "float", "string", "string"]


def test_declared_columns_of_sqlite_have_their_types(workspace: Any, shop: Path) -> None:
    outputs = workspace.prepare({**sqlite_source(), "columns": {"id": {"type": "integer"}, "placed": {"type": "timestamp"}}})
    assert workspace.rows(outputs)[0] == {"id": 1, "placed": datetime(2013, 1, 2, 10, tzinfo=UTC)}


def test_the_source_digest_of_sqlite_follows_its_file_or_its_watermark(workspace: Any, shop: Path) -> None:
    by_file, by_watermark = sqlite_source(), sqlite_source(watermark="select max(id) from orders")
    before = [source_digest(spec, workspace.root) for spec in (by_file, by_watermark)]
    with closing(sqlite3.connect(shop)) as client:
        client.execute("update orders set price = 9 where id = 3")
        client.commit()
    after = [source_digest(spec, workspace.root) for spec in (by_file, by_watermark)]
    assert (before[0] != after[0], before[1] == after[1]) == (True, True)


def test_the_write_ahead_log_of_sqlite_is_part_of_its_digest(workspace: Any, shop: Path) -> None:
    with closing(sqlite3.connect(shop)) as client:
        client.execute("pragma journal_mode = wal")
        before = source_digest(sqlite_source(), workspace.root)
        client.execute("insert into orders values (4, 1, 'x', null)")
        client.commit()
        assert source_digest(sqlite_source(), workspace.root) != before
        assert workspace.prepare(sqlite_source()).rows == 4


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"url": "sqlite:///none.db"}, "SQLite file 'none.db' is not in the workspace"),
        ({"query": "select * from ordres"}, "SQLite shop.db: no such table: ordres"),
        ({"query": "select x'00' as b"}, "column 'b' holds bytes"),
        ({"url": {"env": "NO_SUCH_URL"}}, "environment variable NO_SUCH_URL is not set"),
        ({"url": {"env": "PATH"}}, "the source's url is neither sqlite:///PATH nor postgresql://USER@HOST:PORT/DATABASE"),
        ({"url": {"file": "none.txt"}}, "secret file 'none.txt' cannot be read: No such file or directory"),
        ({"url": "mysql://x/y"}, "the source's url is neither sqlite:///PATH nor postgresql://USER@HOST:PORT/DATABASE"),
        ({"url": "postgresql://me:geheim@127.0.0.1:1/x"}, "PostgreSQL 127.0.0.1:1: connection failed"),
    ],
    ids=["file", "table", "bytes", "no variable", "variable", "secret file", "scheme", "refused"],
)
def test_what_a_database_refuses_is_one_sentence_without_secrets(workspace: Any, shop: Path, source: dict[str, Any], message: str) -> None:
    with pytest.raises(PrepareError) as caught:
        workspace.prepare(sqlite_source(**source))
    assert str(caught.value).startswith(f"Dataset/d: {message}")
    assert "geheim" not in str(caught.value) + caught.value.hint


POSTGRES = shutil.which("postgres") and shutil.which("initdb")
needs_postgres = pytest.mark.skipif(not POSTGRES, reason="PostgreSQL's binaries (postgres, initdb) are not on PATH")


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of a server of its own, with a password."""
    with postgres_server() as server:
        yield f"postgresql://mlx:{PASSWORD}@127.0.0.1:{server.port}/postgres"


@pytest.fixture
def orders(postgres: str) -> str:
    with psycopg.connect(postgres, autocommit=True) as client:
        client.execute("drop table if exists orders")
        client.execute("create table orders (id bigint, price numeric(9,2), note text, ok boolean, day date, at timestamptz, doc jsonb)")
        client.execute(
            """insert into orders values (1, 2.50, 'a, "b"', true, '2013-01-02', '2013-01-02 10:00+02', '{"a": 1}'), (2, null, '', null, null, null, null)"""
        )
    return postgres


def postgres_source(**more: Any) -> dict[str, Any]:
    return {"source": {"type": "sql", "url": {"file": "url"}, "query": f"{QUERY};", **more}}


@needs_postgres
def test_postgres_rows_have_the_types_of_their_columns(workspace: Any, orders: str) -> None:
    workspace.write("url", orders)
    outputs = workspace.prepare(postgres_source())
    assert workspace.rows(outputs) == [
        {"id": 1, "price": 2.5, "note": 'a, "b"', "ok": True, "day": date(2013, 1, 2), "at": datetime(2013, 1, 2, 8, tzinfo=UTC), "doc": '{"a": 1}'},
        {"id": 2, "price": None, "note": "", "ok": None, "day": None, "at": None, "doc": None},
    ]
    assert "geheim" not in (workspace.folder(outputs) / "manifest.json").read_text() + "".join(workspace.reports)


@needs_postgres
def test_the_source_digest_of_postgres_follows_its_rows_in_any_order_or_its_watermark(workspace: Any, orders: str) -> None:
    workspace.write("url", orders)
    specs = [postgres_source(), postgres_source(query="select * from orders order by id desc"), postgres_source(watermark="select max(id) from orders")]
    rows, backwards, watermark = [source_digest(spec, workspace.root) for spec in specs]
    assert rows == backwards != watermark
    with psycopg.connect(orders, autocommit=True) as client:
        client.execute("update orders set price = 3 where id = 2")
    assert source_digest(specs[0], workspace.root) != rows
    assert source_digest(specs[2], workspace.root) == watermark


@needs_postgres
@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select * from ordres", "relation \"ordres\" does not exist"),
        ("delete from orders returning id", "syntax error"),
        ("select '1 day'::interval as i", "column 'i' is interval"),
    ],
)  # fmt: skip
def test_what_postgres_refuses_is_one_sentence(workspace: Any, orders: str, query: str, message: str) -> None:
    workspace.write("url", orders)
    with pytest.raises(PrepareError, match=message):
        workspace.prepare(postgres_source(query=query))


@needs_postgres
def test_a_wrong_password_is_told_without_it(workspace: Any, orders: str) -> None:
    workspace.write("url", orders.replace("geheim", "falsch") + "\n")
    with pytest.raises(PrepareError) as caught:
        workspace.prepare(postgres_source(url={"file": "url"}))
    assert "password authentication failed" in str(caught.value)
    assert "falsch" not in str(caught.value)
