"""Node pools as Kueue's quotas: a flavor and a queue for each pool in the cluster, a queue to them in each environment.

Source: Kueue v1beta2, ResourceFlavor, ClusterQueue, LocalQueue.
"""

from collections.abc import Mapping

from mlx_components.kubernetes.place import Manifest, Place, toleration
from mlx_specs.cluster import ClusterSpec, NodePool
from mlx_specs.pools import GPU, selector, taints

API = "kueue.x-k8s.io/v1beta2"
COHORT = "mlx"
"""Queues of one cohort lend what they do not use."""
CLUSTER = "mlx.dev/cluster"
"""The label of the namespaces that may use a cluster's queues."""


def cluster_queues(cluster: str, spec: ClusterSpec, offered: Mapping[str, Mapping[str, str]], labels: Mapping[str, str]) -> tuple[Manifest, ...]:
    """``offered``: for each pool what all its nodes at their most can hold, such as {cpu: 32, memory: 128Gi}."""
    flavors = [_flavor(spec, name, pool, labels) for name, pool in sorted(spec.node_pools.items())]
    queues = [_queue(cluster, name, offered[name], labels) for name in sorted(spec.node_pools)]
    return (*flavors, *queues)


def _flavor(spec: ClusterSpec, name: str, pool: NodePool, labels: Mapping[str, str]) -> Manifest:
    carried = taints(spec, pool)
    wanted = {"nodeLabels": dict(selector(spec, name))}
    if carried:
        wanted |= {
            "nodeTaints": [{"key": taint.key, "value": taint.value, "effect": taint.effect} for taint in carried],
            "tolerations": [toleration(taint.key, taint.value, taint.effect) for taint in carried],
        }
    return {"apiVersion": API, "kind": "ResourceFlavor", "metadata": {"name": name, "labels": dict(labels)}, "spec": wanted}


def _queue(cluster: str, name: str, offered: Mapping[str, str], labels: Mapping[str, str]) -> Manifest:
    names = [resource for resource in ("cpu", "memory", GPU) if resource in offered]
    quotas = [{"name": resource, "nominalQuota": offered[resource]} for resource in names]
    group = {"coveredResources": names, "flavors": [{"name": name, "resources": quotas}]}
    spec = {"cohortName": COHORT, "namespaceSelector": {"matchLabels": {CLUSTER: cluster}}, "resourceGroups": [group]}
    return {"apiVersion": API, "kind": "ClusterQueue", "metadata": {"name": name, "labels": dict(labels)}, "spec": spec}


def environment_queues(place: Place) -> tuple[Manifest, ...]:
    """A queue of the pool's name in the environment's namespace."""
    if not place.has_queues:
        return ()
    return tuple(
        {
            "apiVersion": API,
            "kind": "LocalQueue",
            "metadata": {"name": name, "namespace": place.namespace, "labels": place.labels_of("Environment", place.environment)},
            "spec": {"clusterQueue": name},
        }
        for name in sorted(place.cluster.node_pools)
    )
