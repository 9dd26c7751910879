"""What the nodes of an existing cluster hold, and what does not fit them: where nodes can be asked, they decide.

Node objects as the Kubernetes API gives them and a ClusterSpec enter; rows and diagnostics leave. The judgement is that of
``mlx_specs.fit``, by real nodes instead of machine tables.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlx_specs.allocatable import DAEMONS
from mlx_specs.capacity import Amount, amount
from mlx_specs.capacity_rules import cluster_of, is_open, keeps_away, max_at
from mlx_specs.cluster import ClusterSpec, NodePool, Taint
from mlx_specs.diagnostics import Diagnostic, ordered
from mlx_specs.environment import Environment
from mlx_specs.fit import PoolNodes, Pools
from mlx_specs.fit import unfit as unfit_in
from mlx_specs.graph import Graph
from mlx_specs.pools import GPU, declared, selector, taints
from mlx_specs.workloads import Workload, workloads
from mlx_stacks.pool_costs import PoolRow

MACHINE_LABEL = "node.kubernetes.io/instance-type"
NO_POOL = "(no pool)"
"""The row of the nodes that no pool selects."""
ApiNode = Mapping[str, Any]
"""A v1 Node as JSON: metadata.labels, spec.taints, spec.unschedulable, status.allocatable."""


def pool_rows(cluster: ClusterSpec, nodes: Sequence[ApiNode]) -> tuple[PoolRow, ...]:
    """A row for each pool by name, and one for the nodes of no pool; without prices, which only their owner knows."""
    live = [_live(node) for node in nodes]
    rows = [_row(name, pool, _selected(cluster, name, live), _at_its_largest(cluster, name, live)) for name, pool in sorted(cluster.node_pools.items())]
    others = _of_no_pool(cluster, live)
    size = len(others)
    return (*rows, *([_row(NO_POOL, NodePool(intent="general", min=size, max=size), others, Counter(_rooms(others)))] if others else []))


def unfit(graph: Graph, environment: Environment, cluster: ClusterSpec, nodes: Sequence[ApiNode]) -> list[Diagnostic]:
    """What no node of its pool, or of any, can hold; by file and line.

    A pool that may be empty and is says nothing of its nodes, unless its ``requirements`` do: what names it is a warning.
    """
    live = [_live(node) for node in nodes]
    target = cluster_of(graph, environment)
    pools = [_pool_nodes(cluster, name, live, max_at(target, name) if target else "") for name in sorted(cluster.node_pools)]
    others = [node for node in _of_no_pool(cluster, live) if not any(keeps_away(taint) for taint in node.taints)]
    rest = PoolNodes("", Counter(_rooms(others)), is_open=True)
    empty = {pool.name for pool in pools if not pool.nodes}
    known = Pools(target.id if target else "the cluster", tuple(pool for pool in (*pools, rest) if pool.nodes))
    return ordered(found for workload in workloads(graph) for found in _judged(workload, known, empty, cluster))


def _judged(workload: Workload, known: Pools, empty: set[str], cluster: ClusterSpec) -> Iterator[Diagnostic]:
    named = workload.compute.pool
    if named in empty:
        yield _nobody_home(workload, named, cluster)
    elif named is not None or not empty:
        yield from unfit_in(workload, known)
    # Without a pool's name it may be meant for one of the empty pools, of which nothing is known.


def _nobody_home(workload: Workload, name: str, cluster: ClusterSpec) -> Diagnostic:
    labels = ", ".join(f"{key}={value}" for key, value in selector(cluster, name).items())
    path = (*workload.path, "pool")
    if cluster.node_pools[name].min > 0:
        hint = f"its nodes have {labels} and no taints beside the pool's own; see kubectl get nodes -l {labels}"
        return workload.node.problem(path, "capacity", f"pool '{name}' has no node that takes work", hint)
    message = f"whether pool '{name}' holds this cannot be told: it has no nodes now"
    gpus = ", gpuCount: NUMBER" if cluster.node_pools[name].intent == "gpu" else ""
    hint = f"write what a node of it offers: requirements: {{cpu: CORES, memory: SIZE{gpus}}}"
    return workload.node.problem(path, "capacity", message, hint, severity="warning")


def _pool_nodes(cluster: ClusterSpec, name: str, live: Sequence["LiveNode"], where: str) -> PoolNodes:
    machine = _machine(_selected(cluster, name, live))
    return PoolNodes(name, _at_its_largest(cluster, name, live), is_open(cluster, cluster.node_pools[name]), machine, max_at=where)


def _at_its_largest(cluster: ClusterSpec, name: str, live: Sequence["LiveNode"]) -> Counter[Amount]:
    """The nodes that there are and take the pool's work; with an autoscaler, more like the largest up to ``max``."""
    pool = cluster.node_pools[name]
    tolerated = {(taint.key, taint.value) for taint in taints(cluster, pool)}
    rooms = _rooms(node for node in _selected(cluster, name, live) if all(_is_tolerated(taint, tolerated) for taint in node.taints))
    like = max(rooms, key=_size) if rooms else declared(pool)
    nodes = Counter(rooms)
    if like is not None and pool.autoscale and pool.max > len(rooms):
        nodes[like] += pool.max - len(rooms)
    return nodes


