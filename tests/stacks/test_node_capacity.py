"""Existing clusters: what the real nodes hold, and what is refused because of them."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from spec_workspaces import DATASET, DELAY, TABULAR, workspace

from mlx_cli.render.pools import render_pools
from mlx_specs.capacity import GI, MI, Amount
from mlx_specs.cluster import Cluster, ClusterSpec
from mlx_specs.load import load
from mlx_stacks.node_capacity import ApiNode, pool_rows, unfit

ENVIRONMENT = (Path(__file__).parents[1] / "specs/bad/capacity_too_large.env.yaml").read_text().replace("spec:", "spec:\n  variables: {depth: 6}")
CLUSTER = """apiVersion: mlx/v1
kind: Cluster
metadata: {{name: main}}
spec:
  provider: existing
  context: ours
  nodePools:
    {pools}
"""
GENERAL = "general: {intent: general, labels: {role: work}}"
GPU = "gpu: {intent: gpu, taints: [{key: team, value: ml}]}"


def node(name: str, cpu: str, memory: str, *taints: dict[str, str], gpus: str | None = None, cordoned: bool = False, **labels: str) -> ApiNode:
    """A Node as ``GET /api/v1/nodes`` gives it, without what nobody here looks at."""
    allocatable = {"cpu": cpu, "memory": memory, "pods": "110", "ephemeral-storage": "119703055367", **({"nvidia.com/gpu": gpus} if gpus else {})}
    spec: dict[str, Any] = {"providerID": f"kind://{name}"}
    if taints:
        spec["taints"] = list(taints)
    if cordoned:
        spec["unschedulable"] = True
    names = {key.replace("__", "/").replace("_", "."): value for key, value in labels.items()}
    return {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **names}}, "spec": spec, "status": {"allocatable": allocatable}}


SMALL = node("a", "3860m", "12953516Ki", role="work", node_kubernetes_io__instance_type="m5.xlarge")
LARGE = node("b", "7910m", "31Gi", role="work", node_kubernetes_io__instance_type="m5.2xlarge")
CONTROL = node("c", "4", "16Gi", {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"})
TEAM = {"key": "team", "value": "ml", "effect": "NoSchedule"}
GPUS = node("g", "16", "64Gi", TEAM, {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}, gpus="2", mlx_dev__pool="gpu")


def found(folder: Path, nodes: list[ApiNode], compute: str, *pools: str) -> list[str]:
    text = CLUSTER.format(pools="\n    ".join(pools))
    loaded = load(workspace(folder, text, DATASET, TABULAR, f"{DELAY}  compute: {{{compute}}}\n", local=ENVIRONMENT), "local")
    assert loaded.graph is not None, loaded.errors
    cluster = loaded.graph.get("Cluster/main")
    assert cluster is not None
    assert isinstance(cluster.object, Cluster)
    problems = unfit(loaded.graph, loaded.environment, cluster.object.spec, nodes)
    return [f"{problem.severity}: {problem.message} = {problem.hint}" for problem in problems]


def spec(*pools: str) -> ClusterSpec:
    value = yaml.safe_load(CLUSTER.format(pools="\n    ".join(pools)))["spec"]
    return ClusterSpec.model_validate(value, by_alias=True)


def test_rows_are_of_the_nodes_that_there_are() -> None:
    rows = pool_rows(spec(GENERAL, GPU), [SMALL, LARGE, CONTROL, GPUS])
    small, large = Amount(3560, 12953516 * 1024 - 512 * MI), Amount(7610, 31 * GI - 512 * MI)
    gpus = Amount(15700, 64 * GI - 512 * MI, 2)
    assert [(row.pool, row.machine, row.node, row.holds, row.count) for row in rows] == [
        ("general", "", large, small.plus(large), 2),
        ("gpu", "", gpus, gpus, 1),
        ("(no pool)", "", Amount(3700, 16 * GI - 512 * MI), Amount(3700, 16 * GI - 512 * MI), 1),
    ]


def test_rows_without_prices_are_a_table_without_prices() -> None:
    cordoned = node("d", "4", "16Gi", role="work", cordoned=True)
    assert render_pools(pool_rows(spec(GENERAL), [SMALL, cordoned])) == (
        "POOL     A NODE OFFERS    NODES      HOLDS AT MAX\ngeneral  3.5 cpu, 11.8Gi  2 in 0..2  3.5 cpu, 11.8Gi"
    )


def test_work_that_the_largest_node_of_its_pool_holds_is_accepted(tmp_path: Path) -> None:
    assert found(tmp_path, [SMALL, LARGE], "cpu: 7, memory: 30Gi, pool: general", GENERAL) == []


TOO_LARGE = [
    (
        "too large",
        [SMALL, LARGE],
        "cpu: 8, pool: general",
        "error: 'compute' asks for 8 cpu: pool 'general' offers 7.6 cpu, 30.5Gi on each node = it lacks 0.4 cpu; ask for less, or add a larger node",
    ),
    (
        "cordoned",
        [SMALL, node("b", "7910m", "31Gi", role="work", cordoned=True)],
        "cpu: 7, pool: general",
        "error: 'compute' asks for 7 cpu: pool 'general' offers 3.5 cpu, 11.8Gi on each node = it lacks 3.5 cpu; ask for less, or add a larger node",
    ),
    (
        "tainted",
        [SMALL, {**LARGE, "spec": {"taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}]}}],
        "cpu: 7, pool: general",
        "error: 'compute' asks for 7 cpu: pool 'general' offers 3.5 cpu, 11.8Gi on each node = it lacks 3.5 cpu; ask for less, or add a larger node",
    ),
    (
        "too many",
        [SMALL],
        "cpu: 2, nodes: 2, pool: general",
        "error: 'nodes' asks for 2 nodes with 2 cpu each: pool 'general' holds 1 on 1 node at most"
        " = training starts when all of them do; pool 'general' needs 2 nodes: add some, or ask for less",
    ),
    (
        "too many gpus",
        [SMALL, GPUS],
        "gpu: 4, pool: gpu",
        "error: 'compute' asks for 4 gpu: pool 'gpu' offers 15.7 cpu, 63.5Gi, 2 gpu on each node = it lacks 2 gpu; ask for less, or add a larger node",
    ),
    (
        "no pool named",
        [SMALL, GPUS],
        "gpu: 1",
        "error: 'compute' asks for 1 gpu and names no pool: those of Cluster/main that could hold it are tainted = name one with 'pool': there is only gpu",
    ),
    (
        "kept off the control plane",
        [SMALL, CONTROL, GPUS],
        "cpu: 3, memory: 14Gi",
        "error: 'compute' asks for 3 cpu, 14Gi: no node of Cluster/main holds that; pool 'general' is the nearest with 3.5 cpu, 11.8Gi on each node"
        " = it lacks 2.2Gi; ask for less, or add a larger node",
    ),
]


@pytest.mark.parametrize(("nodes", "compute", "told"), [case[1:] for case in TOO_LARGE], ids=[case[0] for case in TOO_LARGE])
def test_work_that_no_node_holds_is_refused_with_what_the_nodes_offer(tmp_path: Path, nodes: list[ApiNode], compute: str, told: str) -> None:
    pools = (GENERAL, GPU) if GPUS in nodes else (GENERAL,)
    assert found(tmp_path, nodes, compute, *pools) == [told]


def test_nodes_of_no_pool_take_work_that_names_none(tmp_path: Path) -> None:
    assert found(tmp_path, [SMALL, node("d", "16", "64Gi"), GPUS], "cpu: 12", GENERAL, GPU) == []


def test_an_autoscaled_pool_counts_with_its_max(tmp_path: Path) -> None:
    pools = "general: {intent: general, labels: {role: work}, max: 3}"
    assert found(tmp_path, [SMALL], "cpu: 3, nodes: 3, pool: general", pools) == []


def test_a_pool_without_nodes_says_nothing_unless_it_must_have_some(tmp_path: Path) -> None:
    gone = "gone: {intent: general}"
    assert found(tmp_path / "a", [SMALL], "cpu: 3, pool: gone", gone) == [
        "warning: whether pool 'gone' holds this cannot be told: it has no nodes now = write what a node of it offers: requirements: {cpu: CORES, memory: SIZE}"
    ]
    assert found(tmp_path / "b", [SMALL], "cpu: 3, pool: gone", "gone: {intent: general, min: 1}") == [
        "error: pool 'gone' has no node that takes work"
        " = its nodes have mlx.dev/pool=gone and no taints beside the pool's own; see kubectl get nodes -l mlx.dev/pool=gone"
    ]
    assert found(tmp_path / "c", [], "cpu: 1000", gone) == []


def test_a_pool_without_nodes_offers_what_it_says_that_it_does(tmp_path: Path) -> None:
    gone = "gone: {intent: general, requirements: {cpu: 4, memory: 16Gi}}"
    assert found(tmp_path / "a", [], "cpu: 4, pool: gone", gone) == []
    assert found(tmp_path / "b", [], "cpu: 5, pool: gone", gone) == [
        "error: 'compute' asks for 5 cpu: pool 'gone' offers 4 cpu, 16Gi on each node = it lacks 1 cpu; ask for less, or add a larger node"
    ]
