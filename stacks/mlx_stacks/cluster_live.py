"""The live objects that an environment has on its cluster, as one frozen value: one list for each kind, several at once. Reads only.

``read_owned`` is enough where all is well; ``read_around`` adds what tells why something is not: pods' owners, nodes, queues, events.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from mlx_components.kubernetes.place import OWNER
from mlx_components.kubernetes.queues import API as KUEUE
from mlx_kubernetes.client import Client
from mlx_kubernetes.errors import KubernetesError
from mlx_stacks.api_object import Object, is_owned_by, made_for, newest_first, parts, text

AT_ONCE = 8
TRAINING_LABEL = "pipeline/runid"
"""Kubeflow Pipelines labels a run's pods with it."""


@dataclass(frozen=True)
class Kind:
    """What is listed, and where it stands."""

    api_version: str
    name: str
    plural: str

    def path(self, namespace: str = "") -> str:
        """Of all in the namespace; without one, of all."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        return f"{root}/namespaces/{namespace}/{self.plural}" if namespace else f"{root}/{self.plural}"


OWNED = (
    Kind("batch/v1", "CronJob", "cronjobs"),
    Kind("batch/v1", "Job", "jobs"),
    Kind("feast.dev/v1", "FeatureStore", "featurestores"),
    Kind("kubeflow.org/v1", "Notebook", "notebooks"),
    Kind("pipelines.kubeflow.org/v2beta1", "Pipeline", "pipelines"),
    Kind("pipelines.kubeflow.org/v2beta1", "PipelineVersion", "pipelineversions"),
    Kind("serving.kserve.io/v1alpha1", "ServingRuntime", "servingruntimes"),
    Kind("serving.kserve.io/v1beta1", "InferenceService", "inferenceservices"),
    Kind("sparkoperator.k8s.io/v1beta2", "ScheduledSparkApplication", "scheduledsparkapplications"),
    Kind("sparkoperator.k8s.io/v1beta2", "SparkApplication", "sparkapplications"),
    Kind("trainer.kubeflow.org/v1alpha1", "TrainJob", "trainjobs"),
)
"""What objects of the specs become; each is asked for by the label of its owner."""
PODS = Kind("v1", "Pod", "pods")
AROUND = (
    Kind("apps/v1", "Deployment", "deployments"),
    Kind("apps/v1", "ReplicaSet", "replicasets"),
    Kind("apps/v1", "StatefulSet", "statefulsets"),
    Kind("batch/v1", "Job", "jobs"),
    Kind("jobset.x-k8s.io/v1alpha2", "JobSet", "jobsets"),
    Kind(KUEUE, "LocalQueue", "localqueues"),
    Kind(KUEUE, "Workload", "workloads"),
    Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
)
"""What controllers make of them, and what holds them back, in the namespace."""
CLUSTER_WIDE = (Kind("v1", "Node", "nodes"), Kind(KUEUE, "ClusterQueue", "clusterqueues"))
EVENTS = Kind("v1", "Event", "events")
WARNINGS = (("fieldSelector", "type=Warning"),)
UNFINISHED = (("fieldSelector", "status.phase!=Succeeded,status.phase!=Failed"),)


@dataclass(frozen=True)
class List:
    """One question: a kind, in one namespace or in all."""

    kind: Kind
    namespace: str = ""
    query: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Live:
    """What there is. A kind that the cluster does not know has no objects."""

    namespace: str
    home: Object | None
    """The namespace itself; None where it is not there."""
    objects: Mapping[str, Sequence[Object]]
    """By kind."""
    neighbours: Sequence[Object] = ()
    """The pods of all namespaces that hold a node's cores, memory or GPUs."""
    hidden: frozenset[str] = frozenset()
    """Kinds that this user may not list."""
    last_words: Mapping[str, str] = field(default_factory=lambda: dict[str, str]())
    """The end of the logs of containers that crashed, by POD/CONTAINER."""

    def of(self, kind: str) -> Sequence[Object]:
        """Those of a kind."""
        return self.objects.get(kind, ())

    def made_for(self, id: str, *kinds: str) -> list[Object]:
        """Those that an object of the specs has become, the newest first."""
        return newest_first(item for kind in kinds for item in self.of(kind) if made_for(item) == id)

    def children(self, owner: Object) -> list[Object]:
        """Those that a controller has made for another one, the newest first; what is being deleted is not told."""
        owned = [item for kind in CHILDREN for item in self.of(kind) if is_owned_by(item, owner)]
        return newest_first(item for item in owned if not text(item, "metadata", "deletionTimestamp"))

    def warnings(self, about: Object) -> list[Object]:
        """The warnings about an object, the newest first."""
        found = [item for item in self.of("Event") if text(item, "involvedObject", "uid") == text(about, "metadata", "uid")]
        return sorted(found, key=_last_seen, reverse=True)


