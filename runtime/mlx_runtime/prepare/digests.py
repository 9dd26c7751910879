"""Whether a source has changed, without preparing it: a digest of its files' bytes, or of what its database says.

Digests of files are remembered under ``.mlx/cache`` by path, size, time and inode, so that a plan reads a file once.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from mlx_runtime.prepare.databases import sqlite_files, watermark
from mlx_runtime.prepare.errors import PrepareError
from mlx_runtime.prepare.files import locate
from mlx_runtime.prepare.folder import file_digest
from mlx_specs import layout
from mlx_specs.dataset import DatasetSpec, SqlSource

SETTLED = 2.0
"""Seconds: a file written more recently may be written again within the clock's tick, so its digest is not remembered."""


def source_digest(definition: Mapping[str, Any], workspace: Path) -> str:
    """sha256 of the files' bytes, or of the watermark; of the rows in PostgreSQL without a watermark; ``""`` without a source."""
    source = DatasetSpec.model_validate(definition).source
    if source is None:
        return ""
    if not isinstance(source, SqlSource):
        return of_files(locate(source, workspace), workspace)
    value = watermark(source, workspace)
    if value is not None:
        return hashlib.sha256(value.encode()).hexdigest()
    return of_files(sqlite_files(source, workspace) or [], workspace)


def of_files(paths: Sequence[Path], workspace: Path) -> str:
    """One file: its own sha256; several: over theirs, in the order of their paths."""
    digests = [remembered(path, workspace / layout.CACHE / "files") for path in paths]
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def remembered(path: Path, cache: Path) -> str:
    """The digest of a file, from the cache where the file is the one that was read."""
    entry = cache / f"{hashlib.sha256(str(path.absolute()).encode()).hexdigest()}.json"
    try:
        facts = [(stat := path.stat()).st_size, stat.st_mtime_ns, stat.st_ino]
        known = read_entry(entry)
        if known.get("facts") == facts:
            return known["sha256"]
        digest = file_digest(path)
    except OSError as error:
        raise PrepareError(f"{path.name} cannot be read: {error.strerror}") from error
    if time.time() - stat.st_mtime > SETTLED:
        write_entry(entry, {"facts": facts, "sha256": digest})
    return digest


def read_entry(entry: Path) -> dict[str, Any]:
    try:
        return json.loads(entry.read_text())
    except (OSError, ValueError):
        return {}


def write_entry(entry: Path, value: Mapping[str, Any]) -> None:
    """Where the cache cannot be written, the file is read again next time."""
    with suppress(OSError):
        _replace(entry, value)


def _replace(entry: Path, value: Mapping[str, Any]) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    temporary = entry.with_name(f"{entry.name}.{uuid4().hex}")
    temporary.write_text(json.dumps(value))
    temporary.replace(entry)
