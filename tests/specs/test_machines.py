"""Machine tables: ours are whole, a workspace's rows replace them, and a pool's machine is the one that was meant."""

from pathlib import Path
from typing import Any, get_args

import pytest

from mlx_specs.allocatable import allocatable, max_pods
from mlx_specs.capacity import MI, Amount
from mlx_specs.cluster import NodePool
from mlx_specs.diagnostics import render
from mlx_specs.machines import Cloud, Machine, MachineError, machine_of, machine_table, table_problems

CLOUDS: tuple[Cloud, ...] = get_args(Cloud)
NOWHERE = Path("/nowhere")


def own_table(workspace: Path, text: str) -> Path:
    (workspace / "machines").mkdir()
    (workspace / "machines/aks.yaml").write_text(text)
    return workspace


def pool(**fields: Any) -> NodePool:
    return NodePool.model_validate({"intent": "general", **fields})


@pytest.mark.parametrize("provider", CLOUDS)
def test_each_cloud_has_machines_of_every_family_with_prices_and_their_date(provider: Cloud) -> None:
    table = machine_table(provider, NOWHERE)
    assert {machine.intent for machine in table.values()} == {"general", "memory", "gpu"}
    assert {machine.noted for machine in table.values()} == {"2025-01, list price, not fetched"}
    for machine in table.values():
        assert machine.price is not None, machine
        assert machine.region, machine
        assert (machine.source or "").startswith("https://"), machine
        assert 0 < allocatable(provider, machine).memory < machine.memory, machine


def test_a_row_of_the_workspace_replaces_ours_and_another_is_added(tmp_path: Path) -> None:
    rows = "  Standard_D4s_v5: {cpu: 4, memory: 16Gi, price: 0.1, spotPrice: 0.02}\n  ours: {cpu: 2, memory: 4Gi}\n"
    table = machine_table("aks", own_table(tmp_path, f"region: westeurope\nmachines:\n{rows}"))
    assert table["ours"] == Machine("ours", "ours", 2, 4 * 2**30, 0, None, None, None, None, None, "westeurope", None, None)
    assert (table["Standard_D4s_v5"].price, table["Standard_D4s_v5"].spot_price) == (0.1, 0.02)
    assert table["Standard_D8s_v5"] == machine_table("aks", NOWHERE)["Standard_D8s_v5"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "machines:\n  big: {cpu: 4, memory: 16 GiB}\n",
            "machines/aks.yaml:2:25: error: expected a quantity such as 4Gi, 512Mi or 2, found '16 GiB'\n"
            "      big: {cpu: 4, memory: 16 GiB}\n"
            "                            ^",
        ),
        (
            "machines:\n  big: {cpu: 4, memory: 16Gi, prise: 3}\n",
            "machines/aks.yaml:2:31: error: unknown field 'prise', did you mean 'price'?\n"
            "      big: {cpu: 4, memory: 16Gi, prise: 3}\n"
            "                                  ^",
        ),
        (
            "machines:\n  big: {cpu: 4, memory: 16Gi, gpus: 1}\n",
            "machines/aks.yaml:2:8: error: 'gpus' and 'gpuModel' go together\n      big: {cpu: 4, memory: 16Gi, gpus: 1}\n           ^",
        ),
        (
            "",
            "machines/aks.yaml: error: expected one document with machines\n    = write machines: {NAME: {cpu: 4, memory: 16Gi, price: 0.2}}",
        ),
    ],
)
def test_what_is_wrong_in_the_workspaces_table_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    assert [render(problem) for problem in table_problems("aks", own_table(tmp_path, text))] == [told]


def test_a_pool_gets_the_machine_that_it_names_or_the_cheapest_that_does() -> None:
    def name(provider: Cloud, **fields: Any) -> str:
        return machine_of(provider, pool(**fields), machine_table(provider, NOWHERE)).name

    assert name("aks", machine="Standard_D64s_v5") == "Standard_D64s_v5"
    assert [name(cloud) for cloud in CLOUDS] == ["Standard_D4s_v5", "m6i.xlarge", "e2-standard-4"]
    assert [name(cloud, intent="memory") for cloud in CLOUDS] == ["Standard_E4s_v5", "r6i.xlarge", "n2-highmem-4"]
    assert [name(cloud, intent="gpu") for cloud in CLOUDS] == ["Standard_NC4as_T4_v3", "g4dn.xlarge", "n1-standard-4+t4"]
    assert name("aks", requirements={"cpu": 4, "memory": "64Gi"}) == "Standard_E8s_v5"
    assert name("aks", intent="memory", requirements={"cpu": 4}) == "Standard_E4s_v5"
    assert name("gke", intent="gpu", requirements={"gpuModel": "a100", "gpuCount": 2}) == "a2-highgpu-2g"
    assert name("gke", intent="gpu", requirements={"gpuModel": "A100-80GB"}) == "a2-ultragpu-1g"


def test_a_machine_without_a_price_is_taken_last(tmp_path: Path) -> None:
    table = machine_table("aks", own_table(tmp_path, "machines:\n  ours: {cpu: 4, memory: 16Gi}\n"))
    assert machine_of("aks", pool(requirements={"cpu": 64}), table).name == "Standard_D64s_v5"
    assert machine_of("aks", pool(machine="ours"), table).name == "ours"


def test_a_gpu_that_no_machine_has_is_told_with_those_that_there_are() -> None:
    with pytest.raises(MachineError, match="our table of eks has no machine with the GPU 'A10', did you mean 'A10G'\\?") as caught:
        machine_of("eks", pool(intent="gpu", requirements={"gpuModel": "A10"}), machine_table("eks", NOWHERE))
    assert caught.value.hint == "there are A100-40GB, A10G, H100, L4, T4; or add a row for such a machine in machines/eks.yaml of the workspace"
    assert caught.value.field == ("requirements", "gpuModel")


def test_a_gpu_of_gke_says_type_and_accelerator() -> None:
    machine = machine_table("gke", NOWHERE)["n1-standard-4+t4"]
    assert (machine.type, machine.accelerator, machine.gpus) == ("n1-standard-4", "nvidia-tesla-t4", 1)


def test_pods_can_use_what_kernel_kubelet_and_daemons_leave() -> None:
    def room(provider: Cloud, name: str) -> Amount:
        return allocatable(provider, machine_table(provider, NOWHERE)[name])

    # AKS: 140m; 110 pods of 20 MB and 50 MB; EKS: 80m, 255Mi and 58 pods of 11Mi; GKE: 80m, 25 % of 4, 20 % of 4 and 10 % of 8 GiB.
    assert room("aks", "Standard_D4s_v5") == Amount(3560, 16384 * MI - 2_250_000_000 - int(16384 * MI * 0.075) - 612 * MI)
    assert room("eks", "m6i.xlarge") == Amount(3620, 16384 * MI - (255 + 11 * 58) * MI - int(16384 * MI * 0.075) - 612 * MI)
    assert room("gke", "e2-standard-4") == Amount(3620, 16384 * MI - round(2.6 * 1024 * MI) - (256 + 80) * MI - 612 * MI)


def test_eks_caps_the_pods_of_a_node_by_its_cores() -> None:
    table = machine_table("eks", NOWHERE)
    assert [max_pods("eks", table[name]) for name in ("m6i.xlarge", "m6i.4xlarge", "m6i.16xlarge", "p5.48xlarge")] == [58, 110, 250, 100]
