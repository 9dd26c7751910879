"""What there is: each object's status from the state, and what only looking can tell (is the server alive?). Reads only."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from mlx_pipelines.leaderboard import read_leaderboard
from mlx_runtime.monitor.report import Verdict, latest_report
from mlx_specs import layout
from mlx_specs.dataset_resources import PreparedDatasetOutputs
from mlx_specs.diagnostics import plural
from mlx_specs.feature_resources import FeatureRegistryOutputs, OnlineFeaturesOutputs
from mlx_specs.inference import Inference
from mlx_specs.inference_resources import BatchPredictionsOutputs, ModelServerOutputs
from mlx_specs.layout import Layout
from mlx_specs.model_resources import ChampionOutputs, ModelVersionOutputs
from mlx_specs.pipeline_resources import CompiledPipelineOutputs
from mlx_specs.resources import DeclaredInputs
from mlx_stacks.cluster_status import cluster_status
from mlx_stacks.environment_status import environment_status
from mlx_stacks.last_failures import with_last_failures
from mlx_stacks.last_training import with_last_training
from mlx_stacks.object_status import ObjectStatus
from mlx_stacks.recorded import Values, finished_objects, recorded_by_object
from mlx_stacks.status_release import release_status, released_model, unreleased_status, with_unreleased
from mlx_stacks.workspace import Workspace, open_host

GONE = {
    "PreparedDataset": ("Missing", "its prepared rows are gone"),
    "FeatureRegistry": ("Missing", "its registry is gone"),
    "OnlineFeatures": ("Missing", "its online store is gone"),
    "JoinedDataset": ("Missing", "its rows with features are gone"),
    "CompiledPipeline": ("Missing", "its compiled file is gone"),
    "ModelVersion": ("Missing", "its packaged model or its registered version is gone, or its bytes are not those of its digest"),
    "Champion": ("Missing", "its alias is gone"),
    "ReleasedModel": ("Missing", "the released version is gone or damaged"),
    "Release": ("Missing", "its record is gone"),
    "ModelServer": ("Stopped", "the server is not running"),
    "BatchPredictions": ("Missing", "its predictions are gone"),
}
"""What is said of a resource that is no longer there, by type: the same words in `mlx status` and in `mlx refresh`."""
WORDS: Mapping[Verdict, str] = {"ok": "Ready", "drifted": "Drifted", "insufficient": "Ready"}
"""Of a monitor: too few rows are nobody's fault."""
GONE_ELSE = ("Missing", "it is gone")
MADE_BY = {"Dataset": "PreparedDataset", "FeatureStore": "FeatureRegistry", "Pipeline": "CompiledPipeline", "Model": "ModelVersion"}
"""The resource that stands for an object of a kind; an Inference's depends on its mode."""


def status(workspace: Workspace) -> tuple[ObjectStatus, ...]:
    """Every declared object in order, then what is in state but no longer declared; of a cluster its nodes, add-ons and queues."""
    if workspace.cluster is not None:
        return cluster_status(workspace, workspace.cluster)
    on_cluster = workspace.environment.spec.target.type == "kubernetes"
    return with_last_failures(workspace, environment_status(workspace) if on_cluster else _on_this_machine(workspace))


def _on_this_machine(workspace: Workspace) -> tuple[ObjectStatus, ...]:
    exported = open_host(workspace).export_state()
    recorded, finished = recorded_by_object(exported), finished_objects(exported)
    declared = [node.id for node in workspace.graph.objects if not node.id.startswith(("Environment/", "Cluster/"))]  # a cluster is a stack of its own
    known = [with_last_training(workspace, _status(workspace, id, recorded.get(id), finished=id in finished)) for id in declared]
    broken = any(problem.severity == "error" for problem in workspace.warnings)
    release, beyond = release_status(workspace, recorded), unreleased_status(workspace, declared)
    left = sorted(recorded.keys() - set(declared) - {each.id for each in release})
    return (*release, *(with_unreleased(workspace, each) for each in known), *beyond, *(_undeclared(id, broken=broken) for id in left))


