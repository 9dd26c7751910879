"""A bucket behind one of fsspec's file systems, which write an object whole."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlx_runtime.cluster.stores import NoBucket


@dataclass(frozen=True)
class FsspecStore:
    """Fulfils ``Store``."""

    files: Any
    bucket: str
    failures: tuple[type[Exception], ...]
    is_without_bucket: Callable[[BaseException], bool]
    """Tells by what a store answered whether it missed the object or the bucket."""

    def read(self, key: str) -> bytes | None:
        try:
            return self.files.cat_file(self._at(key))
        except FileNotFoundError as error:
            self._look_at(error)
            return None

    def write(self, key: str, data: bytes) -> None:
        self._changed(self.files.pipe_file, self._at(key), data)

    def fetch(self, key: str, path: Path) -> bool:
        try:
            self.files.get_file(self._at(key), str(path))
        except FileNotFoundError as error:
            self._look_at(error)
            return False
        return True

    def keys(self, prefix: str) -> list[str]:
        try:
            found = self.files.find(self._at(prefix))
        except FileNotFoundError as error:
            self._look_at(error)
            return []
        return sorted(path.removeprefix(f"{self.bucket}/") for path in found)

    def send(self, path: Path, key: str) -> None:
        self._changed(self.files.put_file, str(path), self._at(key))

    def _changed(self, change: Callable[[Any, Any], Any], first: Any, second: Any) -> None:
        try:
            change(first, second)
        except FileNotFoundError as error:
            raise NoBucket from error

    def _look_at(self, error: FileNotFoundError) -> None:
        if error.__cause__ is not None and self.is_without_bucket(error.__cause__):
            raise NoBucket from error

    def _at(self, key: str) -> str:
        return f"{self.bucket}/{key}"
