"""What happens to objects beside what mlx does: autoscalers, Kueue, people, other owners, kills, what is not there yet."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cluster_stacks import OWNED, ClusterStack, with_value
from control_plane import ControlPlane

from mlx_components.clusters.autoscaler import autoscaler_objects, image_of
from mlx_engine.host import EngineError, Op
from mlx_kubernetes import apply
from mlx_kubernetes.apply import Cluster
from mlx_kubernetes.client import Answer, Client
from mlx_kubernetes.connection import connection
from mlx_kubernetes.discovery import Discovery
from mlx_kubernetes.errors import KubernetesError
from mlx_kubernetes.listing import Listing
from mlx_kubernetes.readiness import has_failed_for_good

LABELS = {"app": "web"}


def config_map(namespace: str, name: str = "settings", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace, "labels": dict(OWNED)}, "data": data or {"a": "1"}}


def deployment(namespace: str, replicas: int = 1, annotations: dict[str, str] | None = None, **pod: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "main", "image": "registry.example/web:1", "resources": {"requests": {"cpu": "10m"}}}], **pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace, "labels": dict(OWNED), "annotations": annotations or {}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": {"metadata": {"labels": LABELS}, "spec": spec}},
    }


def job(namespace: str, **spec: Any) -> dict[str, Any]:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "registry.example/job:1"}]}
    metadata = {"name": "once", "namespace": namespace, "labels": dict(OWNED)}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": {"spec": pod}, **spec}}


def failure(stack: ClusterStack, *objects: dict[str, Any], preview: bool = False) -> str:
    """What the run that fails says."""
    with pytest.raises(EngineError) as caught:
        (stack.preview if preview else stack.up)(*objects)
    told = [event.message for event in stack.events if event.severity == "error" and event.message]
    return "\n".join([str(caught.value), *told])


@pytest.fixture(scope="module")
def nodes(plane: ControlPlane) -> None:
    plane.add_node("cpu-1", {"cpu": "8", "memory": "32Gi"}, labels={"pool": "cpu"})
    taint = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
    plane.add_node("gpu-1", {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "1"}, labels={"pool": "gpu"}, taints=[taint])


def test_a_job_that_has_failed_is_made_anew_where_it_says_so_and_else_is_left(stack: ClusterStack, plane: ControlPlane, namespace: str) -> None:
    asked = with_value(job(namespace, backoffLimit=0), "spec.template.spec.nodeSelector", {"why": "empty"})
    asked["metadata"]["annotations"] = {"pulumi.com/skipAwait": "true"}
    again = with_value(asked, "metadata.annotations", {**asked["metadata"]["annotations"], "mlx.dev/run-again": "failed"})
    stack.up(asked)
    path, pods = f"/apis/batch/v1/namespaces/{namespace}/jobs/once", f"/api/v1/namespaces/{namespace}/pods"

    def fails() -> bool:
        for pod in plane.request("GET", pods)["items"]:
            plane.request("PATCH", f"{pods}/{pod['metadata']['name']}/status", {"status": {"phase": "Failed"}}, type="application/merge-patch+json")
        return any(one["type"] == "Failed" for one in plane.request("GET", path).get("status", {}).get("conditions", ()))

    plane.until(fails, "the Job has failed")
    failed = plane.request("GET", path)["metadata"]["uid"]
    assert stack.preview(asked) == []
    paths = ['metadata.annotations["mlx.dev/run-again"]', "status"]
    assert stack.preview(again) == [(Op.DELETE_REPLACED, []), (Op.REPLACE, paths), (Op.CREATE_REPLACEMENT, paths)]
    stack.up(again)
    assert plane.request("GET", path)["metadata"]["uid"] != failed
    assert stack.preview(again) == []


@pytest.mark.parametrize(("state", "for_good"), [("FAILED", True), ("FAILING", False), ("SUBMISSION_FAILED", False), ("COMPLETED", False), ("RUNNING", False)])
def test_what_its_operator_tries_again_has_not_failed_for_good(state: str, for_good: bool) -> None:
    application = {"apiVersion": "sparkoperator.k8s.io/v1beta2", "kind": "SparkApplication", "status": {"applicationState": {"state": state}}}
    assert has_failed_for_good(application) is for_good


@pytest.mark.usefixtures("nodes")
def test_replicas_that_an_autoscaler_set_are_left_alone(stack: ClusterStack, plane: ControlPlane, namespace: str) -> None:
    asked = deployment(namespace)
    stack.up(asked)
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    scale = {"spec": {"replicas": 3}}
    plane.request("PATCH", f"{path}/scale", scale, type="application/merge-patch+json", fieldManager="horizontal-pod-autoscaler")
    assert stack.preview(asked) == []
    stack.up(with_value(asked, "spec.minReadySeconds", 1))
    assert plane.request("GET", path)["spec"]["replicas"] == 3


@pytest.mark.usefixtures("nodes")
def test_replicas_that_a_person_set_are_found_and_put_back(stack: ClusterStack, plane: ControlPlane, namespace: str) -> None:
    asked = deployment(namespace)
    stack.up(asked)
    plane.kubectl("scale", "deployment/web", "--replicas=2", "-n", namespace)
    assert stack.preview(asked) == [(Op.UPDATE, ["spec.replicas"])]
    stack.up(asked)
    assert plane.request("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments/web")["spec"]["replicas"] == 1


def test_a_job_that_kueue_suspended_shows_no_change(stack: ClusterStack, plane: ControlPlane, namespace: str) -> None:
    asked = job(namespace, suspend=True)
    stack.up(asked)
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs/once"
    plane.request("PATCH", path, {"spec": {"suspend": False}}, type="application/merge-patch+json", fieldManager="kueue")
    assert stack.preview(asked) == []


def test_a_hand_edit_is_found_with_its_path_and_put_back(stack: ClusterStack, plane: ControlPlane, namespace: str) -> None:
    asked = config_map(namespace, a="1", b="2")
    stack.up(asked)
    plane.kubectl("patch", "configmap", "settings", "-n", namespace, "-p", '{"data": {"a": "by hand"}}')
    assert stack.preview(asked) == [(Op.UPDATE, ["data.a"])]
    stack.up(asked)
    assert plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/settings")["data"] == {"a": "1", "b": "2"}
    assert stack.preview(asked) == []


def test_a_field_that_is_taken_out_of_the_program_is_removed(stack: ClusterStack, plane: ControlPlane, namespace: str) -> None:
    stack.up(config_map(namespace, a="1", b="2"))
    assert stack.up(config_map(namespace, a="1")) == [(Op.UPDATE, ["data.b"])]
    assert plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/settings")["data"] == {"a": "1"}


def test_what_was_deleted_by_hand_is_made_again(stack: ClusterStack, plane: ControlPlane, namespace: str) -> None:
    asked = config_map(namespace)
    stack.up(asked)
    plane.kubectl("delete", "configmap", "settings", "-n", namespace)
    assert [op for op, _ in stack.preview(asked)] == [Op.UPDATE]
    stack.up(asked)
    assert plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/settings")["data"] == {"a": "1"}


def test_a_preview_writes_nothing(stack: ClusterStack, plane: ControlPlane, namespace: str) -> None:
    stack.up(config_map(namespace), deployment(namespace, annotations={"pulumi.com/skipAwait": "true"}))
    versions = _versions(plane, namespace)
    stack.preview(config_map(namespace, a="2"), config_map(namespace, "more"), deployment(namespace, replicas=4, annotations={"pulumi.com/skipAwait": "true"}))
    assert _versions(plane, namespace) == versions


def _versions(plane: ControlPlane, namespace: str) -> dict[str, Any]:
    """Names and generations of what people and we write; not what controllers do to the status meanwhile."""
    kinds = ("/api/v1/namespaces/{}/configmaps", "/apis/apps/v1/namespaces/{}/deployments")
    items = [item for kind in kinds for item in plane.request("GET", kind.format(namespace))["items"]]
    return {item["metadata"]["name"]: (item["metadata"].get("generation"), item.get("data"), item.get("spec")) for item in items}


@pytest.mark.parametrize("preview", [True, False], ids=["plan", "apply"])
def test_an_object_of_somebody_else_is_refused_by_name(stack: ClusterStack, plane: ControlPlane, namespace: str, preview: bool) -> None:
    plane.kubectl("create", "configmap", "settings", "-n", namespace, "--from-literal=a=theirs")
    said = failure(stack, config_map(namespace), preview=preview)
    assert f"ConfigMap {namespace}/settings exists and was not made by mlx" in said
    assert plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/settings")["data"] == {"a": "theirs"}


def test_an_object_that_somebody_made_between_plan_and_apply_is_refused(stack: ClusterStack, plane: ControlPlane, namespace: str) -> None:
    assert stack.preview(config_map(namespace)) == [(Op.CREATE, [])]
    plane.kubectl("create", "configmap", "settings", "-n", namespace, "--from-literal=a=theirs")
    assert f"ConfigMap {namespace}/settings exists and was not made by mlx" in failure(stack, config_map(namespace))
    assert plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/settings")["data"] == {"a": "theirs"}


def test_an_object_of_another_stack_is_refused_by_its_name(stack: ClusterStack, namespace: str, tmp_path: Path) -> None:
    other = ClusterStack(tmp_path / "other", stack.kubeconfig, name="prod")
    other.up(with_value(config_map(namespace), "metadata.labels", {"mlx.dev/owner": "project.prod"}))
    assert f"ConfigMap {namespace}/settings exists and belongs to project.prod" in failure(stack, config_map(namespace))


def test_what_a_killed_apply_left_is_taken_over_by_its_owner_label(stack: ClusterStack, plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    killed = ClusterStack(tmp_path / "killed", stack.kubeconfig)
    killed.up(config_map(namespace))
    uid = plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/settings")["metadata"]["uid"]
    stack.up(config_map(namespace, a="2"))
    assert plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/settings")["metadata"]["uid"] == uid
    assert stack.preview(config_map(namespace, a="2")) == []


def test_an_object_whose_namespace_is_made_in_the_same_run_is_said_to_be_unchecked(stack: ClusterStack, namespace: str) -> None:
    made = f"{namespace}-more"
    objects = ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": made, "labels": dict(OWNED)}}, config_map(made))
    assert [op for op, _ in stack.preview(*objects)] == [Op.CREATE, Op.CREATE]
    assert f"cannot be checked yet: its namespace {made} is not there yet" in stack.told()


def test_a_namespace_that_nobody_makes_is_named(stack: ClusterStack) -> None:
    assert "ConfigMap nowhere/settings: namespace nowhere is not there" in failure(stack, config_map("nowhere"))


def test_a_kind_whose_definition_is_not_there_is_named(stack: ClusterStack, namespace: str, plane: ControlPlane) -> None:
    answer = plane.session.get(f"{plane.url}/apis/ray.io")
    assert answer.status_code == 404
    thing = {
        "apiVersion": "serving.kserve.io/v1",
        "kind": "InferenceService",
        "metadata": {"name": "a", "namespace": namespace, "labels": dict(OWNED)},
        "spec": {},
    }
    assert "the cluster does not know InferenceService of serving.kserve.io/v1" in failure(stack, thing)


def test_a_kind_that_is_not_served_is_refused_by_name(stack: ClusterStack, namespace: str) -> None:
    ray = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "a", "namespace": namespace}}
    assert "RayCluster of ray.io/v1 is not served by mlx's Kubernetes provider" in failure(stack, ray, preview=True)


def test_wrong_fields_are_named_before_anything_is_changed(stack: ClusterStack, plane: ControlPlane, namespace: str) -> None:
    wrong = with_value(deployment(namespace), "spec.replcas", 2)
    assert f"Deployment {namespace}/web is not valid: .spec.replcas: field not declared in schema" in failure(stack, config_map(namespace), wrong, preview=True)
    invalid = with_value(deployment(namespace), "spec.template.spec.containers.0.name", "NOT VALID")
    assert "is not valid: spec.template.spec.containers[0].name: Invalid value" in failure(stack, invalid, preview=True)
    assert plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps")["items"][:1][0]["metadata"]["name"] == "kube-root-ca.crt"


def test_an_invalid_job_does_not_show_its_values(stack: ClusterStack, namespace: str) -> None:
    """The server's message echoes the whole template; the environment may hold secrets."""
    stack.up(with_value(job(namespace), "metadata.annotations", {"pulumi.com/skipAwait": "true"}))
    wrong = with_value(job(namespace), "spec.template.spec.containers.0.env", [{"name": "PASSWORD", "value": "hunter2"}])
    wrong = with_value(wrong, "spec.template.spec.restartPolicy", "Sometimes")
    said = failure(stack, wrong)
    assert "Job" in said and "hunter2" not in said


