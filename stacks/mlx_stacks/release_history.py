"""The releases that a pinned environment has run, from the states that its history keeps: nothing else is written for them. Reads only."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from mlx_engine.state.files import StackFiles, files_of
from mlx_specs.release_resources import ReleaseInputs
from mlx_stacks.release_source import present_release, recorded
from mlx_stacks.release_storage import is_kept
from mlx_stacks.workspace import Workspace

READERS = 16
"""States that are read at the same time: a bucket is slow to answer, not to read."""


@dataclass(frozen=True)
class AppliedRelease:
    """One release that was applied: counted from the first, which is 1."""

    number: int
    digest: str
    source: str
    by: str
    at: str
    """When it was promoted, or rolled back to."""
    applied: float
    """Seconds since 1970."""
    gates: Mapping[str, Sequence[str]]
    rolled_back_from: str
    serial: str
    kept: bool
    """Its definitions and pipelines are on this machine, or in its storage, so that a rollback can go back to it."""


def applied_releases(workspace: Workspace) -> tuple[AppliedRelease, ...]:
    """The oldest first; applying the same release again is no new one."""
    found: list[AppliedRelease] = []
    for release, applied in _states(files_of(workspace.stack)):
        last = found[-1] if found else None
        if release is not None and (last is None or (last.digest, last.at) != (release.digest, release.at)):
            found.append(_entry(workspace, len(found) + 1, release, applied))
    return tuple(found)


def _states(files: StackFiles) -> Sequence[tuple[ReleaseInputs | None, float]]:
    """What each update left, and when it ended; the oldest first."""
    keys = files.blobs.keys(files.history, ".history.json")

    def read(key: str) -> tuple[ReleaseInputs | None, float]:
        return _state(files, key)

    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(read, keys))


def _state(files: StackFiles, key: str) -> tuple[ReleaseInputs | None, float]:
    entry, state = files.blobs.read(key), files.blobs.read(key.removesuffix(".history.json") + ".checkpoint.json")
    ended = float(json.loads(entry.data).get("endTime", 0)) if entry else 0.0
    latest: Mapping[str, Any] = json.loads(state.data).get("checkpoint", {}).get("latest") or {} if state else {}
    return present_release(recorded(latest)), ended


def _entry(workspace: Workspace, number: int, release: ReleaseInputs, applied: float) -> AppliedRelease:
    return AppliedRelease(
        number=number,
        digest=release.digest,
        source=release.source,
        by=release.by,
        at=release.at,
        applied=applied,
        gates=release.gates,
        rolled_back_from=release.rolled_back_from,
        serial=release.serial,
        kept=is_kept(workspace.root, workspace.environment, release.digest),
    )
