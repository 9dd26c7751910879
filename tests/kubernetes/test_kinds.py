"""The table of kinds: each is created, planned, changed, replaced, imported and deleted on a real API server."""

import copy
import uuid
from pathlib import Path
from typing import Any

import pytest
from cluster_stacks import OWNED, ClusterStack, with_value
from control_plane import ControlPlane
from samples import CUSTOM, SAMPLES, Sample

from mlx_engine.host import Op
from mlx_kubernetes.kinds import KINDS

NOT_WAITED = {"pulumi.com/skipAwait": "true"}
"""Most of these objects have no controller here; what is waited for has tests of its own."""


@pytest.fixture(params=SAMPLES, ids=lambda sample: sample.id)
def sample(request: pytest.FixtureRequest, plane: ControlPlane) -> Sample:
    if request.param in CUSTOM:
        request.getfixturevalue("definitions")
    return request.param


@pytest.fixture
def asked(sample: Sample, namespace: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": sample.named or f"sample-{uuid.uuid4().hex[:6]}", "labels": dict(OWNED), "annotations": dict(NOT_WAITED)}
    if sample.namespaced:
        metadata["namespace"] = namespace
    body = copy.deepcopy(dict(sample.body))
    return {"apiVersion": sample.api_version, "kind": sample.kind, **body, "metadata": {**metadata, **body.get("metadata", {})}}


def test_it_is_created_and_the_plan_after_it_is_empty(stack: ClusterStack, asked: dict[str, Any]) -> None:
    assert stack.preview(asked) == [(Op.CREATE, [])]
    assert stack.recorded() == []
    assert stack.up(asked) == [(Op.CREATE, [])]
    assert stack.preview(asked) == []
    stack.destroy()


def test_a_change_is_an_update_of_the_object_that_shows_its_path(stack: ClusterStack, asked: dict[str, Any], sample: Sample) -> None:
    stack.up(asked)
    (before,) = stack.recorded()
    changed = with_value(asked, *sample.changed)
    (planned,) = stack.preview(changed)
    assert planned[0] is Op.UPDATE
    assert stack.up(changed) == [planned]
    assert stack.preview(changed) == []
    (after,) = stack.recorded()
    assert (after["id"], after["outputs"]["metadata"]["uid"]) == (before["id"], before["outputs"]["metadata"]["uid"])
    stack.destroy()


def test_what_cannot_be_changed_is_replaced(stack: ClusterStack, asked: dict[str, Any], sample: Sample) -> None:
    if sample.replaced is None:
        pytest.skip("every field of it can be changed")
    consented = with_value(asked, "metadata.annotations", {**NOT_WAITED, "mlx.dev/replace": "true"})
    stack.up(consented)
    (before,) = stack.recorded()
    changed = with_value(consented, *sample.replaced)
    assert Op.REPLACE in {op for op, _ in stack.preview(changed)}
    stack.up(changed)
    assert stack.preview(changed) == []
    (after,) = stack.recorded()
    assert after["id"] == before["id"]
    assert after["outputs"]["metadata"]["uid"] != before["outputs"]["metadata"]["uid"]
    stack.destroy()


def test_one_that_is_there_is_imported(stack: ClusterStack, asked: dict[str, Any], plane: ControlPlane, tmp_path: Path) -> None:
    first = ClusterStack(tmp_path / "first", stack.kubeconfig)
    first.up(asked)
    (known,) = first.recorded()
    assert {op for op, _ in stack.up(asked, import_=known["id"])} == {Op.IMPORT}
    assert stack.preview(asked) == []
    (taken,) = stack.recorded()
    assert taken["outputs"]["metadata"]["uid"] == known["outputs"]["metadata"]["uid"]
    stack.destroy()


def test_it_is_deleted_and_deleting_what_is_gone_is_fine(stack: ClusterStack, asked: dict[str, Any], plane: ControlPlane) -> None:
    stack.up(asked)
    stack.destroy()
    assert stack.recorded() == []
    stack.up(asked)
    plane.kubectl("delete", asked["kind"], asked["metadata"]["name"], *(["-n", asked["metadata"]["namespace"]] if "namespace" in asked["metadata"] else []))
    stack.destroy()
    assert stack.recorded() == []


def test_every_kind_that_is_served_has_a_sample() -> None:
    served = {(group, kind) for group, kinds in KINDS.items() for kind in kinds}
    assert {(sample.api_version.rpartition("/")[0], sample.kind) for sample in SAMPLES} == served