@pytest.mark.usefixtures("nodes")
def test_a_deployment_is_waited_for_and_the_cause_is_its_pods(stack: ClusterStack, namespace: str) -> None:
    asked = deployment(namespace, annotations={"pulumi.com/timeoutSeconds": "2"}, nodeSelector={"pool": "none"})
    said = failure(stack, asked)
    assert f"Deployment {namespace}/web is not ready: " in said
    assert "0/2 nodes are available" in said
    (kept,) = stack.recorded()
    assert kept["id"] == f"{namespace}/web"
    stack.up(deployment(namespace))
    assert stack.recorded()[0]["outputs"]["status"]["readyReplicas"] == 1


@pytest.mark.usefixtures("nodes")
def test_a_gpu_pod_lands_on_the_gpu_pool_and_no_other_does(stack: ClusterStack, plane: ControlPlane, namespace: str) -> None:
    container = {"name": "main", "image": "registry.example/web:1", "resources": {"limits": {"nvidia.com/gpu": 1}}}
    gpu = deployment(namespace, containers=[container], tolerations=[{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}])
    stack.up(with_value(gpu, "metadata.name", "trains"), with_value(deployment(namespace), "metadata.name", "serves"))
    pods = plane.request("GET", f"/api/v1/namespaces/{namespace}/pods")["items"]
    assert {pod["metadata"]["name"].rpartition("-")[0].rpartition("-")[0]: pod["spec"]["nodeName"] for pod in pods} == {"trains": "gpu-1", "serves": "cpu-1"}


