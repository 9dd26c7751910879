"""``monitor``: the latest predictions in the storage in, a report in the storage out. The look itself is the laptop's.

STORAGE/monitors/NAME/latest.json, reports/MOMENT.json
"""

import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from mlx_runtime.batch.run import LATEST_FILE
from mlx_runtime.cluster.artifacts import fetch_version
from mlx_runtime.cluster.datasets import content_key, fetch_table
from mlx_runtime.cluster.joined import joined_key
from mlx_runtime.cluster.run import Run
from mlx_runtime.cluster.storage import MANIFEST, Storage, StorageError, open_storage
from mlx_runtime.errors import RuntimeFailure
from mlx_runtime.monitor.look import exit_code, judged
from mlx_runtime.monitor.report import LATEST, MonitorReport, now, report_name, written
from mlx_runtime.monitor.rows import Rows
from mlx_runtime.monitor.windows import DIGITS, Window, log_hours, log_window, window_start
from mlx_runtime.prepare.folder import DATA
from mlx_specs import layout
from mlx_specs.resources import Version
from mlx_specs.watched import WatchedInStorage


def monitor(content: str, run: Run) -> None:
    """Looks, and keeps the report; exits with ``DRIFTED`` where it is to alert. Raises ``RuntimeFailure``."""
    asked = WatchedInStorage.model_validate_json(content)
    try:
        report = _look(asked, open_storage(asked.storage), run, now())
    except RuntimeFailure as error:
        raise RuntimeFailure(f"Monitor/{asked.monitor}: {error}", hint=error.hint) from error
    run.report(report.sentence)
    if code := exit_code(asked.spec, report):
        sys.exit(code)


def _look(asked: WatchedInStorage, storage: Storage, run: Run, at: datetime) -> MonitorReport:
    window = _batch(asked, storage, run) if asked.mode == "batch" else _log(asked, storage, run, at)
    report = judged(asked, window, at)
    for name in (report_name(report), LATEST):
        storage.write(f"{layout.monitor('', asked.monitor)}/{name}", written(report))
    return report


def _batch(asked: WatchedInStorage, storage: Storage, run: Run) -> Window | None:
    """The latest run with the rows that it scored."""
    inference = asked.spec.inference
    latest = storage.read_json(f"predictions/{inference}/{LATEST_FILE}")
    if latest is None:
        return None
    key = latest["path"].rpartition("/")[0]
    manifest = storage.read_json(f"{key}/{MANIFEST}")
    predictions = run.workspace / latest["path"]
    if manifest is None or not storage.fetch(latest["path"], predictions, manifest["files"][predictions.name]):
        raise StorageError(f"{storage.where(latest['path'])} is not there, though {LATEST_FILE} names it", hint="score the dataset again")
    inputs, rows = run.workspace / "rows", joined_key(f"inference.{inference}", latest["input"])
    inputs.mkdir()
    there = storage.read(f"{rows}/{MANIFEST}") is not None
    fetch_table(storage, rows if there else content_key(asked.input, latest["input"]), inputs)
    version = Version.model_validate(manifest["version"])
    name = f"run {key.rpartition('/')[2][:DIGITS]}"
    return Window(name, version, _artifact(version, run), Rows((inputs / DATA,)), Rows((predictions,)))


def _log(asked: WatchedInStorage, storage: Storage, run: Run, at: datetime) -> Window | None:
    """What the endpoint answered lately; nothing where it has no version yet."""
    if not asked.version.exists:
        return None
    home, inference = "", asked.spec.inference
    log = layout.prediction_log(home, inference).as_posix()
    for hour in log_hours(window_start(asked.spec.window.size, at), at):
        for key in storage.keys(f"{log}/{hour}"):
            storage.fetch(key, run.workspace / key)
    window = log_window(home, inference, asked.version, asked.spec.window.size, at, run.workspace)
    return replace(window, artifact=_artifact(asked.version, run)) if window.outputs.count >= asked.spec.window.minimum else window


def _artifact(version: Version, run: Run) -> Path:
    folder = run.workspace / "artifact"
    fetch_version(version, folder)
    return folder
