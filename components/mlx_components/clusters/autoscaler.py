"""The autoscaler of node pools, where the cloud runs none: on EKS it is a workload like any other.

The cluster's name and region enter; plain manifests leave. Source: cluster-autoscaler, cloudprovider/aws, its example with discovery
by tags, which EKS puts on the groups behind managed node groups.
"""

from collections.abc import Mapping
from typing import Any

import pulumi

from mlx_components.kubernetes.place import Manifest

NAME, SPACE = "cluster-autoscaler", "kube-system"
IMAGE = "registry.k8s.io/autoscaling/cluster-autoscaler"
USER = 65534
RBAC = "rbac.authorization.k8s.io"
LOOK = ["get", "list", "watch"]
CHOSEN = {"app.kubernetes.io/name": NAME}
ANYWHERE: list[dict[str, Any]] = [
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    {"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]},
    {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["update"]},
    {"apiGroups": [""], "resources": ["nodes"], "verbs": [*LOOK, "update"]},
    {
        "apiGroups": [""],
        "resources": ["namespaces", "persistentvolumeclaims", "persistentvolumes", "pods", "replicationcontrollers", "services"],
        "verbs": LOOK,
    },
    {"apiGroups": ["apps"], "resources": ["daemonsets", "replicasets", "statefulsets"], "verbs": LOOK},
    {"apiGroups": ["batch"], "resources": ["cronjobs", "jobs"], "verbs": LOOK},
    {"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": LOOK},
    {"apiGroups": ["resource.k8s.io"], "resources": ["deviceclasses", "resourceclaims", "resourceslices"], "verbs": LOOK},
    {
        "apiGroups": ["storage.k8s.io"],
        "resources": ["csidrivers", "csinodes", "csistoragecapacities", "storageclasses", "volumeattachments"],
        "verbs": LOOK,
    },
]
"""It reads all that the scheduler reads, drains nodes, and removes them."""
OWN: list[dict[str, Any]] = [
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "list", "watch"]},
    {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [f"{NAME}-status"], "verbs": ["delete", "get", "update", "watch"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [NAME], "verbs": ["get", "update"]},
]
"""Its status and its lease."""


def autoscaler_objects(cluster: str, region: str, image: pulumi.Input[str], annotations: Mapping[str, pulumi.Input[str]]) -> tuple[Manifest, ...]:
    """``image`` is ``image_of`` the control plane's version; ``annotations`` of the service account give it its role."""
    subject = {"kind": "ServiceAccount", "name": NAME, "namespace": SPACE}
    return (
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {**_named(), "annotations": dict(annotations)}},
        {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": NAME}, "rules": ANYWHERE},
        _binding("ClusterRoleBinding", {"name": NAME}, "ClusterRole", subject),
        {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": _named(), "rules": OWN},
        _binding("RoleBinding", _named(), "Role", subject),
        _deployment(cluster, region, image),
    )


def image_of(version: str) -> str:
    """For a control plane such as 1.33, whose scheduler it has in it; every minor version has a first release."""
    return f"{IMAGE}:v{version}.0"


def _binding(kind: str, metadata: Mapping[str, Any], role: str, subject: Mapping[str, Any]) -> Manifest:
    to = {"apiGroup": RBAC, "kind": role, "name": NAME}
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": dict(metadata), "roleRef": to, "subjects": [dict(subject)]}


def _deployment(cluster: str, region: str, image: pulumi.Input[str]) -> Manifest:
    tags = f"k8s.io/cluster-autoscaler/enabled,k8s.io/cluster-autoscaler/{cluster}"
    container = {
        "name": NAME,
        "image": image,
        "command": [
            "./cluster-autoscaler",
            "--cloud-provider=aws",
            f"--node-group-auto-discovery=asg:tag={tags}",
            "--balance-similar-node-groups",
            "--expander=least-waste",
            "--skip-nodes-with-local-storage=false",  # every pod of ours has a scratch folder
        ],
        "env": [{"name": "AWS_REGION", "value": region}],
        "resources": {"requests": {"cpu": "100m", "memory": "600Mi"}, "limits": {"memory": "600Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True},
    }
    pod = {
        "serviceAccountName": NAME,
        "priorityClassName": "system-cluster-critical",
        "securityContext": {"runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    spec = {"replicas": 1, "selector": {"matchLabels": CHOSEN}, "template": {"metadata": {"labels": CHOSEN}, "spec": pod}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _named(), "spec": spec}


def _named() -> dict[str, Any]:
    return {"name": NAME, "namespace": SPACE, "labels": dict(CHOSEN)}
