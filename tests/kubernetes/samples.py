"""One object of each kind that is served: what it is at first, a change that is an update, and one that needs a new object."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

POD = {"containers": [{"name": "main", "image": "registry.example/app:1", "resources": {"requests": {"cpu": "10m"}}}]}
LABELS = {"app": "sample"}


@dataclass(frozen=True)
class Sample:
    """``changed`` and ``replaced`` are paths with their new values."""

    api_version: str
    kind: str
    body: Mapping[str, Any]
    changed: tuple[str, Any]
    replaced: tuple[str, Any] | None = None
    namespaced: bool = True
    named: str = ""
    """Where the name is not free."""

    @property
    def id(self) -> str:
        return f"{self.kind} of {self.api_version}"


def _pods(spec: Mapping[str, Any] = POD) -> dict[str, Any]:
    return {"metadata": {"labels": LABELS}, "spec": dict(spec)}


def _wide(api_version: str, kind: str, body: Mapping[str, Any], changed: tuple[str, Any], replaced: tuple[str, Any] | None = None) -> Sample:
    return Sample(api_version, kind, body, changed, replaced, namespaced=False)


RULES = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
ONCE = {**POD, "restartPolicy": "Never"}
WEBHOOK = {
    "name": "check.example.com",
    "admissionReviewVersions": ["v1"],
    "sideEffects": "None",
    "failurePolicy": "Ignore",
    "clientConfig": {"url": "https://127.0.0.1:1/check"},
    "rules": [{"apiGroups": ["none.example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["things"]}],
}
BUILT_IN = [
    Sample("v1", "ConfigMap", {"data": {"a": "1"}}, ("data.a", "2")),
    Sample("v1", "Secret", {"stringData": {"a": "first"}}, ("stringData.a", "second"), ("type", "example.com/other")),
    Sample("v1", "Service", {"spec": {"selector": LABELS, "ports": [{"port": 80}]}}, ("spec.selector.app", "other"), ("spec.clusterIP", "None")),
    Sample("v1", "ServiceAccount", {"automountServiceAccountToken": False}, ("automountServiceAccountToken", True)),
    Sample("v1", "Pod", {"spec": POD}, ("metadata.labels.a", "b"), ("spec.containers.0.resources.requests.cpu", "20m")),
    Sample(
        "v1",
        "PersistentVolumeClaim",
        {"spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "none", "resources": {"requests": {"storage": "1Gi"}}}},
        ("metadata.labels.a", "b"),
        ("spec.storageClassName", "other"),
    ),
    Sample("v1", "ResourceQuota", {"spec": {"hard": {"requests.nvidia.com/gpu": "4"}}}, ("spec.hard", {"requests.nvidia.com/gpu": "8"})),
    Sample("v1", "LimitRange", {"spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}}]}}, ("spec.limits.0.default.cpu", "2")),
    Sample("v1", "Endpoints", {"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]}, ("subsets.0.ports.0.port", 81)),
    _wide("v1", "Namespace", {}, ("metadata.labels.a", "b")),
    _wide(
        "v1",
        "PersistentVolume",
        {"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/none"}, "storageClassName": "none"}},
        ("metadata.labels.a", "b"),
        ("spec.hostPath.path", "/other"),
    ),
    Sample(
        "apps/v1",
        "Deployment",
        {"spec": {"replicas": 1, "selector": {"matchLabels": LABELS}, "template": _pods()}},
        ("spec.replicas", 2),
        ("spec.selector.matchLabels.more", "label"),
    ),
    Sample(
        "apps/v1",
        "ReplicaSet",
        {"spec": {"replicas": 1, "selector": {"matchLabels": LABELS}, "template": _pods()}},
        ("spec.replicas", 2),
        ("spec.selector.matchLabels.more", "label"),
    ),
    Sample(
        "apps/v1",
        "StatefulSet",
        {"spec": {"replicas": 1, "serviceName": "none", "selector": {"matchLabels": LABELS}, "template": _pods()}},
        ("spec.replicas", 2),
        ("spec.serviceName", "other"),
    ),
    Sample(
        "apps/v1",
        "DaemonSet",
        {"spec": {"selector": {"matchLabels": LABELS}, "template": _pods()}},
        ("spec.minReadySeconds", 1),
        ("spec.selector.matchLabels.more", "label"),
    ),
    Sample(
        "batch/v1", "Job", {"spec": {"template": {"spec": ONCE}}}, ("spec.backoffLimit", 3), ("spec.template.spec.containers.0.image", "registry.example/app:2")
    ),
    Sample("batch/v1", "CronJob", {"spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": ONCE}}}}}, ("spec.schedule", "0 4 * * *")),
    Sample("rbac.authorization.k8s.io/v1", "Role", {"rules": RULES}, ("rules.0.verbs", ["get", "list"])),
    Sample(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "one"}, "subjects": [{"kind": "User", "name": "a"}]},
        ("subjects.0.name", "b"),
        ("roleRef.name", "two"),
    ),
    _wide("rbac.authorization.k8s.io/v1", "ClusterRole", {"rules": RULES}, ("rules.0.verbs", ["get", "list"])),
    _wide(
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "one"}, "subjects": [{"kind": "User", "name": "a"}]},
        ("subjects.0.name", "b"),
        ("roleRef.name", "two"),
    ),
    Sample("networking.k8s.io/v1", "NetworkPolicy", {"spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}, ("spec.policyTypes", ["Ingress", "Egress"])),
    Sample(
        "networking.k8s.io/v1",
        "Ingress",
        {"spec": {"defaultBackend": {"service": {"name": "a", "port": {"number": 80}}}}},
        ("spec.defaultBackend.service.name", "b"),
    ),
    _wide(
        "networking.k8s.io/v1",
        "IngressClass",
        {"spec": {"controller": "example.com/none"}},
        ("metadata.labels.a", "b"),
        ("spec.controller", "example.com/other"),
    ),
    Sample("policy/v1", "PodDisruptionBudget", {"spec": {"minAvailable": 1, "selector": {"matchLabels": LABELS}}}, ("spec.minAvailable", 2)),
    Sample(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        {"spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"}}},
        ("spec.maxReplicas", 4),
    ),
    _wide("scheduling.k8s.io/v1", "PriorityClass", {"value": 10}, ("metadata.labels.a", "b"), ("value", 20)),
    _wide("storage.k8s.io/v1", "StorageClass", {"provisioner": "example.com/none"}, ("metadata.labels.a", "b"), ("provisioner", "example.com/other")),
    _wide("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", {"webhooks": [WEBHOOK]}, ("webhooks.0.timeoutSeconds", 5)),
    _wide("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", {"webhooks": [WEBHOOK]}, ("webhooks.0.timeoutSeconds", 5)),
]
DEFINITION = {
    "spec": {
        "group": "sample.example.com",
        "scope": "Namespaced",
        "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}},
            }
        ],
    }
}
NODE = {"spec": {"template": {"spec": {"template": {"spec": {"restartPolicy": "Never", **POD}}}}}}
DRIVER = {"cores": 1, "memory": "512m", "serviceAccount": "spark"}
SPARK = {
    "type": "Python",
    "mode": "cluster",
    "sparkVersion": "4.0.0",
    "image": "registry.example/spark:4",
    "mainApplicationFile": "local:///app/main.py",
    "driver": DRIVER,
    "executor": {"cores": 1, "memory": "512m", "instances": 1},
}
TRAINING = {
    "spec": {
        "mlPolicy": {"numNodes": 1, "torch": {}},
        "template": {
            "spec": {
                "replicatedJobs": [
                    {"name": "node", "template": {"spec": {"template": {"spec": {"containers": [{"name": "node", "image": "registry.example/torch:1"}]}}}}}
                ]
            }
        },
    }
}
RUNTIME = {
    "spec": {
        "supportedModelFormats": [{"name": "mlx", "version": "1", "autoSelect": False}],
        "containers": [{"name": "kserve-container", "image": "registry.example/mlx:1"}],
    }
}
GATEWAY = {"spec": {"gatewayClassName": "none", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}}
CUSTOM = [
    Sample(
        "serving.kserve.io/v1beta1",
        "InferenceService",
        {
            "metadata": {"annotations": {"serving.kserve.io/deploymentMode": "Standard", "pulumi.com/skipAwait": "true"}},
            "spec": {"predictor": {"minReplicas": 1, "model": {"modelFormat": {"name": "mlx"}, "storageUri": "s3://models/a", "runtime": "mlx"}}},
        },
        ("spec.predictor.model.storageUri", "s3://models/b"),
    ),
    Sample("serving.kserve.io/v1alpha1", "ServingRuntime", RUNTIME, ("spec.containers.0.image", "registry.example/mlx:2")),
    _wide("serving.kserve.io/v1alpha1", "ClusterServingRuntime", RUNTIME, ("spec.containers.0.image", "registry.example/mlx:2")),
    _wide(
        "serving.kserve.io/v1alpha1",
        "ClusterStorageContainer",
        {"spec": {"container": {"name": "storage-initializer", "image": "registry.example/storage:1"}, "supportedUriFormats": [{"prefix": "mlx://"}]}},
        ("spec.container.image", "registry.example/storage:2"),
    ),
    Sample(
        "serving.kserve.io/v1alpha1",
        "InferenceGraph",
        {"spec": {"nodes": {"root": {"routerType": "Sequence", "steps": [{"serviceName": "a"}]}}}},
        ("spec.nodes.root.steps.0.serviceName", "b"),
    ),
    Sample(
        "serving.kserve.io/v1alpha1",
        "TrainedModel",
        {"spec": {"inferenceService": "a", "model": {"framework": "sklearn", "memory": "1Gi", "storageUri": "s3://models/a"}}},
        ("spec.model.storageUri", "s3://models/b"),
    ),
    Sample("pipelines.kubeflow.org/v2beta1", "Pipeline", {"spec": {"displayName": "first"}}, ("spec.displayName", "second")),
    Sample(
        "pipelines.kubeflow.org/v2beta1",
        "PipelineVersion",
        {"spec": {"pipelineName": "train", "displayName": "first", "pipelineSpec": {"root": {"dag": {}, "none": None}, "list": []}}},
        ("spec.displayName", "second"),
    ),
    Sample("kubeflow.org/v1", "Notebook", {"spec": {"template": {"spec": POD}}}, ("spec.template.spec.containers.0.image", "registry.example/app:2")),
    Sample(
        "kubeflow.org/v1beta1",
        "ScheduledWorkflow",
        {"spec": {"enabled": True, "maxConcurrency": 1, "trigger": {"periodicSchedule": {"intervalSecond": 60}}}},
        ("spec.trigger.periodicSchedule.intervalSecond", 90),
    ),
    Sample("trainer.kubeflow.org/v1alpha1", "TrainingRuntime", TRAINING, ("spec.mlPolicy.numNodes", 2)),
    _wide("trainer.kubeflow.org/v1alpha1", "ClusterTrainingRuntime", TRAINING, ("spec.mlPolicy.numNodes", 2)),
    Sample(
        "trainer.kubeflow.org/v1alpha1",
        "TrainJob",
        {"spec": {"runtimeRef": {"name": "torch"}, "trainer": {"numNodes": 1}}},
        ("metadata.labels.a", "b"),
        ("spec.runtimeRef.name", "other"),
    ),
    Sample(
        "jobset.x-k8s.io/v1alpha2",
        "JobSet",
        {"spec": {"replicatedJobs": [{"name": "node", "replicas": 1, "template": {"spec": {"template": {"spec": ONCE}}}}]}},
        ("metadata.labels.a", "b"),
    ),
    Sample("sparkoperator.k8s.io/v1beta2", "SparkApplication", {"spec": SPARK}, ("spec.executor.instances", 2)),
    Sample("sparkoperator.k8s.io/v1beta2", "ScheduledSparkApplication", {"spec": {"schedule": "@every 1h", "template": SPARK}}, ("spec.schedule", "@every 2h")),
    Sample(
        "sparkoperator.k8s.io/v1alpha1",
        "SparkConnect",
        {"spec": {"sparkVersion": "4.0.0", "server": {"cores": 1}, "executor": {"instances": 1}}},
        ("spec.executor.instances", 2),
    ),
    Sample("feast.dev/v1", "FeatureStore", {"spec": {"feastProject": "flights"}}, ("spec.feastProject", "other")),
    _wide("kueue.x-k8s.io/v1beta2", "ResourceFlavor", {"spec": {"nodeLabels": {"pool": "cpu"}}}, ("spec.nodeLabels.pool", "gpu")),
    _wide(
        "kueue.x-k8s.io/v1beta2",
        "ClusterQueue",
        {
            "spec": {
                "namespaceSelector": {},
                "resourceGroups": [{"coveredResources": ["cpu"], "flavors": [{"name": "cpu", "resources": [{"name": "cpu", "nominalQuota": "4"}]}]}],
            }
        },
        ("spec.resourceGroups.0.flavors.0.resources.0.nominalQuota", "8"),
    ),
    _wide("kueue.x-k8s.io/v1beta2", "Cohort", {"spec": {}}, ("spec.parentName", "all")),
    Sample("kueue.x-k8s.io/v1beta2", "LocalQueue", {"spec": {"clusterQueue": "a"}}, ("metadata.labels.a", "b"), ("spec.clusterQueue", "b")),
    Sample(
        "kueue.x-k8s.io/v1beta2",
        "Workload",
        {"spec": {"queueName": "a", "podSets": [{"name": "main", "count": 1, "template": {"spec": ONCE}}]}},
        ("spec.queueName", "b"),
    ),
    _wide("kueue.x-k8s.io/v1beta2", "WorkloadPriorityClass", {"value": 10, "description": "first"}, ("description", "second")),
    _wide(
        "gateway.networking.k8s.io/v1",
        "GatewayClass",
        {"spec": {"controllerName": "example.com/none", "description": "first"}},
        ("spec.description", "second"),
        ("spec.controllerName", "example.com/other"),
    ),
    Sample("gateway.networking.k8s.io/v1", "Gateway", GATEWAY, ("spec.listeners.0.port", 81)),
    Sample(
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        {"spec": {"parentRefs": [{"name": "a"}], "rules": [{"backendRefs": [{"name": "a", "port": 80}]}]}},
        ("spec.rules.0.backendRefs.0.port", 81),
    ),
    Sample(
        "gateway.networking.k8s.io/v1beta1",
        "ReferenceGrant",
        {"spec": {"from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "a"}], "to": [{"group": "", "kind": "Service"}]}},
        ("spec.from.0.namespace", "b"),
    ),
    Sample(
        "keda.sh/v1alpha1",
        "ScaledObject",
        {"spec": {"scaleTargetRef": {"name": "a"}, "triggers": [{"type": "cpu", "metadata": {"value": "50"}}]}},
        ("spec.maxReplicaCount", 3),
    ),
    Sample(
        "keda.sh/v1alpha1",
        "ScaledJob",
        {"spec": {"jobTargetRef": {"template": {"spec": ONCE}}, "triggers": [{"type": "cron", "metadata": {"a": "b"}}]}},
        ("spec.maxReplicaCount", 3),
    ),
    Sample(
        "keda.sh/v1alpha1",
        "TriggerAuthentication",
        {"spec": {"secretTargetRef": [{"parameter": "a", "name": "b", "key": "c"}]}},
        ("spec.secretTargetRef.0.key", "d"),
    ),
    Sample("cert-manager.io/v1", "Issuer", {"spec": {"selfSigned": {}}}, ("spec.selfSigned.crlDistributionPoints", ["http://example.com"])),
    _wide("cert-manager.io/v1", "ClusterIssuer", {"spec": {"selfSigned": {}}}, ("spec.selfSigned.crlDistributionPoints", ["http://example.com"])),
    Sample(
        "cert-manager.io/v1",
        "Certificate",
        {"spec": {"secretName": "a", "issuerRef": {"name": "a"}, "dnsNames": ["example.com"]}},
        ("spec.dnsNames", ["example.org"]),
    ),
]
DEFINED = Sample(
    "apiextensions.k8s.io/v1", "CustomResourceDefinition", DEFINITION, ("spec.names.shortNames", ["th"]), namespaced=False, named="things.sample.example.com"
)
SAMPLES = [*BUILT_IN, DEFINED, *CUSTOM]
