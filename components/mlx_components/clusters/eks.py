"""EKS: a cluster, a managed node group for each node pool, and what the user did not name: a VPC, the roles.

A cluster's spec enters, plain resources of aws leave. The autoscaler is a workload on EKS: its role is made here, its objects in autoscaler.py.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from mlx_components.clusters.outputs import CloudCluster, kubeconfig
from mlx_components.clusters.versions import (
    AWS_ADMIN_POLICY,
    AWS_CLUSTER_POLICIES,
    AWS_DISK_POLICY,
    AWS_NODE_POLICIES,
    EKS_ADDONS_BEFORE_NODES,
    EKS_ADDONS_ON_NODES,
    EKS_DISK_ADDON,
    EKS_ROOT_DEVICE,
)
from mlx_specs.cluster import ClusterSpec, Eks, NodePool, StorageAccess, gibibytes
from mlx_specs.machines import Machine
from mlx_specs.pools import node_labels, taints

AUTOSCALER = "kube-system/cluster-autoscaler"
DISK_DRIVER = "kube-system/ebs-csi-controller-sa"
EFFECTS: Mapping[str, str] = {"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE"}
ARM = re.compile(r"(a1|[a-z]+[0-9]+[a-z]*g[a-z]*)\.")
"""Instance families with Graviton: ``m7g.large``, ``c7gn.large``, ``g5g.xlarge``, and not ``g5.xlarge``."""


@dataclass(frozen=True)
class Place:
    """Where everything of one cluster is made."""

    name: str
    spec: ClusterSpec
    settings: Eks
    parent: pulumi.Resource
    provider: aws.Provider

    def options(self, **others: Any) -> pulumi.ResourceOptions:
        """Options of a resource in the cluster's region."""
        return pulumi.ResourceOptions(parent=self.parent, provider=self.provider, **others)

    def tags(self, suffix: str) -> dict[str, str]:
        """The user's tags, and the name that the console shows."""
        return {**self.spec.tags, "Name": f"{self.name}-{suffix}"}

    @property
    def partition(self) -> str:
        """AWS's clouds: the first part of every ARN."""
        region = self.spec.region or ""
        return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"

    def policy(self, name: str) -> str:
        """The ARN of a policy that AWS keeps."""
        return f"arn:{self.partition}:iam::aws:policy/{name}"


@dataclass(frozen=True)
class Network:
    """The subnets of nodes by zone, and what leads from them to the internet."""

    subnets: Mapping[str, pulumi.Input[str]]
    routes: Sequence[pulumi.Resource] = ()


@dataclass(frozen=True)
class Issuer:
    """Who vouches for service accounts."""

    arn: pulumi.Output[str]
    host: pulumi.Output[str]


def declare(name: str, spec: ClusterSpec, machines: Mapping[str, Machine], parent: pulumi.Resource) -> CloudCluster:
    """A cluster in the region, in the subnets and with the roles that ``eks`` names or in its own."""
    provider = aws.Provider(f"{name}-{spec.region}", region=spec.region, opts=pulumi.ResourceOptions(parent=parent))
    place = Place(name, spec, spec.eks or Eks(), parent, provider)
    network = _network(place)
    cluster = _cluster(place, network)
    issuer = _issuer(place, cluster)
    _admins(place, cluster)
    groups = _node_groups(place, cluster, network, machines)
    addons = _addons_on_nodes(place, cluster, issuer, groups)
    return CloudCluster(
        kubeconfig=_kubeconfig(place, cluster),
        version=cluster.version,
        context=name,
        ready=(cluster, *groups, *addons),
        identity=_storage_identity(place, issuer, spec.storage) if spec.storage is not None else {},
        variables={"AWS_REGION": spec.region or ""} if spec.storage is not None else {},
        autoscaler=_autoscaler(place, issuer) if any(pool.autoscale for pool in spec.node_pools.values()) else {},
    )


