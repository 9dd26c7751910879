"""The table of providers: who declares a cluster of which cloud. A cloud's package is imported when its row is called."""

from collections.abc import Mapping
from typing import Protocol

import pulumi

from mlx_components.clusters.outputs import CloudCluster
from mlx_specs.cluster import ClusterSpec
from mlx_specs.machines import Machine


class Declare(Protocol):
    """Declares the resources of a cluster; ``machines`` has the machine of each node pool of the spec."""

    def __call__(self, name: str, spec: ClusterSpec, machines: Mapping[str, Machine], parent: pulumi.Resource) -> CloudCluster: ...


def _aks(name: str, spec: ClusterSpec, machines: Mapping[str, Machine], parent: pulumi.Resource) -> CloudCluster:
    from mlx_components.clusters import aks

    return aks.declare(name, spec, machines, parent)


def _eks(name: str, spec: ClusterSpec, machines: Mapping[str, Machine], parent: pulumi.Resource) -> CloudCluster:
    from mlx_components.clusters import eks

    return eks.declare(name, spec, machines, parent)


def _gke(name: str, spec: ClusterSpec, machines: Mapping[str, Machine], parent: pulumi.Resource) -> CloudCluster:
    from mlx_components.clusters import gke

    return gke.declare(name, spec, machines, parent)


PROVIDERS: Mapping[str, Declare] = {"aks": _aks, "eks": _eks, "gke": _gke}
EXTRAS: Mapping[str, str] = {"aks": "azure", "eks": "aws", "gke": "gcp"}
"""What has to be installed for a provider: ``mlx-iac[azure]``."""