def _is_tolerated(taint: Taint, tolerated: set[tuple[str, str]]) -> bool:
    return (taint.key, taint.value) in tolerated or not keeps_away(taint)


@dataclass(frozen=True)
class LiveNode:
    """What matters of a Node here."""

    labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    room: Amount | None
    """Allocatable, without what daemons take; None where it is cordoned."""


def _live(node: ApiNode) -> LiveNode:
    spec: Mapping[str, Any] = node.get("spec") or {}
    status: Mapping[str, Any] = node.get("status") or {}
    has: Mapping[str, str] = status.get("allocatable") or {}
    room = amount(has.get("cpu", "0"), has.get("memory", "0"), has.get(GPU, "0")).minus(DAEMONS)
    # An API's taint leaves its value out where it is empty, and may have effects and times that a spec has not.
    written = [Taint.model_construct(key=each["key"], value=each.get("value") or "", effect=each["effect"]) for each in spec.get("taints") or ()]
    return LiveNode(node["metadata"].get("labels") or {}, tuple(written), None if spec.get("unschedulable") else room)


def _selected(cluster: ClusterSpec, name: str, live: Sequence[LiveNode]) -> list[LiveNode]:
    wanted = selector(cluster, name).items()
    return [node for node in live if wanted <= node.labels.items()]


def _of_no_pool(cluster: ClusterSpec, live: Sequence[LiveNode]) -> list[LiveNode]:
    selectors = [selector(cluster, name).items() for name in cluster.node_pools]
    return [node for node in live if not any(wanted <= node.labels.items() for wanted in selectors)]


def _rooms(nodes: Iterable[LiveNode]) -> tuple[Amount, ...]:
    return tuple(node.room for node in nodes if node.room is not None)


def _size(room: Amount) -> tuple[int, int, int]:
    return room.gpus, room.memory, room.cpu


def _machine(nodes: Sequence[LiveNode]) -> str:
    """The machine type of all nodes; empty where they differ or do not say."""
    machines = {node.labels.get(MACHINE_LABEL, "") for node in nodes}
    return machines.pop() if len(machines) == 1 else ""


def _row(name: str, pool: NodePool, nodes: Sequence[LiveNode], rooms: Counter[Amount]) -> PoolRow:
    total = Amount()
    for room, count in rooms.items():
        total = total.plus(room.times(count))
    largest = max(rooms, key=_size, default=Amount())
    most = max(len(nodes), pool.max) if pool.autoscale else len(nodes)
    return PoolRow(name, _machine(nodes), largest, min(pool.min, most), most, total, pool.spot, count=len(nodes))
