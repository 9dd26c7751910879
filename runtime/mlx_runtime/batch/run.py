"""The batch run itself: a folder of predictions, committed by one rename, and which one is the latest."""

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from mlx_runtime.batch.blocks import PREDICTIONS_FILE, REJECTED_FILE, Counts, open_rows, score_blocks
from mlx_runtime.scorer import load
from mlx_specs import layout
from mlx_specs.digests import digest
from mlx_specs.inference_resources import BatchPredictionsInputs, BatchPredictionsOutputs

MANIFEST_FILE = "manifest.json"
LATEST_FILE = "latest.json"
REPORT_SECONDS = 1.0

Report = Callable[[str], None]


def run(inputs: BatchPredictionsInputs, workspace: Path, report: Report) -> BatchPredictionsOutputs:
    """Scores what has not been scored, points ``latest.json`` to it, returns where it stands."""
    place = layout.predictions(inputs.home, inputs.name, run_digest(inputs))
    folder = workspace / place
    if not _is_whole(folder):
        make_predictions(folder, inputs, lambda temporary: _score(temporary, inputs, workspace, report))
    rows = json.loads((folder / MANIFEST_FILE).read_bytes())["rows"]
    _point_latest(folder.parent, place, inputs, rows)
    return BatchPredictionsOutputs(**dict(inputs), path=str(place / PREDICTIONS_FILE), rows=rows, status="Done")


def run_digest(inputs: BatchPredictionsInputs) -> str:
    """sha256 of what the predictions are made of: version, rows, columns."""
    version, data = inputs.version, inputs.input
    return digest(
        {
            "artifact": version.artifact_digest, "version": version.version, "fingerprint": version.fingerprint,
            "input": data.digest, "keys": data.keys, "columns": inputs.columns,
        }
    )  # fmt: skip


def _score(folder: Path, inputs: BatchPredictionsInputs, workspace: Path, report: Report) -> Counts:
    scorer = load(workspace / inputs.version.artifact, inputs.version.artifact_digest, inputs.cpu or 1)
    with open_rows(workspace / inputs.input.path, inputs) as source:
        progress = _Progress(report, source.metadata.num_rows)
        counts = score_blocks(source, scorer, inputs, folder, progress.show)
    report(scored(counts, progress.seconds))
    return counts


def scored(counts: Counts, seconds: float) -> str:
    """What is said at the end."""
    suffix = f", {counts.rejected:,} rejected (see {REJECTED_FILE})" if counts.rejected else ""
    return f"scored {counts.rows:,} rows in {seconds:.1f} s ({_rate(counts.rows, seconds):,} a second){suffix}"


def make_predictions(folder: Path, inputs: BatchPredictionsInputs, score: Callable[[Path], Counts]) -> None:
    """``score`` writes the two files into a folder, which then gets its manifest and its place."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name[:12]}.", dir=folder.parent))
    try:
        _write_manifest(temporary, inputs, score(temporary))
        _commit(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class _Progress:
    """A line a second with the rate."""

    def __init__(self, report: Report, total: int) -> None:
        self._report = report
        self._total = total
        self._start = self._shown = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    def show(self, rows: int) -> None:
        if rows < self._total and time.monotonic() - self._shown >= REPORT_SECONDS:
            self._shown = time.monotonic()
            self._report(f"scored {rows:,} of {self._total:,} rows ({_rate(rows, self.seconds):,} a second)")


def _rate(rows: int, seconds: float) -> int:
    return int(rows / max(seconds, 1e-9))


def _write_manifest(folder: Path, inputs: BatchPredictionsInputs, counts: Counts) -> None:
    manifest = {
        "schemaVersion": 1,
        "rows": counts.rows,
        "rejected": counts.rejected,
        "model": inputs.model,
        "version": inputs.version.wire(),
        "input": {"name": inputs.input.name, "digest": inputs.input.digest},
        "columns": inputs.columns,
        "files": {name: _sha256(folder / name) for name in (PREDICTIONS_FILE, REJECTED_FILE)},
    }
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest, indent=1, sort_keys=True))


def _commit(temporary: Path, folder: Path) -> None:
    """A folder that is not whole (somebody removed a file of it) gives way."""
    if folder.exists():
        shutil.rmtree(folder)
    temporary.chmod(0o755)
    temporary.rename(folder)


def _is_whole(folder: Path) -> bool:
    try:
        files: dict[str, str] = json.loads((folder / MANIFEST_FILE).read_bytes())["files"]
        return all(_sha256(folder / name) == expected for name, expected in files.items())
    except (OSError, ValueError, KeyError):
        return False


def _point_latest(folder: Path, place: PurePosixPath, inputs: BatchPredictionsInputs, rows: int) -> None:
    latest: dict[str, Any] = {
        "path": str(place / PREDICTIONS_FILE), "rows": rows, "version": inputs.version.version, "fingerprint": inputs.version.fingerprint,
        "input": inputs.input.digest, "about": inputs.about.wire(),
    }  # fmt: skip
    _write_latest(folder, latest)


def set_about(folder: Path, about: Mapping[str, Any]) -> None:
    """Change who the inference is without scoring; nothing happens before the first run."""
    if (folder / LATEST_FILE).is_file():
        _write_latest(folder, {**json.loads((folder / LATEST_FILE).read_bytes()), "about": dict(about)})


def _write_latest(folder: Path, latest: Mapping[str, Any]) -> None:
    temporary = folder / f".{LATEST_FILE}.new"
    temporary.write_text(json.dumps(latest, indent=1))
    temporary.replace(folder / LATEST_FILE)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
