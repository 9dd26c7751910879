"""An environment's storage: s3://BUCKET/PREFIX, azblob://CONTAINER/PREFIX?storage_account=NAME, gs://BUCKET/PREFIX or file:///FOLDER.

Keys are relative to it. A folder is sent file by file and its manifest.json last, which makes it visible; what is fetched is held
against the manifest. Every failure is a ``StorageError`` in a sentence.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from mlx_runtime.cluster.stores import NoBucket, Store, azblob, gs, local, s3
from mlx_runtime.errors import RuntimeFailure

Open = Callable[[str, Mapping[str, str]], Store]
STORES: dict[str, Open] = {"azblob": azblob.open_store, "file": local.open_store, "gs": gs.open_store, "s3": s3.open_store}
MANIFEST = "manifest.json"
ACCESS = "is it reached from here, and may the service account read and write it? target.identity of the environment gives pods access"


class StorageError(RuntimeFailure):
    """The storage was not reached, refused, or holds something else than it says."""


def open_storage(url: str) -> "Storage":
    """Asks nothing yet."""
    parts = urlsplit(url)
    if parts.scheme not in STORES or (parts.scheme != "file" and not parts.netloc):
        raise StorageError(f"'{url}' is no storage", hint=f"it starts with {', '.join(f'{scheme}://' for scheme in STORES)}")
    prefix = parts.path.strip("/")
    shown = f"{parts.scheme}://{parts.netloc}/{prefix}".rstrip("/")
    try:
        store = STORES[parts.scheme](parts.netloc, dict(parse_qsl(parts.query)))
    except ImportError as error:
        raise StorageError(f"{shown} needs a package that is not installed: {error.name}", hint=f"pip install 'mlx-iac[{parts.scheme}]'") from error
    except Exception as error:  # broad: each client refuses settings and credentials in classes of its own
        raise StorageError(f"{shown} cannot be opened: {first_line(error)}", hint=ACCESS) from error
    return Storage(store, shown, f"{prefix}/" if prefix else "")


@dataclass(frozen=True)
class Storage:
    """A bucket below a prefix."""

    store: Store
    shown: str
    prefix: str

    def below(self, key: str) -> "Storage":
        """A folder of it."""
        return replace(self, shown=self.where(key), prefix=f"{self.prefix}{key}/")

    def where(self, key: str) -> str:
        """As messages call it."""
        return f"{self.shown}/{key}"

    def read(self, key: str) -> bytes | None:
        """An object; None where there is none."""
        with self._reaching(key, "read"):
            return self.store.read(self.prefix + key)

    def read_json(self, key: str) -> dict[str, Any] | None:
        """An object that is JSON; None where there is none."""
        data = self.read(key)
        try:
            return None if data is None else json.loads(data)
        except ValueError as error:
            raise StorageError(f"{self.where(key)} is not JSON", hint="another program wrote it: remove it, and run this again") from error

    def write(self, key: str, data: bytes) -> None:
        """Nothing is written where these bytes stand already."""
        if self.read(key) != data:
            with self._reaching(key, "written"):
                self.store.write(self.prefix + key, data)

    def write_json(self, key: str, value: Mapping[str, Any]) -> None:
        """The same value is the same bytes."""
        self.write(key, json.dumps(value, indent=1, sort_keys=True).encode())

    def fetch(self, key: str, path: Path, expected: str = "") -> bool:
        """Into a file, which then has the sha256 that is expected; False where there is no such object."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._reaching(key, "read"):
            found = self.store.fetch(self.prefix + key, path)
        if found and expected and (actual := sha256(path)) != expected:
            message = f"{self.where(key)} has sha256 {actual}, expected {expected}: it is not what was written there"
            raise StorageError(message, hint="somebody else changed it: remove its folder, and have it made again")
        return found

    def keys(self, folder: str) -> list[str]:
        """Of the objects in it and below it, in order; none where there is no such folder. '' is the whole storage."""
        with self._reaching(folder, "listed"):
            return [key.removeprefix(self.prefix) for key in self.store.keys(f"{self.prefix}{folder}/" if folder else self.prefix)]

    def send(self, path: Path, key: str) -> None:
        """A file's bytes, whatever stands there."""
        with self._reaching(key, "written"):
            self.store.send(path, self.prefix + key)

    def send_folder(self, folder: Path, key: str) -> None:
        """The files that its manifest names, then the manifest; files that stand there already are not sent again."""
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
        there = (self.read_json(f"{key}/{MANIFEST}") or {}).get("files", {})
        for name, facts in sorted(manifest["files"].items()):
            if there.get(name) != facts:
                self.send(folder / name, f"{key}/{name}")
        self.write(f"{key}/{MANIFEST}", (folder / MANIFEST).read_bytes())

    @contextmanager
    def _reaching(self, key: str, done: str) -> Iterator[None]:
        try:
            yield
        except NoBucket as error:
            raise StorageError(f"{self.shown}: there is no such bucket", hint="create it, or correct target.storage of the environment") from error
        except self.store.failures as error:
            raise StorageError(f"{self.where(key)} could not be {done}: {first_line(error)}", hint=ACCESS) from error


def first_line(error: BaseException) -> str:
    """Of what may be many."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def sha256(path: Path) -> str:
    """Of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
