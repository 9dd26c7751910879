"""Capacity before anything is created: what workloads ask for fits the pools of the environment's cluster.

Everything that could be made of a workspace enters; diagnostics leave. Machine tables are read only where the environment is
on a cluster of a cloud; on an existing cluster its nodes decide, when they can be asked.
"""

from collections.abc import Iterator, Mapping

from mlx_specs.allocatable import allocatable
from mlx_specs.cluster import Cluster, ClusterSpec, NodePool, Taint
from mlx_specs.diagnostics import Diagnostic
from mlx_specs.environment import Environment, KubernetesTarget
from mlx_specs.fit import Offer, PoolNodes, Pools, unfit
from mlx_specs.graph import Graph, Node
from mlx_specs.load import Draught
from mlx_specs.machines import Cloud, Machine, cheapest, machine_of, machine_problems, machine_table, own_file
from mlx_specs.pools import GPU, taints
from mlx_specs.workloads import workloads


def pools_have_known_machines(draught: Draught) -> Iterator[Diagnostic]:
    """The machines of the cluster's pools are known: else neither capacity nor cost can be told."""
    node = cluster_of(draught.graph, draught.chosen.object)
    if node is not None:
        yield from machine_problems(node, draught.workspace)


def workloads_fit_their_pools(draught: Draught) -> Iterator[Diagnostic]:
    """A node of its pool, or of some pool, holds each workload; and the pool at its largest all that must run together."""
    node = cluster_of(draught.graph, draught.chosen.object)
    if node is None or not isinstance(node.object, Cluster) or any(machine_problems(node, draught.workspace)):
        return
    provider = node.object.spec.provider
    if provider == "existing":
        return
    pools = _bought(node, node.object.spec, provider, machine_table(provider, draught.workspace))
    for workload in workloads(draught.graph):
        yield from unfit(workload, pools)


def cluster_of(graph: Graph, environment: Environment) -> Node | None:
    """The Cluster that an environment is on; None on this machine, or where it is not there."""
    target = environment.spec.target
    return graph.get(f"Cluster/{target.cluster}") if isinstance(target, KubernetesTarget) else None


def is_open(cluster: ClusterSpec, pool: NodePool) -> bool:
    """Whether work that names no pool may run in it: what asks for GPUs tolerates their taint, nothing else is tolerated."""
    return not any(keeps_away(taint) for taint in taints(cluster, pool))


def keeps_away(taint: Taint) -> bool:
    """Whether a taint keeps work away that names no pool."""
    return taint.key != GPU and taint.effect != "PreferNoSchedule"


def max_at(node: Node, pool: str) -> str:
    """Where a pool's ``max`` stands, or the pool where it is left out."""
    return str(node.document.place(("spec", "nodePools", pool, "max")))


def _bought(node: Node, cluster: ClusterSpec, provider: Cloud, table: Mapping[str, Machine]) -> Pools:
    offers = tuple(Offer(machine.name, allocatable(provider, machine), machine.gpu_model) for machine in cheapest(table))
    pools: list[PoolNodes] = []
    for name, pool in sorted(cluster.node_pools.items()):
        machine = machine_of(provider, pool, table)
        nodes = {allocatable(provider, machine): pool.max}
        pools.append(PoolNodes(name, nodes, is_open(cluster, pool), machine.name, machine.gpu_model, max_at(node, name)))
    return Pools(node.id, tuple(pools), offers, own_file(provider))


RULES = (pools_have_known_machines, workloads_fit_their_pools)