def _network(place: Place) -> Network:
    if place.settings.subnets:
        return Network(place.settings.subnets)
    vpc = aws.ec2.Vpc(
        place.name,
        cidr_block="10.0.0.0/16",
        enable_dns_hostnames=True,
        enable_dns_support=True,
        tags=place.tags("vpc"),
        opts=place.options(protect=place.spec.protect),
    )
    gateway = aws.ec2.InternetGateway(place.name, vpc_id=vpc.id, tags=place.tags("internet"), opts=place.options())
    zones = _zones(place)
    public = {zone: _subnet(place, vpc, "public", zone, f"10.0.{192 + _number(zone)}.0/24", "elb") for zone in zones}
    private = {zone: _subnet(place, vpc, "private", zone, f"10.0.{32 * _number(zone)}.0/19", "internal-elb") for zone in zones}
    outside = _routes(place, vpc, "public", public, {"gateway_id": gateway.id})
    inside = _routes(place, vpc, "private", private, {"nat_gateway_id": _nat(place, public[zones[0]], outside).id})
    return Network({zone: subnet.id for zone, subnet in private.items()}, (*outside, *inside))


def _zones(place: Place) -> list[str]:
    """The zones of the VPC: as written, else the region's first two and those of the node pools."""
    first = {f"{place.spec.region}a", f"{place.spec.region}b"}
    return sorted(set(place.settings.zones) or first.union(*(pool.zones for pool in place.spec.node_pools.values())))


def _number(zone: str) -> int:
    """``eu-west-1c`` -> 2: a zone has its addresses whatever other zones come and go."""
    return ord(zone[-1]) - ord("a")


def _subnet(place: Place, vpc: aws.ec2.Vpc, side: str, zone: str, block: str, role: str) -> aws.ec2.Subnet:
    return aws.ec2.Subnet(
        f"{place.name}-{side}-{zone}",
        vpc_id=vpc.id,
        availability_zone=zone,
        cidr_block=block,
        map_public_ip_on_launch=False,
        tags={**place.tags(f"{side}-{zone}"), f"kubernetes.io/role/{role}": "1"},
        opts=place.options(protect=place.spec.protect),
    )


def _nat(place: Place, subnet: aws.ec2.Subnet, routes: Sequence[pulumi.Resource]) -> aws.ec2.NatGateway:
    """One for all zones: when its zone fails, nodes cannot pull images until it is back."""
    address = aws.ec2.Eip(f"{place.name}-nat", domain="vpc", tags=place.tags("nat"), opts=place.options())
    return aws.ec2.NatGateway(
        place.name, allocation_id=address.allocation_id, subnet_id=subnet.id, tags=place.tags("nat"), opts=place.options(depends_on=[*routes])
    )


def _routes(place: Place, vpc: aws.ec2.Vpc, side: str, subnets: Mapping[str, aws.ec2.Subnet], target: Mapping[str, Any]) -> list[pulumi.Resource]:
    table = aws.ec2.RouteTable(f"{place.name}-{side}", vpc_id=vpc.id, tags=place.tags(side), opts=place.options())
    route = aws.ec2.Route(f"{place.name}-{side}", route_table_id=table.id, destination_cidr_block="0.0.0.0/0", **target, opts=place.options())
    associations = [
        aws.ec2.RouteTableAssociation(f"{place.name}-{side}-{zone}", route_table_id=table.id, subnet_id=subnet.id, opts=place.options())
        for zone, subnet in subnets.items()
    ]
    return [route, *associations]


def _cluster(place: Place, network: Network) -> aws.eks.Cluster:
    spec = place.spec
    role, rights = _control_plane_role(place)
    encryption = None
    if spec.encryption_key is not None:
        encryption = aws.eks.ClusterEncryptionConfigArgs(
            provider=aws.eks.ClusterEncryptionConfigProviderArgs(key_arn=spec.encryption_key), resources=["secrets"]
        )
    return aws.eks.Cluster(
        place.name,
        name=place.name,
        role_arn=role,
        version=spec.version,
        # Ours are add-ons, which EKS keeps at the cluster's version; those that it installs itself stay as they were.
        bootstrap_self_managed_addons=False,
        access_config=aws.eks.ClusterAccessConfigArgs(authentication_mode="API", bootstrap_cluster_creator_admin_permissions=True),
        vpc_config=aws.eks.ClusterVpcConfigArgs(
            subnet_ids=[network.subnets[zone] for zone in sorted(network.subnets)],
            endpoint_private_access=True,
            endpoint_public_access=not spec.private_endpoint,
        ),
        encryption_config=encryption,
        upgrade_policy=aws.eks.ClusterUpgradePolicyArgs(support_type=(spec.upgrade_channel or "standard").upper()),
        deletion_protection=spec.protect,
        tags=spec.tags,
        opts=place.options(protect=spec.protect, depends_on=rights),
    )


