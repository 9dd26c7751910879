"""A folder of this machine, or one that several mount: a rename makes an object visible."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


def open_store(bucket: str, query: Mapping[str, str]) -> "LocalStore":
    """``file:///FOLDER`` has no bucket: keys are paths from the root."""
    return LocalStore()


@dataclass(frozen=True)
class LocalStore:
    """Fulfils ``Store``."""

    failures: tuple[type[Exception], ...] = (OSError,)

    def read(self, key: str) -> bytes | None:
        path = Path("/", key)
        return path.read_bytes() if path.is_file() else None

    def write(self, key: str, data: bytes) -> None:
        part = _part(key)
        part.write_bytes(data)
        part.replace(Path("/", key))

    def fetch(self, key: str, path: Path) -> bool:
        found = Path("/", key).is_file()
        if found:
            shutil.copyfile(Path("/", key), path)
        return found

    def keys(self, prefix: str) -> list[str]:
        found = (path.relative_to("/").as_posix() for path in Path("/", prefix).rglob("*") if path.is_file() and not path.name.startswith("."))
        return sorted(found)

    def send(self, path: Path, key: str) -> None:
        part = _part(key)
        shutil.copyfile(path, part)
        part.replace(Path("/", key))


def _part(key: str) -> Path:
    path = Path("/", key)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}")
