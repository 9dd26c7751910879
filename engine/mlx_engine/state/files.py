"""Where a stack's files stand in Pulumi's file backend, and how a file is written so that a kill leaves the old or the new one."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlx_engine.host import Stack


@dataclass(frozen=True)
class StackFiles:
    """The places of one stack below ``.pulumi``."""

    root: Path
    project: str
    name: str

    @property
    def checkpoint(self) -> Path:
        return self.root / "stacks" / self.project / f"{self.name}.json"

    @property
    def history(self) -> Path:
        return self.root / "history" / self.project / self.name

    @property
    def backups(self) -> Path:
        return self.root / "backups" / self.project / self.name

    @property
    def locks(self) -> Path:
        return self.root / "locks" / "organization" / self.project / self.name


def files_of(stack: Stack) -> StackFiles:
    return StackFiles(stack.state / ".pulumi", stack.project, stack.name)


def write_meta(files: StackFiles) -> None:
    meta = files.root / "meta.yaml"
    if not meta.exists():
        write_durably(meta, b"version: 1\n")


def write_durably(path: Path, data: bytes) -> None:
    """Replaces the file at once and returns when it is on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    path.with_name(f"{path.name}.attrs").unlink(missing_ok=True)
    _sync_folder(path.parent)


def keep_as_bak(path: Path) -> None:
    """What stands at ``path`` now stays reachable as ``.bak`` when the file is replaced."""
    link = path.with_name(f"{path.name}.{os.getpid()}.bak.tmp")
    link.unlink(missing_ok=True)
    link.hardlink_to(path)
    link.replace(path.with_name(f"{path.name}.bak"))


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot sync a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
