"""Cluster: node pools and add-ons; a stack of its own."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mlx_specs.base import Name, Object, Quantity, Strict
from mlx_specs.state import State


class Requirements(Strict):
    """What a node must offer, when no machine type is named."""

    cpu: Annotated[int, Field(ge=1)] | None = Field(default=None, description="At least so many cores.")
    memory: Quantity | None = Field(default=None, description="At least so much memory.")
    gpu_model: str | None = Field(default=None, description="The GPU's model, such as A100.")
    gpu_count: Annotated[int, Field(ge=1)] | None = Field(default=None, description="GPUs in each node.")


class Taint(Strict):
    """A taint that keeps other workloads away."""

    key: str = Field(description="The taint's key.")
    value: str = Field(default="", description="The taint's value.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = Field(default="NoSchedule", description="The taint's effect.")


class NodePool(Strict):
    """Nodes of one kind."""

    intent: Literal["general", "memory", "gpu"] = Field(description="What the pool is for.")
    machine: str | None = Field(default=None, description="The cloud's machine type; or say `requirements`.")
    requirements: Requirements | None = Field(default=None, description="What a node must offer; the cheapest machine that does is taken.")
    min: Annotated[int, Field(ge=0)] = Field(default=0, description="The fewest nodes; zero lets the pool vanish when idle.")
    max: Annotated[int, Field(ge=1)] = Field(default=1, description="The most nodes.")
    autoscale: bool = Field(default=True, description="Let the cloud move the count between min and max; false: `max` nodes, always.")
    spot: bool = Field(default=False, description="Use spot capacity.")
    labels: dict[str, str] = Field(default_factory=dict, description="Node labels.")
    taints: list[Taint] = Field(default_factory=list[Taint], description="Node taints.")
    zones: list[str] = Field(default_factory=list, description="Availability zones.")
    disk: Quantity | None = Field(default=None, description="The size of each node's disk.")

    @model_validator(mode="after")
    def _can_be_bought(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"'min' {self.min} is above 'max' {self.max}")
        if self.machine is not None and self.requirements is not None:
            raise ValueError("a node pool has 'machine' or 'requirements', not both")
        return self


AddOn = Literal["cert-manager", "gateway-api", "kserve", "kfp", "feast", "spark", "trainer", "kueue", "mlflow", "nvidia", "notebooks"]


class ClusterSpec(Strict):
    """What a cluster is made of."""

    provider: Literal["aks", "eks", "gke", "existing"] = Field(description="Who runs the cluster; existing: it is there, by a kubeconfig context.")
    region: str | None = Field(default=None, description="The cloud's region.")
    version: str | None = Field(default=None, description="The Kubernetes version, such as 1.33.")
    context: str | None = Field(default=None, description="For existing: the kubeconfig context.")
    kubeconfig: str | None = Field(default=None, description="For existing: the kubeconfig file; left out: KUBECONFIG, else ~/.kube/config.")
    node_pools: dict[Name, NodePool] = Field(default_factory=dict, description="Node pools by name.")
    add_ons: dict[AddOn, Literal["verify", "install"]] = Field(
        default_factory=dict[AddOn, Literal["verify", "install"]],
        description="What the cluster's environments need; verify: it is there and ready, else nothing is applied; install: from checked manifests.",
    )
    private_endpoint: bool = Field(default=False, description="Keep the API server off the public internet.")
    tags: dict[str, str] = Field(default_factory=dict, description="Tags of the cloud's resources.")
    state: State = Field(default=State(), description="Where the cluster's own state is kept: a Cluster is a stack of its own.")
    protect: bool = Field(default=False, description="Refuse to destroy this cluster.")
    parallel: Annotated[int, Field(ge=1, le=64)] = Field(default=4, description="How many resources are worked on at the same time.")

    @model_validator(mode="after")
    def _existing_has_a_context(self) -> Self:
        if self.provider == "existing" and self.context is None:
            raise ValueError("provider existing needs 'context'")
        for name in ("context", "kubeconfig"):
            if self.provider != "existing" and getattr(self, name) is not None:
                raise ValueError(f"'{name}' belongs to provider existing, not to {self.provider}")
        return self


class Cluster(Object):
    """A cluster: a stack of its own that owns what is cluster-scoped."""

    kind: Literal["Cluster"] = Field(default="Cluster", description="A cluster.")
    spec: ClusterSpec = Field(description="Provider, node pools, add-ons.")
