"""What keeps state: named bytes in a folder of this machine, or below a prefix of a bucket.

A key is a path with slashes. Every key has a version, which a write or a removal may expect: what another wrote meanwhile is
then not lost. A write leaves the old bytes or the new ones, never a part of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

ABSENT = ""
"""The version of what is not there: a write that expects it creates."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Blob:
    data: bytes
    version: str


class Conflict(Exception):
    """What stands at a key is not what the write or the removal expected."""


class Blobs(Protocol):
    @property
    def shared(self) -> bool:
        """Whether other machines work on it, too: conditions are then kept by the store, not by looking first."""
        ...

    def telling(self, say: Say) -> "Blobs":
        """The same, which tells ``say`` what it waits for."""
        ...

    def where(self, key: str) -> str:
        """The key as a person would look for it."""
        ...

    def read(self, key: str) -> Blob | None: ...

    def write(self, key: str, data: bytes, expected: str | None = None) -> str:
        """Returns the new version; raises ``Conflict`` when the key is not at ``expected`` (None: whatever it is)."""
        ...

    def remove(self, key: str, expected: str | None = None) -> None:
        """What is not there is as good as removed."""
        ...

    def keys(self, folder: str, suffix: str) -> list[str]:
        """The keys directly below a folder that end so, sorted."""
        ...


def open_blobs(state: Path | str) -> Blobs:
    """A folder by its path; a bucket by its URL. Raises ``EngineError`` for a URL that it cannot open."""
    if isinstance(state, Path):
        from mlx_engine.state.folder import FolderBlobs

        return FolderBlobs(state)
    from mlx_engine.state.buckets.remote import open_remote

    return open_remote(state)
