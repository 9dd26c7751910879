"""Stand-ins for the controllers of KServe, Kueue, the Spark operator, Feast, Trainer and Notebooks: mocks, for not all can be had everywhere.

They do what the real ones were seen to do (docs/adr/0014).

Each looks at the objects of its kind on the real API server, makes the pods that the real one would make of them (a Deployment, a
Job, a StatefulSet, owned, so that they go with their owner), and writes the status that says ready. Scheduling, placement,
quotas of pods and garbage collection are then the real ones.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests
from control_plane import ControlPlane

LOOK = 0.2
"""Seconds between two looks at all kinds."""
SERVED = {"app.kubernetes.io/created-by": "stand-in"}
Object = dict[str, Any]


@contextmanager
def controllers(plane: ControlPlane) -> Iterator["Controllers"]:
    """They run while the block does."""
    running = Controllers(plane)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.stopped.set()
        thread.join()


class Controllers:
    """One loop over all kinds that are defined."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.stopped = threading.Event()
        self.failed: list[str] = []
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers = plane.session.headers
        self._session.verify = plane.session.verify
        self._session.cert = plane.session.cert

    def run(self) -> None:
        while not self.stopped.wait(LOOK):
            for path, act in KINDS.items():
                for item in self._get(f"/apis/{path}").get("items", ()):
                    if "deletionTimestamp" in item["metadata"] and not path.endswith("/trainjobs"):  # Trainer makes its JobSet again until it is gone
                        continue
                    try:
                        act(self, path, item)
                    except requests.HTTPError as error:
                        self.failed.append(f"{path}: {error.response.text}")

    def make(self, owner: Object, path: str, made: Object) -> Object:
        """The object, owned by the one that it is made for; its live state."""
        metadata = owner["metadata"]
        reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": metadata["name"], "uid": metadata["uid"], "controller": True}
        reference["blockOwnerDeletion"] = True
        made["metadata"] |= {"namespace": metadata["namespace"], "ownerReferences": [reference]}
        at = f"/apis/{path.replace('NAMESPACE', metadata['namespace'])}/{made['metadata']['name']}"
        answer = self._session.patch(
            self.plane.url + at,
            json=made,
            params={"fieldManager": "stand-in", "force": "true"},
            headers={"Content-Type": "application/apply-patch+yaml"},
        )
        answer.raise_for_status()
        return answer.json()

    def say(self, path: str, item: Object, status: Mapping[str, Any]) -> None:
        """Writes the status, where it says something else."""
        if {key: (item.get("status") or {}).get(key) for key in status} == dict(status):
            return
        group, _, plural = path.rpartition("/")
        space = f"namespaces/{item['metadata']['namespace']}/" if item["metadata"].get("namespace") else ""
        answer = self._session.patch(
            f"{self.plane.url}/apis/{group}/{space}{plural}/{item['metadata']['name']}/status",
            json={"status": dict(status)},
            headers={"Content-Type": "application/merge-patch+json"},
        )
        if answer.status_code != requests.codes.not_found:  # it may have been deleted meanwhile
            answer.raise_for_status()

    def _get(self, at: str) -> Object:
        answer = self._session.get(self.plane.url + at)
        return answer.json() if answer.ok else {}


def condition(item: Object, type: str, *, observed: bool = True) -> dict[str, Any]:
    """A condition that is true, of this generation of the object."""
    of = {"observedGeneration": item["metadata"]["generation"]} if observed else {}
    return {"type": type, "status": "True", "reason": "StandIn", "message": "", "lastTransitionTime": item["metadata"]["creationTimestamp"], **of}


def queue(self: Controllers, path: str, item: Object) -> None:
    self.say(path, item, {"conditions": [condition(item, "Active")]})


def inference_service(self: Controllers, path: str, item: Object) -> None:
    """A Deployment with the runtime's container, as KServe merges it in Standard mode."""
    name, space = item["metadata"]["name"], item["metadata"]["namespace"]
    predictor = item["spec"]["predictor"]
    runtime = self._get(f"/apis/serving.kserve.io/v1alpha1/namespaces/{space}/servingruntimes/{predictor['model']['runtime']}")
    if not runtime:
        return
    (container,) = runtime["spec"]["containers"]
    container = {**container, "resources": predictor["model"].get("resources", {})}
    labels = {**SERVED, **item["metadata"].get("labels", {}), "serving.kserve.io/inferenceservice": name, "app": f"isvc.{name}-predictor"}
    placed = {key: predictor[key] for key in ("nodeSelector", "tolerations", "serviceAccountName", "securityContext") if key in predictor}
    pod = {**placed, "containers": [container], "volumes": runtime["spec"].get("volumes", [])}
    made = self.make(item, "apps/v1/namespaces/NAMESPACE/deployments", deployment(f"{name}-predictor", labels, pod, predictor.get("minReplicas", 1)))
    wanted = int(made["spec"]["replicas"])
    if int((made.get("status") or {}).get("availableReplicas") or 0) >= wanted:
        conditions = [condition(item, type, observed=False) for type in ("PredictorReady", "Ready")]
        self.say(path, item, {"observedGeneration": item["metadata"]["generation"], "conditions": conditions, "url": f"http://{name}-{space}.example.com"})


