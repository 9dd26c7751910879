"""What was done to a stack and when: one entry with a copy of the checkpoint per update, as Pulumi's file backend keeps it."""

import json
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mlx_engine import urns
from mlx_engine.host import Op, Step, Update
from mlx_engine.state.files import StackFiles, keep_as_bak, write_durably

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
    write_durably(files.history / f"{prefix}.history.json", json.dumps(entry, indent=4).encode())
    if files.checkpoint.exists():
        shutil.copyfile(files.checkpoint, files.history / f"{prefix}.checkpoint.json")


def back_up(files: StackFiles) -> None:
    """Keeps the checkpoint as it was before an update: as ``.bak``, and a copy among the backups."""
    if files.checkpoint.exists():
        keep_as_bak(files.checkpoint)
        files.backups.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(files.checkpoint, files.backups / f"{files.name}.{time.time_ns()}.json")


def read_updates(files: StackFiles) -> list[Update]:
    """Every entry, the newest first."""
    paths = sorted(files.history.glob("*.history.json"), reverse=True)
    return [_update(json.loads(path.read_bytes())) for path in paths]


def count_changes(steps: Sequence[Step]) -> dict[str, int]:
    """Resources by what became of them, as Pulumi counts: a replacement once, default providers not at all."""
    counted = [step for step in steps if step.op not in _PARTS_OF_REPLACEMENT and not urns.is_default_provider(step.urn)]
    return dict(Counter(str(step.op) for step in counted))


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
