"""The fields of Environment: what each changes in how, where and with which values the objects are applied."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pulumi
from trials import Trial, made, silent

from mlx_engine.host import EngineError, Event, EventKind, Refused
from mlx_stacks.apply import apply
from mlx_stacks.errors import Blocked
from mlx_stacks.plan import make_plan
from mlx_stacks.workspace import open_host

SLOW = "select count(*) as n from range(4000000) a where hash(a.range) % 7 > 1"
ROWS = {"source": {"type": "csv", "path": "data.csv"}}


@dataclass(frozen=True)
class EnvironmentCase:
    """One field with two values; ``seen`` applies a workspace of a dataset with this environment and looks."""

    path: str
    first: Mapping[str, Any]
    second: Mapping[str, Any]
    seen: Callable[[Trial, Mapping[str, Any]], Any]
    expected: tuple[Any, Any]


def dataset_sql(trial: Trial, spec: Mapping[str, Any]) -> Any:
    """The rows of a dataset whose SQL holds a variable."""
    prepare = [{"sql": "select id from source where id > ${var.least}"}]
    trial.write([made("Dataset", "rows", {**ROWS, "prepare": prepare})], spec).apply()
    return trial.status()["Dataset/rows"]["rows"]


def rows_applied(trial: Trial, spec: Mapping[str, Any]) -> Any:
    """The number of rows of the dataset."""
    trial.write([made("Dataset", "rows", ROWS)], spec).apply()
    return trial.status()["Dataset/rows"]["rows"]


def state_folders(trial: Trial, spec: Mapping[str, Any]) -> list[str]:
    """The folders in which there is a stack."""
    rows_applied(trial, spec)
    return sorted(str(path.relative_to(trial.root).parent) for path in trial.root.rglob(".pulumi"))


def opens_with(trial: Trial, spec: Mapping[str, Any]) -> list[str]:
    """Which of three passphrases opens a secret that a program left in the state."""
    trial.write([made("Dataset", "rows", ROWS)], spec)
    open_host(trial.open()).up(lambda: pulumi.export("key", pulumi.Output.secret("hidden")), silent)
    return [name for name in ("", "MLX_TRIAL_FIRST", "MLX_TRIAL_SECOND") if _opens(trial, {"env": name} if name else None)]


def _opens(trial: Trial, passphrase: Mapping[str, str] | None) -> bool:
    trial.write([made("Dataset", "rows", ROWS)], {"state": {"passphrase": dict(passphrase)}} if passphrase else {})
    try:
        open_host(trial.open()).preview(lambda: pulumi.export("key", pulumi.Output.secret("hidden")), silent)
    except EngineError:
        return False
    return True


def host(trial: Trial, spec: Mapping[str, Any]) -> str:
    """Who runs the program: its module, or what it says without the pulumi CLI."""
    trial.write([made("Dataset", "rows", ROWS)], spec)
    try:
        return type(open_host(trial.open())).__module__
    except EngineError as error:
        return "mlx_engine.cli_host" if "pulumi" in str(error) else str(error)


def protected(trial: Trial, spec: Mapping[str, Any]) -> list[str]:
    """What cannot be deleted: objects that go from the specs, and the environment as a whole."""
    store = made("FeatureStore", "store", {})
    trial.write([made("Dataset", "rows", ROWS), store], spec).apply()
    kept = [kind for kind, left in (("Dataset", [store]), ("FeatureStore", [made("Dataset", "rows", ROWS)])) if _is_refused(trial.write(left, spec).apply)]
    trial.write([made("Dataset", "rows", ROWS), store], spec)
    return kept + (["all"] if _is_refused(trial.destroy) else [])


def _is_refused(verb: Callable[[], Any]) -> bool:
    try:
        verb()
    except (Blocked, Refused):
        return True
    return False


def at_a_time(trial: Trial, spec: Mapping[str, Any]) -> bool:
    """Whether work on two resources was ever under way together."""
    trial.write([made("Dataset", f"rows-{number}", {**ROWS, "prepare": [{"sql": SLOW}]}) for number in range(4)], spec)
    heard: list[str] = []

    def listen(event: Event) -> None:
        if event.kind is EventKind.LOG and "PreparedDataset" in event.urn:
            heard.append(event.urn)

    workspace = trial.open()
    apply(workspace, make_plan(workspace, silent), listen)
    changes = sum(one != other for one, other in pairwise(heard))
    return changes >= len(set(heard))


def with_a_model(trial: Trial, spec: Mapping[str, Any]) -> list[str]:
    """What becomes of a model: trained here, or not released here."""
    (trial.root / "stacks").mkdir(exist_ok=True)
    (trial.root / "stacks" / "source.yaml").write_text(json.dumps({"apiVersion": "mlx/v1", "kind": "Environment", "metadata": {"name": "source"}}))
    pipeline = made("Pipeline", "steps", {"entry": "mlx_pipelines.tabular:pipeline"})
    model = {"task": "regression", "pipeline": "steps", "data": "rows", "target": "y", "algorithm": "sklearn.linear_model.Ridge"}
    trial.write([made("Dataset", "rows", ROWS), pipeline, made("Model", "model", model)], spec)
    declared = [step.type.rpartition(":")[2] for step in trial.preview().steps if step.custom and "index" in step.type]
    return sorted(declared)


def promoted_by_default(trial: Trial, spec: Mapping[str, Any]) -> str:
    """What a promotion says that is not told from where."""
    with_a_model(trial, spec)
    command = [sys.executable, "-m", "mlx_cli", "promote", "--to", "local"]
    said = subprocess.run(command, cwd=trial.root, capture_output=True, text=True, check=False, timeout=60).stderr
    return said.splitlines()[0]


def in_status(trial: Trial, spec: Mapping[str, Any]) -> Any:
    """What ``mlx status -o json`` says of the environment; the case's values are metadata."""
    trial.write([made("Dataset", "rows", ROWS)])
    path = trial.root / "stacks" / "local.yaml"
    path.write_text(json.dumps({"apiVersion": "mlx/v1", "kind": "Environment", "metadata": {"name": "local", **spec}}))
    command = [sys.executable, "-m", "mlx_cli", "status", "-o", "json"]
    said = subprocess.run(command, cwd=trial.root, capture_output=True, text=True, check=True, timeout=60).stdout
    return {key: value for key, value in json.loads(said)["about"].items() if value}