@contextmanager
def meanwhile(write: Any) -> Iterator[None]:
    """Somebody else writes while the apply waits."""
    thread = threading.Thread(target=write)
    thread.start()
    yield
    thread.join()


@pytest.mark.usefixtures("definitions")
def test_the_autoscaler_of_eks_is_accepted_as_it_is_written(stack: ClusterStack, plane: ControlPlane, nodes: None) -> None:
    objects = [with_labels(each) for each in autoscaler_objects("main", "eu-west-1", image_of("1.33"), {"eks.amazonaws.com/role-arn": "arn:role"})]
    stack.up(*objects)
    assert {op for op, _ in stack.preview(*objects)} <= {Op.SAME}
    account = f"system:serviceaccount:kube-system:{objects[0]['metadata']['name']}"
    asked = {"user": account, "resourceAttributes": {"verb": "create", "resource": "pods", "subresource": "eviction", "namespace": "default"}}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": asked}
    assert plane.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"]["allowed"]


def with_labels(manifest: Mapping[str, Any]) -> dict[str, Any]:
    metadata = manifest["metadata"]
    return {**manifest, "metadata": {**metadata, "labels": {**metadata.get("labels", {}), **OWNED}}}


def test_a_custom_resource_is_waited_for_by_its_condition(stack: ClusterStack, plane: ControlPlane, namespace: str) -> None:
    spec = {"predictor": {"model": {"modelFormat": {"name": "mlx"}, "storageUri": "s3://models/a"}}}
    metadata = {"name": "api", "namespace": namespace, "labels": dict(OWNED), "annotations": {"serving.kserve.io/deploymentMode": "Standard"}}
    service = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": metadata, "spec": spec}
    path = f"/apis/serving.kserve.io/v1beta1/namespaces/{namespace}/inferenceservices/api"

    def controller() -> None:
        plane.until(lambda: plane.session.get(plane.url + path).ok, "it was made")
        status = {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}
        plane.request("PATCH", f"{path}/status", {"status": status}, type="application/merge-patch+json")

    with meanwhile(controller):
        stack.up(service)
    assert "no controller has answered" in stack.told()
    assert stack.recorded()[0]["outputs"]["status"]["conditions"][0]["status"] == "True"
    assert stack.preview(service) == []