CHILDREN = ("Deployment", "ReplicaSet", "StatefulSet", "JobSet", "Job", "SparkApplication", "Pod")


def read_owned(client: Client, namespace: str, owner: str) -> Live:
    """What an environment's objects have become, and the pods of its namespace. Raises ``KubernetesError``."""
    asked = [*(List(kind, namespace, (("labelSelector", f"{OWNER}={owner}"),)) for kind in OWNED), List(PODS, namespace)]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        home = threads.submit(_namespace, client, namespace)
        found = dict(zip((one.kind.name for one in asked), threads.map(partial(_readable, client), asked), strict=True))
        return Live(namespace, home.result(), found)


def read_around(client: Client, live: Live) -> Live:
    """The same with all that may tell a cause. What this user may not list is left out, and said to be hidden."""
    asked = [*(List(kind, live.namespace) for kind in AROUND), *(List(kind) for kind in CLUSTER_WIDE), List(EVENTS, live.namespace, WARNINGS)]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        neighbours = threads.submit(_listed, client, List(PODS, query=UNFINISHED))
        found = dict(zip((one.kind.name for one in asked), threads.map(partial(_listed, client), asked), strict=True))
        known = {name: items for name, items in found.items() if items is not None}
        others = neighbours.result()
    hidden = frozenset(found.keys() - known.keys())
    return replace(live, objects={**live.objects, **known}, neighbours=live.of("Pod") if others is None else others, hidden=hidden)


def read_pods(client: Client, live: Live) -> Live:
    """The same with the pods that there are now."""
    return replace(live, objects={**live.objects, PODS.name: _readable(client, List(PODS, live.namespace))})


def _namespace(client: Client, name: str) -> Object | None:
    answer = client.get(f"/api/v1/namespaces/{name}")
    if not answer.ok and answer.code != 404:
        raise KubernetesError(f"namespace {name} cannot be read: {answer.message}", hint="ask for the right to get it")
    return answer.body if answer.ok else None


def _readable(client: Client, asked: List) -> Sequence[Object]:
    """A status would lie without them."""
    found = _listed(client, asked)
    if found is None:
        plural = asked.kind.plural
        raise KubernetesError(f"{plural} of namespace {asked.namespace} cannot be listed", hint=f"ask for the right to list {plural} in it")
    return found


def _listed(client: Client, asked: List) -> Sequence[Object] | None:
    """None where this user may not; nothing of a kind that the cluster does not know."""
    answer = client.get(asked.kind.path(asked.namespace), **dict(asked.query))
    if answer.code == 403:
        return None
    if not answer.ok and answer.code != 404:
        raise KubernetesError(f"{asked.kind.plural} cannot be listed: {answer.message}", hint="the API server's log says more")
    # A list does not repeat what its items are.
    return [{**item, "apiVersion": asked.kind.api_version, "kind": asked.kind.name} for item in parts(answer.body, "items")] if answer.ok else ()


def _last_seen(event: Object) -> str:
    places = (("series", "lastObservedTime"), ("lastTimestamp",), ("eventTime",), ("metadata", "creationTimestamp"))
    return next((found for place in places if (found := text(event, *place))), "")
