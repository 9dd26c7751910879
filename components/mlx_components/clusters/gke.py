"""GKE: a regional cluster, a node pool for each of ours, and what the user did not name: a network, the nodes' service account.

A cluster's spec enters, plain resources of gcp leave. The project is the user's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gcp as gcp

from mlx_components.clusters.names import shortened
from mlx_components.clusters.outputs import CloudCluster, kubeconfig
from mlx_components.clusters.versions import GCP_IDENTITY_ROLE, GCP_KEY_ROLE, GCP_NODE_ROLES, GCP_STORAGE_ROLE
from mlx_specs.cluster import ClusterSpec, Gke, NodePool, StorageAccess, gibibytes
from mlx_specs.machines import Machine
from mlx_specs.pools import node_labels, taints

CHANNELS: Mapping[str, str] = {"none": "UNSPECIFIED", "stable": "STABLE", "regular": "REGULAR", "rapid": "RAPID", "extended": "EXTENDED"}
EFFECTS: Mapping[str, str] = {"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE"}
LONGEST_ACCOUNT = 30


@dataclass(frozen=True)
class Place:
    """Where everything of one cluster is made."""

    name: str
    spec: ClusterSpec
    settings: Gke
    parent: pulumi.Resource

    def options(self, **others: Any) -> pulumi.ResourceOptions:
        """Options of a resource of the cluster."""
        return pulumi.ResourceOptions(parent=self.parent, **others)

    @property
    def channel(self) -> str:
        """GKE's own word for how it upgrades."""
        return CHANNELS[self.spec.upgrade_channel or "regular"]


@dataclass(frozen=True)
class Network:
    """Where nodes, pods and services have their addresses."""

    network: pulumi.Input[str]
    subnetwork: pulumi.Input[str]
    ranges: gcp.container.ClusterIpAllocationPolicyArgs
    routes: tuple[pulumi.Resource, ...] = ()


def declare(name: str, spec: ClusterSpec, machines: Mapping[str, Machine], parent: pulumi.Resource) -> CloudCluster:
    """A cluster in the project that ``gke`` names, in its network or in its own."""
    assert spec.gke is not None, "a rule of Cluster asks for it"
    place = Place(name, spec, spec.gke, parent)
    network = _network(place)
    cluster = _cluster(place, network)
    account, rights = _node_account(place)
    if spec.disk_encryption_key is not None:
        rights = [*rights, _may_use(place, "disks", spec.disk_encryption_key, "compute-system")]
    pools = [_pool(place, cluster, pool, machines[pool], account, rights) for pool in sorted(spec.node_pools)]
    return CloudCluster(
        kubeconfig=_kubeconfig(place, cluster),
        context=name,
        ready=(cluster, *pools),
        identity=_storage_identity(place, cluster, spec.storage) if spec.storage is not None else {},
        variables={"GOOGLE_CLOUD_PROJECT": spec.gke.project} if spec.storage is not None else {},
    )


def _network(place: Place) -> Network:
    settings = place.settings
    if settings.network is not None and settings.subnetwork is not None:
        return Network(settings.network, settings.subnetwork, gcp.container.ClusterIpAllocationPolicyArgs())
    network = gcp.compute.Network(place.name, project=settings.project, auto_create_subnetworks=False, opts=place.options(protect=place.spec.protect))
    ranges = {"pods": "10.4.0.0/14", "services": "10.0.32.0/20"}
    subnetwork = gcp.compute.Subnetwork(
        place.name,
        project=settings.project,
        region=place.spec.region,
        network=network.id,
        ip_cidr_range="10.0.0.0/20",
        secondary_ip_ranges=[gcp.compute.SubnetworkSecondaryIpRangeArgs(range_name=name, ip_cidr_range=block) for name, block in sorted(ranges.items())],
        private_ip_google_access=True,
        opts=place.options(protect=place.spec.protect),
    )
    allocation = gcp.container.ClusterIpAllocationPolicyArgs(cluster_secondary_range_name="pods", services_secondary_range_name="services")
    return Network(network.id, subnetwork.id, allocation, (_nat(place, network),))