@pytest.mark.parametrize("asked", ["jsonpath={.data.ready}=yes", '["jsonpath={.data.ready}=yes", "jsonpath={.data.a}"]'], ids=["one", "several"])
def test_wait_for_waits_for_a_field(stack: ClusterStack, plane: ControlPlane, namespace: str, asked: str) -> None:
    waited = with_value(config_map(namespace), "metadata.annotations", {"pulumi.com/waitFor": asked})
    path = f"/api/v1/namespaces/{namespace}/configmaps/settings"

    def controller() -> None:
        plane.until(lambda: plane.session.get(plane.url + path).ok, "it was made")
        plane.request("PATCH", path, {"data": {"ready": "yes"}}, type="application/merge-patch+json", fieldManager="somebody")

    with meanwhile(controller):
        stack.up(waited)
    assert stack.recorded()[0]["outputs"]["data"] == {"a": "1", "ready": "yes"}


def test_secrets_are_sealed_in_state_wherever_they_stand(stack: ClusterStack, namespace: str) -> None:
    import pulumi

    metadata = {"name": "password", "namespace": namespace, "labels": dict(OWNED)}

    def secret() -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": pulumi.Output.secret({"password": "hunter2"})}

    stack.up(secret)
    written = (stack.root / "state/.pulumi/stacks/project/dev.json").read_text()
    assert "hunter2" not in written
    assert "aHVudGVyMg" not in written
    assert stack.preview(secret) == []