def _control_plane_role(place: Place) -> tuple[pulumi.Input[str], list[pulumi.Resource]]:
    """The role and what it must have before it is used; that of a role that the user names is the user's."""
    if place.settings.role_arn is not None:
        return place.settings.role_arn, []
    role = _service_role(place, "cluster", "eks.amazonaws.com")
    rights: list[pulumi.Resource] = [_attached(place, role, policy) for policy in AWS_CLUSTER_POLICIES]
    if place.spec.encryption_key is not None:
        key = _statement(["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:ListGrants"], [place.spec.encryption_key])
        rights.append(aws.iam.RolePolicy(f"{place.name}-key", role=role.name, policy=_policy([key]), opts=place.options()))
    return role.arn, rights


def _node_role(place: Place) -> tuple[pulumi.Input[str], list[pulumi.Resource]]:
    if place.settings.node_role_arn is not None:
        return place.settings.node_role_arn, []
    role = _service_role(place, "nodes", "ec2.amazonaws.com")
    return role.arn, [_attached(place, role, policy) for policy in AWS_NODE_POLICIES]


def _service_role(place: Place, suffix: str, service: str) -> aws.iam.Role:
    """A role that one of AWS's services takes."""
    trust = {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Principal": {"Service": service}}
    return aws.iam.Role(f"{place.name}-{suffix}", assume_role_policy=_policy([trust]), tags=place.spec.tags, opts=place.options())


def _attached(place: Place, role: aws.iam.Role, policy: str) -> aws.iam.RolePolicyAttachment:
    name = f"{place.name}-{policy.rpartition('/')[2]}"
    return aws.iam.RolePolicyAttachment(name, role=role.name, policy_arn=place.policy(policy), opts=place.options())


def _statement(actions: list[str], resources: list[str], **others: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **others}


def _policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, sort_keys=True)


def _issuer(place: Place, cluster: aws.eks.Cluster) -> Issuer:
    url = cluster.identities.apply(_issuer_url)
    provider = aws.iam.OpenIdConnectProvider(place.name, url=url, client_id_lists=["sts.amazonaws.com"], tags=place.spec.tags, opts=place.options())
    return Issuer(provider.arn, url.apply(lambda text: text.removeprefix("https://")))


def _issuer_url(identities: Sequence[Any]) -> str:
    return identities[0].oidcs[0].issuer


