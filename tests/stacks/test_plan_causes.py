"""What an indirect change names as its cause: the engine's steps are given, the specs are really read."""

from pathlib import Path

import pytest
from tiny_workspace import tiny_workspace

from mlx_engine.host import Op, Result, Step
from mlx_stacks.plan import describe
from mlx_stacks.workspace import Workspace, open_workspace

API = "Inference/tumour-api"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return open_workspace(tiny_workspace(tmp_path / "tiny"))


def component(id: str, op: Op = Op.SAME, **values: object) -> Step:
    kind, name = id.split("/")
    return Step(op, urn(id), f"mlx:components:{kind}", name, custom=False, **values)  # type: ignore[arg-type]


def urn(id: str, type: str = "") -> str:
    kind, name = id.split("/")
    return f"urn:pulumi:local::tiny::mlx:components:{kind}{f'$mlx:index:{type}' if type else ''}::{name}"


def resource(id: str, type: str, *changed: str, op: Op = Op.UPDATE) -> Step:
    return Step(op, urn(id, type), f"mlx:index:{type}", id.split("/")[1], custom=True, parent=urn(id), changed=changed)


def causes(workspace: Workspace, *steps: Step) -> dict[str, tuple[str, ...]]:
    return {item.id: item.because for item in describe(workspace, Result(list(steps)), {}).changed}


def test_an_endpoint_that_waits_follows_the_model_whose_bar_was_lowered(workspace: Workspace) -> None:
    bars = {key: {"spec": {"success": [{"atLeast": bar}]}} for key, bar in (("old_inputs", 0.99), ("new_inputs", 0.6))}
    assert causes(
        workspace,
        component("Model/tumour", Op.UPDATE, **bars),
        resource("Model/tumour", "Champion", "success"),
        component(API),
        resource(API, "ModelServer", "version"),
    ) == {"Model/tumour": (), API: ("follows Model/tumour",)}


def test_a_stronger_cause_speaks_before_new_metadata(workspace: Workspace) -> None:
    owners = {key: {"metadata": {"owner": owner}} for key, owner in (("old_inputs", "a"), ("new_inputs", "b"))}
    steps = [component("Pipeline/tabular", Op.UPDATE, **owners), component("Model/tumour"), resource("Model/tumour", "ModelVersion", "about")]
    assert causes(workspace, *steps)["Model/tumour"] == ("follows Pipeline/tabular",)
    prepared = [component("Dataset/tumours"), resource("Dataset/tumours", "PreparedDataset", "sourceDigest")]
    assert causes(workspace, *prepared, *steps)["Model/tumour"] == ("follows Dataset/tumours",)


def test_a_cause_two_references_away_is_named(workspace: Workspace) -> None:
    prepared = [component("Dataset/tumours"), resource("Dataset/tumours", "PreparedDataset", "sourceDigest")]
    served = [component(API), resource(API, "ModelServer", "version")]
    assert causes(workspace, *prepared, component("Model/tumour"), *served)[API] == ("follows Dataset/tumours",)


def test_without_a_changed_object_the_cause_is_what_the_resource_lacks(workspace: Workspace) -> None:
    assert causes(workspace, component(API), resource(API, "ModelServer", "memory")) == {API: ("its memory changed",)}
    missing = resource("Dataset/tumours", "PreparedDataset", op=Op.CREATE)
    assert causes(workspace, component("Dataset/tumours"), missing) == {"Dataset/tumours": ("it is not there",)}


def in_cluster(id: str, name: str, *changed: str, op: Op = Op.UPDATE) -> Step:
    kind, _, _ = name.partition("/")
    return Step(op, f"{urn(id)}$kubernetes:{name}", f"kubernetes:core/v1:{kind}", name, custom=True, parent=urn(id), changed=changed)


def test_what_is_named_by_what_runs_follows_the_environment_that_changed(workspace: Workspace) -> None:
    targets = {key: {"spec": {"target": {"mlflow": url}}} for key, url in (("old_inputs", "http://a"), ("new_inputs", "http://b"))}
    other = [in_cluster("Dataset/tumours", "Job/a", op=Op.CREATE), in_cluster("Dataset/tumours", "Job/b", op=Op.DELETE)]
    told = causes(workspace, component("Environment/local", Op.UPDATE, **targets), component("Dataset/tumours"), *other)
    assert told == {"Environment/local": (), "Dataset/tumours": ("follows Environment/local",)}
    assert causes(workspace, component("Dataset/tumours"), *other) == {"Dataset/tumours": ("what it runs is another",)}


def test_an_endpoint_that_waited_says_what_came(workspace: Workspace) -> None:
    waited = component(API, Op.UPDATE, old_inputs={"waitsFor": "tumour@champion"})
    assert causes(workspace, waited, in_cluster(API, "InferenceService/a", op=Op.CREATE)) == {API: ("tumour@champion is there now",)}


def test_what_people_did_in_the_cluster_is_told_as_such(workspace: Workspace) -> None:
    gone = in_cluster("Dataset/tumours", "ConfigMap/dataset-tumours-1", "metadata.uid")
    edited = in_cluster("Dataset/tumours", "CronJob/dataset-tumours", "spec.schedule")
    told = ("its ConfigMap dataset-tumours-1 is gone", "spec.schedule of its CronJob differs in the cluster")
    assert causes(workspace, component("Dataset/tumours"), gone, edited) == {"Dataset/tumours": told}
