"""The registry of model versions: MLflow on a SQLite store below HOME/mlflow, no server; in a pod, MLflow's server.

Versions are found by the tag ``mlx.fingerprint``; there is never a second one for a fingerprint. Reads go straight to the
SQLite file (``registry_reads``), for importing MLflow takes seconds; writes go through MLflow, and nothing is written that
is already so.
"""

import contextlib
import fcntl
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlx_pipelines import registry_reads as reads
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.registered import Registered
from mlx_pipelines.registry_reads import find_fingerprint, find_version, versions
from mlx_pipelines.registry_server import registered_name, registry_server
from mlx_specs import layout
from mlx_specs.resources import About, Version

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = [
    "InnerRun",
    "Registered",
    "Run",
    "client",
    "delete_alias",
    "describe",
    "find_fingerprint",
    "find_version",
    "register",
    "set_alias",
    "tag_version",
    "versions",
]

FINGERPRINT = "mlx.fingerprint"
MOST_METRICS = 800
"""In one batch: MLflow takes no more than 1,000 values."""
PARENT = "mlflow.parentRunId"
"""MLflow's own tag of a run that belongs below another."""
OWNED_TAGS = "mlx.tags"
"""JSON list of the tag names that came from a spec's labels, so that a label that is taken away goes away here, too."""


@dataclass(frozen=True)
class InnerRun:
    """What is recorded below a run of one that was tried: a candidate, or a trial of a search."""

    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    failed: bool = False


@dataclass(frozen=True)
class Run:
    """What is recorded of one training; ``files`` maps a folder or file to its place among the run's artifacts."""

    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    files: Mapping[Path, str]
    inner: Sequence[InnerRun] = ()
    """Shown below it in MLflow's UI."""
    epochs: Sequence[Mapping[str, float]] = ()
    """Metrics that were measured again and again, each with its ``epoch``: curves in MLflow's UI."""


def register(workspace: Path, home: str, model: str, version: Version, run: Run, tags: Mapping[str, str], about: About) -> Registered:
    """Records the run and then the version, whose tags come with it at once: a kill in between is repeated, never doubled.

    ``version.version`` is empty; ``tags`` are more tags of the version.
    """
    found = find_fingerprint(workspace, home, model, version.fingerprint)
    if found is not None:
        return _repeated(workspace, home, model, found, version, tags)
    mlflow = client(workspace, home)
    describe(workspace, home, model, about)
    run_id = _record_run(mlflow, workspace, home, model, version.fingerprint, run)
    place = _place(home, version)
    source = place if "://" in place else (workspace / place).resolve().as_uri()
    own = {FINGERPRINT: version.fingerprint, "mlx.artifact": place, "mlx.artifact_digest": version.artifact_digest}
    mlflow.create_model_version(_name(model), source=source, run_id=run_id, tags={**tags, **own}, description=about.description or None)
    made = find_fingerprint(workspace, home, model, version.fingerprint)
    assert made is not None
    return made


def _name(model: str) -> str:
    """As the registry knows it."""
    server = registry_server()
    return registered_name(server.namespace, model) if server else model


def _place(home: str, version: Version) -> str:
    """Of its artifact: in the workspace, or where everybody reads it from."""
    server = registry_server()
    return server.stored(home, version.artifact) if server else version.artifact


def _repeated(workspace: Path, home: str, model: str, found: Registered, version: Version, tags: Mapping[str, str]) -> Registered:
    """Trained again because its artifact was lost: the version stays and points to the new bytes."""
    if found.reference().artifact_digest == version.artifact_digest:
        return found
    tag_version(workspace, home, model, found.version, {**tags, "mlx.artifact": _place(home, version), "mlx.artifact_digest": version.artifact_digest})
    again = find_fingerprint(workspace, home, model, version.fingerprint)
    assert again is not None
    return again


def set_alias(workspace: Path, home: str, model: str, alias: str, version: str) -> None:
    """Points the alias to a version."""
    current = find_version(workspace, home, model, alias)
    if current is None or current.version != version:
        client(workspace, home).set_registered_model_alias(_name(model), alias, version)


def delete_alias(workspace: Path, home: str, model: str, alias: str) -> None:
    """Removes the alias, if there is one."""
    if find_version(workspace, home, model, alias) is not None:
        client(workspace, home).delete_registered_model_alias(_name(model), alias)


def tag_version(workspace: Path, home: str, model: str, version: str, tags: Mapping[str, str]) -> None:
    """Sets tags of a version, such as the digest of an artifact that was packaged again."""
    current = {one.version: one.tags for one in versions(workspace, home, model)}.get(version, {})
    for key, value in tags.items():
        if current.get(key) != value:
            client(workspace, home).set_model_version_tag(_name(model), version, key, value)


