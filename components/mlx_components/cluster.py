"""Cluster: the connection to it, what its add-ons are, and the quotas of its node pools. A stack of its own."""

from collections.abc import Mapping, Sequence

import pulumi

from mlx_components.clusters.add_ons import Phase
from mlx_components.clusters.autoscaler import autoscaler_objects, image_of
from mlx_components.clusters.outputs import CloudCluster
from mlx_components.clusters.providers import PROVIDERS
from mlx_components.kubernetes.declare import ClusterProvider, declare_objects
from mlx_components.kubernetes.place import Manifest, labels_of, owner
from mlx_components.kubernetes.queues import cluster_queues
from mlx_components.resource import MlxComponent
from mlx_specs.base import QUANTITY
from mlx_specs.cluster import Cluster, NodePool
from mlx_specs.clusters import stack_name
from mlx_specs.machines import Machine
from mlx_specs.pools import GPU


class ClusterComponent(MlxComponent):
    """What an environment on it reads: ``kubeconfig`` (empty: the user's own), ``context``, the versions of the add-ons that were found,
    and what pods need to reach the cluster's storage.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        project: str,
        kubeconfig: str,
        context: str,
        machines: Mapping[str, Machine],
        quotas: Mapping[str, Mapping[str, str]],
        add_ons: Mapping[str, str],
        installed: Mapping[str, Sequence[Phase]],
    ) -> None:
        super().__init__(cluster, "Cluster")
        spec = cluster.spec
        made = None if spec.provider == "existing" else PROVIDERS[spec.provider](cluster.metadata.name, spec, machines, self)
        self.provider = ClusterProvider(made.kubeconfig if made else kubeconfig, made.context if made else context)
        marks = labels(cluster, project)
        ready = self._autoscale(cluster, made, marks) if made else ()
        ready = self._install(installed, marks, ready)
        declare_objects(cluster_objects(cluster, project, quotas), self, self.provider, after=ready)
        self.register_outputs({"addOns": dict(add_ons)})
        pulumi.export("kubeconfig", made.kubeconfig if made else kubeconfig)
        pulumi.export("context", made.context if made else context)
        pulumi.export("addOns", dict(add_ons))
        pulumi.export("identity", dict(made.identity) if made else {})
        pulumi.export("podLabels", dict(made.pod_labels) if made else {})
        pulumi.export("variables", dict(made.variables) if made else {})

    def _autoscale(self, cluster: Cluster, made: CloudCluster, marks: Mapping[str, str]) -> tuple[pulumi.Resource, ...]:
        """What the rest waits for; add-ons may need nodes that nobody else would add."""
        if not made.autoscaler or made.version is None:
            return tuple(made.ready)
        image = made.version.apply(image_of)
        objects = autoscaler_objects(cluster.metadata.name, cluster.spec.region or "", image, made.autoscaler)
        return declare_objects([_marked(manifest, marks) for manifest in objects], self, self.provider, after=made.ready)

    def _install(self, installed: Mapping[str, Sequence[Phase]], marks: Mapping[str, str], ready: tuple[pulumi.Resource, ...]) -> tuple[pulumi.Resource, ...]:
        """One add-on after the other, each phase once the one before it is ready; what the rest waits for."""
        for phases in installed.values():
            for phase in phases:
                objects = [_marked(manifest, marks) for manifest in phase.objects]
                ready = declare_objects(objects, self, self.provider, after=ready) or ready
        return ready


def _marked(manifest: Manifest, marks: Mapping[str, str]) -> Manifest:
    """An object of somebody else's release, as one that this stack owns."""
    metadata = manifest["metadata"]
    return {**manifest, "metadata": {**metadata, "labels": {**metadata.get("labels", {}), **marks}}}


def labels(cluster: Cluster, project: str) -> dict[str, str]:
    """Of everything in the cluster that this stack owns."""
    name = cluster.metadata.name
    return {**cluster.metadata.labels, **labels_of(owner(project, stack_name(name)), "Cluster", name)}


def stated_quota(pool: NodePool) -> Mapping[str, str]:
    """What all nodes of an existing pool can hold at their most, by what the pool says of each."""
    needs = pool.requirements
    assert needs is not None and needs.cpu is not None and needs.memory is not None, "said by pools_say_what_they_offer"
    matched = QUANTITY.match(needs.memory)
    assert matched is not None, needs.memory
    amount = float(matched[1]) * pool.max
    gpus = {GPU: str(needs.gpu_count * pool.max)} if needs.gpu_count else {}
    return {"cpu": str(needs.cpu * pool.max), "memory": f"{amount:g}{matched[2] or ''}", **gpus}


def cluster_objects(cluster: Cluster, project: str, quotas: Mapping[str, Mapping[str, str]]) -> Sequence[Manifest]:
    """What stands in the cluster itself, beside its add-ons."""
    return cluster_queues(cluster.metadata.name, cluster.spec, quotas, labels(cluster, project)) if "kueue" in cluster.spec.add_ons else ()
