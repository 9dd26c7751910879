"""AKS: a managed cluster, an agent pool for each node pool, and the identities that reach network, key and storage.

A cluster's spec enters, plain resources of azure-native leave. The resource group is the user's.
"""

import base64
from collections.abc import Mapping
from typing import Any

import pulumi
import yaml
from pulumi_azure_native import authorization, containerservice, managedidentity

from mlx_components.clusters.names import AKS_SYSTEM_POOL, aks_pool_names, shortened
from mlx_components.clusters.outputs import CloudCluster, kubeconfig
from mlx_components.clusters.versions import AKS_SERVER_APPLICATION, AZURE_ROLES
from mlx_specs.cluster import Aks, ClusterSpec, NodePool, StorageAccess, gibibytes
from mlx_specs.machines import Machine
from mlx_specs.pools import node_labels, taints


def declare(name: str, spec: ClusterSpec, machines: Mapping[str, Machine], parent: pulumi.Resource) -> CloudCluster:
    """A cluster in the resource group that ``aks`` names."""
    settings = _settings(spec)
    control_plane = _identity(f"{name}-control-plane", spec, parent)
    cluster = _cluster(name, spec, control_plane, _rights(name, spec, control_plane, parent), parent)
    names = aks_pool_names(spec.node_pools)
    pools = [_pool(name, spec, pool, names[pool], machines[pool], cluster, parent) for pool in sorted(spec.node_pools)]
    login = _kubeconfig(name, settings, cluster, parent)
    if spec.storage is None:
        return CloudCluster(kubeconfig=login, context=name, ready=(cluster, *pools))
    assert settings.storage_account is not None, "a rule of Cluster asks for it"
    identity = _storage_identity(name, spec, spec.storage, settings.storage_account, cluster, parent)
    return CloudCluster(
        kubeconfig=login,
        context=name,
        ready=(cluster, *pools),
        identity={"azure.workload.identity/client-id": identity.client_id},
        pod_labels={"azure.workload.identity/use": "true"},
        variables={"AZURE_STORAGE_ACCOUNT_NAME": settings.storage_account.rpartition("/")[2], "AZURE_STORAGE_ANON": "false"},
    )


def _settings(spec: ClusterSpec) -> Aks:
    assert spec.aks is not None, "a rule of Cluster asks for it"
    return spec.aks


def _identity(name: str, spec: ClusterSpec, parent: pulumi.Resource) -> managedidentity.UserAssignedIdentity:
    # What outside the cluster trusts this identity knows it by an ID that another of the same name would not have.
    return managedidentity.UserAssignedIdentity(
        name,
        resource_name_=name,
        resource_group_name=_settings(spec).resource_group,
        location=spec.region,
        tags=spec.tags,
        opts=pulumi.ResourceOptions(parent=parent, protect=spec.protect),
    )


def _rights(name: str, spec: ClusterSpec, identity: managedidentity.UserAssignedIdentity, parent: pulumi.Resource) -> list[pulumi.Resource]:
    """What the control plane may do outside its own resource group; AKS checks it when the cluster is made."""
    settings, rights = _settings(spec), list[pulumi.Resource]()
    if settings.subnet is not None:
        rights.append(_right(f"{name}-subnet", "Network Contributor", settings.subnet, identity, parent))
    if settings.key_vault is not None:
        rights.append(_right(f"{name}-key", "Key Vault Crypto User", settings.key_vault, identity, parent))
    if spec.disk_encryption_key is not None:
        rights.append(_right(f"{name}-disks", "Reader", spec.disk_encryption_key, identity, parent))
    return rights


