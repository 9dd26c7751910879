"""Where bytes are kept outside of this machine: one file a kind of bucket, one row in ``STORES`` of mlx_runtime.cluster.storage."""

from pathlib import Path
from typing import Protocol


class NoBucket(Exception):
    """The bucket itself is not there."""


class Store(Protocol):
    """One bucket. An object is visible whole or not at all."""

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What its client raises where the store refuses or is not reached."""
        ...

    def read(self, key: str) -> bytes | None:
        """None where there is no such object; ``NoBucket`` where there is no bucket."""
        ...

    def write(self, key: str, data: bytes) -> None: ...

    def fetch(self, key: str, path: Path) -> bool:
        """Into a file; False where there is no such object."""
        ...

    def keys(self, prefix: str) -> list[str]:
        """Of the objects in a folder and those below it, in order; none where there is no such folder."""
        ...

    def send(self, path: Path, key: str) -> None: ...
