"""One look of a monitor, and where its reports stand: HOME/monitors/NAME/latest.json, and each under reports/MOMENT.json."""

from datetime import UTC, datetime
from pathlib import Path

from mlx_runtime.monitor.judge import judge
from mlx_runtime.monitor.report import LATEST, MonitorReport, report_name, written
from mlx_runtime.monitor.windows import Window, batch_window, log_window
from mlx_specs import layout
from mlx_specs.monitor import MonitorSpec
from mlx_specs.watched import DRIFTED, Watched

NOTHING = "no predictions yet"


def look(watched: Watched, home: str, workspace: Path, at: datetime) -> MonitorReport:
    """Judges the window that ends ``at``, and keeps the report. Raises ``RuntimeFailure`` where there is no judging."""
    spec = watched.spec
    if watched.mode == "batch":
        window = batch_window(home, spec.inference, workspace)
    else:
        window = log_window(home, spec.inference, watched.version, spec.window.size, at, workspace) if watched.version.exists else None
    report = judged(watched, window, at)
    _keep(report, workspace / layout.monitor(home, watched.monitor))
    return report


def judged(watched: Watched, window: Window | None, at: datetime) -> MonitorReport:
    """A window with too few rows is not measured."""
    report = MonitorReport(
        monitor=watched.monitor,
        inference=watched.spec.inference,
        at=at.astimezone(UTC).isoformat(timespec="seconds"),
        window=NOTHING,
        minimum=watched.spec.window.minimum,
        about=watched.about,
    )
    return report if window is None else _measured(report, watched, window)


def _measured(report: MonitorReport, watched: Watched, window: Window) -> MonitorReport:
    version = {"version": window.version.version, "fingerprint": window.version.fingerprint}
    told = report.model_copy(update={**version, "window": window.name, "rows": window.outputs.count, "other_versions": window.other_versions})
    if told.verdict == "insufficient":
        return told
    found = judge(watched.spec, window.version, window.artifact, window.inputs, window.outputs)
    return told.model_copy(
        update={"data": found.data, "predictions": found.predictions, "not_measured": found.not_measured, "reference_rows": found.reference_rows}
    )


def exit_code(spec: MonitorSpec, report: MonitorReport) -> int:
    """What the process that looked exits with."""
    return DRIFTED if report.verdict == "drifted" and spec.action == "alert" else 0


def _keep(report: MonitorReport, folder: Path) -> None:
    """The latest last, whole."""
    (folder / "reports").mkdir(parents=True, exist_ok=True)
    for name in (report_name(report), LATEST):
        part = folder / f".{LATEST}.part"
        part.write_bytes(written(report))
        part.replace(folder / name)