def _right(name: str, role: str, scope: str, identity: managedidentity.UserAssignedIdentity, parent: pulumi.Resource) -> authorization.RoleAssignment:
    """Azure identifies an assignment by a GUID, which azure-native makes and keeps in state."""
    subscription = scope.split("/")[2]
    return authorization.RoleAssignment(
        name,
        scope=scope,
        role_definition_id=f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{AZURE_ROLES[role]}",
        principal_id=identity.principal_id,
        # Said, because Entra ID may not know an identity yet that was made a moment ago.
        principal_type="ServicePrincipal",
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _cluster(
    name: str, spec: ClusterSpec, identity: managedidentity.UserAssignedIdentity, rights: list[pulumi.Resource], parent: pulumi.Resource
) -> containerservice.ManagedCluster:
    settings = _settings(spec)
    return containerservice.ManagedCluster(
        name,
        resource_name_=name,
        resource_group_name=settings.resource_group,
        location=spec.region,
        dns_prefix=name,
        kubernetes_version=spec.version,
        identity=containerservice.ManagedClusterIdentityArgs(
            type=containerservice.ResourceIdentityType.USER_ASSIGNED,
            user_assigned_identities=[identity.id],
        ),
        agent_pool_profiles=[_system_pool(spec)],
        enable_rbac=True,
        # Nobody can ask for a kubeconfig with a key in it: people and machines come with an Entra ID identity.
        disable_local_accounts=True,
        aad_profile=containerservice.ManagedClusterAADProfileArgs(
            managed=True, enable_azure_rbac=True, admin_group_object_ids=sorted(set(settings.admin_groups))
        ),
        oidc_issuer_profile=containerservice.ManagedClusterOIDCIssuerProfileArgs(enabled=True),
        security_profile=_security(spec),
        disk_encryption_set_id=spec.disk_encryption_key,
        api_server_access_profile=containerservice.ManagedClusterAPIServerAccessProfileArgs(
            enable_private_cluster=spec.private_endpoint, enable_private_cluster_public_fqdn=False
        ),
        auto_upgrade_profile=containerservice.ManagedClusterAutoUpgradeProfileArgs(upgrade_channel=spec.upgrade_channel or "none"),
        network_profile=containerservice.ContainerServiceNetworkProfileArgs(
            network_plugin="azure",
            network_plugin_mode="overlay",
            network_dataplane="cilium",
            network_policy="cilium",
            load_balancer_sku="standard",
            # Azure's default, 10.0.0.0/16, is what most networks that are there already have, too.
            service_cidr="172.20.0.0/16",
            dns_service_ip="172.20.0.10",
        ),
        tags=spec.tags,
        opts=pulumi.ResourceOptions(parent=parent, protect=spec.protect, depends_on=rights, ignore_changes=["agentPoolProfiles[0].count"]),
    )


def _system_pool(spec: ClusterSpec) -> containerservice.ManagedClusterAgentPoolProfileArgs:
    settings = _settings(spec)
    return containerservice.ManagedClusterAgentPoolProfileArgs(
        name=AKS_SYSTEM_POOL,
        mode="System",
        type="VirtualMachineScaleSets",
        os_type="Linux",
        vm_size=settings.system.machine,
        count=settings.system.min,
        enable_auto_scaling=True,
        min_count=settings.system.min,
        max_count=settings.system.max,
        availability_zones=sorted(set(settings.system.zones)) or None,
        node_taints=["CriticalAddonsOnly=true:NoSchedule"] if spec.node_pools else None,
        orchestrator_version=spec.version,
        vnet_subnet_id=settings.subnet,
        tags=spec.tags,
    )


def _security(spec: ClusterSpec) -> containerservice.ManagedClusterSecurityProfileArgs:
    key = None
    if spec.encryption_key is not None:
        key = containerservice.AzureKeyVaultKmsArgs(enabled=True, key_id=spec.encryption_key, key_vault_network_access="Public")
    return containerservice.ManagedClusterSecurityProfileArgs(
        workload_identity=containerservice.ManagedClusterSecurityProfileWorkloadIdentityArgs(enabled=True), azure_key_vault_kms=key
    )


def _pool(
    name: str, spec: ClusterSpec, pool_name: str, azure_name: str, machine: Machine, cluster: containerservice.ManagedCluster, parent: pulumi.Resource
) -> containerservice.AgentPool:
    settings, pool = _settings(spec), spec.node_pools[pool_name]
    return containerservice.AgentPool(
        f"{name}-{pool_name}",
        agent_pool_name=azure_name,
        resource_group_name=settings.resource_group,
        resource_name_=cluster.name,
        mode="User",
        type="VirtualMachineScaleSets",
        os_type="Linux",
        vm_size=machine.type,
        **_counts(pool),
        **_priority(pool),
        node_labels=node_labels(spec, pool_name),
        node_taints=[f"{taint.key}={taint.value}:{taint.effect}" for taint in taints(spec, pool)],
        availability_zones=sorted(set(pool.zones)) or None,
        os_disk_size_gb=gibibytes(pool.disk) if pool.disk is not None else None,
        orchestrator_version=spec.version,
        vnet_subnet_id=settings.subnet,
        tags=spec.tags,
        # A pool that has to be made again has the same name: the old one goes first.
        opts=pulumi.ResourceOptions(parent=parent, delete_before_replace=True, ignore_changes=["count"] if pool.autoscale else []),
    )


def _counts(pool: NodePool) -> dict[str, Any]:
    """ARM asks for a count even where the autoscaler owns it (pulumi-azure-native#2943)."""
    if not pool.autoscale:
        return {"enable_auto_scaling": False, "count": pool.max}
    return {"enable_auto_scaling": True, "count": pool.min, "min_count": pool.min, "max_count": pool.max}


def _priority(pool: NodePool) -> dict[str, Any]:
    """A spot price of -1 is the price on demand: nodes go when Azure needs them, never by price."""
    if not pool.spot:
        return {"scale_set_priority": "Regular"}
    return {"scale_set_priority": "Spot", "scale_set_eviction_policy": "Delete", "spot_max_price": -1.0}


def _storage_identity(
    name: str, spec: ClusterSpec, storage: StorageAccess, account: str, cluster: containerservice.ManagedCluster, parent: pulumi.Resource
) -> managedidentity.UserAssignedIdentity:
    """An identity that may read and write the container, and that the service accounts may take."""
    identity = _identity(f"{name}-storage", spec, parent)
    container = f"{account}/blobServices/default/containers/{storage.bucket.removeprefix('azblob://')}"
    _right(f"{name}-storage", "Storage Blob Data Contributor", container, identity, parent)
    issuer = cluster.oidc_issuer_profile.apply(lambda profile: profile.issuer_url if profile is not None else "")
    before: pulumi.Resource = identity
    for service_account in sorted(set(storage.service_accounts)):
        # No DNS name has an underscore, so no two accounts have one name.
        credential = shortened(service_account.replace("/", "_"), 120)
        before = managedidentity.FederatedIdentityCredential(
            f"{name}-{credential}",
            federated_identity_credential_resource_name=credential,
            resource_group_name=_settings(spec).resource_group,
            resource_name_=identity.name,
            issuer=issuer,
            subject=f"system:serviceaccount:{service_account.replace('/', ':')}",
            audiences=["api://AzureADTokenExchange"],
            # Azure refuses to write two credentials of one identity at the same time.
            opts=pulumi.ResourceOptions(parent=parent, depends_on=[before]),
        )
    return identity


def _kubeconfig(name: str, settings: Aks, cluster: containerservice.ManagedCluster, parent: pulumi.Resource) -> pulumi.Output[str]:
    """Only server and certificate authority are taken from what Azure answers, so that nothing else can come along."""
    answered = containerservice.list_managed_cluster_user_credentials_output(
        format="exec",
        resource_group_name=settings.resource_group,
        resource_name=cluster.name,
        opts=pulumi.InvokeOutputOptions(parent=parent, depends_on=[cluster]),
    )
    return pulumi.Output.unsecret(answered.apply(lambda result: _with_kubelogin(name, result.kubeconfigs[0].value)))


def _with_kubelogin(name: str, encoded: str) -> str:
    server: dict[str, str] = yaml.safe_load(base64.b64decode(encoded))["clusters"][0]["cluster"]
    # AAD_LOGIN_METHOD chooses another way to log in, such as workloadidentity in CI.
    arguments = ("get-token", "--login", "azurecli", "--server-id", AKS_SERVER_APPLICATION)
    return kubeconfig(name, server["server"], server["certificate-authority-data"], "kubelogin", arguments)
