"""Where an environment's objects go, and whose they are: the namespace, the labels, the pools, storage and images."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from mlx_specs import layout
from mlx_specs.base import Compute, Metadata
from mlx_specs.cluster import ClusterSpec
from mlx_specs.digests import digest
from mlx_specs.environment import KubernetesTarget
from mlx_specs.kinds import AnyObject
from mlx_specs.pools import selector, taints

Manifest: TypeAlias = dict[str, Any]
"""One object, as `kubectl apply` takes it."""
OWNER = "mlx.dev/owner"
KIND, NAME = "mlx.dev/kind", "mlx.dev/name"
QUEUE = "kueue.x-k8s.io/queue-name"
LABEL_LENGTH = 63


@dataclass(frozen=True)
class Reach:
    """What pods need to reach the storage without keys, as the cluster's stack has it (workload identity); nothing where the cluster is not ours."""

    identity: Mapping[str, str] = field(default_factory=dict[str, str])
    """Annotations of their service accounts."""
    pod_labels: Mapping[str, str] = field(default_factory=dict[str, str])
    variables: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Place:
    """One environment on one cluster."""

    project: str
    environment: str
    cluster_name: str
    cluster: ClusterSpec
    target: KubernetesTarget
    reach: Reach = Reach()

    @property
    def namespace(self) -> str:
        """The environment's own."""
        return self.target.namespace

    @property
    def owner(self) -> str:
        """The value of the label that says whose an object is: another project or environment never touches it."""
        return owner(self.project, self.environment)

    @property
    def has_queues(self) -> bool:
        """Whether Kueue decides when workloads start."""
        return "kueue" in self.cluster.add_ons

    def stored(self, *parts: str) -> str:
        """A place in the environment's storage: ``s3://bucket/prefix/PARTS``."""
        return layout.stored(self.target.storage, *parts)

    def image(self, name: str) -> str:
        """An image by its digest: one of the fields of ``Images``."""
        images = self.target.images
        digest = getattr(images, name)
        assert digest is not None, "said by pods_have_an_image"
        return f"{images.registry}/mlx-{name}@{digest}"

    def labels(self, obj: AnyObject) -> dict[str, str]:
        """Of everything that an object of the specs becomes; people's own labels first, so that none of ours is lost."""
        return {**obj.metadata.labels, **self.labels_of(obj.kind, obj.metadata.name)}

    def pod_labels(self, obj: AnyObject, compute: Compute | None = None) -> dict[str, str]:
        """Of its pods; with ``compute`` each of them waits in its pool's queue by itself."""
        return {**self.labels(obj), **self.queue(compute), **self.reach.pod_labels}

    def labels_of(self, kind: str, name: str) -> dict[str, str]:
        """Ours alone."""
        return labels_of(self.owner, kind, name)

    def metadata(self, obj: AnyObject, name: str) -> dict[str, Any]:
        """The metadata of an object that stands in the namespace."""
        return {"name": name, "namespace": self.namespace, "labels": self.labels(obj), **annotated(obj.metadata)}

    def submitted(self, obj: AnyObject, name: str, compute: Compute | None) -> dict[str, Any]:
        """The metadata of what runs to its end in its pool's queue; no lock of the state is held meanwhile, `mlx status` follows it."""
        made = self.metadata(obj, name)
        return noted({**made, "labels": {**made["labels"], **self.queue(compute)}}, {"pulumi.com/skipAwait": "true"})

    def queue(self, compute: Compute | None) -> dict[str, str]:
        """The label that puts a workload into its pool's queue."""
        return {QUEUE: compute.pool} if self.has_queues and compute is not None and compute.pool is not None else {}

    def node_selector(self, pool: str) -> dict[str, str]:
        """The labels of the pool's nodes."""
        return dict(selector(self.cluster, pool))

    def tolerations(self, pool: str) -> list[dict[str, str]]:
        """What lets a pod onto the pool's nodes."""
        return [toleration(taint.key, taint.value, taint.effect) for taint in taints(self.cluster, self.cluster.node_pools[pool])]


def noted(metadata: Mapping[str, Any], notes: Mapping[str, str]) -> dict[str, Any]:
    """The metadata of an object with these annotations beside its own."""
    return {**metadata, "annotations": {**metadata.get("annotations", {}), **notes}} if notes else dict(metadata)


def toleration(key: str, value: str, effect: str) -> dict[str, str]:
    """Of one taint."""
    return {"key": key, "operator": "Equal", "value": value, "effect": effect} if value else {"key": key, "operator": "Exists", "effect": effect}


def owner(project: str, stack: str) -> str:
    """PROJECT.STACK as a label's value: what is too long for one keeps its beginning and gets a digest."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", f"{project}.{stack}").strip("._-")
    return name if len(name) <= LABEL_LENGTH else f"{name[:50].rstrip('._-')}-{digest(name)[:12]}"


def labels_of(owner: str, kind: str, name: str) -> dict[str, str]:
    """Of everything that a stack owns."""
    return {OWNER: owner, KIND: kind, NAME: name, "app.kubernetes.io/managed-by": "mlx"}


def annotated(metadata: Metadata) -> Mapping[str, Any]:
    """What people say of it, which no label could hold."""
    said = {"mlx.dev/description": metadata.description, "mlx.dev/contact": metadata.owner}
    given = {key: value for key, value in said.items() if value}
    return {"annotations": given} if given else {}
