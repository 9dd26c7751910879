"""Node pools as workloads see them: the label that selects a pool's nodes, and the taints that they carry.

On a cloud mlx labels and taints the nodes itself; on an existing cluster they have what the pool says that they have.
"""

from collections.abc import Mapping

from mlx_specs.capacity import Amount, number_of
from mlx_specs.cluster import ClusterSpec, NodePool, Taint

POOL_LABEL = "mlx.dev/pool"
INTENT_LABEL = "mlx.dev/intent"
GPU = "nvidia.com/gpu"
GPU_TAINT = Taint(key=GPU, value="present", effect="NoSchedule")
AKS_SPOT_TAINT = Taint(key="kubernetes.azure.com/scalesetpriority", value="spot", effect="NoSchedule")
"""AKS puts it on every spot node by itself."""


def selector(cluster: ClusterSpec, name: str) -> Mapping[str, str]:
    """The labels that all nodes of a pool have and no others: those that an existing pool names, else ``mlx.dev/pool``."""
    pool = cluster.node_pools[name]
    return dict(sorted(pool.labels.items())) if cluster.provider == "existing" and pool.labels else {POOL_LABEL: name}


def declared(pool: NodePool) -> Amount | None:
    """What an existing pool says that pods can use of each node; None where it does not say all of it."""
    needs = pool.requirements
    if needs is None or needs.cpu is None or needs.memory is None or (pool.intent == "gpu" and needs.gpu_count is None):
        return None
    return Amount(needs.cpu * 1000, int(number_of(needs.memory)), needs.gpu_count or 0)


def node_labels(cluster: ClusterSpec, name: str) -> Mapping[str, str]:
    """What mlx labels the pool's nodes with on a cloud: as written, and which pool they are of and what it is for."""
    pool = cluster.node_pools[name]
    added = {POOL_LABEL: name, INTENT_LABEL: pool.intent}
    if cluster.provider == "aks" and pool.spot:
        # AKS puts it on every spot node; left out, each refresh would show it as drift.
        added[AKS_SPOT_TAINT.key] = AKS_SPOT_TAINT.value
    return dict(sorted({**pool.labels, **added}.items()))


def taints(cluster: ClusterSpec, pool: NodePool) -> tuple[Taint, ...]:
    """What the pool's nodes are tainted with: as written, and on a cloud what keeps others off GPUs and spot nodes."""
    added: list[Taint] = []
    if cluster.provider != "existing" and pool.intent == "gpu":
        added.append(GPU_TAINT)
    if cluster.provider == "aks" and pool.spot:
        added.append(AKS_SPOT_TAINT)
    return (*pool.taints, *(taint for taint in added if taint.key not in {written.key for written in pool.taints}))
