"""What a run keeps, between a pod and the environment's storage. It is as its list of files says, which is written last."""

from collections.abc import Callable
from pathlib import Path

from mlx_runtime.cluster.storage import Storage, StorageError, sha256

FILES = "files.json"
"""The sha256 of each file by its name."""
PASSING = "steps"
"""Where KFP's local runner keeps what one step gives to the next."""


def fetch_run(source: Storage, folder: Path, wants: Callable[[str], bool] = lambda name: True) -> None:
    """What earlier steps have kept, or those files of it that are wanted; nothing where they kept nothing."""
    for name, expected in (source.read_json(FILES) or {}).items():
        if wants(name) and not source.fetch(name, folder / name, expected):
            raise StorageError(f"{source.where(name)} is not there", hint="start the run again: it is made anew")


def send_run(folder: Path, to: Storage) -> None:
    """What is new or otherwise; steps that run at the same time each add theirs."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and not _is_passing(path.relative_to(folder))]
    found = {path.relative_to(folder).as_posix(): sha256(path) for path in paths}
    there = to.read_json(FILES) or {}
    changed = {name: value for name, value in found.items() if there.get(name) != value}
    for name in changed:
        to.send(folder / name, name)
    if changed:
        to.write_json(FILES, {**(to.read_json(FILES) or {}), **changed})


def _is_passing(path: Path) -> bool:
    """Nobody asks for it after the run."""
    return path.parts[0] == PASSING or path.suffix == ".part"
