"""What node pools hold and cost, a row a pool."""

from pathlib import Path
from typing import Any

import pytest

from mlx_specs.allocatable import allocatable
from mlx_specs.cluster import ClusterSpec
from mlx_specs.machines import Machine, machine_table
from mlx_stacks.pool_costs import PoolRow, Price, pool_table

TABLE = machine_table("eks", Path("/nowhere"))
NOTED = "us-east-1, 2025-01, list price, not fetched, https://aws.amazon.com/ec2/pricing/on-demand/"
GENERAL = {"intent": "general", "min": 1, "max": 4}


def cluster(**pools: dict[str, Any]) -> ClusterSpec:
    return ClusterSpec.model_validate({"provider": "eks", "region": "eu-west-1", "node_pools": pools})


def test_a_row_says_what_a_pool_holds_and_costs() -> None:
    (row,) = pool_table(cluster(general=GENERAL), TABLE, {"general": 2})
    node = allocatable("eks", TABLE["m6i.xlarge"])
    assert row == PoolRow("general", "m6i.xlarge", node, 1, 4, node.times(4), False, Price(0.192, False, NOTED), 2)
    assert [row.monthly(nodes) for nodes in (0, 1, 4, None)] == [0, pytest.approx(140.16), pytest.approx(560.64), None]


def test_without_an_autoscaler_there_are_always_max_nodes() -> None:
    (row,) = pool_table(cluster(general={"intent": "general", "max": 3, "autoscale": False}), TABLE)
    assert (row.min, row.max) == (3, 3)


def test_spot_costs_its_own_price_or_less_than_on_demand() -> None:
    own = TABLE["m6i.xlarge"]
    known = {"m6i.xlarge": Machine(**{**vars(own), "spot_price": 0.07, "region": None, "noted": None, "source": None})}
    spot = cluster(general={"intent": "general", "min": 1, "spot": True})
    assert [row.price for row in pool_table(spot, TABLE)] == [Price(0.192, is_bound=True, noted=NOTED)]
    assert [row.price for row in pool_table(spot, known)] == [Price(0.07, is_bound=False, noted="")]


def test_an_existing_cluster_costs_what_its_owner_knows() -> None:
    assert pool_table(ClusterSpec(provider="existing", context="ours", node_pools={}), TABLE) == ()


def test_aks_keeps_nodes_for_itself_that_cost_and_hold_nothing_of_ours() -> None:
    spec = ClusterSpec.model_validate({"provider": "aks", "region": "westeurope", "aks": {"resource_group": "ml"}})
    rows = pool_table(spec, machine_table("aks", Path("/nowhere")))
    assert [(row.pool, row.holds, row.min, row.max) for row in rows] == [("(system)", None, 1, 3)]
