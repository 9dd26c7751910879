"""What this provider serves: kinds by group, each with what is special about it. Anything else is refused by name."""

from dataclasses import dataclass

from mlx_kubernetes.errors import KubernetesError


@dataclass(frozen=True)
class Kind:
    """How objects of a kind are treated."""

    loses_data: bool = False
    """A replacement would: it needs consent."""
    never_replaced: bool = False
    """A definition takes all its objects with it."""


PLAIN = Kind()
DATA = Kind(loses_data=True)
KINDS: dict[str, dict[str, Kind]] = {
    "": {
        "ConfigMap": PLAIN, "Endpoints": PLAIN, "LimitRange": PLAIN, "Namespace": DATA, "PersistentVolume": DATA, "PersistentVolumeClaim": DATA,
        "Pod": PLAIN, "ResourceQuota": PLAIN, "Secret": PLAIN, "Service": PLAIN, "ServiceAccount": PLAIN,
    },
    "apps": {"DaemonSet": PLAIN, "Deployment": PLAIN, "ReplicaSet": PLAIN, "StatefulSet": DATA},
    "batch": {"CronJob": PLAIN, "Job": PLAIN},
    "rbac.authorization.k8s.io": {"ClusterRole": PLAIN, "ClusterRoleBinding": PLAIN, "Role": PLAIN, "RoleBinding": PLAIN},
    "networking.k8s.io": {"Ingress": PLAIN, "IngressClass": PLAIN, "NetworkPolicy": PLAIN},
    "policy": {"PodDisruptionBudget": PLAIN},
    "autoscaling": {"HorizontalPodAutoscaler": PLAIN},
    "scheduling.k8s.io": {"PriorityClass": PLAIN},
    "storage.k8s.io": {"StorageClass": PLAIN},
    "apiextensions.k8s.io": {"CustomResourceDefinition": Kind(loses_data=True, never_replaced=True)},
    "admissionregistration.k8s.io": {"MutatingWebhookConfiguration": PLAIN, "ValidatingWebhookConfiguration": PLAIN},
    "serving.kserve.io": {
        "ClusterServingRuntime": PLAIN, "ClusterStorageContainer": PLAIN, "InferenceGraph": PLAIN, "InferenceService": PLAIN,
        "ServingRuntime": PLAIN, "TrainedModel": PLAIN,
    },
    "pipelines.kubeflow.org": {"Pipeline": PLAIN, "PipelineVersion": PLAIN},
    "kubeflow.org": {"Notebook": DATA, "ScheduledWorkflow": PLAIN},
    "trainer.kubeflow.org": {"ClusterTrainingRuntime": PLAIN, "TrainJob": PLAIN, "TrainingRuntime": PLAIN},
    "jobset.x-k8s.io": {"JobSet": PLAIN},
    "sparkoperator.k8s.io": {"ScheduledSparkApplication": PLAIN, "SparkApplication": PLAIN, "SparkConnect": PLAIN},
    "feast.dev": {"FeatureStore": DATA},
    "kueue.x-k8s.io": {
        "ClusterQueue": PLAIN, "Cohort": PLAIN, "LocalQueue": PLAIN, "ResourceFlavor": PLAIN, "Workload": PLAIN, "WorkloadPriorityClass": PLAIN,
    },
    "gateway.networking.k8s.io": {"Gateway": PLAIN, "GatewayClass": PLAIN, "HTTPRoute": PLAIN, "ReferenceGrant": PLAIN},
    "keda.sh": {"ScaledJob": PLAIN, "ScaledObject": PLAIN, "TriggerAuthentication": PLAIN},
    "cert-manager.io": {"Certificate": PLAIN, "ClusterIssuer": PLAIN, "Issuer": PLAIN},
}  # fmt: skip


def kind_of(api_version: str, kind: str) -> Kind:
    """Raises ``KubernetesError`` with the kinds that are served."""
    group = api_version.rpartition("/")[0]
    known = KINDS.get(group, {})
    if kind in known:
        return known[kind]
    there = f"of {group or 'core'}: {', '.join(known)}" if known else f"groups: {', '.join(name or 'core' for name in KINDS)}"
    raise KubernetesError(f"{kind} of {api_version} is not served by mlx's Kubernetes provider", hint=f"{there}; else install Pulumi's plugin: host: pulumi")