def _account_role(place: Place, suffix: str, issuer: Issuer, accounts: Sequence[str], *, protect: bool = False) -> aws.iam.Role:
    """A role that service accounts of the cluster take; accounts are NAMESPACE/NAME."""
    subjects = [f"system:serviceaccount:{account.replace('/', ':')}" for account in sorted(set(accounts))]

    def trust(known: Sequence[str]) -> str:
        arn, host = known
        conditions = {"StringEquals": {f"{host}:aud": "sts.amazonaws.com", f"{host}:sub": subjects}}
        return _policy([{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": arn}, "Condition": conditions}])

    return aws.iam.Role(
        f"{place.name}-{suffix}",
        assume_role_policy=pulumi.Output.all(issuer.arn, issuer.host).apply(trust),
        tags=place.spec.tags,
        opts=place.options(protect=protect),
    )


def _admins(place: Place, cluster: aws.eks.Cluster) -> None:
    """Who administers the cluster beside who made it."""
    for arn in sorted(set(place.settings.admin_roles)):
        name = f"{place.name}-{arn.partition(':iam::')[2].replace(':', '-').replace('/', '-')}"
        entry = aws.eks.AccessEntry(name, cluster_name=cluster.name, principal_arn=arn, tags=place.spec.tags, opts=place.options())
        aws.eks.AccessPolicyAssociation(
            name,
            cluster_name=cluster.name,
            principal_arn=entry.principal_arn,
            policy_arn=f"arn:{place.partition}:eks::aws:{AWS_ADMIN_POLICY}",
            access_scope=aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
            opts=place.options(),
        )


def _node_groups(place: Place, cluster: aws.eks.Cluster, network: Network, machines: Mapping[str, Machine]) -> list[aws.eks.NodeGroup]:
    role, rights = _node_role(place)
    addons = [_addon(place, cluster, addon, []) for addon in EKS_ADDONS_BEFORE_NODES]
    before = [*rights, *network.routes, *addons, *_disk_grants(place)]
    return [_node_group(place, cluster, network, pool, machines[pool], role, before) for pool in sorted(place.spec.node_pools)]


def _disk_grants(place: Place) -> list[pulumi.Resource]:
    """Who starts nodes may use the key of their disks: EC2's autoscaling does it by a role of its own.

    Source: Amazon EC2 Auto Scaling, required KMS key policy for use with encrypted volumes.
    """
    key = place.spec.disk_encryption_key
    if key is None:
        return []
    account = key.split(":")[4]
    return [
        aws.kms.Grant(
            f"{place.name}-disks",
            key_id=key,
            grantee_principal=f"arn:{place.partition}:iam::{account}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
            operations=["CreateGrant", "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo"],
            opts=place.options(),
        )
    ]


def _disks(place: Place, pool_name: str) -> dict[str, Any]:
    """Their size; a key is told by a launch template only, which then tells the size, too."""
    pool, key = place.spec.node_pools[pool_name], place.spec.disk_encryption_key
    size = gibibytes(pool.disk) if pool.disk is not None else None
    if key is None:
        return {"disk_size": size}
    disk = aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(encrypted="true", kms_key_id=key, volume_size=size, volume_type="gp3", delete_on_termination="true")
    template = aws.ec2.LaunchTemplate(
        f"{place.name}-{pool_name}",
        block_device_mappings=[aws.ec2.LaunchTemplateBlockDeviceMappingArgs(device_name=EKS_ROOT_DEVICE, ebs=disk)],
        tags=place.spec.tags,
        opts=place.options(),
    )
    version = template.latest_version.apply(str)
    return {"launch_template": aws.eks.NodeGroupLaunchTemplateArgs(id=template.id, version=version)}


def _node_group(
    place: Place, cluster: aws.eks.Cluster, network: Network, pool_name: str, machine: Machine, role: pulumi.Input[str], before: list[pulumi.Resource]
) -> aws.eks.NodeGroup:
    pool = place.spec.node_pools[pool_name]
    return aws.eks.NodeGroup(
        f"{place.name}-{pool_name}",
        node_group_name=pool_name,
        cluster_name=cluster.name,
        node_role_arn=role,
        subnet_ids=[network.subnets[zone] for zone in sorted(set(pool.zones) or network.subnets)],
        instance_types=[machine.type],
        ami_type=_image(pool, machine),
        capacity_type="SPOT" if pool.spot else "ON_DEMAND",
        **_disks(place, pool_name),
        scaling_config=_scaling(pool),
        labels=node_labels(place.spec, pool_name),
        taints=[aws.eks.NodeGroupTaintArgs(key=taint.key, value=taint.value or None, effect=EFFECTS[taint.effect]) for taint in taints(place.spec, pool)],
        version=place.spec.version,
        tags=place.spec.tags,
        # A group that has to be made again has the same name: the old one goes first.
        opts=place.options(depends_on=before, delete_before_replace=True, ignore_changes=["scalingConfig.desiredSize"] if pool.autoscale else []),
    )


def _image(pool: NodePool, machine: Machine) -> str:
    """Amazon Linux 2023, with NVIDIA's driver where GPUs are."""
    processor = "ARM_64" if ARM.match(machine.type) else "x86_64"
    return f"AL2023_{processor}_{'NVIDIA' if pool.intent == 'gpu' else 'STANDARD'}"


def _scaling(pool: NodePool) -> aws.eks.NodeGroupScalingConfigArgs:
    if not pool.autoscale:
        return aws.eks.NodeGroupScalingConfigArgs(min_size=pool.max, desired_size=pool.max, max_size=pool.max)
    return aws.eks.NodeGroupScalingConfigArgs(min_size=pool.min, desired_size=pool.min, max_size=pool.max)


def _addons_on_nodes(place: Place, cluster: aws.eks.Cluster, issuer: Issuer, groups: Sequence[pulumi.Resource]) -> list[aws.eks.Addon]:
    """Those that are healthy only when their pods run."""
    driver = _account_role(place, "disks", issuer, [DISK_DRIVER])
    right = _attached(place, driver, AWS_DISK_POLICY)
    disks = _addon(place, cluster, EKS_DISK_ADDON, [right, *groups], service_account_role_arn=driver.arn)
    return [*(_addon(place, cluster, addon, groups) for addon in EKS_ADDONS_ON_NODES), disks]


def _addon(place: Place, cluster: aws.eks.Cluster, addon: str, before: Sequence[pulumi.Resource], **others: Any) -> aws.eks.Addon:
    return aws.eks.Addon(
        f"{place.name}-{addon}",
        addon_name=addon,
        cluster_name=cluster.name,
        resolve_conflicts_on_create="OVERWRITE",
        resolve_conflicts_on_update="OVERWRITE",
        tags=place.spec.tags,
        **others,
        opts=place.options(depends_on=[*before]),
    )


def _storage_identity(place: Place, issuer: Issuer, storage: StorageAccess) -> Mapping[str, pulumi.Input[str]]:
    # What outside the cluster trusts this role knows it by an ARN that another one would not have.
    role = _account_role(place, "storage", issuer, storage.service_accounts, protect=place.spec.protect)
    bucket = f"arn:{place.partition}:s3:::{storage.bucket.removeprefix('s3://')}"
    objects = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
    statements = [
        _statement(["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"], [bucket]),
        _statement(objects, [f"{bucket}/*"]),
    ]
    aws.iam.RolePolicy(f"{place.name}-storage", role=role.name, policy=_policy(statements), opts=place.options())
    return {"eks.amazonaws.com/role-arn": role.arn}


def _autoscaler(place: Place, issuer: Issuer) -> Mapping[str, pulumi.Input[str]]:
    """A role that reads everything about groups and moves those of this cluster, which EKS tags for it.

    Source: https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/cloudprovider/aws/README.md
    """
    role = _account_role(place, "autoscaler", issuer, [AUTOSCALER])
    reads = [
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeAutoScalingInstances",
        "autoscaling:DescribeLaunchConfigurations",
        "autoscaling:DescribeScalingActivities",
        "ec2:DescribeImages",
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:GetInstanceTypesFromInstanceRequirements",
        "eks:DescribeNodegroup",
    ]
    moves = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"]
    own = {"StringEquals": {f"aws:ResourceTag/k8s.io/cluster-autoscaler/{place.name}": "owned"}}
    statements = [_statement(reads, ["*"]), _statement(moves, ["*"], Condition=own)]
    aws.iam.RolePolicy(f"{place.name}-autoscaler", role=role.name, policy=_policy(statements), opts=place.options())
    return {"eks.amazonaws.com/role-arn": role.arn}


def _kubeconfig(place: Place, cluster: aws.eks.Cluster) -> pulumi.Output[str]:
    arguments = ("--region", place.spec.region or "", "eks", "get-token", "--cluster-name", place.name, "--output", "json")
    authority = cluster.certificate_authority.apply(lambda known: known.data or "")
    return pulumi.Output.all(cluster.endpoint, authority).apply(lambda known: kubeconfig(place.name, known[0], known[1], "aws", arguments))