def describe(workspace: Path, home: str, model: str, about: About) -> None:
    """The registered model's description, owner and labels, as MLflow's UI shows them; made when it is not there."""
    wanted = {**about.labels, **({"owner": about.owner} if about.owner else {})}
    wanted[OWNED_TAGS] = json.dumps(sorted(wanted))
    described = reads.find_model(workspace, home, model)
    if described is not None and described.description == about.description and described.tags.items() >= wanted.items():
        return
    mlflow, name = client(workspace, home), _name(model)
    if described is None:
        mlflow.create_registered_model(name, tags=wanted, description=about.description)
        return
    mlflow.update_registered_model(name, description=about.description)
    for key, value in wanted.items():
        mlflow.set_registered_model_tag(name, key, value)
    for key in set(json.loads(described.tags.get(OWNED_TAGS, "[]"))) - wanted.keys():
        mlflow.delete_registered_model_tag(name, key)


def client(workspace: Path, home: str) -> "MlflowClient":
    """MLflow's client on the environment's store, which is made when it is not there.

    A lock keeps two processes from making the tables at the same time.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    import mlflow  # noqa: F401 (its import sets the levels that are lowered below)

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if server := registry_server():
        return _open(server.url)
    database = reads.database(workspace, home)
    with _locked(database.parent):
        if not database.is_file():
            _make_store(database)
    return _open(_url(database))


def _url(database: Path) -> str:
    return f"sqlite:///{database.resolve()}"


def _open(url: str) -> "MlflowClient":
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=url, registry_uri=url)


def _make_store(database: Path) -> None:
    """Under another name first: MLflow's migrations do not survive a kill in their middle."""
    part = database.with_suffix(".part")
    part.unlink(missing_ok=True)
    _open(_url(part)).search_registered_models(max_results=1)
    part.rename(database)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _record_run(mlflow: "MlflowClient", workspace: Path, home: str, model: str, fingerprint: str, run: Run) -> str:
    """One run for a fingerprint: what a killed attempt left is written over."""
    from mlflow.entities import Metric, Param, RunTag

    experiment = _experiment(mlflow, workspace, home, model)
    left = mlflow.search_runs([experiment], f"tags.`{FINGERPRINT}` = '{fingerprint}'", max_results=1)
    started = left[0] if left else mlflow.create_run(experiment, run_name=f"{model}-{fingerprint[:8]}", tags={FINGERPRINT: fingerprint})
    run_id, moment = started.info.run_id, started.info.start_time
    metrics = [Metric(key, float(value), moment, 0) for key, value in run.metrics.items()]
    metrics += [Metric(key, value, moment, int(told["epoch"])) for told in run.epochs for key, value in told.items() if key != "epoch"]
    params = [Param(key, str(value)[:6000]) for key, value in run.params.items()]
    for start in range(MOST_METRICS, len(metrics), MOST_METRICS):
        mlflow.log_batch(run_id, metrics[start : start + MOST_METRICS])
    metrics = metrics[:MOST_METRICS]
    mlflow.log_batch(run_id, metrics, params, [RunTag(key, str(value)[:5000]) for key, value in run.tags.items()])
    _record_inner(mlflow, experiment, run_id, run.inner)
    for path, place in run.files.items():
        (mlflow.log_artifacts if path.is_dir() else mlflow.log_artifact)(run_id, str(path), place or None)
    mlflow.set_terminated(run_id, "FINISHED")
    return run_id


def _record_inner(mlflow: "MlflowClient", experiment: str, parent: str, inner: Sequence[InnerRun]) -> None:
    """One run for a name below this run: what a killed attempt left is written over."""
    from mlflow.entities import Metric, Param, RunTag

    left = {run.info.run_name: run for run in mlflow.search_runs([experiment], f"tags.`{PARENT}` = '{parent}'", max_results=50_000)} if inner else {}
    for run in inner:
        made = left.get(run.name) or mlflow.create_run(experiment, run_name=run.name, tags={PARENT: parent})
        metrics = [Metric(key, float(value), made.info.start_time, 0) for key, value in run.metrics.items()]
        params = [Param(key, str(value)[:6000]) for key, value in run.params.items()]
        mlflow.log_batch(made.info.run_id, metrics, params, [RunTag(key, str(value)[:5000]) for key, value in run.tags.items()])
        mlflow.set_terminated(made.info.run_id, "FAILED" if run.failed else "FINISHED")


def _experiment(mlflow: "MlflowClient", workspace: Path, home: str, model: str) -> str:
    """Named like the registered model; its artifacts have a place of their own, for MLflow's default is the working directory."""
    found = mlflow.get_experiment_by_name(_name(model))
    if found is None and registry_server():
        return mlflow.create_experiment(_name(model))
    if found is None:
        place = (workspace / layout.tracking(home) / "artifacts" / model).resolve()
        return mlflow.create_experiment(model, artifact_location=place.as_uri())
    if found.lifecycle_stage != "active":
        raise PipelineError(f"MLflow's experiment {model!r} was deleted", hint=f"restore it: mlflow experiments restore -x {found.experiment_id}")
    return found.experiment_id