def _status(workspace: Workspace, id: str, resources: dict[str, Values] | None, *, finished: bool) -> ObjectStatus:
    if resources is None:
        return ObjectStatus(id, "NotApplied", "declared, not applied yet")
    if not resources and finished:  # a refresh found nothing
        return _gone(id, _made_by(workspace, id), "`mlx apply` brings it back")
    for type, say in STATUSES.items():
        if type in resources:
            said = say(workspace, id, resources)
            return replace(said, fields={**said.fields, **(resources[type].get("about") or {})})
    return ObjectStatus(id, "Incomplete", "its last apply did not finish; apply again")


def _gone(id: str, type: str, help: str, shown: Values | None = None) -> ObjectStatus:
    word, what = GONE.get(type, GONE_ELSE)
    return ObjectStatus(id, word, f"{what}; {help}", shown or {})


def _made_by(workspace: Workspace, id: str) -> str:
    node = workspace.graph.get(id)
    if node and isinstance(node.object, Inference):
        return {"realtime": "ModelServer", "batch": "BatchPredictions"}.get(node.object.spec.mode, "")
    return MADE_BY.get(id.split("/")[0], "")


def _undeclared(id: str, *, broken: bool) -> ObjectStatus:
    detail = "applied, but the specs have problems: mlx validate" if broken else "in state but not in the specs; the next apply removes it"
    return ObjectStatus(id, "Undeclared", detail)


def _dataset(workspace: Workspace, id: str, resources: dict[str, Values]) -> ObjectStatus:
    now = PreparedDatasetOutputs.model_validate(resources["PreparedDataset"])
    detail = (
        plural(now.rows, "row")
        + (f", {now.rejected:,} rejected" if now.rejected else "")
        + (f", {plural(len(now.warnings), 'warning')}" if now.warnings else "")
    )
    shown = {"rows": now.rows, "rejected": now.rejected, "digest": now.content_digest, "path": now.path, "warnings": list(now.warnings)}
    if not (workspace.root / now.path).is_file():
        return _gone(id, "PreparedDataset", "`mlx apply` prepares them again", shown)
    return ObjectStatus(id, "Ready", detail, shown)


def _feature_store(workspace: Workspace, id: str, resources: dict[str, Values]) -> ObjectStatus:
    registry = FeatureRegistryOutputs.model_validate(resources["FeatureRegistry"])
    views, services = len(registry.definitions.views) + len(registry.definitions.on_demand), len(registry.definitions.services)
    counts = f"{plural(views, 'view')}, {plural(services, 'service')}"
    shown = {"path": registry.path, "registry": registry.registry_digest, "views": views, "services": services}
    if not (workspace.root / registry.path).is_file():
        return _gone(id, "FeatureRegistry", "`mlx apply` brings it back", shown)
    if "OnlineFeatures" not in resources:
        return ObjectStatus(id, "Incomplete", "registered, not materialised; apply again", shown)
    online = OnlineFeaturesOutputs.model_validate(resources["OnlineFeatures"])
    latest = max(online.latest.values(), default="")
    shown |= {"online": online.path, "rows": dict(online.rows), "latest": dict(online.latest), "status": online.status}
    if online.status.startswith("NotRun"):
        return ObjectStatus(id, "Ready", f"{counts}; the online store waits for mlx features materialize", shown)
    if not (workspace.root / online.path).is_file():
        return _gone(id, "OnlineFeatures", "`mlx apply` brings it back", shown)
    return ObjectStatus(id, "Ready", f"{counts}; {plural(sum(online.rows.values()), 'key')} online" + (f", latest {latest}" if latest else ""), shown)


def _pipeline(workspace: Workspace, id: str, resources: dict[str, Values]) -> ObjectStatus:
    now = CompiledPipelineOutputs.model_validate(resources["CompiledPipeline"])
    return ObjectStatus(id, "Ready", plural(len(now.steps), "step"), {"steps": now.steps, "digest": now.ir_digest, "path": now.path})