def test_who_holds_what_does_not_end_is_named(stack: ClusterStack, plane: ControlPlane, namespace: str) -> None:
    asked = with_value(config_map(namespace), "metadata.finalizers", ["example.com/hold"])
    stack.up(asked, custom_timeouts=_within("2s"))
    with pytest.raises(EngineError):
        stack.destroy()
    said = "\n".join(event.message for event in stack.events if event.severity == "error")
    assert f"ConfigMap {namespace}/settings is still there: held by the finalizer example.com/hold" in said
    assert "is the controller of example.com/hold running?" in said
    plane.kubectl("patch", "configmap", "settings", "-n", namespace, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    stack.destroy()


def _within(seconds: str) -> Any:
    import pulumi

    return pulumi.CustomTimeouts(create=seconds, update=seconds, delete=seconds)


def test_two_stacks_in_two_namespaces_do_not_touch_each_other(stack: ClusterStack, plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    other_namespace = f"{namespace}-other"
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": other_namespace}})
    other = ClusterStack(tmp_path / "other", stack.kubeconfig, name="prod")
    stack.up(config_map(namespace))
    other.up(config_map(other_namespace))
    other.destroy()
    assert stack.preview(config_map(namespace)) == []
    assert plane.request("GET", f"/api/v1/namespaces/{other_namespace}/configmaps")["items"][0]["metadata"]["name"] == "kube-root-ca.crt"


def test_state_has_the_keys_of_pulumis_own_provider(stack: ClusterStack, namespace: str) -> None:
    asked = config_map(namespace)
    stack.up(asked)
    (recorded,) = stack.recorded()
    assert (recorded["type"], recorded["id"], recorded["inputs"]) == ("kubernetes:core/v1:ConfigMap", f"{namespace}/settings", asked)
    assert {key: recorded["outputs"][key] for key in ("__inputs", "__initialApiVersion", "__fieldManager")} == {
        "__inputs": asked,
        "__initialApiVersion": "v1",
        "__fieldManager": "mlx-project-dev",
    }
    assert "managedFields" not in json.dumps(recorded["outputs"])


def test_the_sdks_own_types_are_served(stack: ClusterStack, plane: ControlPlane, namespace: str) -> None:
    import pulumi
    import pulumi_kubernetes as kubernetes

    def program() -> None:
        provider = kubernetes.Provider("cluster", kubeconfig=str(stack.kubeconfig))
        metadata = kubernetes.meta.v1.ObjectMetaArgs(name="typed", namespace=namespace, labels=OWNED)
        made = kubernetes.core.v1.ConfigMap("typed", metadata=metadata, data={"a": "1"}, opts=pulumi.ResourceOptions(provider=provider))
        pulumi.export("uid", made.metadata.uid)

    stack.host().up(program, stack.events.append)
    assert plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/typed")["data"] == {"a": "1"}
    assert stack._changes(stack.host().preview(program, stack.events.append)) == []


def test_refresh_finds_a_hand_edit_and_says_which_field(stack: ClusterStack, plane: ControlPlane, namespace: str) -> None:
    stack.up(config_map(namespace))
    assert [step.op for step in stack.host().refresh(stack.events.append).changes] == []
    plane.kubectl("patch", "configmap", "settings", "-n", namespace, "-p", '{"data": {"a": "by hand"}}')
    (found,) = stack.host().refresh(stack.events.append).changes
    assert [path for path in found.changed if path.startswith("data")] == ["data.a"]


def test_an_api_server_that_is_not_there_is_one_line_before_anything_is_changed(stack: ClusterStack, tmp_path: Path, namespace: str) -> None:
    import yaml
    from built_tools import free_port

    nowhere = yaml.safe_load(stack.kubeconfig.read_text())
    port = free_port()
    nowhere["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    (tmp_path / "nowhere").write_text(yaml.safe_dump(nowhere))
    began = time.monotonic()
    said = failure(ClusterStack(tmp_path, tmp_path / "nowhere"), config_map(namespace), preview=True)
    assert f"the API server https://127.0.0.1:{port} (context test) cannot be reached: Connection refused" in said
    assert time.monotonic() - began < 10


def test_an_expired_token_is_one_line(stack: ClusterStack, tmp_path: Path, namespace: str) -> None:
    (tmp_path / "expired").write_text(stack.kubeconfig.read_text().replace("token-of-admin", "expired"))
    said = failure(ClusterStack(tmp_path, tmp_path / "expired"), config_map(namespace), preview=True)
    assert "the credentials of context test are wrong or have expired\n  hint: log in again, as for kubectl" in said


def test_a_missing_permission_names_user_verb_and_resource(plane: ControlPlane, tmp_path: Path, namespace: str) -> None:
    said = failure(ClusterStack(tmp_path, plane.kubeconfig("narrow")), config_map(namespace), preview=True)
    assert f'ConfigMap {namespace}/settings: not allowed: User "narrow" cannot patch resource "configmaps"' in said


class Recorded(Client):
    """Remembers what it asked, in order: the method, and ``list`` for a read of several."""

    asked: list[str]

    def request(self, method: str, path: str, body: Any = None, **how: Any) -> Answer:
        self.asked = [*getattr(self, "asked", []), "list" if "labelSelector" in (how.get("query") or {}) else method]
        return super().request(method, path, body, **how)


@pytest.fixture
def cluster(plane: ControlPlane) -> Cluster:
    """As one run of the provider sees it; what it serves has been asked for already."""
    client = Recorded(connection(str(plane.kubeconfig())))
    discovery = Discovery(client)
    discovery.resource("v1", "ConfigMap")
    client.asked = []
    return Cluster(client, discovery, Listing(client), "mlx-project-dev")


def asked(cluster: Cluster) -> list[str]:
    assert isinstance(cluster.client, Recorded)
    return cluster.client.asked


def test_a_creation_is_one_request(cluster: Cluster, namespace: str) -> None:
    made = apply.create(cluster, config_map(namespace))
    assert (made["data"], asked(cluster)) == ({"a": "1"}, ["PATCH"])


def test_a_creation_leaves_what_somebody_else_has_made_as_it_is(cluster: Cluster, plane: ControlPlane, namespace: str) -> None:
    plane.kubectl("create", "configmap", "settings", "-n", namespace, "--from-literal=a=theirs")
    before = plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/settings")
    with pytest.raises(KubernetesError, match="exists and was not made by mlx"):
        apply.create(cluster, config_map(namespace))
    assert plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/settings") == before


def test_a_plan_reads_all_objects_of_a_kind_at_once(cluster: Cluster, namespace: str) -> None:
    both = config_map(namespace, "one"), config_map(namespace, "two")
    for one in both:
        apply.create(cluster, one)
    assert [apply.plan(cluster, one).verdict for one in both] == ["same", "same"]
    assert asked(cluster) == ["PATCH", "PATCH", "list", "PATCH", "PATCH"]


@pytest.mark.parametrize(
    ("meanwhile", "verdict", "changed"),
    [
        (("patch", "configmap", "two", "-p", '{"data": {"a": "by hand"}}'), "update", (("data", "a"),)),
        (("annotate", "configmap", "two", "note=theirs"), "same", ()),
        (("delete", "configmap", "two"), "create", ()),
    ],
    ids=["our field", "another field", "gone"],
)
def test_what_has_changed_since_it_was_listed_is_read_again(
    cluster: Cluster, plane: ControlPlane, namespace: str, meanwhile: tuple[str, ...], verdict: str, changed: tuple[Any, ...]
) -> None:
    both = config_map(namespace, "one"), config_map(namespace, "two")
    for one in both:
        apply.create(cluster, one)
    assert apply.plan(cluster, both[0]).verdict == "same"
    plane.kubectl(*meanwhile, "-n", namespace)
    planned = apply.plan(cluster, both[1])
    assert (planned.verdict, planned.changed) == (verdict, changed)


def test_an_object_that_lost_its_label_by_hand_is_not_in_the_list_and_is_read(cluster: Cluster, plane: ControlPlane, namespace: str) -> None:
    apply.create(cluster, config_map(namespace))
    plane.kubectl("label", "configmap", "settings", "mlx.dev/owner-", "-n", namespace)
    assert apply.plan(cluster, config_map(namespace)).changed == (("metadata", "labels"),)


def test_a_user_who_may_not_list_reads_each_object(plane: ControlPlane, tmp_path: Path, namespace: str) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch"]}]
    role = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    plane.request("POST", f"{role}/roles", {"metadata": {"name": "narrow"}, "rules": rules})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "narrow"}
    plane.request("POST", f"{role}/rolebindings", {"metadata": {"name": "narrow"}, "roleRef": reference, "subjects": [{"kind": "User", "name": "narrow"}]})
    narrow = ClusterStack(tmp_path, plane.kubeconfig("narrow"))
    narrow.up(config_map(namespace))
    plane.kubectl("patch", "configmap", "settings", "-n", namespace, "-p", '{"data": {"a": "by hand"}}')
    assert narrow.preview(config_map(namespace)) == [(Op.UPDATE, ["data.a"])]
