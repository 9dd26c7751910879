"""SQLite and PostgreSQL as sources: how they are reached, and what tells whether their rows have changed.

The URL may be a secret: it is resolved here, at the moment it is used, and never stands in an error, a report or a file.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from mlx_runtime.prepare.errors import PrepareError, first_line
from mlx_specs.base import SecretRef
from mlx_specs.dataset import SqlSource

if TYPE_CHECKING:
    import psycopg

POSTGRES_SESSION = "-c timezone=UTC -c datestyle=ISO -c extra_float_digits=1 -c default_transaction_read_only=on"


def watermark(source: SqlSource, workspace: Path) -> str | None:
    """The watermark's value; without one: for SQLite None (its file tells), for PostgreSQL a digest that the server computes over all rows."""
    url = resolved(source.url, workspace)
    if url.startswith("sqlite:"):
        return None if source.watermark is None else sqlite_value(sqlite_file(url, workspace), source.watermark)
    with postgres(url) as client:
        return str(client.execute((source.watermark or rows_digest(source.query)).encode()).fetchone())


def rows_digest(query: str) -> str:
    """A sum of two 64-bit hashes of each row, in any order of the rows."""
    sums = ", ".join(f"coalesce(sum(hashtextextended(mlx_rows::text, {seed})::numeric), 0)" for seed in (0, 1))
    return f"select count(*), {sums} from ({statement(query)}) as mlx_rows"


def resolved(url: str | SecretRef, workspace: Path) -> str:
    """The URL itself: of SQLite or PostgreSQL."""
    value = url if isinstance(url, str) else secret(url, workspace)
    if not value.startswith(("sqlite:///", "postgresql://", "postgres://")):
        raise PrepareError("the source's url is neither sqlite:///PATH nor postgresql://USER@HOST:PORT/DATABASE")
    return value


def secret(reference: SecretRef, workspace: Path) -> str:
    """The value that a reference points to."""
    if reference.env is not None:
        if reference.env not in os.environ:
            raise PrepareError(f"environment variable {reference.env} is not set", hint="it holds the source's url")
        return os.environ[reference.env].strip()
    if reference.file is not None:
        try:
            return (workspace / reference.file).read_text().rstrip("\r\n")
        except OSError as error:
            raise PrepareError(f"secret file '{reference.file}' cannot be read: {error.strerror}", hint="it holds the source's url") from error
    raise PrepareError("Kubernetes secrets are not available here", hint="use {env: NAME} or {file: PATH}")


def sqlite_file(url: str, workspace: Path) -> Path:
    path = workspace / unquote(url.removeprefix("sqlite:///"))
    if not path.is_file():
        raise PrepareError(f"SQLite file '{url.removeprefix('sqlite:///')}' is not in the workspace", hint=f"looked at {path}")
    return path


def sqlite_files(source: SqlSource, workspace: Path) -> list[Path] | None:
    """The database's file, and its write-ahead log where there is one; None for PostgreSQL."""
    url = resolved(source.url, workspace)
    if not url.startswith("sqlite:"):
        return None
    path = sqlite_file(url, workspace)
    return [one for one in (path, path.with_name(path.name + "-wal")) if one.is_file() and (one == path or one.stat().st_size)]


@contextmanager
def sqlite(path: Path) -> Iterator[sqlite3.Connection]:
    """Read only; the database's complaints in our words."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as client:
            yield client
    except sqlite3.Error as error:
        raise PrepareError(f"SQLite {path.name}: {error}", hint="check the query and the file") from error


def sqlite_value(path: Path, query: str) -> str:
    with sqlite(path) as client:
        return str(client.execute(statement(query)).fetchone())


@contextmanager
def postgres(url: str) -> "Iterator[psycopg.Connection[Any]]":
    """A read-only session in UTC; the server's complaints in our words, without the URL."""
    try:
        import psycopg
    except ImportError as error:
        raise PrepareError("reading PostgreSQL needs psycopg", hint="pip install 'mlx-iac[local]'") from error
    parts = urlsplit(url)
    where = f"PostgreSQL {parts.hostname or 'localhost'}:{parts.port or 5432}"
    try:
        with psycopg.connect(url, connect_timeout=10, options=POSTGRES_SESSION) as client:
            yield client
    except psycopg.OperationalError as error:
        raise PrepareError(f"{where}: {without_secret(first_line(error), url)}", hint="check that it runs, and the url") from None
    except psycopg.Error as error:
        raise PrepareError(f"{where}: {without_secret(first_line(error), url)}", hint="check the query") from error


def without_secret(message: str, url: str) -> str:
    password = urlsplit(url).password
    for hidden in (url, password, unquote(password or "")):
        message = message.replace(hidden, "[secret]") if hidden else message
    return message


def statement(query: str) -> str:
    """Without the semicolon at the end."""
    return query.strip().rstrip(";")
