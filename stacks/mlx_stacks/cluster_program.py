"""A Cluster becomes a Pulumi program of its own; the environments on it read its outputs.

Enters: an opened workspace of one cluster. Leaves: a program. An existing cluster is looked at before; one in a cloud may not be
there yet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from pydantic import ValidationError

from mlx_components.cluster import ClusterComponent, stated_quota
from mlx_components.clusters.add_ons import Phase, phases, usual_source
from mlx_components.clusters.providers import EXTRAS
from mlx_components.clusters.releases import releases
from mlx_engine.host import Program
from mlx_specs.capacity import Amount
from mlx_specs.cluster import Cluster, ClusterSpec
from mlx_specs.machines import Machine, MachineError, machine_of, machine_table
from mlx_specs.pools import GPU
from mlx_stacks.add_ons import versions, warnings
from mlx_stacks.cluster_look import Connected, asked, look, nodes
from mlx_stacks.errors import UserError
from mlx_stacks.node_capacity import pool_rows
from mlx_stacks.pool_costs import PoolRow, pool_table
from mlx_stacks.workspace import Workspace

SDKS: Mapping[str, str] = {"aks": "pulumi_azure_native", "eks": "pulumi_aws", "gke": "pulumi_gcp"}


@dataclass(frozen=True)
class ClusterPlan:
    """What decides about a cluster's resources besides its spec."""

    quotas: Mapping[str, Mapping[str, str]]
    add_ons: Mapping[str, str]
    """The versions that were found."""
    installed: Mapping[str, Sequence[Phase]]
    """The objects of the add-ons that are installed, by name, in the order of installation."""


def cluster_program(workspace: Workspace, cluster: Cluster) -> Program:
    """Declares the cluster, and what is cluster-scoped in it."""
    planned = cluster_plan(workspace, cluster)
    spec = cluster.spec
    machines = _machines(workspace, spec)

    def declare() -> None:
        ClusterComponent(
            cluster,
            project=workspace.project,
            kubeconfig=kubeconfig_of(workspace, spec),
            context=spec.context or "",
            machines=machines,
            quotas=planned.quotas,
            add_ons=planned.add_ons,
            installed=planned.installed,
        )

    return declare


def cluster_plan(workspace: Workspace, cluster: Cluster) -> ClusterPlan:
    """Looks at an existing cluster; raises ``UserError`` and ``AddOnError``."""
    spec = cluster.spec
    found = look(cluster, connected_to(workspace, spec)) if spec.provider == "existing" else ()
    asked = [release for name, release in releases().items() if spec.add_ons.get(name) == "install"]
    installed = {release.name: phases(release, usual_source()) for release in asked}
    return ClusterPlan(quotas(workspace, spec), versions(found), installed)


def add_on_notes(workspace: Workspace, cluster: Cluster) -> tuple[str, ...]:
    """What should be known of the add-ons that an existing cluster has."""
    if cluster.spec.provider != "existing":
        return ()
    return warnings(cluster.metadata.name, look(cluster, connected_to(workspace, cluster.spec)))


def pools_now(workspace: Workspace, cluster: Cluster) -> tuple[PoolRow, ...]:
    """What each pool holds and costs: an existing cluster's by its nodes, a cloud's by its machines."""
    spec = cluster.spec
    if spec.provider == "existing":
        return pool_rows(spec, asked(lambda: nodes(connected_to(workspace, spec).client())))
    return pool_table(spec, machine_table(spec.provider, workspace.root))


def pools_before(workspace: Workspace, cluster: Cluster, written: Mapping[str, Any]) -> tuple[PoolRow, ...] | None:
    """The same of the spec that was applied last; None for a first apply, another cloud, or machines that are no longer in the table."""
    if not written or written.get("provider") != cluster.spec.provider or cluster.spec.provider == "existing":
        return None
    try:
        spec = ClusterSpec.model_validate(written, by_alias=True)
        return pool_table(spec, machine_table(cluster.spec.provider, workspace.root))
    except (ValidationError, MachineError):
        return None


def quotas(workspace: Workspace, spec: ClusterSpec) -> Mapping[str, Mapping[str, str]]:
    """What each pool can hold at its most; nothing where no queue needs it."""
    if "kueue" not in spec.add_ons:
        return {}
    if spec.provider == "existing":
        return {name: stated_quota(pool) for name, pool in spec.node_pools.items()}
    rows = pool_table(spec, machine_table(spec.provider, workspace.root))
    return {row.pool: _quota(row.holds) for row in rows if row.holds is not None}


def _quota(amount: Amount) -> Mapping[str, str]:
    gpus = {GPU: str(amount.gpus)} if amount.gpus else {}
    return {"cpu": f"{amount.cpu}m", "memory": str(amount.memory), **gpus}


def _machines(workspace: Workspace, spec: ClusterSpec) -> Mapping[str, Machine]:
    if spec.provider == "existing":
        return {}
    if find_spec(SDKS[spec.provider]) is None:
        extra = EXTRAS[spec.provider]
        raise UserError(
            f"a cluster of provider {spec.provider} needs the package {SDKS[spec.provider]}",
            hint=f"pip install 'mlx-iac[{extra}]' (in the repository: make install)",
        )
    table = machine_table(spec.provider, workspace.root)
    return {name: machine_of(spec.provider, pool, table) for name, pool in spec.node_pools.items()}


def connected_to(workspace: Workspace, spec: ClusterSpec) -> Connected:
    """An existing cluster stands where its spec says, also before it is applied."""
    return Connected(kubeconfig_of(workspace, spec), spec.context or "")


def connected_as_applied(workspace: Workspace, spec: ClusterSpec, outputs: Mapping[str, Any]) -> Connected:
    """A cluster that was applied: by what its stack has exported, and the file that its spec names now."""
    exported = Connected.of(outputs)
    return Connected(kubeconfig_of(workspace, spec) or exported.kubeconfig, exported.context)


def kubeconfig_of(workspace: Workspace, spec: ClusterSpec) -> str:
    """The file that an existing cluster names, from wherever mlx is called; empty: the user's own."""
    return str(workspace.root / spec.kubeconfig) if spec.kubeconfig else ""
