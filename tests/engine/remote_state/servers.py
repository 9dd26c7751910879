"""Real servers of buckets on this machine: versitygw for S3, azurite for Azure Blob, fake-gcs-server for Google Cloud Storage.

``built_tools`` makes the programs from the versions pinned below ``tools/``.
"""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from built_tools import built, free_port, installed

NAME = "state"
"""The bucket's."""
AZURITE_ACCOUNT = "devstoreaccount1"
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account that azurite is published with; it opens nothing else."""
LIMIT = 30
"""Seconds within which a server answers."""


@dataclass(frozen=True)
class Server:
    """A running server with one empty bucket."""

    kind: str
    port: int

    def url(self, prefix: str, port: int = 0) -> str:
        """Where state stands below a prefix; ``port`` is a proxy's."""
        at = port or self.port
        queries = {"s3": f"?endpoint=http://127.0.0.1:{at}&s3ForcePathStyle=true&region=us-east-1", "azblob": f"?domain=127.0.0.1:{at}&protocol=http", "gs": ""}
        return f"{self.kind}://{NAME}/{prefix}{queries[self.kind]}"

    def variables(self, port: int = 0) -> Mapping[str, str]:
        """What a process needs to be let in."""
        emulator = {"STORAGE_EMULATOR_HOST": f"127.0.0.1:{port or self.port}", "GOOGLE_OAUTH_ACCESS_TOKEN": "anything"}
        return {
            "s3": {"AWS_ACCESS_KEY_ID": "access", "AWS_SECRET_ACCESS_KEY": "secret-key", "AWS_REGION": "us-east-1"},
            "azblob": {"AZURE_STORAGE_ACCOUNT": AZURITE_ACCOUNT, "AZURE_STORAGE_KEY": AZURITE_KEY},
            "gs": emulator,
        }[self.kind]


@contextmanager
def serve(kind: str, folder: Path, tell: Callable[[str], None]) -> Iterator[Server]:
    """Raises ``NoTool`` where the server cannot be built; ``tell`` hears of what takes long."""
    port = free_port()
    command, variables = COMMANDS[kind](port, folder, tell)
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, env={**os.environ, **variables}, stdout=log, stderr=log, cwd=folder)
    try:
        _await_port(process, port, folder / "server.log")
        BUCKETS[kind](port)
        yield Server(kind, port)
    finally:
        process.terminate()
        process.wait(LIMIT)


def _versitygw(port: int, folder: Path, tell: Callable[[str], None]) -> tuple[list[str], dict[str, str]]:
    (folder / "data" / NAME).mkdir(parents=True)
    (folder / "attributes").mkdir()
    program = built("versitygw", {"versitygw": "github.com/versity/versitygw/cmd/versitygw"}, tell) / "versitygw"
    keys = {"ROOT_ACCESS_KEY": "access", "ROOT_SECRET_KEY": "secret-key"}
    # In a folder of their own the attributes need no support of the file system.
    return [str(program), "--quiet", "--port", f"127.0.0.1:{port}", "posix", "--sidecar", str(folder / "attributes"), str(folder / "data")], keys


def _azurite(port: int, folder: Path, tell: Callable[[str], None]) -> tuple[list[str], dict[str, str]]:
    del folder
    script = installed("azurite", tell) / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    # The client speaks a version of the API that is newer than the newest azurite.
    return ["node", str(script), "--inMemoryPersistence", "--blobPort", str(port), "--disableTelemetry", "--skipApiVersionCheck", "--silent"], {}


def _fake_gcs(port: int, folder: Path, tell: Callable[[str], None]) -> tuple[list[str], dict[str, str]]:
    del folder
    program = built("fake-gcs-server", {"fake-gcs-server": "github.com/fsouza/fake-gcs-server"}, tell) / "fake-gcs-server"
    where = ["-host", "127.0.0.1", "-port", str(port), "-public-host", f"127.0.0.1:{port}"]
    return [str(program), "-backend", "memory", "-scheme", "http", "-log-level", "error", *where], {}


def _no_bucket(port: int) -> None:
    """versitygw takes the folders that it finds."""
    del port


def _container(port: int) -> None:
    from azure.storage.blob import ContainerClient

    endpoint = f"http://127.0.0.1:{port}/{AZURITE_ACCOUNT}"
    ContainerClient.from_connection_string(f"AccountName={AZURITE_ACCOUNT};AccountKey={AZURITE_KEY};BlobEndpoint={endpoint}", NAME).create_container()


def _google_bucket(port: int) -> None:
    requests.post(f"http://127.0.0.1:{port}/storage/v1/b?project=p", json={"name": NAME}, timeout=LIMIT).raise_for_status()


COMMANDS = {"s3": _versitygw, "azblob": _azurite, "gs": _fake_gcs}
BUCKETS = {"s3": _no_bucket, "azblob": _container, "gs": _google_bucket}


def _await_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + LIMIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server does not answer: {log.read_text()}") from None
            time.sleep(0.05)
        else:
            return
