"""Datasets in the environment's storage: which rows are the latest, and how they are fetched.

``current.json`` is written after the rows that it names are there.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from mlx_runtime.cluster.run import Report, Run
from mlx_runtime.cluster.storage import MANIFEST, Storage, StorageError
from mlx_runtime.errors import RuntimeFailure
from mlx_runtime.prepare.folder import DATA
from mlx_specs import layout
from mlx_specs.resources import PreparedData, Wire

LIMIT = 2 * 3600
"""Seconds for which a dataset is waited for: its own Job may wait for a node first."""
PAUSE = 5
REPORT_PAUSE = 60


class Prepared(Wire):
    """What a definition came to when it was prepared last."""

    definition: str
    """The digest of the definition and of what it reads."""
    source_digest: str = ""
    inputs: dict[str, str] = Field(default_factory=dict)
    """Content digest of each dataset that was read."""
    content_digest: str
    rows: int


def content_key(name: str, content_digest: str) -> str:
    """The folder of one prepared content."""
    return f"datasets/{name}/{content_digest}"


def definition_key(name: str, digest: str) -> str:
    """What a definition came to."""
    return f"datasets/{name}/definitions/{digest}.json"


def current_key(name: str) -> str:
    """The latest preparation."""
    return f"datasets/{name}/current.json"


def read_prepared(storage: Storage, key: str) -> Prepared | None:
    """One of these records; None where there is none."""
    value = storage.read_json(key)
    try:
        return None if value is None else Prepared.model_validate(value)
    except ValidationError as error:
        raise StorageError(f"{storage.where(key)} says no prepared dataset", hint="another program wrote it: remove it, then prepare again") from error


def write_prepared(storage: Storage, key: str, prepared: Prepared) -> None:
    """Whole, and only where it says something else."""
    storage.write_json(key, prepared.wire())


def await_current(
    storage: Storage, name: str, report: Report, *, definition: str = "", limit: float = LIMIT, pause: Callable[[float], None] = time.sleep
) -> Prepared:
    """The latest preparation of a dataset, which may be under way now; says each minute that it waits. ``definition``: of no other one."""
    waited = 0
    while (found := read_prepared(storage, current_key(name))) is None or (definition and found.definition != definition):
        if waited >= limit:
            raise RuntimeFailure(f"Dataset/{name} was not prepared within {waited} s", hint=f"mlx logs Dataset/{name} says why; run this again afterwards")
        if waited % REPORT_PAUSE == 0:
            report(f"waiting for Dataset/{name}: {storage.where(current_key(name))} is not there yet ({waited} s of {limit:g} s)")
        pause(PAUSE)
        waited += PAUSE
    return found


def prepared_data(data: PreparedData, storage: Storage, run: Run) -> PreparedData:
    """What a definition has come to, where its rows would lie on a laptop; waits for rows that are being prepared."""
    known = read_prepared(storage, definition_key(data.name, data.digest)) or await_current(storage, data.name, run.report, definition=data.digest)
    path = layout.dataset(run.home, data.name, known.content_digest) / DATA
    return data.model_copy(update={"digest": known.content_digest, "path": path.as_posix()})


def read_manifest(storage: Storage, name: str, content_digest: str) -> dict[str, Any]:
    """What a prepared content says of itself."""
    key = f"{content_key(name, content_digest)}/{MANIFEST}"
    found = storage.read_json(key)
    if found is None:
        raise StorageError(f"{storage.where(key)} is not there, though {storage.where(current_key(name))} names it", hint="prepare the dataset again")
    return found


def fetch_rows(storage: Storage, name: str, content_digest: str, folder: Path) -> dict[str, Any]:
    """data.parquet and manifest.json into a folder; returns the manifest."""
    read_manifest(storage, name, content_digest)
    return fetch_table(storage, content_key(name, content_digest), folder)


def fetch_table(storage: Storage, key: str, folder: Path) -> dict[str, Any]:
    """The same of any folder of rows, such as those with their features."""
    manifest = _manifest_at(storage, key)
    if not storage.fetch(f"{key}/{DATA}", folder / DATA, manifest["files"][DATA]["sha256"]):
        raise _lacks_rows(storage, key)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    return manifest


def rows_at(storage: Storage, key: str) -> int:
    """How many rows such a folder has."""
    return _manifest_at(storage, key)["rows"]


def _manifest_at(storage: Storage, key: str) -> dict[str, Any]:
    manifest = storage.read_json(f"{key}/{MANIFEST}")
    if manifest is None:
        raise _lacks_rows(storage, key)
    return manifest


def _lacks_rows(storage: Storage, key: str) -> StorageError:
    return StorageError(f"{storage.where(f'{key}/{DATA}')} is not there", hint="prepare the dataset again")
