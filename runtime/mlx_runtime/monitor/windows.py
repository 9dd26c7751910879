"""Which rows a judgement is about: those of the latest batch run, or those that an endpoint answered lately. All below one folder, laid as on a laptop."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.compute as compute
import pyarrow.parquet as parquet

from mlx_runtime.batch.run import LATEST_FILE, MANIFEST_FILE
from mlx_runtime.monitor.rows import Rows
from mlx_runtime.prepare.folder import DATA
from mlx_specs import layout
from mlx_specs.base import seconds
from mlx_specs.resources import Version

DIGITS = 12


@dataclass(frozen=True)
class Window:
    """Rows, and the version that scored them: its artifact is a folder of the workspace."""

    name: str
    version: Version
    artifact: Path
    inputs: Rows
    outputs: Rows
    other_versions: int = 0


def batch_window(home: str, inference: str, workspace: Path) -> Window | None:
    """The latest run: all rows of its input, and its predictions. None before the first."""
    folder = workspace / layout.all_predictions(home, inference)
    if not (folder / LATEST_FILE).is_file():
        return None
    predictions = workspace / json.loads((folder / LATEST_FILE).read_bytes())["path"]
    manifest = json.loads((predictions.parent / MANIFEST_FILE).read_bytes())
    version = Version.model_validate(manifest["version"])
    rows = Rows((_input(home, inference, manifest, workspace),))
    return Window(f"run {predictions.parent.name[:DIGITS]}", version, workspace / version.artifact, rows, Rows((predictions,)))


def _input(home: str, inference: str, manifest: dict[str, Any], workspace: Path) -> Path:
    """The rows that were scored, with their features where some were joined."""
    name, content = manifest["input"]["name"], manifest["input"]["digest"]
    joined = workspace / layout.joined(home, f"inference.{inference}", content) / DATA
    return joined if joined.is_file() else workspace / layout.dataset(home, name, content) / DATA


def log_window(home: str, inference: str, version: Version, size: str, at: datetime, workspace: Path) -> Window:
    """What this version answered in the ``size`` before ``at``."""
    start = window_start(size, at)
    hours = log_hours(start, at)
    files = tuple(sorted(path for hour in hours for path in (workspace / layout.prediction_log(home, inference) / hour).glob("*.parquet")))
    inside = (compute.field("time") >= start) & (compute.field("time") < at)
    mine = {file: _fingerprint(file) == version.fingerprint for file in files}
    own, others = (tuple(file for file in files if mine[file] is whose) for whose in (True, False))
    name = f"{start.isoformat(timespec='seconds')}/{at.isoformat(timespec='seconds')}"
    return Window(name, version, workspace / version.artifact, Rows(own, inside, logged_inputs=True), Rows(own, inside), Rows(others, inside).count)


def _fingerprint(part: Path) -> str:
    """Of the version that answered: a part is of one, whose columns others need not have."""
    told = parquet.ParquetFile(part).read_row_group(0, columns=["model_fingerprint"])
    return str(told.column(0)[0])


def window_start(size: str, at: datetime) -> datetime:
    """Of the window that ends ``at``."""
    return at - timedelta(seconds=seconds(size))


def log_hours(start: datetime, end: datetime) -> list[str]:
    """The folders of a log that hold these moments, in UTC."""
    first, hours = start.replace(minute=0, second=0, microsecond=0), list[str]()
    while first < end:
        hours.append(layout.log_hour(first))
        first += timedelta(hours=1)
    return hours
