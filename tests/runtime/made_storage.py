"""A prefix of a real bucket that nobody else uses, and prepared rows in it: the servers are those that the state in buckets is tested with."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
import pytest
from built_tools import NoTool
from servers import Server, serve

from mlx_runtime.cluster.datasets import Prepared, content_key, current_key, definition_key, write_prepared
from mlx_runtime.cluster.storage import Storage, sha256


@dataclass(frozen=True)
class Bucket:
    """A URL as an environment's target.storage has it, and what a pod's environment lets it in with."""

    url: str
    variables: Mapping[str, str]
    server: Server | None = None
    data: Path = Path()
    """Where the objects lie on this machine, as files; known for s3 and file."""

    def by_proxy(self, port: int) -> Mapping[str, str]:
        """The variables with which the server is reached through another port."""
        return _variables(self._served_by, port)

    @property
    def port(self) -> int:
        """Of the server."""
        return self._served_by.port

    @property
    def _served_by(self) -> Server:
        assert self.server is not None
        return self.server


class Buckets:
    """Starts a server when it is first asked for."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self._folder, self._opened = folder, opened
        self._servers: dict[str, Server] = {}
        self._count = 0

    def __call__(self, kind: str) -> Bucket:
        self._count += 1
        prefix = f"test-{self._count}"
        if kind == "file":
            return Bucket(f"file://{self._folder / prefix}", {}, data=self._folder / prefix)
        if kind not in self._servers:
            folder = self._folder / kind
            folder.mkdir(exist_ok=True)
            try:
                self._servers[kind] = self._opened.enter_context(serve(kind, folder, lambda _: None))
            except NoTool as missing:
                pytest.skip(str(missing))
        server = self._servers[kind]
        query = f"?storage_account={server.variables()['AZURE_STORAGE_ACCOUNT']}" if kind == "azblob" else ""
        return Bucket(f"{kind}://state/{prefix}{query}", _variables(server, server.port), server, self._folder / kind / "data" / "state" / prefix)


def _variables(server: Server, port: int) -> Mapping[str, str]:
    """On a cluster the pod's identity brings them; addresses of our own are these servers' only."""
    where = {
        "s3": {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"},
        "azblob": {"AZURE_STORAGE_DOMAIN": f"127.0.0.1:{port}", "AZURE_STORAGE_PROTOCOL": "http"},
        "gs": {},
    }
    return {**server.variables(port), **where[server.kind]}


def buckets_in(folder: Path) -> Iterator[Buckets]:
    """Until the end of the tests that use it."""
    with ExitStack() as opened:
        yield Buckets(folder, opened)


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file with its time and bytes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def lay_prepared(storage: Storage, folder: Path, name: str, rows: pyarrow.Table, content: str, digest: str, **definition: Any) -> Path:
    """Rows as `prepare` leaves them, the latest of their dataset and of the definition with this digest; returns the file that was sent."""
    made = folder / f"made-{name}-{content}"
    made.mkdir()
    parquet.write_table(rows, made / "data.parquet")
    facts = {"data.parquet": {"sha256": sha256(made / "data.parquet"), "size": (made / "data.parquet").stat().st_size}}
    (made / "manifest.json").write_text(json.dumps({"definition": definition, "files": facts, "rows": rows.num_rows}))
    storage.send_folder(made, content_key(name, content))
    known = Prepared(definition=digest, content_digest=content, rows=rows.num_rows)
    for key in (definition_key(name, digest), current_key(name)):
        write_prepared(storage, key, known)
    return made / "data.parquet"
