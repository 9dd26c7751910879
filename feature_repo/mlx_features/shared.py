"""The Feast worker that all feature operations of this process share, made on first use."""

from pathlib import Path
from threading import Lock

from mlx_features.client import FeastWorker

_WORKERS: dict[Path, FeastWorker] = {}
_GUARD = Lock()


def worker(workspace: Path) -> FeastWorker:
    """The worker of a workspace; its process starts with the first operation that needs Feast."""
    with _GUARD:
        return _WORKERS.setdefault(workspace.resolve(), FeastWorker(workspace.resolve()))


def close_workers() -> None:
    """Let all worker processes end; a later ``worker`` starts anew."""
    for one in _taken():
        one.close()


def cancel_workers() -> None:
    """Kill all worker processes now; what they are asked meanwhile fails with a FeatureError."""
    for one in _taken():
        one.cancel()


def _taken() -> list[FeastWorker]:
    with _GUARD:
        taken = list(_WORKERS.values())
        _WORKERS.clear()
    return taken
