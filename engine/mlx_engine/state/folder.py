"""State in a folder: files, written so that a kill leaves the old or the new one."""

import os
from contextlib import suppress
from pathlib import Path

from mlx_engine.state.blobs import ABSENT, Blob, Conflict, Say


class FolderBlobs:
    """Fulfils ``Blobs``. Expected versions are looked at before the write: the lock keeps other writers away."""

    shared = False

    def __init__(self, root: Path) -> None:
        self._root = root

    def telling(self, say: Say) -> "FolderBlobs":
        del say  # a disk is not waited for
        return self

    def where(self, key: str) -> str:
        return str(self._root / key)

    def read(self, key: str) -> Blob | None:
        path = self._root / key
        version = _version(path)
        try:
            return Blob(path.read_bytes(), version)
        except FileNotFoundError:
            return None

    def write(self, key: str, data: bytes, expected: str | None = None) -> str:
        path = self._root / key
        if expected is not None and _version(path) != expected:
            raise Conflict(key)
        _write_durably(path, data)
        return _version(path)

    def remove(self, key: str, expected: str | None = None) -> None:
        path = self._root / key
        if expected is not None and _version(path) not in (expected, ABSENT):
            raise Conflict(key)
        path.unlink(missing_ok=True)

    def keys(self, folder: str, suffix: str) -> list[str]:
        return sorted(f"{folder}/{path.name}" for path in (self._root / folder).glob(f"*{suffix}"))


def _version(path: Path) -> str:
    try:
        status = path.stat()
    except FileNotFoundError:
        return ABSENT
    return f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"


def _write_durably(path: Path, data: bytes) -> None:
    """Replaces the file at once and returns when it is on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:  # a full disk names no file, and what was begun takes the room that is missing
        with suppress(OSError):
            fresh.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from error
    path.with_name(f"{path.name}.attrs").unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot sync a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
