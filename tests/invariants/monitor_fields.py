"""The fields of a monitor: what a look finds with one value, and with a second one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
from sklearn.linear_model import LogisticRegression

from mlx_runtime.columns import to_frame
from mlx_runtime.monitor.look import exit_code, look
from mlx_runtime.monitor.report import MonitorReport
from mlx_runtime.package import package
from mlx_runtime.scorer import load
from mlx_specs import layout
from mlx_specs.monitor import Monitor
from mlx_specs.resources import Version
from mlx_specs.watched import DRIFTED, Watched

HOME = ".mlx/local"
AT = datetime(2026, 1, 2, 12, tzinfo=UTC)
WATCH: Mapping[str, Any] = {
    "inference": "api",
    "dataDrift": {"method": "psi", "threshold": 0.2, "columns": ["x"]},
    "predictionDrift": {"method": "psi", "threshold": 0.2},
    "window": {"size": "1d", "minimum": 100},
    "action": "record",
}


@dataclass(frozen=True)
class Look:
    """What came of one."""

    report: MonitorReport
    code: int


@dataclass(frozen=True)
class MonitorCase:
    """One field with a second value, and what is seen before and after."""

    path: str
    value: Any
    seen: Callable[[Look], Any]
    before: Any
    after: Any


@dataclass(frozen=True)
class Answered:
    """A workspace with the logs of the endpoints api and other, which serve one version."""

    root: Path
    version: Version


def answered(root: Path) -> Answered:
    """200 rows an hour ago that have drifted, and as many two days ago."""
    random = np.random.default_rng(0)
    data = pyarrow.table({"x": random.normal(size=500), "z": random.normal(size=500)})
    labels = data["x"].to_numpy() > 0
    folder = root / "model"
    digest = package(
        estimator=LogisticRegression().fit(to_frame(data), labels), data=data, labels=labels.tolist(), model="base", fingerprint="first",
        task="classification", target="late", format="auto", folder=folder, metrics={},
    )  # fmt: skip
    scorer = load(folder, digest)
    for name, ago in (("api", 1), ("api", 48), ("other", 1)):
        moment = AT - timedelta(hours=ago)
        rows = pyarrow.table({"x": random.normal(3, size=200), "z": random.normal(size=200)})
        told = pyarrow.table({**{each: rows[each] for each in rows.column_names}, **dict(scorer.score_table(rows).to_pydict())})
        told = told.append_column("time", pyarrow.array([moment] * 200, pyarrow.timestamp("us", tz="UTC")))
        path = root / layout.prediction_log(HOME, name) / f"{moment:%Y-%m-%dT%H}" / "part.parquet"
        path.parent.mkdir(parents=True)
        parquet.write_table(told.append_column("model_fingerprint", pyarrow.array(["first"] * 200)), path)
    return Answered(root, Version(fingerprint="first", version="1", artifact="model", artifact_digest=digest))


def looked(written: Mapping[str, Any], answers: Answered) -> Look:
    """With a monitor as it is written."""
    monitor = Monitor.model_validate(written)
    about = {"description": monitor.metadata.description, "owner": monitor.metadata.owner, "labels": dict(monitor.metadata.labels)}
    told = Watched.model_validate(
        {"monitor": "trial", "spec": monitor.spec, "about": about, "mode": "realtime", "version": answers.version.wire()},
    )
    report = look(told, HOME, answers.root, AT)
    return Look(report, exit_code(monitor.spec, report))


def columns(seen: Look) -> list[str]:
    return [each.column for each in seen.report.data]


def methods(seen: Look) -> tuple[set[str], set[str]]:
    return {each.method for each in seen.report.data}, {each.method for each in seen.report.predictions}


MONITOR_CASES = (
    MonitorCase("Monitor.metadata.description", "Second.", lambda seen: seen.report.about.description, "First.", "Second."),
    MonitorCase("Monitor.metadata.owner", "them", lambda seen: seen.report.about.owner, "us", "them"),
    MonitorCase("Monitor.metadata.labels", {"tier": "2"}, lambda seen: seen.report.about.labels, {"tier": "1"}, {"tier": "2"}),
    MonitorCase("Monitor.spec.inference", "other", lambda seen: seen.report.inference, "api", "other"),
    MonitorCase("Monitor.spec.dataDrift.method", "wasserstein", lambda seen: methods(seen)[0], {"psi"}, {"wasserstein"}),
    MonitorCase("Monitor.spec.dataDrift.threshold", 99.0, lambda seen: [each.drifted for each in seen.report.data], [True], [False]),
    MonitorCase("Monitor.spec.dataDrift.columns", ["z", "x"], columns, ["x"], ["z", "x"]),
    MonitorCase("Monitor.spec.predictionDrift.method", "jensen-shannon", lambda seen: methods(seen)[1], {"psi"}, {"jensen-shannon"}),
    MonitorCase("Monitor.spec.predictionDrift.threshold", 99.0, lambda seen: {each.drifted for each in seen.report.predictions}, {True}, {False}),
    MonitorCase("Monitor.spec.window.size", "3d", lambda seen: seen.report.rows, 200, 400),
    MonitorCase("Monitor.spec.window.minimum", 300, lambda seen: seen.report.verdict, "drifted", "insufficient"),
    MonitorCase("Monitor.spec.action", "alert", lambda seen: seen.code, 0, DRIFTED),
)
