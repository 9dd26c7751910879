"""What was done to a stack and when: one entry with a copy of the checkpoint per update, as Pulumi's file backend keeps it."""

import getpass
import json
import os
import socket
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mlx_engine import urns
from mlx_engine.host import Op, Step, Update
from mlx_engine.state.files import StackFiles

READERS = 8
"""How many entries are read at the same time: a bucket is slow to answer, not to read."""

_PARTS_OF_REPLACEMENT = {Op.CREATE_REPLACEMENT, Op.DELETE_REPLACED, Op.READ_REPLACEMENT}


def record_update(files: StackFiles, update: Update, config: Mapping[str, Any]) -> None:
    """Writes the entry, and beside it the checkpoint as it stands now."""
    prefix = f"{files.name}-{time.time_ns()}"
    entry = {
        "kind": update.kind,
        "startTime": int(update.start),
        "message": update.message,
        "environment": dict(update.environment),
        "config": dict(config),
        "version": 0,
        "result": update.result,
        "endTime": int(update.end),
        "resourceChanges": dict(update.changes),
    }
    files.blobs.write(f"{files.history}/{prefix}.history.json", json.dumps(entry, indent=4).encode())
    checkpoint = files.blobs.read(files.checkpoint)
    if checkpoint:
        files.blobs.write(f"{files.history}/{prefix}.checkpoint.json", checkpoint.data)


def back_up(files: StackFiles) -> None:
    """Keeps the checkpoint as it was before an update: as ``.bak``, and a copy among the backups."""
    checkpoint = files.blobs.read(files.checkpoint)
    if checkpoint:
        files.blobs.write(f"{files.checkpoint}.bak", checkpoint.data)
        files.blobs.write(f"{files.backups}/{files.name}.{time.time_ns()}.json", checkpoint.data)


def read_updates(files: StackFiles) -> list[Update]:
    """Every entry, the newest first."""
    keys = reversed(files.blobs.keys(files.history, ".history.json"))
    with ThreadPoolExecutor(READERS) as pool:
        return [_update(json.loads(blob.data)) for blob in pool.map(files.blobs.read, keys) if blob]


def count_changes(steps: Sequence[Step]) -> dict[str, int]:
    """Resources by what became of them, as Pulumi counts: a replacement once, default providers not at all."""
    counted = [step for step in steps if step.op not in _PARTS_OF_REPLACEMENT and not urns.is_default_provider(step.urn)]
    return dict(Counter(str(step.op) for step in counted))


def execution(steps: Sequence[Step], seconds: float) -> dict[str, str]:
    """What Pulumi's entry has no field for: who did it, where, for how long, and the counts without components and providers, as JSON text."""
    counted = count_changes([step for step in steps if step.custom and not step.type.startswith("pulumi:")])
    who = {"exec.user": _user(), "exec.host": socket.gethostname()}
    return {"exec.kind": "mlx.embedded", **who, "exec.seconds": f"{seconds:.3f}", "exec.resources": json.dumps(counted, sort_keys=True)}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())


def _update(entry: Mapping[str, Any]) -> Update:
    return Update(
        kind=entry.get("kind", ""),
        result=entry.get("result", ""),
        start=float(entry.get("startTime", 0)),
        end=float(entry.get("endTime", 0)),
        message=entry.get("message", ""),
        changes=entry.get("resourceChanges") or {},
        environment=entry.get("environment") or {},
    )
