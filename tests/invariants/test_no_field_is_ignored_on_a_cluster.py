"""No accepted field is ignored on a cluster: a second value changes what an apply declares there, or is refused by a row of the table.

The program runs on Pulumi's mocks, with real specs and real compiled pipelines; only the registry is stood in for. That real servers
take what is declared, and what their pods make of it, is said by tests/kubernetes.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster_fields import CLUSTER, ENVIRONMENT, FILLED, JOINED, READER, STORE, TIMED, ClusterCase, cluster_cases, walked
from dataset_fields import write_files, write_package
from feature_trial import FUNCTIONS
from field_paths import changed_at, plain_path
from mocked_program import declared_by
from model_trial import BASE, data_objects, pipelines, write_model_trial
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks
from trials import Trial, made

from mlx_pipelines.errors import PipelineError
from mlx_specs.resources import Version
from mlx_specs.support import TABLE, Row
from mlx_stacks.cluster_look import Connected
from mlx_stacks.errors import UserError
from mlx_stacks.found import look_up
from mlx_stacks.on_cluster import declare, objects_by_id, place_of, program_on_cluster
from mlx_stacks.workspace import Workspace, open_host, open_workspace

SECRETS = {"MLX_TRIAL_FIRST": "first", "MLX_TRIAL_SECOND": "second"}
CASES = tuple(cluster_cases())
BY_A_RULE = {
    "Inference.spec.compute.nodes": "an endpoint runs in replicas, not on several nodes",
    "Model.spec.compute.nodes": "a schedule retrains on one node, not on several",
}
"""Refused by what holds on every target, besides the table."""
PLUGIN = "Environment.spec.target[kubernetes].plugin"
OF_PROMOTIONS = "Environment.spec.promotedFrom"
"""No apply reads it; that a promotion does, whatever the target, is said by the walk on a laptop."""

MADE_OF = re.compile(r"-[0-9a-f]{10,12}\b")
DAYS = ("days", "other-days")
WATCHED = {"mode": "realtime", "model": "base@champion"}
SPREAD_DATASET = made("Dataset", "spread", {"source": {"type": "csv", "path": "rows.csv"}, "compute": {"nodes": 2}}, owner="${var.owner}")
"""The image of Spark has its use, and a variable."""


class Echo(Mocks):
    """Every resource is what was asked for."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        return f"{args.name}.id", dict(args.inputs)

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        raise AssertionError(f"nothing is asked while a program runs: {args.token}")


def registry(url: str, model: str, alias: str) -> Version:
    """Stands in for MLflow: every model has a version."""
    return Version(fingerprint="f" * 64, version="1", artifact=f"s3://lake/models/{model}/{alias}", artifact_digest="d" * 64)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """``outcome(object)``: what an apply declares of it among others, or what validate says against it."""
    with pytest.MonkeyPatch.context() as patch:
        packages = tmp_path_factory.mktemp("packages")
        write_package(packages)
        patch.syspath_prepend(str(packages))
        for name, value in SECRETS.items():
            patch.setenv(name, value)
        trial = written(tmp_path_factory.mktemp("fields"))

        @cache
        def known(text: str) -> Mapping[str, Any]:
            return applied(trial, yaml.safe_load(text))

        yield lambda one: known(yaml.safe_dump(one))


def written(root: Path) -> Trial:
    """Data and code of the trials on a laptop."""
    trial = Trial(root)
    write_files(root)
    write_model_trial(trial, 18_477)
    for name in ("first", "second"):
        trial.file(f"{name}.txt", f"{name}\n")
    for name in DAYS:
        trial.file(f"{name}.csv", "k,n,at,x\n")
    return trial.file("feature_repo/own_features.py", FUNCTIONS)


def applied(trial: Trial, one: Mapping[str, Any]) -> Mapping[str, Any]:
    """By names of resources what the engine is told, and what it is told about the stack; or the refusals."""
    made_of = objects_with(one)
    environment = one if one["kind"] == "Environment" else ENVIRONMENT
    trial.write(made_of)
    (trial.root / "stacks/local.yaml").write_text(yaml.safe_dump({"apiVersion": "mlx/v1", **environment}))
    try:
        workspace = open_workspace(trial.root, "local")
    except UserError as error:
        return {"refused": tuple((found.code, found.message, found.hint) for found in error.diagnostics if found.severity == "error")}
    return {**declared(workspace), "stack": workspace.stack, "host": host(workspace)}


