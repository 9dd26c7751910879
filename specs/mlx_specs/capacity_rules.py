"""Capacity before anything is created: what workloads ask for fits the pools of the environment's cluster.

Everything that could be made of a workspace enters; diagnostics leave. Machine tables are read only for clusters of a cloud; on an
existing cluster its nodes decide, when they can be asked, and what its pools say of them is a warning until then.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from mlx_specs.allocatable import allocatable
from mlx_specs.cluster import Cluster, ClusterSpec, NodePool, Taint
from mlx_specs.diagnostics import Diagnostic
from mlx_specs.environment import Environment, KubernetesTarget
from mlx_specs.fit import Offer, PoolNodes, Pools, unfit
from mlx_specs.graph import Graph, Node
from mlx_specs.load import Draught
from mlx_specs.machines import Cloud, Machine, cheapest, machine_of, machine_problems, machine_table, own_file
from mlx_specs.pools import GPU, declared, taints
from mlx_specs.workloads import workloads


def pools_have_known_machines(draught: Draught) -> Iterator[Diagnostic]:
    """The machines of each cluster's pools are known, whichever environment is on it: else neither capacity nor cost can be told."""
    for node in draught.graph.objects:
        yield from machine_problems(node, draught.workspace)


def workloads_fit_their_pools(draught: Draught) -> Iterator[Diagnostic]:
    """A node of its pool, or of some pool, holds each workload; and the pool at its largest all that must run together."""
    node = cluster_of(draught.graph, draught.chosen.object)
    if node is None or not isinstance(node.object, Cluster) or any(machine_problems(node, draught.workspace)):
        return
    provider = node.object.spec.provider
    if provider == "existing":
        yield from _beyond_what_pools_say(draught.graph, node, node.object.spec)
        return
    pools = _bought(node, node.object.spec, provider, machine_table(provider, draught.workspace))
    for workload in workloads(draught.graph):
        yield from unfit(workload, pools)


def _beyond_what_pools_say(graph: Graph, node: Node, cluster: ClusterSpec) -> Iterator[Diagnostic]:
    """Nodes may be larger than their pool says, and there may be more of them: a warning, until they are asked."""
    rooms = {name: declared(pool) for name, pool in cluster.node_pools.items()}
    said = {name: PoolNodes(name, {room: cluster.node_pools[name].max}, is_open=False, max_at=max_at(node, name)) for name, room in rooms.items() if room}
    for workload in workloads(graph):
        if workload.compute.pool in said:
            yield from (replace(problem, severity="warning") for problem in unfit(workload, Pools(node.id, tuple(said.values()))))


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