def feature_store(self: Controllers, path: str, item: Object) -> None:
    """A server whose container has no security context, as Feast's operator makes it."""
    services = item["spec"]["services"]
    labels = {**SERVED, "app": f"feast-{item['metadata']['name']}"}
    container = {"name": "online", "image": services["onlineStore"]["server"]["image"], "resources": services["onlineStore"]["server"]["resources"]}
    pod = {"containers": [container], "securityContext": services["securityContext"]}
    made = self.make(item, "apps/v1/namespaces/NAMESPACE/deployments", deployment(labels["app"], labels, pod, 1))
    if (made.get("status") or {}).get("availableReplicas"):
        self.say(path, item, {"conditions": [condition(item, "FeatureStore", observed=False)]})


def spark_application(self: Controllers, path: str, item: Object) -> None:
    """The driver as a Job, of its template as Spark makes it without the operator's webhook: its executors are made by the driver itself.

    The driver of an application that was changed is another one.
    """
    spec = item["spec"]
    driver = spec["driver"]
    template = driver["template"]["spec"]
    (container,) = template["containers"]
    asked = {"requests": {"cpu": str(driver["cores"]), "memory": "1Gi"}}
    pod = {**template, "restartPolicy": "Never", "serviceAccountName": driver["serviceAccount"]}
    pod["containers"] = [{**container, "image": spec["image"], "resources": asked}]
    labels = {**SERVED, **driver.get("labels", {})}
    made = job_of(f"{item['metadata']['name']}-{item['metadata']['generation']}-driver", labels, pod)
    made["metadata"]["labels"] = dict(SERVED)  # Spark makes a pod and no Job, which nobody is to take for the object's own
    self.make(item, "batch/v1/namespaces/NAMESPACE/jobs", made)
    runs_on = spec["restartPolicy"]["type"] == "Always"
    self.say(path, item, {"applicationState": {"state": "RUNNING" if runs_on else "COMPLETED"}, "driverInfo": {}})


def train_job(self: Controllers, path: str, item: Object) -> None:
    """The first node's pod: the runtime's container, which has nothing of its own, with what the job's patch says."""
    if item["spec"].get("suspend"):
        return
    (patched,) = item["spec"]["runtimePatches"]
    (node,) = patched["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    pod = node["template"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    trainer = item["spec"]["trainer"]
    run = {**pod, "restartPolicy": "Never", "containers": [{**container, "image": trainer["image"], "resources": trainer["resourcesPerNode"]}]}
    labels = {**SERVED, **item["metadata"].get("labels", {})}
    self.make(item, "batch/v1/namespaces/NAMESPACE/jobs", job_of(f"{item['metadata']['name']}-node-0", labels, run))
    self.say(path, item, {"conditions": [condition(item, "Complete", observed=False)]})


def notebook(self: Controllers, path: str, item: Object) -> None:
    name = item["metadata"]["name"]
    labels = {**SERVED, "notebook-name": name}
    made = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name, "labels": labels}}
    spec = {"serviceName": name, "replicas": 1, "selector": {"matchLabels": {"notebook-name": name}}}
    template = {"metadata": {"labels": labels}, "spec": item["spec"]["template"]["spec"]}
    live = self.make(item, "apps/v1/namespaces/NAMESPACE/statefulsets", {**made, "spec": {**spec, "template": template}})
    ready = int((live.get("status") or {}).get("readyReplicas") or 0)
    self.say(path, item, {"conditions": [], "containerState": {}, "readyReplicas": ready})


def deployment(name: str, labels: Mapping[str, str], pod: Mapping[str, Any], replicas: int) -> Object:
    template = {"metadata": {"labels": dict(labels)}, "spec": dict(pod)}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": labels["app"]}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": dict(labels)}, "spec": spec}


def job_of(name: str, labels: Mapping[str, str], pod: Mapping[str, Any]) -> Object:
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "labels": labels}, "spec": {"template": template}}


KINDS: Mapping[str, Callable[[Controllers, str, Object], None]] = {
    "kueue.x-k8s.io/v1beta2/clusterqueues": queue,
    "kueue.x-k8s.io/v1beta2/localqueues": queue,
    "serving.kserve.io/v1beta1/inferenceservices": inference_service,
    "feast.dev/v1/featurestores": feature_store,
    "sparkoperator.k8s.io/v1beta2/sparkapplications": spark_application,
    "trainer.kubeflow.org/v1alpha1/trainjobs": train_job,
    "kubeflow.org/v1/notebooks": notebook,
}
