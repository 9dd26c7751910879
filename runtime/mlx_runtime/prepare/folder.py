"""The folder of one prepared content: data.parquet, rejected.parquet, manifest.json; committed whole, verified by its hashes.

It is written beside its final place and renamed, so that it is either there and complete or not there at all.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any
from uuid import uuid4

DATA = "data.parquet"
REJECTED = "rejected.parquet"
MANIFEST = "manifest.json"
BLOCK = 1 << 20


@contextmanager
def workbench(dataset: Path) -> Iterator[Path]:
    """A temporary folder on the disk of the dataset's folder, for one preparation at a time; what a kill left is removed."""
    dataset.mkdir(parents=True, exist_ok=True)
    with (dataset / ".lock").open("w") as lock:
        flock(lock, LOCK_EX)
        for left in dataset.glob(".tmp-*"):
            shutil.rmtree(left)
        folder = dataset / f".tmp-{uuid4().hex}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def commit(made: Path, manifest: Mapping[str, Any], final: Path) -> None:
    """Put the files in ``made`` at their final place; the same content that is already there keeps its data file."""
    if final.exists() and read_manifest(final) is not None and matches(final, DATA):
        replace_rejected(made, manifest, final)
        return
    write_manifest(made, {**manifest, "files": {name: file_facts(made / name) for name in (DATA, REJECTED)}})
    if final.exists():
        shutil.rmtree(final)
    made.replace(final)


def replace_rejected(made: Path, manifest: Mapping[str, Any], final: Path) -> None:
    """Other steps may lead to the same rows: what they rejected is theirs."""
    facts = {DATA: (read_manifest(final) or {})["files"][DATA], REJECTED: file_facts(made / REJECTED)}
    (made / REJECTED).replace(final / REJECTED)
    write_manifest(final, {**manifest, "files": facts})


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    temporary = folder / f".{MANIFEST}"
    temporary.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    temporary.replace(folder / MANIFEST)


def set_about(folder: Path, about: Mapping[str, Any]) -> None:
    """Change who the dataset is without touching its rows."""
    manifest = read_manifest(folder)
    if manifest is not None and manifest.get("about") != about:
        write_manifest(folder, {**manifest, "about": dict(about)})


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest; None where there is none that can be read."""
    try:
        return json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        return None


def verified(folder: Path) -> bool:
    """Whether all files are there with the bytes that the manifest says."""
    return read_manifest(folder) is not None and all(matches(folder, name) for name in (DATA, REJECTED))


def matches(folder: Path, name: str) -> bool:
    with suppress(OSError):
        return (read_manifest(folder) or {}).get("files", {}).get(name) == file_facts(folder / name)
    return False


def remove(dataset: Path) -> None:
    """All contents of a dataset; nothing there is fine."""
    shutil.rmtree(dataset, ignore_errors=True)


def file_facts(path: Path) -> dict[str, Any]:
    """sha256 and size."""
    return {"sha256": file_digest(path), "size": path.stat().st_size}


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes."""
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            hasher.update(block)
    return hasher.hexdigest()
