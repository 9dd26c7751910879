"""An open Feast store of a workspace: its folder locked, its configuration and its sources in place. Imports Feast."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_SH, flock
from pathlib import Path
from typing import Any
from uuid import uuid4

from feast import FeatureStore

from mlx_features.errors import FeatureError
from mlx_features.repository import CONFIG, ONLINE, REGISTRY, SOURCES, config_text, source_path
from mlx_specs.resources import PreparedData


@contextmanager
def locked(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """The folder for one process that writes, or for several that read: Feast's registry is a file without a lock of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        flock(lock, LOCK_SH if shared else LOCK_EX)
        if not shared:
            _discard_orphans(folder)
        yield


def _discard_orphans(folder: Path) -> None:
    """What SQLite keeps beside a file that somebody deleted: with it a new file of that name cannot be opened."""
    if not (folder / ONLINE).exists():
        for suffix in ("-wal", "-shm", "-journal"):
            (folder / f"{ONLINE}{suffix}").unlink(missing_ok=True)


def open_store(folder: Path) -> FeatureStore:
    """The store of a folder; raises FeatureError where none was applied."""
    if not (folder / CONFIG).is_file() or not (folder / REGISTRY).is_file():
        raise FeatureError(f"the feature store {folder.name!r} is not there: {folder} has no registry", hint="mlx apply makes it")
    return FeatureStore(repo_path=str(folder))


def configure(folder: Path, store: str, online: Mapping[str, Any]) -> None:
    """Write feature_store.yaml; the same text is left alone."""
    path, text = folder / CONFIG, config_text(store, online=online)
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)


def link_sources(folder: Path, sources: Mapping[str, PreparedData], workspace: Path) -> None:
    """Let sources/DATASET.parquet be the prepared rows, each swapped at once; those that are not asked for stay."""
    (folder / SOURCES).mkdir(exist_ok=True)
    for dataset, data in sorted(sources.items()):
        rows, link = workspace / data.path, source_path(folder, dataset)
        if not rows.is_file():
            raise FeatureError(f"Dataset/{dataset} is not prepared: {data.path} is missing", hint="mlx refresh, then apply again")
        if not link.exists() or not _same(rows, link):
            _link(rows, link)


def unlink_sources(folder: Path, sources: Mapping[str, PreparedData]) -> None:
    """Remove what no view reads any more."""
    for link in (folder / SOURCES).glob("*.parquet"):
        if link.stem not in sources:
            link.unlink()


def _same(rows: Path, link: Path) -> bool:
    """The same file; on disks without hard links a copy of it, which keeps size and time."""
    one, other = rows.stat(), link.stat()
    return os.path.samestat(one, other) or (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def _link(rows: Path, link: Path) -> None:
    beside = link.with_name(f".{link.name}-{uuid4().hex}")
    try:
        beside.hardlink_to(rows)
    except OSError:
        shutil.copy2(rows, beside)
    beside.replace(link)
