"""An environment's namespace, and what every workload in it needs: service accounts with the least they need, network policies, queues."""

from collections.abc import Sequence
from typing import Any

from mlx_components.kubernetes.account import RBAC, account
from mlx_components.kubernetes.place import Manifest, Place, annotated
from mlx_components.kubernetes.queues import CLUSTER, environment_queues
from mlx_pipelines.contract import APPLY_MAP
from mlx_specs.accounts import APPLY, RUN, SERVE, SPARK, TRAIN
from mlx_specs.environment import Environment

EVERYTHING = ["create", "delete", "get", "list", "patch", "update", "watch"]
LOOK = ["get", "list", "watch"]
MANAGED = {
    "": ["configmaps", "persistentvolumeclaims", "serviceaccounts", "services"],
    "apps": ["deployments", "statefulsets"],
    "batch": ["cronjobs", "jobs"],
    "feast.dev": ["featurestores"],
    "kubeflow.org": ["notebooks", "scheduledworkflows"],
    "kueue.x-k8s.io": ["localqueues"],
    "networking.k8s.io": ["networkpolicies"],
    "pipelines.kubeflow.org": ["pipelines", "pipelineversions"],
    "policy": ["poddisruptionbudgets"],
    RBAC: ["rolebindings", "roles"],
    "serving.kserve.io": ["inferenceservices", "servingruntimes"],
    "sparkoperator.k8s.io": ["scheduledsparkapplications", "sparkapplications"],
    "trainer.kubeflow.org": ["trainjobs"],
}
"""What an apply makes in the namespace, and so may change there."""
RUNS_PIPELINES = "pipelines.kubeflow.org/enabled"
"""Kubeflow Pipelines itself brings into a namespace with this label what its runs need there: where artifacts go, and the keys for that."""
LAUNCHER = "kfp-launcher"
"""The ConfigMap in which KFP says where artifacts of steps are kept."""
RULES: dict[str, list[dict[str, Any]]] = {
    SPARK: [{"apiGroups": [""], "resources": ["configmaps", "persistentvolumeclaims", "pods", "services"], "verbs": [*EVERYTHING, "deletecollection"]}],
    TRAIN: [
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]},
        {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "patch", "watch"]},
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [APPLY_MAP, LAUNCHER], "verbs": ["get"]},
    ],
    APPLY: [
        *({"apiGroups": [group], "resources": names, "verbs": EVERYTHING} for group, names in MANAGED.items()),
        {"apiGroups": [""], "resources": ["events", "pods", "pods/log"], "verbs": LOOK},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "patch"]},
        {"apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": [APPLY], "verbs": ["create"]},
        {"apiGroups": ["pipelines.kubeflow.org"], "resources": ["experiments", "runs"], "verbs": ["create", "get", "list"]},
        {"apiGroups": ["pipelines.kubeflow.org"], "resources": ["jobs"], "verbs": ["create", "disable", "get", "list"]},
    ],
}
"""A driver makes its executors; KFP's own containers beside a step watch its pod and report to Argo; a pipeline's last step starts the Job
that applies; that Job changes what an apply has made. Kubeflow Pipelines asks Kubernetes whether the account that submits runs may do so,
and calls recurring runs jobs; whoever applies submits as that account.
"""


def namespace(environment: Environment, place: Place, *, serves_features: bool = False) -> Manifest:
    """The environment's own, with what people say of it; pods that may do more than they need are not let in.

    Feast's operator gives the containers of its servers no security context, and its object has no field for one: where there is a
    feature store the level is the next lower one, and what falls short of the higher one is still told.
    """
    level = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("audit", "enforce", "warn")}
    if serves_features:
        level["pod-security.kubernetes.io/enforce"] = "baseline"
    trains = {RUNS_PIPELINES: "true"} if environment.spec.models == "follow" else {}
    labels = {**place.labels(environment), **level, CLUSTER: place.cluster_name, **trains}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.namespace, "labels": labels, **annotated(environment.metadata)}}


def environment_objects(place: Place, *, trains: bool = True) -> tuple[Manifest, ...]:
    """What stands in the namespace before any workload; where nothing trains nobody may start what an ended training starts."""
    return (*_accounts(place, (SERVE, RUN, SPARK, TRAIN, APPLY) if trains else (SERVE, RUN, SPARK)), *_network(place), *environment_queues(place))


def _accounts(place: Place, names: Sequence[str]) -> list[Manifest]:
    labels = place.labels_of("Environment", place.environment)
    # The pods of a training's run are KFP's: they do not say themselves that they need a token.
    return [one for name in names for one in account(place, name, labels, RULES.get(name, ()), mounts=name == TRAIN)]


def _network(place: Place) -> list[Manifest]:
    """Nobody reaches a pod from outside of the namespace, but for endpoints, which the cluster's gateway reaches."""
    within = [{"podSelector": {}}]
    anywhere = [{"namespaceSelector": {}}]
    serving = {"matchExpressions": [{"key": "serving.kserve.io/inferenceservice", "operator": "Exists"}]}
    return [
        _policy(place, "mlx-within", {}, within, ()),
        _policy(place, "mlx-endpoints", serving, anywhere, ({"port": 8080, "protocol": "TCP"},)),
    ]


def _policy(place: Place, name: str, chosen: dict[str, Any], sources: list[dict[str, Any]], ports: tuple[dict[str, Any], ...]) -> Manifest:
    allowed = {"from": sources, **({"ports": list(ports)} if ports else {})}
    spec = {"podSelector": chosen, "policyTypes": ["Ingress"], "ingress": [allowed]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": _named(place, name), "spec": spec}


def _named(place: Place, name: str) -> dict[str, Any]:
    return {"name": name, "namespace": place.namespace, "labels": place.labels_of("Environment", place.environment)}