def _nat(place: Place, network: gcp.compute.Network) -> gcp.compute.RouterNat:
    """The way out of private nodes."""
    here: dict[str, Any] = {"project": place.settings.project, "region": place.spec.region}
    router = gcp.compute.Router(place.name, **here, network=network.id, opts=place.options())
    return gcp.compute.RouterNat(
        place.name,
        **here,
        router=router.name,
        nat_ip_allocate_option="AUTO_ONLY",
        source_subnetwork_ip_ranges_to_nat="ALL_SUBNETWORKS_ALL_IP_RANGES",
        opts=place.options(),
    )


def _cluster(place: Place, network: Network) -> gcp.container.Cluster:
    spec = place.spec
    encryption, rights = _encryption(place)
    return gcp.container.Cluster(
        place.name,
        name=place.name,
        project=place.settings.project,
        location=spec.region,
        network=network.network,
        subnetwork=network.subnetwork,
        ip_allocation_policy=network.ranges,
        datapath_provider="ADVANCED_DATAPATH",
        # GKE makes no cluster without a pool; this one goes as soon as the cluster is there.
        remove_default_node_pool=True,
        initial_node_count=1,
        min_master_version=spec.version,
        release_channel=gcp.container.ClusterReleaseChannelArgs(channel=place.channel),
        private_cluster_config=gcp.container.ClusterPrivateClusterConfigArgs(enable_private_nodes=True, enable_private_endpoint=spec.private_endpoint),
        # GKE takes a private endpoint only together with a list of networks that may reach it; an empty one: the VPC.
        master_authorized_networks_config=gcp.container.ClusterMasterAuthorizedNetworksConfigArgs() if spec.private_endpoint else None,
        workload_identity_config=gcp.container.ClusterWorkloadIdentityConfigArgs(workload_pool=f"{place.settings.project}.svc.id.goog"),
        database_encryption=encryption,
        deletion_protection=spec.protect,
        resource_labels=spec.tags,
        opts=place.options(protect=spec.protect, depends_on=[*rights, *network.routes]),
    )


def _encryption(place: Place) -> tuple[gcp.container.ClusterDatabaseEncryptionArgs | None, list[pulumi.Resource]]:
    """The key, and the right of GKE's own account to use it."""
    key = place.spec.encryption_key
    if key is None:
        return None, []
    return gcp.container.ClusterDatabaseEncryptionArgs(state="ENCRYPTED", key_name=key), [_may_use(place, "key", key, "container-engine-robot")]


def _may_use(place: Place, suffix: str, key: str, agent: str) -> pulumi.Resource:
    """The right of one of Google's own accounts of the project, such as Compute Engine's, to use a key."""
    project = gcp.organizations.get_project_output(project_id=place.settings.project, opts=pulumi.InvokeOutputOptions(parent=place.parent))
    return gcp.kms.CryptoKeyIAMMember(
        f"{place.name}-{suffix}",
        crypto_key_id=key,
        role=GCP_KEY_ROLE,
        member=project.number.apply(lambda number: f"serviceAccount:service-{number}@{agent}.iam.gserviceaccount.com"),
        opts=place.options(),
    )


def _node_account(place: Place) -> tuple[pulumi.Input[str], list[pulumi.Resource]]:
    """The nodes' service account and what it may do; that of an account that the user names is the user's."""
    if place.settings.node_service_account is not None:
        return place.settings.node_service_account, []
    account = _account(place, "nodes", "Nodes")
    rights: list[pulumi.Resource] = [
        gcp.projects.IAMMember(
            f"{place.name}-{role.rpartition('/')[2]}", project=place.settings.project, role=role, member=account.member, opts=place.options()
        )
        for role in GCP_NODE_ROLES
    ]
    return account.email, rights


def _account(place: Place, suffix: str, purpose: str, *, protect: bool = False) -> gcp.serviceaccount.Account:
    return gcp.serviceaccount.Account(
        f"{place.name}-{suffix}",
        account_id=shortened(f"{place.name}-{suffix}", LONGEST_ACCOUNT),
        project=place.settings.project,
        display_name=f"{purpose} of the cluster {place.name}",
        opts=place.options(protect=protect),
    )


