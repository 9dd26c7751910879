"""Monitors of an environment on this machine, as they were applied: a look now, and what the last one found."""

from dataclasses import dataclass
from datetime import datetime

from mlx_runtime.monitor.report import MonitorReport, latest_report
from mlx_specs.inference_resources import ModelServerOutputs
from mlx_specs.layout import Layout
from mlx_specs.monitor import MonitorSpec
from mlx_specs.resources import DeclaredInputs, Version
from mlx_specs.watched import Watched
from mlx_stacks.errors import UserError
from mlx_stacks.recorded import Values, recorded_by_object
from mlx_stacks.workspace import Workspace, open_host


@dataclass(frozen=True)
class AppliedMonitor:
    """One monitor, and its latest report; none before its first look."""

    watched: Watched
    latest: MonitorReport | None

    @property
    def id(self) -> str:
        """Monitor/NAME"""
        return f"Monitor/{self.watched.monitor}"


def monitors(workspace: Workspace) -> tuple[AppliedMonitor, ...]:
    """All that were applied, by name."""
    recorded = recorded_by_object(open_host(workspace).export_state())
    home = Layout(workspace.name).home
    made = [_watched(resources, recorded) for id, resources in sorted(recorded.items()) if id.startswith("Monitor/") and "Declared" in resources]
    return tuple(AppliedMonitor(each, latest_report(home, each.monitor, workspace.root)) for each in made)


def monitor_named(workspace: Workspace, name: str) -> AppliedMonitor:
    """The one of this declared name; raises ``UserError`` where it was not applied."""
    for each in monitors(workspace):
        if each.id == name:
            return each
    raise UserError(f"{name} was not applied to environment {workspace.name}", hint="mlx apply records what it watches")


def look_now(workspace: Workspace, monitor: AppliedMonitor, at: datetime) -> MonitorReport:
    """Judges the window that ends ``at``, and keeps the report. Raises ``RuntimeFailure`` where there is no judging."""
    from mlx_runtime.monitor.look import look

    return look(monitor.watched, Layout(workspace.name).home, workspace.root, at)


def _watched(resources: dict[str, Values], recorded: dict[str, dict[str, Values]]) -> Watched:
    declared = DeclaredInputs.model_validate(resources["Declared"])
    spec = MonitorSpec.model_validate(declared.spec)
    server = recorded.get(f"Inference/{spec.inference}", {}).get("ModelServer")
    version = ModelServerOutputs.model_validate(server).version if server is not None else Version()
    return Watched(monitor=declared.name, spec=spec, about=declared.about, mode="batch" if server is None else "realtime", version=version)