ENVIRONMENT_CASES: tuple[EnvironmentCase, ...] = (
    EnvironmentCase("Environment.spec.host", {"host": "embedded"}, {"host": "pulumi"}, host, ("mlx_engine.embedded.host", "mlx_engine.cli_host")),
    EnvironmentCase(
        "Environment.spec.state.backend", {}, {"state": {"backend": "file://elsewhere"}}, state_folders, ([".mlx/state"], ["elsewhere"])
    ),
    EnvironmentCase(
        "Environment.spec.state.passphrase.env", {"state": {"passphrase": {"env": "MLX_TRIAL_FIRST"}}},
        {"state": {"passphrase": {"env": "MLX_TRIAL_SECOND"}}}, opens_with, (["MLX_TRIAL_FIRST"], ["MLX_TRIAL_SECOND"]),
    ),
    EnvironmentCase(
        "Environment.spec.state.passphrase.file", {"state": {"passphrase": {"file": "first.txt"}}},
        {"state": {"passphrase": {"file": "second.txt"}}}, opens_with, (["MLX_TRIAL_FIRST"], ["MLX_TRIAL_SECOND"]),
    ),
    EnvironmentCase("Environment.spec.variables", {"variables": {"least": 1}}, {"variables": {"least": 4}}, dataset_sql, (4, 1)),
    EnvironmentCase("Environment.spec.overrides", {}, {"overrides": {"Dataset/rows": {"source": {"path": "more.csv"}}}}, rows_applied, (5, 2)),
    EnvironmentCase("Environment.spec.protect", {"protect": False}, {"protect": True}, protected, ([], ["Dataset", "FeatureStore", "all"])),
    EnvironmentCase(
        "Environment.spec.models", {"models": "follow"}, {"models": "pinned"}, with_a_model,
        (["Champion", "CompiledPipeline", "ModelVersion", "PreparedDataset"], ["PreparedDataset"]),
    ),
    EnvironmentCase(
        "Environment.spec.promotedFrom", {"models": "pinned"}, {"models": "pinned", "promotedFrom": "source"}, promoted_by_default,
        ("error: promoted from where? local has no promotedFrom", "error: source has no model that could be promoted"),
    ),
    EnvironmentCase("Environment.spec.parallel", {"parallel": 1}, {"parallel": 4}, at_a_time, (False, True)),
    EnvironmentCase("Environment.metadata.description", {}, {"description": "Ours."}, in_status, ({}, {"description": "Ours."})),
    EnvironmentCase("Environment.metadata.owner", {}, {"owner": "us"}, in_status, ({}, {"owner": "us"})),
    EnvironmentCase("Environment.metadata.labels", {}, {"labels": {"tier": "1"}}, in_status, ({}, {"labels": {"tier": "1"}})),
)  # fmt: skip
