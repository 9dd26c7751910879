"""What there is: each object's status from the state, and what only looking can tell (is the server alive?). Reads only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from mlx_specs import layout
from mlx_specs.resources import (
    BatchPredictionsOutputs,
    ChampionOutputs,
    CompiledPipelineOutputs,
    DeclaredInputs,
    ModelServerOutputs,
    ModelVersionOutputs,
    PreparedDatasetOutputs,
)
from mlx_stacks.changes import COMPONENTS, RESOURCES
from mlx_stacks.workspace import Workspace, open_host

Values = Mapping[str, Any]


@dataclass(frozen=True)
class ObjectStatus:
    """One object: a word for how it is, and figures worth seeing."""

    id: str
    status: str
    detail: str = ""
    fields: Values = field(default_factory=lambda: dict[str, Any]())


def status(workspace: Workspace) -> tuple[ObjectStatus, ...]:
    """Every declared object in order, then what is in state but no longer declared."""
    recorded = _recorded(open_host(workspace).export_state())
    declared = [node.id for node in workspace.graph.objects if not node.id.startswith("Environment/")]
    known = [_status(workspace, id, recorded.get(id)) for id in declared]
    broken = any(problem.severity == "error" for problem in workspace.warnings)
    return (*known, *(_undeclared(id, broken=broken) for id in sorted(recorded.keys() - set(declared))))


def _recorded(exported: Values) -> dict[str, dict[str, Values]]:
    """The outputs of each object's resources, by type."""
    resources = cast("list[dict[str, Any]]", cast("Values", exported.get("deployment", exported)).get("resources", []))
    ids = {item["urn"]: f"{item['type'].removeprefix(COMPONENTS)}/{item['urn'].split('::')[-1]}" for item in resources if item["type"].startswith(COMPONENTS)}
    found: dict[str, dict[str, Values]] = {id: {} for id in ids.values()}
    for item in resources:
        if item["type"].startswith(RESOURCES) and item.get("parent") in ids and not item.get("delete"):
            found[ids[item["parent"]]][item["type"].removeprefix(RESOURCES)] = item.get("outputs", {})
    return found


def _status(workspace: Workspace, id: str, resources: dict[str, Values] | None) -> ObjectStatus:
    if not resources:
        return ObjectStatus(id, "NotApplied", "declared, not applied yet")
    for type, say in STATUSES.items():
        if type in resources:
            said = say(workspace, id, resources)
            return replace(said, fields={**said.fields, **(resources[type].get("about") or {})})
    return ObjectStatus(id, "Incomplete", "its last apply did not finish; apply again")


def _undeclared(id: str, *, broken: bool) -> ObjectStatus:
    detail = "applied, but the specs have problems: mlx validate" if broken else "in state but not in the specs; the next apply removes it"
    return ObjectStatus(id, "Undeclared", detail)


def _dataset(workspace: Workspace, id: str, resources: dict[str, Values]) -> ObjectStatus:
    now = PreparedDatasetOutputs.model_validate(resources["PreparedDataset"])
    detail = f"{now.rows:,} rows" + (f", {now.rejected:,} rejected" if now.rejected else "") + (f", {len(now.warnings)} warnings" if now.warnings else "")
    shown = {"rows": now.rows, "rejected": now.rejected, "digest": now.content_digest, "path": now.path, "warnings": list(now.warnings)}
    if not (workspace.root / now.path).is_file():
        return ObjectStatus(id, "Missing", f"{now.path} is gone; `mlx refresh`, then apply", shown)
    return ObjectStatus(id, "Ready", detail, shown)


def _pipeline(workspace: Workspace, id: str, resources: dict[str, Values]) -> ObjectStatus:
    now = CompiledPipelineOutputs.model_validate(resources["CompiledPipeline"])
    return ObjectStatus(id, "Ready", f"{len(now.steps)} steps", {"steps": now.steps, "digest": now.ir_digest, "path": now.path})


def _model(workspace: Workspace, id: str, resources: dict[str, Values]) -> ObjectStatus:
    version = ModelVersionOutputs.model_validate(resources["ModelVersion"])
    if "Champion" not in resources:
        return ObjectStatus(id, "Incomplete", f"version {version.version} is trained but not judged; apply again", {"version": version.version})
    champion = ChampionOutputs.model_validate(resources["Champion"])
    metrics = {name: round(value, 4) for name, value in sorted(version.metrics.items())}
    shown: dict[str, Any] = {
        "version": version.version, "champion": champion.current.version, "metrics": metrics, "engine": version.engine,
        "fingerprint": version.fingerprint, "artifact": version.artifact, "run": version.run_id, "reasons": list(champion.reasons),
    }  # fmt: skip
    figures = ", ".join(f"{name} {metrics[name]}" for name in _told(version) if name in metrics)
    if champion.passed:
        return ObjectStatus(id, "Ready", f"version {version.version} is champion; {figures}", shown)
    standing = f"version {champion.current.version} stays champion" if champion.current.exists else "no champion yet"
    return ObjectStatus(id, "Challenger", f"version {version.version} did not pass: {'; '.join(champion.reasons)}; {standing}", shown)


def _told(version: ModelVersionOutputs) -> list[str]:
    named = [str(item["metric"]) for item in version.success]
    return named or (["roc_auc"] if version.task == "classification" else ["rmse"])


def _server(workspace: Workspace, id: str, resources: dict[str, Values]) -> ObjectStatus:
    from mlx_runtime.server.lifecycle import find

    now = ModelServerOutputs.model_validate(resources["ModelServer"])
    running = find(workspace.root / layout.endpoint(now.home, now.name))
    shown = {"url": now.url, "version": now.version.version, "model": f"{now.model}@{now.alias}", "pid": now.pid}
    if running is None:
        return ObjectStatus(id, "Stopped", "the server is not running; `mlx apply` starts it again", shown)
    detail = f"{running.url} serves {now.model} version {now.version.version}" if now.version.exists else f"{running.url}"
    return ObjectStatus(id, now.status, detail, {**shown, "url": running.url, "pid": running.pid})


def _batch(workspace: Workspace, id: str, resources: dict[str, Values]) -> ObjectStatus:
    now = BatchPredictionsOutputs.model_validate(resources["BatchPredictions"])
    shown = {"path": now.path, "rows": now.rows, "version": now.version.version}
    detail = f"{now.rows:,} rows by version {now.version.version} in {now.path}" if now.path else ""
    return ObjectStatus(id, now.status, detail, shown)


def _declared(workspace: Workspace, id: str, resources: dict[str, Values]) -> ObjectStatus:
    now = DeclaredInputs.model_validate(resources["Declared"])
    return ObjectStatus(id, "Declared", now.reason, {"reason": now.reason})


STATUSES: Mapping[str, Callable[[Workspace, str, dict[str, Values]], ObjectStatus]] = {
    "PreparedDataset": _dataset,
    "CompiledPipeline": _pipeline,
    "ModelVersion": _model,
    "ModelServer": _server,
    "BatchPredictions": _batch,
    "Declared": _declared,
}
