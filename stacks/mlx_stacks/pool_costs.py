"""What the node pools of a cluster hold and cost: a row a pool, for the plan of a cluster and for its existing nodes.

A ClusterSpec and a machine table enter, frozen rows leave. Prices are the tables': list prices in USD, of nodes alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mlx_specs.allocatable import allocatable
from mlx_specs.capacity import Amount
from mlx_specs.cluster import ClusterSpec, NodePool
from mlx_specs.machines import Cloud, Machine, machine_of

HOURS = 730
"""Of a month, as the clouds' own calculators count."""
SYSTEM = "(system)"
"""The row of the nodes that AKS keeps for itself: a pool cannot have this name."""


@dataclass(frozen=True)
class Price:
    """What one node costs."""

    hourly: float
    """USD."""
    is_bound: bool
    """True: spot capacity whose price the table does not know; it costs less than this, the price on demand."""
    noted: str
    """Where, when and by whom: ``eastus, 2025-01, list price, not fetched, https://...``."""


@dataclass(frozen=True)
class PoolRow:
    """One pool."""

    pool: str
    machine: str
    node: Amount
    """What pods can use of each node; where nodes differ, of the largest."""
    min: int
    max: int
    holds: Amount | None
    """What pods can use of all its nodes at ``max``; None where only the cloud's own pods run."""
    spot: bool
    price: Price | None = None
    """None where nobody knows it."""
    count: int | None = None
    """How many nodes there are now; None where that is not known."""

    def monthly(self, nodes: int | None) -> float | None:
        """USD a month for so many nodes; None where the number or the price is not known."""
        return None if nodes is None or self.price is None else nodes * self.price.hourly * HOURS


def pool_table(cluster: ClusterSpec, table: Mapping[str, Machine], counts: Mapping[str, int] | None = None) -> tuple[PoolRow, ...]:
    """A row for each pool by name, and one for AKS's system nodes; ``counts`` are the nodes that there are now.

    Raises MachineError for a pool whose machine the table does not know: validation has told it before. A cluster of provider
    existing has no rows: see ``node_capacity``.
    """
    if cluster.provider == "existing":
        return ()
    provider = cluster.provider
    system = [(SYSTEM, _system_pool(cluster))] if cluster.aks is not None else []
    pools = [*sorted(cluster.node_pools.items()), *system]
    return tuple(_row(provider, name, pool, machine_of(provider, pool, table), (counts or {}).get(name)) for name, pool in pools)


def _system_pool(cluster: ClusterSpec) -> NodePool:
    assert cluster.aks is not None
    system = cluster.aks.system
    return NodePool(intent="general", machine=system.machine, min=system.min, max=system.max)


def _row(provider: Cloud, name: str, pool: NodePool, machine: Machine, count: int | None) -> PoolRow:
    node = allocatable(provider, machine)
    return PoolRow(
        pool=name,
        machine=machine.name,
        node=node,
        min=pool.min if pool.autoscale else pool.max,
        max=pool.max,
        holds=None if name == SYSTEM else node.times(pool.max),
        spot=pool.spot,
        price=_price(machine, spot=pool.spot),
        count=count,
    )


def _price(machine: Machine, *, spot: bool) -> Price | None:
    """Spot capacity never costs more than the same machine on demand, so that is said where its own price is not known."""
    hourly = machine.spot_price if spot and machine.spot_price is not None else machine.price
    noted = ", ".join(part for part in (machine.region, machine.noted, machine.source) if part)
    return Price(hourly, is_bound=spot and machine.spot_price is None, noted=noted) if hourly is not None else None
