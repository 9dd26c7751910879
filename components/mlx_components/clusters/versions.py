"""Versions of what the providers speak to, and the names that the clouds gave to things: each with its source.

The providers' packages stand in pyproject.toml (azure, aws, gcp); a test keeps the two alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Package:
    """A Pulumi package: the version that is tested, and the cloud's API behind it."""

    version: str
    api: str
    source: str


PACKAGES: Mapping[str, Package] = {
    "pulumi-azure-native": Package("3.29.0", "Microsoft.ContainerService 2025-09-01", "https://www.pulumi.com/registry/packages/azure-native/"),
    "pulumi-aws": Package("7.51.1", "eks 2017-11-01", "https://www.pulumi.com/registry/packages/aws/"),
    "pulumi-gcp": Package("10.2.0", "container v1", "https://www.pulumi.com/registry/packages/gcp/"),
}

EXEC_CREDENTIAL = "client.authentication.k8s.io/v1beta1"
"""What kubelogin, aws and gke-gcloud-auth-plugin all speak. https://kubernetes.io/docs/reference/config-api/client-authentication.v1beta1/"""

AKS_SERVER_APPLICATION = "6dae42f8-4368-4678-94ff-3960e28e3630"
"""The Entra ID application of all AKS API servers. https://azure.github.io/kubelogin/concepts/aks.html"""

AZURE_ROLES: Mapping[str, str] = {
    "Network Contributor": "4d97b98b-1d4f-4787-a291-c67834d212e7",
    "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "Key Vault Crypto User": "12338af0-0e69-4776-bea7-57ae8d297424",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
}
"""https://learn.microsoft.com/azure/role-based-access-control/built-in-roles"""

AWS_CLUSTER_POLICIES = ("AmazonEKSClusterPolicy",)
AWS_NODE_POLICIES = ("AmazonEC2ContainerRegistryPullOnly", "AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy")
AWS_DISK_POLICY = "service-role/AmazonEBSCSIDriverPolicy"
AWS_ADMIN_POLICY = "cluster-access-policy/AmazonEKSClusterAdminPolicy"
"""https://docs.aws.amazon.com/eks/latest/userguide/security-iam-awsmanpol.html and .../access-policy-permissions.html"""

EKS_ADDONS_BEFORE_NODES = ("kube-proxy", "vpc-cni")
EKS_ADDONS_ON_NODES = ("coredns",)
EKS_DISK_ADDON = "aws-ebs-csi-driver"
"""No version of add-ons: EKS takes its default for the cluster's version. https://docs.aws.amazon.com/eks/latest/userguide/workloads-add-ons-available-eks.html"""
EKS_ROOT_DEVICE = "/dev/xvda"
"""Of Amazon Linux 2023. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/device_naming.html"""

GCP_NODE_ROLES = ("roles/artifactregistry.reader", "roles/container.defaultNodeServiceAccount")
GCP_STORAGE_ROLE = "roles/storage.objectUser"
GCP_KEY_ROLE = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
GCP_IDENTITY_ROLE = "roles/iam.workloadIdentityUser"
"""https://cloud.google.com/kubernetes-engine/docs/how-to/service-accounts and .../workload-identity"""
