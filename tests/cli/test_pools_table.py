"""The table of node pools, as a person reads it in the plan of a cluster; whole, in goldens/."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlx_cli.render.pools import render_pools
from mlx_specs.capacity import GI, Amount
from mlx_specs.cluster import ClusterSpec
from mlx_specs.machines import machine_table
from mlx_stacks.pool_costs import PoolRow, pool_table

Golden = Callable[[str, str], None]
GENERAL = {"intent": "general", "min": 1, "max": 4}
GPU = {"intent": "gpu", "machine": "Standard_NC64as_T4_v3", "max": 2}
MEMORY = {"intent": "memory", "max": 3}


def rows(counts: dict[str, int] | None = None, **pools: dict[str, object]) -> tuple[PoolRow, ...]:
    spec = ClusterSpec.model_validate({"provider": "aks", "region": "westeurope", "aks": {"resource_group": "ml"}, "node_pools": pools})
    return pool_table(spec, machine_table("aks", Path("/nowhere")), counts)


def test_pools_with_what_they_hold_and_cost(golden: Golden) -> None:
    golden("pools.txt", render_pools(rows(general=GENERAL, gpu=GPU)) + "\n")


def test_pools_with_the_nodes_that_there_are_and_what_changes(golden: Golden) -> None:
    before = rows(general={**GENERAL, "max": 2}, old=MEMORY, gpu=GPU)
    counts = {"general": 2, "gpu": 0, "cheap": 1, "(system)": 1}
    golden("pools_change.txt", render_pools(rows(counts, general=GENERAL, gpu=GPU, cheap={**MEMORY, "spot": True}), before) + "\n")


def test_pools_that_do_not_change_say_that_the_price_is_the_same(golden: Golden) -> None:
    golden("pools_same.txt", render_pools(rows(general=GENERAL), rows(general=GENERAL)) + "\n")


def test_pools_of_which_one_has_no_price_have_no_sum(golden: Golden) -> None:
    general, gpu, system = rows(general=GENERAL, gpu=GPU)
    golden("pools_without_a_price.txt", render_pools((general, replace(gpu, price=None), system), ()) + "\n")


def test_pools_of_an_existing_cluster_have_no_prices_at_all(golden: Golden) -> None:
    node = Amount(7600, 30 * GI)
    golden("pools_existing.txt", render_pools([PoolRow("general", "m5.2xlarge", node, 0, 2, node.times(2), False, count=2)]) + "\n")


@pytest.mark.parametrize("before", [None, ()])
def test_no_pools_are_told(before: tuple[PoolRow, ...] | None) -> None:
    assert render_pools((), before) == "no node pools"