def _model(workspace: Workspace, id: str, resources: dict[str, Values]) -> ObjectStatus:
    version = ModelVersionOutputs.model_validate(resources["ModelVersion"])
    if "Champion" not in resources:
        return ObjectStatus(id, "Incomplete", f"version {version.version} is trained but not judged; apply again", {"version": version.version})
    champion = ChampionOutputs.model_validate(resources["Champion"])
    metrics = {name: round(value, 4) for name, value in sorted(version.metrics.items())}
    shown: dict[str, Any] = {
        "version": version.version, "champion": champion.current.version, "metrics": metrics, "engine": version.engine,
        "fingerprint": version.fingerprint, "artifact": version.artifact, "run": version.run_id, "reasons": list(champion.reasons),
        **_leaderboard(workspace, version),
    }  # fmt: skip
    figures = ", ".join(f"{name} {metrics[name]}" for name in _told(version) if name in metrics)
    if champion.passed:
        return ObjectStatus(id, "Ready", f"version {version.version} is champion; {figures}", shown)
    standing = f"version {champion.current.version} stays champion" if champion.current.exists else "no champion yet"
    return ObjectStatus(id, "Challenger", f"version {version.version} did not pass: {'; '.join(champion.reasons)}; {standing}", shown)


def _leaderboard(workspace: Workspace, version: ModelVersionOutputs) -> dict[str, Any]:
    """All that was tried before the version was fitted, the best first; nothing where there was one algorithm only."""
    board = read_leaderboard(workspace.root / layout.run(version.home, version.model, version.fingerprint))
    return {"leaderboard": asdict(board)} if board else {}


def _told(version: ModelVersionOutputs) -> list[str]:
    named = [str(item["metric"]) for item in version.success]
    return named or (["roc_auc"] if version.task == "classification" else ["rmse"])


def _server(workspace: Workspace, id: str, resources: dict[str, Values]) -> ObjectStatus:
    from mlx_runtime.server.lifecycle import find

    now = ModelServerOutputs.model_validate(resources["ModelServer"])
    running = find(workspace.root / layout.endpoint(now.home, now.name))
    shown = {"url": now.url, "version": now.version.version, "model": f"{now.model}@{now.alias}", "pid": now.pid}
    if running is None:
        return _gone(id, "ModelServer", "`mlx apply` starts it again", shown)
    detail = f"{running.url} serves {now.model} version {now.version.version}" if now.version.exists else f"{running.url}"
    return ObjectStatus(id, now.status, detail, {**shown, "url": running.url, "pid": running.pid})


def _batch(workspace: Workspace, id: str, resources: dict[str, Values]) -> ObjectStatus:
    now = BatchPredictionsOutputs.model_validate(resources["BatchPredictions"])
    shown = {"path": now.path, "rows": now.rows, "version": now.version.version}
    if now.path and not (workspace.root / now.path).is_file():
        return _gone(id, "BatchPredictions", "`mlx refresh`, then `mlx apply`: a plan does not look for them", shown)
    detail = f"{plural(now.rows, 'row')} by version {now.version.version} in {now.path}" if now.path else ""
    return ObjectStatus(id, now.status, detail, shown)


def _declared(workspace: Workspace, id: str, resources: dict[str, Values]) -> ObjectStatus:
    now = DeclaredInputs.model_validate(resources["Declared"])
    if now.kind == "Monitor" and not now.reason:
        return _monitor(workspace, id, now)
    return ObjectStatus(id, "Declared", now.reason, {"reason": now.reason})


def _monitor(workspace: Workspace, id: str, now: DeclaredInputs) -> ObjectStatus:
    """What its last look found."""
    report = latest_report(Layout(workspace.name).home, now.name, workspace.root)
    if report is None:
        return ObjectStatus(id, "Ready", f"it has not looked yet: mlx monitor run {now.name}")
    shown = {"verdict": report.verdict, "at": report.at, "window": report.window, "rows": report.rows, "version": report.version}
    return ObjectStatus(id, WORDS[report.verdict], f"{report.sentence}, at {report.at[:16].replace('T', ' ')}Z", shown)


STATUSES: Mapping[str, Callable[[Workspace, str, dict[str, Values]], ObjectStatus]] = {
    "PreparedDataset": _dataset,
    "FeatureRegistry": _feature_store,
    "CompiledPipeline": _pipeline,
    "ModelVersion": _model,
    "ReleasedModel": released_model,
    "ModelServer": _server,
    "BatchPredictions": _batch,
    "Declared": _declared,
}
