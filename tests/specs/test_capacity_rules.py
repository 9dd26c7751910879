"""When capacity is judged: for an environment on a cloud's cluster, with the workspace's own machines, and not otherwise.

What is said about what does not fit stands in goldens/diagnostics/capacity_*.txt.
"""

from pathlib import Path

from spec_workspaces import DATASET, DELAY, TABULAR, workspace

from mlx_specs.validate import validate

BAD = Path(__file__).parent / "bad"
ON_A_CLUSTER = (BAD / "capacity_too_large.env.yaml").read_text().replace("spec:", "spec:\n  variables: {depth: 6}")
CLUSTER = """apiVersion: mlx/v1
kind: Cluster
metadata: {name: main}
spec: {provider: aks, region: eastus, aks: {resourceGroup: ml}, nodePools: {general: {intent: general, machine: ours}}}
"""
EXISTING = """apiVersion: mlx/v1
kind: Cluster
metadata: {name: main}
spec: {provider: existing, context: ours, nodePools: {general: {intent: general}}}
"""
MODEL = f"{DELAY}  compute: {{cpu: 14, memory: 8Gi, pool: general}}\n"


def messages(folder: Path, cluster: str, environment: str = ON_A_CLUSTER) -> list[str]:
    return [problem.message for problem in validate(workspace(folder, cluster, DATASET, TABULAR, MODEL, local=environment), "local")]


def write_machines(folder: Path, cpu: int) -> None:
    (folder / "machines").mkdir()
    (folder / "machines/aks.yaml").write_text(f"machines:\n  ours: {{cpu: {cpu}, memory: 64Gi}}\n")


def test_a_machine_of_the_workspaces_table_holds_what_it_says(tmp_path: Path) -> None:
    write_machines(tmp_path, cpu=16)
    assert messages(tmp_path, CLUSTER) == []


def test_a_machine_of_the_workspaces_table_holds_no_more_than_it_says(tmp_path: Path) -> None:
    write_machines(tmp_path, cpu=8)
    assert messages(tmp_path, CLUSTER) == ["'compute' asks for 14 cpu, 8Gi: pool 'general' offers 7.5 cpu, 56.5Gi on each node (ours)"]


def test_workloads_are_not_judged_by_a_table_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "machines").mkdir()
    (tmp_path / "machines/aks.yaml").write_text("machines:\n  ours: {cpu: 16}\n")
    assert messages(tmp_path, CLUSTER) == ["missing field 'memory'"]


def test_the_machines_of_a_cluster_that_no_environment_is_on_are_known_too(tmp_path: Path) -> None:
    """Two clusters read one table, and what is wrong in it is told once."""
    (tmp_path / "machines").mkdir()
    (tmp_path / "machines/aks.yaml").write_text("machines:\n  ours: {cpu: 16}\n")
    here = "apiVersion: mlx/v1\nkind: Environment\nmetadata: {name: local}\nspec: {variables: {depth: 6}}\n"
    clusters = f"{CLUSTER}---\n{CLUSTER.replace('main', 'spare')}"
    assert sorted(messages(tmp_path, clusters, here)) == [
        "'compute.pool' cannot be used on target local: this machine has no node pools",
        "missing field 'memory'",
    ]


def test_an_existing_cluster_whose_pools_say_nothing_is_judged_by_its_nodes_and_not_here(tmp_path: Path) -> None:
    assert messages(tmp_path, EXISTING) == []