def objects_with(one: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The object and what it may refer to, and no more: a model's code is digested each time."""
    standing = [made("Cluster", name, CLUSTER) for name in ("main", "other")]
    standing += [*data_objects(), *(made("Dataset", name, {"source": {"type": "csv", "path": f"{name}.csv"}, "eventTime": "at"}) for name in DAYS)]
    if one["kind"] == "Environment":
        return [*standing, *pipelines()[:1], made("Model", "base", BASE), SPREAD_DATASET, made("Notebook", "lab", {})]
    if one["kind"] == "FeatureStore":
        standing += [*pipelines()[:1], TIMED, JOINED]
    if one["spec"].get("featureService"):
        standing += [TIMED, STORE]
    if one["kind"] == "Inference" and one["spec"].get("features"):
        standing += [TIMED, FILLED, READER]
    if one["kind"] in ("Pipeline", "Model"):
        standing += [each for each in pipelines() if each["metadata"]["name"] in ("quick", one["spec"].get("pipeline"))]
    if one["kind"] == "Pipeline":
        standing.append(made("Model", "base", BASE))
    if one["kind"] == "Monitor":
        standing += [*pipelines()[:1], made("Model", "base", BASE), *(made("Inference", name, WATCHED) for name in ("api", "other"))]
    if one["kind"] == "Inference":
        standing += [*pipelines()[:1], *(made("Model", name, BASE) for name in ("base", "several"))]
    named = (one["kind"], one["metadata"]["name"])
    return [*(each for each in standing if (each["kind"], each["metadata"]["name"]) != named), one]


def declared(workspace: Workspace) -> dict[str, Any]:
    """What is asked for; components, which hold the spec as it is written, do not count."""
    found = look_up(workspace, registry)
    place = place_of(workspace)
    made_of = objects_by_id(workspace, place, found)
    program = declared_by(lambda: declare(workspace, Connected("", "test"), place, found, made_of), Echo())
    return {f"{each.type} {each.name}": (each.inputs, each.protect) for each in program if not each.type.startswith("mlx:components:")}


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """The names of what differs, but for digests in names: they are made of more than is asked for."""
    then = {MADE_OF.sub("", name): MADE_OF.sub("", repr(value)) for name, value in first.items()}
    now = {MADE_OF.sub("", name): MADE_OF.sub("", repr(value)) for name, value in second.items()}
    return sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))


def host(workspace: Workspace) -> str:
    """What runs the program, how, and with which providers of its own; or why it cannot."""
    try:
        chosen = open_host(workspace)
    except Exception as error:
        return str(error)
    settings = vars(chosen)
    return f"{type(chosen).__name__} {settings['_options']} {sorted(settings.get('_providers', ()))}"


def refusing() -> list[Row]:
    return [row for row in TABLE if row.verdict == "refused" and row.target in ("kubernetes", "any")]


def covering(path: str) -> list[Row]:
    """The rows that refuse the field on a cluster, or something in it."""
    plain = plain_path(path)
    rows = [(row, row.field.replace(".*", "")) for row in refusing() if path.startswith(f"{row.kind}.")]
    return [row for row, field in rows if plain == field or plain.startswith(f"{field}.") or field.startswith(f"{plain}.")]


def test_every_field_is_walked_or_refused() -> None:
    fields = {field.path for field in walked()}
    seen = {case.path for case in CASES}
    assert sorted(field for field in fields - seen if not covering(field)) == [OF_PROMOTIONS]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.path}")
def test_a_second_value_changes_what_an_apply_declares_or_is_refused_with_its_reason(case: ClusterCase, outcome: Any) -> None:
    first, second = outcome(case.first), outcome(case.second)
    if "refused" not in second:
        assert "refused" not in first or covering(case.path), first
        assert differences(first, second) != []
        return
    reasons = {(row.reason, row.hint) for row in covering(case.path)}
    said = [(message.rpartition(": ")[2], hint) for code, message, hint in second["refused"] if code == "unsupported"]
    by_rule = BY_A_RULE.get(case.path) in {message for _, message, _ in second["refused"]}
    assert by_rule or (said and set(said) <= reasons), second["refused"]


def test_compute_of_a_step_that_the_pipeline_has_not_is_refused(tmp_path: Path) -> None:
    steps = {"all-step": {"compute": {"cpu": 1}}}
    trial = written(tmp_path).write(objects_with(made("Pipeline", "quick", {"entry": "own_steps:quick", "steps": steps})))
    (tmp_path / "stacks/local.yaml").write_text(yaml.safe_dump({"apiVersion": "mlx/v1", **ENVIRONMENT}))
    with pytest.raises(PipelineError) as error:
        look_up(open_workspace(trial.root, "local"), registry)
    assert (str(error.value), error.value.hint) == ("Pipeline/quick has no step 'all-step': 'steps' would give it compute", "its steps are all-steps")


@pytest.mark.parametrize("engine", ["embedded", "pulumi"])
def test_pulumis_plugin_is_asked_for_before_anything_else_where_it_is_not_installed(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path))
    trial = written(tmp_path).write(objects_with(ENVIRONMENT))
    environment = changed_at(changed_at(ENVIRONMENT, PLUGIN, "pulumi"), "Environment.spec.host", engine)
    (tmp_path / "stacks/local.yaml").write_text(yaml.safe_dump({"apiVersion": "mlx/v1", **environment}))
    workspace = open_workspace(trial.root, "local")
    with pytest.raises(UserError) as error:
        program_on_cluster(workspace)
    assert str(error.value) == "environment 'local' has target.plugin: pulumi, and Pulumi's Kubernetes plugin is not installed"
    assert error.value.hint == "pulumi plugin install resource kubernetes 4.34.2; without target.plugin mlx's own provider is used"
    found = tmp_path / "home/plugins/resource-kubernetes-v4.34.2/pulumi-resource-kubernetes"
    found.parent.mkdir(parents=True)
    found.touch(mode=0o755)
    with pytest.raises(UserError, match="Cluster 'main' has not been applied"):
        program_on_cluster(open_workspace(trial.root, "local"))
