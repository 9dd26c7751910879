"""The guide's outputs are those of its own cluster."""

import re
from pathlib import Path

import pytest
from spec_workspaces import DATASET, DELAY, TABULAR, workspace

from mlx_cli.render.pools import render_pools
from mlx_specs.cluster import Cluster
from mlx_specs.diagnostics import render
from mlx_specs.load import load
from mlx_specs.machines import machine_table, table_problems
from mlx_specs.validate import validate
from mlx_stacks.pool_costs import pool_table

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/guides/pools.md").read_text()
ON_A_CLUSTER = (ROOT / "tests/specs/bad/capacity_too_large.env.yaml").read_text().replace("spec:", "spec:\n  variables: {depth: 6}")
CLUSTER, MACHINES = re.findall(r"^```yaml\n(.*?)^```$", GUIDE, flags=re.M | re.S)
TABLE, REFUSAL = re.findall(r"^```text\n(.*?)^```$", GUIDE, flags=re.M | re.S)


def guided(folder: Path) -> Path:
    return workspace(folder, CLUSTER, DATASET, TABULAR, f"{DELAY}  compute: {{cpu: 6, memory: 96Gi, pool: general}}\n", local=ON_A_CLUSTER)


def test_the_guides_table_is_that_of_its_cluster(tmp_path: Path) -> None:
    graph = load(guided(tmp_path), "local").graph
    assert graph is not None
    (node,) = graph.of_kind("Cluster")
    assert isinstance(node.object, Cluster)
    assert render_pools(pool_table(node.object.spec, machine_table("aks", tmp_path))) + "\n" == TABLE


def test_the_guides_refusal_is_that_of_its_cluster(tmp_path: Path) -> None:
    assert "\n".join(render(problem) for problem in validate(guided(tmp_path), "local")) + "\n" == REFUSAL


def test_the_guides_machines_replace_ours(tmp_path: Path) -> None:
    (tmp_path / "machines").mkdir()
    (tmp_path / "machines/aks.yaml").write_text(MACHINES)
    assert table_problems("aks", tmp_path) == []
    assert machine_table("aks", tmp_path)["Standard_D4s_v5"].price == 0.17


def test_a_clouds_cluster_that_cannot_be_planned_here_still_shows_what_it_costs(mlx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    (name,) = re.findall(r"^metadata: {name: (\w+)", CLUSTER, flags=re.M)
    within = workspace(tmp_path, CLUSTER, local=ON_A_CLUSTER)
    (within / "Pulumi.yaml").write_text("name: delays\nruntime: python\n")
    outcome = mlx("plan", "--cluster", name, "-C", within)
    assert (outcome.code, outcome.out) == (1, TABLE)
    assert "error: the pulumi CLI is not on PATH" in outcome.err
    assert mlx("plan", "--cluster", name, "-C", within, "-o", "json").out == ""