def _pool(
    place: Place, cluster: gcp.container.Cluster, pool_name: str, machine: Machine, account: pulumi.Input[str], rights: list[pulumi.Resource]
) -> gcp.container.NodePool:
    pool = place.spec.node_pools[pool_name]
    upgrades = place.channel != "UNSPECIFIED"
    return gcp.container.NodePool(
        f"{place.name}-{pool_name}",
        name=pool_name,
        project=place.settings.project,
        location=place.spec.region,
        cluster=cluster.name,
        node_locations=sorted(set(pool.zones)) or None,
        **_counts(pool),
        version=None if upgrades else place.spec.version,
        management=gcp.container.NodePoolManagementArgs(auto_repair=True, auto_upgrade=upgrades),
        node_config=_node_config(place, pool_name, machine, account),
        # A pool that has to be made again has the same name: the old one goes first.
        opts=place.options(depends_on=rights, delete_before_replace=True, ignore_changes=["initialNodeCount"] if pool.autoscale else []),
    )


def _counts(pool: NodePool) -> dict[str, Any]:
    """The autoscaler's limits are of all zones together; the counts that it starts from are of each zone."""
    if not pool.autoscale:
        return {"node_count": pool.max // len(set(pool.zones))}
    limits = gcp.container.NodePoolAutoscalingArgs(
        total_min_node_count=pool.min, total_max_node_count=pool.max, location_policy="ANY" if pool.spot else "BALANCED"
    )
    return {"initial_node_count": min(pool.min, 1), "autoscaling": limits}


def _node_config(place: Place, pool_name: str, machine: Machine, account: pulumi.Input[str]) -> gcp.container.NodePoolNodeConfigArgs:
    pool = place.spec.node_pools[pool_name]
    return gcp.container.NodePoolNodeConfigArgs(
        machine_type=machine.type,
        guest_accelerators=_accelerators(machine),
        spot=pool.spot,
        disk_size_gb=gibibytes(pool.disk) if pool.disk is not None else None,
        boot_disk_kms_key=place.spec.disk_encryption_key,
        labels=node_labels(place.spec, pool_name),
        taints=[
            gcp.container.NodePoolNodeConfigTaintArgs(key=taint.key, value=taint.value, effect=EFFECTS[taint.effect]) for taint in taints(place.spec, pool)
        ],
        service_account=account,
        oauth_scopes=["https://www.googleapis.com/auth/cloud-platform"],
        workload_metadata_config=gcp.container.NodePoolNodeConfigWorkloadMetadataConfigArgs(mode="GKE_METADATA"),
        resource_labels=place.spec.tags,
    )


def _accelerators(machine: Machine) -> list[gcp.container.NodePoolNodeConfigGuestAcceleratorArgs] | None:
    """GPUs by GKE's name, with the driver that it tests."""
    if machine.accelerator is None:
        return None
    driver = gcp.container.NodePoolNodeConfigGuestAcceleratorGpuDriverInstallationConfigArgs(gpu_driver_version="DEFAULT")
    return [gcp.container.NodePoolNodeConfigGuestAcceleratorArgs(type=machine.accelerator, count=machine.gpus, gpu_driver_installation_config=driver)]


def _storage_identity(place: Place, cluster: gcp.container.Cluster, storage: StorageAccess) -> Mapping[str, pulumi.Input[str]]:
    # What outside the cluster trusts this account knows it by an ID that another of the same name would not have.
    account = _account(place, "storage", "Workloads", protect=place.spec.protect)
    gcp.storage.BucketIAMMember(
        f"{place.name}-storage", bucket=storage.bucket.removeprefix("gs://"), role=GCP_STORAGE_ROLE, member=account.member, opts=place.options()
    )
    for service_account in sorted(set(storage.service_accounts)):
        gcp.serviceaccount.IAMMember(
            f"{place.name}-{service_account.replace('/', '_')}",
            service_account_id=account.name,
            role=GCP_IDENTITY_ROLE,
            member=f"serviceAccount:{place.settings.project}.svc.id.goog[{service_account}]",
            # The pool of identities is there once the project has a cluster that uses it.
            opts=place.options(depends_on=[cluster]),
        )
    return {"iam.gke.io/gcp-service-account": account.email}


def _kubeconfig(place: Place, cluster: gcp.container.Cluster) -> pulumi.Output[str]:
    """The answer has a client's key in it where one was asked for: only the server's authority is taken from it."""
    authority = cluster.master_auth.apply(lambda known: known.cluster_ca_certificate or "")
    known = pulumi.Output.all(cluster.endpoint, authority)
    return pulumi.Output.unsecret(known.apply(lambda each: kubeconfig(place.name, f"https://{each[0]}", each[1], "gke-gcloud-auth-plugin")))
