"""Whether workloads fit the pools of a cluster, in words; one judgement for clouds, where tables say what a node offers,
and for existing clusters, where the nodes do.

Workloads and pools enter, diagnostics leave. Each workload is judged as if it were alone: what shares a pool may wait, what
could never start is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlx_specs.capacity import Amount, first_lacking, lacking, offered
from mlx_specs.diagnostics import Diagnostic, Severity, plural, there_are
from mlx_specs.documents import Path
from mlx_specs.workloads import Workload


@dataclass(frozen=True)
class PoolNodes:
    """A pool at its largest."""

    name: str
    """Empty: the nodes that no pool selects."""
    nodes: Mapping[Amount, int]
    """How many there are of each kind, by what pods can use of one."""
    is_open: bool
    """Whether work that names no pool may run there."""
    machine: str = ""
    """What its nodes are; empty where that does not matter."""
    gpu_model: str | None = None
    max_at: str = ""
    """Where its ``max`` stands."""

    @property
    def title(self) -> str:
        """As messages name it."""
        return f"pool '{self.name}'" if self.name else "a node of no pool"

    @property
    def size(self) -> int:
        """How many nodes there are of all kinds."""
        return sum(self.nodes.values())

    @property
    def has_gpus(self) -> bool:
        """Whether any node has one."""
        return any(node.gpus for node in self.nodes)

    def copies_of(self, request: Amount) -> int:
        """How many pods with this request run there at the same time."""
        return sum(node.copies_of(request) * count for node, count in self.nodes.items())

    def best(self, request: Amount) -> Amount:
        """The node that lacks least of the request."""
        return min(self.nodes, key=lambda node: (node.lacks(request).share_of(request), -node.gpus, -node.memory, -node.cpu))


@dataclass(frozen=True)
class Offer:
    """A machine that a pool could be given."""

    machine: str
    node: Amount
    gpu_model: str | None


@dataclass(frozen=True)
class Pools:
    """The pools of a cluster as workloads see them; each has a node."""

    cluster: str
    """Cluster/NAME"""
    pools: tuple[PoolNodes, ...]
    offers: tuple[Offer, ...] = ()
    """What could be bought instead, the cheapest first; empty where nothing can."""
    table: str = ""
    """The file that more machines can be written in; empty where nothing can be bought."""


def unfit(workload: Workload, cluster: Pools) -> Iterator[Diagnostic]:
    """Why a workload can never start, or not with all its pods. A pool that is not there is told by another rule."""
    request, named = workload.request, workload.compute.pool
    pools = [pool for pool in cluster.pools if pool.name == named] if named else [pool for pool in _alike(workload, cluster) if pool.is_open]
    if not pools:
        yield from () if named else [_no_pool(workload, cluster)]
    elif not any(pool.best(request).holds(request) for pool in pools):
        yield _too_large(workload, _nearest(request, pools), cluster)
    elif request != Amount():
        yield from _too_many(workload, pools, cluster)


def _alike(workload: Workload, cluster: Pools) -> list[PoolNodes]:
    """Work without GPUs is kept off the nodes that have them."""
    return [pool for pool in cluster.pools if pool.has_gpus == (workload.request.gpus > 0)]


def _no_pool(workload: Workload, cluster: Pools) -> Diagnostic:
    closed = sorted(pool.name for pool in _alike(workload, cluster) if pool.name)
    field = "gpu" if workload.request.gpus else "cpu"
    if closed:
        message = f"'compute' asks for {workload.asked} and names no pool: those of {cluster.cluster} that could hold it are tainted"
        return _problem(workload, field, message, f"name one with 'pool': {there_are(closed)}")
    what = "with GPUs" if workload.request.gpus else "for work without GPUs"
    return _problem(workload, field, f"'compute' asks for {workload.asked}: {cluster.cluster} has no pool {what}", _new_pool(workload, cluster))


def _new_pool(workload: Workload, cluster: Pools) -> str:
    intent = "gpu" if workload.request.gpus else "general"
    offer = _offer(workload.request, None, cluster)
    return f"add one to its nodePools: {intent}: {{intent: {intent}, machine: {offer.machine}}}" if offer else _nothing_larger(cluster)


def _too_large(workload: Workload, pool: PoolNodes, cluster: Pools) -> Diagnostic:
    """``pool`` is the one that it names, or the nearest of those that take it."""
    request, node = workload.request, pool.best(workload.request)
    who = f"{pool.title} offers" if workload.compute.pool else f"no node of {cluster.cluster} holds that; {pool.title} is the nearest with"
    machine = f" ({pool.machine})" if pool.machine else ""
    message = f"'compute' asks for {workload.asked}: {who} {offered(node, gpus=request.gpus > 0)} on each node{machine}"
    return _problem(workload, first_lacking(node.lacks(request)), message, _way_out(workload, pool, cluster))


def _way_out(workload: Workload, judged: PoolNodes, cluster: Pools) -> str:
    """The pool that would hold it; else what the nearest one lacks, and the machine that it would need."""
    request, alike = workload.request, _alike(workload, cluster)
    holding = [pool.name for pool in alike if pool.name and pool.best(request).holds(request)]
    if holding:
        return f"pool '{holding[0]}' would hold it: write pool: {holding[0]}"
    if not alike:
        return f"{cluster.cluster} has no pool {'with' if request.gpus else 'without'} GPUs; {_new_pool(workload, cluster)}"
    nearest = _nearest(request, alike)
    lack = f"it lacks {lacking(nearest.best(request).lacks(request))}"
    offer = _offer(request, nearest.gpu_model, cluster)
    advice = f"give it a larger machine: {offer.machine}" if offer else _nothing_larger(cluster)
    return f"{lack}; {advice}" if nearest == judged else f"the nearest is {nearest.title}: {lack}; {advice}"


def _nearest(request: Amount, pools: Sequence[PoolNodes]) -> PoolNodes:
    return min(pools, key=lambda pool: (pool.best(request).lacks(request).share_of(request), pool.name))


def _offer(request: Amount, gpu_model: str | None, cluster: Pools) -> Offer | None:
    """The cheapest machine that holds it, with the same GPUs where there is one; without GPUs where none are asked for."""
    holding = [offer for offer in cluster.offers if offer.node.holds(request) and (offer.node.gpus > 0) == (request.gpus > 0)]
    return next((offer for offer in holding if offer.gpu_model == gpu_model), holding[0] if holding else None)


def _nothing_larger(cluster: Pools) -> str:
    return f"no machine in our table holds it: ask for less, or add a row in {cluster.table}" if cluster.table else "ask for less, or add a larger node"


@dataclass(frozen=True)
class _Together:
    """So many pods at the same time."""

    field: Path
    number: int
    noun: str
    why: str
    severity: Severity = "error"


def _together(workload: Workload) -> Iterator[_Together]:
    """Distributed training starts when all its nodes do, and an endpoint is ready when its fewest replicas are: errors.

    More replicas come and go with the load: those beyond the pool wait while the others serve, so that is a warning.
    """
    yield _Together((*workload.path, "nodes"), workload.compute.nodes or 1, "nodes", "training starts when all of them do")
    if workload.replicas is not None:
        fewest, most = workload.replicas
        yield _Together(("spec", "scaling", "min"), fewest, "replicas", "the endpoint is ready when all of them are")
        yield _Together(("spec", "scaling", "max"), most, "replicas", "the others would wait", "warning")


def _too_many(workload: Workload, pools: Sequence[PoolNodes], cluster: Pools) -> Iterator[Diagnostic]:
    """The first of its numbers that is more than all of the pools hold at their largest."""
    request = workload.request
    held = sum(pool.copies_of(request) for pool in pools)
    wanted = next((wanted for wanted in _together(workload) if wanted.number > held), None)
    if wanted is None:
        return
    pool = next(pool for pool in pools if pool.best(request).holds(request))
    nodes = f"on {plural(pool.size, 'node')}"
    owner = f"{pool.title} holds {held} {nodes} at most" if len(pools) == 1 else f"the pools of {cluster.cluster} hold {held} at most"
    message = f"'{wanted.field[-1]}' asks for {wanted.number} {wanted.noun} with {workload.asked} each: {owner}"
    more = pool.size - (held - wanted.number) // pool.best(request).copies_of(request)
    way = f"raise 'max' of {pool.title} to {more} at {pool.max_at}" if cluster.table else f"{pool.title} needs {plural(more, 'node')}: add some"
    yield workload.node.problem(wanted.field, "capacity", message, f"{wanted.why}; {way}, or ask for less", severity=wanted.severity)


def _problem(workload: Workload, field: str | None, message: str, hint: str) -> Diagnostic:
    """At the field that asks for too much, or at ``compute`` where it is not written."""
    path = (*workload.path, field) if field is not None else workload.path
    return workload.node.problem(path, "capacity", message, hint, key=not workload.node.document.has(path))
