"""Add-ons on a real API server with the projects' real definitions: what is missing is told, what is installed is established.

These tests need control planes of their own: one that has nothing yet, and one whose workloads others would count.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pytest
from cluster_stacks import OWNED, ClusterStack, KubernetesObject, with_value
from control_plane import Binaries, ControlPlane, control_plane
from served_files import serving

from mlx_components.clusters.add_ons import FOLDER, Phase, Source, phases, usual_source
from mlx_components.clusters.releases import Release, ReleaseFile, Workload, releases
from mlx_engine.host import Op
from mlx_kubernetes.client import Answer, Client
from mlx_kubernetes.connection import connection
from mlx_kubernetes.errors import KubernetesError
from mlx_specs.cluster import AddOn
from mlx_stacks.add_ons import FoundAddOn, problems, verify, versions, warnings

INSTALLABLE = [name for name, release in releases().items() if not release.unverified]
GATEWAY = "gateway-api"


@dataclass
class CountedClient(Client):
    """Remembers what was asked."""

    asked: list[str] = field(default_factory=list)

    def request(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        self.asked.append(f"{method} {path}")
        return super().request(method, path, body, **options)


def client(plane: ControlPlane, user: str = "admin") -> CountedClient:
    return CountedClient(connection(str(plane.kubeconfig(user))))


@contextmanager
def started(folder: Path, programs: Binaries) -> Iterator[ControlPlane]:
    """A control plane with one node."""
    with control_plane(folder, programs, {"narrow": []}) as plane:
        plane.add_node("node-1", {"cpu": "8", "memory": "32Gi"})
        yield plane


@pytest.fixture(scope="module")
def bare(programs: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Nothing was installed here; what a test installs it takes away again."""
    with started(tmp_path_factory.mktemp("bare"), programs) as plane:
        yield plane


@pytest.fixture(scope="module")
def furnished(programs: Binaries, published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """All add-ons run here, at the table's versions."""
    with started(tmp_path_factory.mktemp("furnished"), programs) as plane:
        plane.define(published)
        workloads = [(release, workload) for release in releases().values() for workload in release.workloads]
        for namespace in sorted({workload.namespace for _, workload in workloads} - {"kube-system"}):
            plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        for release, workload in workloads:
            plane.request("POST", path(workload), running_workload(release, workload))
        plane.until(lambda: all(one.is_there for one in verify(client(plane), dict.fromkeys(releases(), "verify"))), "all add-ons are there")
        yield plane


def path(workload: Workload, name: str = "") -> str:
    plural = f"{workload.kind.lower()}s"
    return f"/apis/apps/v1/namespaces/{workload.namespace}/{plural}" + (f"/{name}" if name else "")


def running_workload(release: Release, workload: Workload) -> dict[str, Any]:
    """As its project names it; its image comes from a registry of the user's own."""
    source = release.version_from.model_dump()
    image = f"registry.example:5000/mirror/{source.get('image', workload.name)}:{release.version}"
    labels = {"app": workload.name}
    lasting = [f"{store.option}=postgresql://mlflow@db/mlflow" for store in release.stores]
    pod = {"containers": [{"name": "proxy", "image": "registry.example/proxy:v9"}, {"name": "manager", "image": image, "args": lasting}]}
    return {
        "apiVersion": "apps/v1",
        "kind": workload.kind,
        "metadata": {"name": workload.name, "labels": {source.get("label", "app.kubernetes.io/version"): release.version}},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }


def test_everything_that_is_missing_is_told_in_one_go_in_order(bare: ControlPlane) -> None:
    found = verify(client(bare), {"nvidia": "verify", "kueue": "verify", "kserve": "verify", "gateway-api": "install"})
    assert problems("main", found) == (
        "Cluster/main: add-on gateway-api: gatewayclasses.gateway.networking.k8s.io, gateways.gateway.networking.k8s.io, "
        "httproutes.gateway.networking.k8s.io and 1 more are not defined\n"
        "  hint: mlx apply --cluster main installs it",
        "Cluster/main: add-on kserve: clusterservingruntimes.serving.kserve.io, clusterstoragecontainers.serving.kserve.io, "
        "inferencegraphs.serving.kserve.io and 3 more are not defined; Deployment kserve/kserve-controller-manager is not there\n"
        "  hint: install it (https://kserve.github.io/website/docs/admin-guide/kubernetes-deployment), or write kserve: install",
        "Cluster/main: add-on kueue: clusterqueues.kueue.x-k8s.io, cohorts.kueue.x-k8s.io, localqueues.kueue.x-k8s.io and 3 more "
        "are not defined; Deployment kueue-system/kueue-controller-manager is not there\n"
        "  hint: install it (https://kueue.sigs.k8s.io/docs/installation/)",
        "Cluster/main: add-on nvidia: DaemonSet kube-system/nvidia-device-plugin-daemonset is not there\n"
        "  hint: install it (https://github.com/NVIDIA/k8s-device-plugin#quick-start), or write nvidia: install",
    )
    assert versions(found) == {}


def test_nothing_is_asked_where_no_add_on_is(bare: ControlPlane) -> None:
    asking = client(bare)
    assert verify(asking, {}) == ()
    assert asking.asked == []


def test_what_is_there_has_no_problems_and_tells_its_version(furnished: ControlPlane) -> None:
    found = verify(client(furnished), dict.fromkeys(releases(), "verify"))
    assert (problems("main", found), warnings("main", found)) == ((), ())
    assert versions(found) == {name: release.version for name, release in releases().items()}


def test_few_requests_are_sent_and_all_of_them_read(furnished: ControlPlane) -> None:
    asking = client(furnished)
    verify(asking, dict.fromkeys(releases(), "verify"))
    assert asking.asked == [
        "GET /apis",
        "GET /apis/apps/v1/namespaces/cert-manager/deployments",
        "GET /apis/apps/v1/namespaces/feast-operator-system/deployments",
        "GET /apis/apps/v1/namespaces/kserve/deployments",
        "GET /apis/apps/v1/namespaces/kube-system/daemonsets",
        "GET /apis/apps/v1/namespaces/kubeflow/deployments",
        "GET /apis/apps/v1/namespaces/kubeflow-system/deployments",
        "GET /apis/apps/v1/namespaces/kueue-system/deployments",
        "GET /apis/apps/v1/namespaces/mlflow/deployments",
        "GET /apis/apps/v1/namespaces/notebook-controller-system/deployments",
        "GET /apis/apps/v1/namespaces/spark-operator/deployments",
        "GET /apis/apiextensions.k8s.io/v1/customresourcedefinitions/gatewayclasses.gateway.networking.k8s.io",
    ]


@pytest.fixture
def changed(furnished: ControlPlane, request: pytest.FixtureRequest) -> Iterator[FoundAddOn]:
    """What is found of an add-on whose first workload was made again with one field changed; afterwards it is as before."""
    name, at, value = request.param
    release = releases()[name]
    workload = release.workloads[0]
    asked = running_workload(release, workload)
    _made_again(furnished, workload, with_value(asked, at, value))
    (found,) = verify(client(furnished), {name: "verify"})
    yield found
    _made_again(furnished, workload, asked)
    furnished.until(lambda: verify(client(furnished), {name: "verify"})[0].is_there, f"{name} is there again")


def _made_again(plane: ControlPlane, workload: Workload, asked: Mapping[str, Any]) -> None:
    plane.request("DELETE", path(workload, workload.name), {"propagationPolicy": "Foreground"})
    plane.until(lambda: plane.session.get(plane.url + path(workload, workload.name)).status_code == 404, "it is gone")
    plane.request("POST", path(workload), asked)
    plane.until(lambda: "observedGeneration" in plane.request("GET", path(workload, workload.name))["status"], "its controller has answered")


@pytest.mark.parametrize("changed", [("kueue", "spec.template.spec.nodeSelector", {"pool": "none"})], indirect=True)
def test_a_workload_that_is_not_ready_is_told_with_the_reason(changed: FoundAddOn) -> None:
    assert problems("main", [changed]) == (
        "Cluster/main: add-on kueue: Deployment kueue-system/kueue-controller-manager is not ready: 0 of 1 replicas ready\n"
        "  hint: its pods tell why: kubectl get pods --namespace kueue-system",
    )
    assert versions([changed]) == {}


@pytest.mark.parametrize("changed", [("feast", "spec.template.spec.containers.1.image", "quay.io/feastdev/feast-operator:0.65.0@sha256:00")], indirect=True)
def test_another_version_is_a_warning(changed: FoundAddOn) -> None:
    assert warnings("main", [changed]) == ("Cluster/main: add-on feast: 0.65.0 runs, mlx is written for v0.66.0",)


@pytest.mark.parametrize("changed", [("feast", "spec.template.spec.containers.1.image", "registry.example/feast-operator:0.66.0")], indirect=True)
def test_a_version_without_the_letter_is_the_same(changed: FoundAddOn) -> None:
    assert (changed.version, warnings("main", [changed])) == ("0.66.0", ())


@pytest.mark.parametrize(
    "changed", [("mlflow", "spec.template.spec.containers.1.args", ["server", "--backend-store-uri", "sqlite:///mlflow.db"])], indirect=True
)
def test_what_mlflow_would_lose_with_its_pod_is_a_warning(changed: FoundAddOn) -> None:
    kept = "Cluster/main: add-on mlflow: {} are in files of its pod: {}; give it {}"
    assert warnings("main", [changed]) == (
        kept.format("runs and versions", "--backend-store-uri is sqlite:///mlflow.db", "Postgres: postgresql://USER@HOST/DATABASE"),
        kept.format("artifacts", "--artifacts-destination is not given", "object storage: s3://BUCKET/PREFIX"),
    )


def test_a_user_who_may_not_look_is_told_what_to_ask_for(furnished: ControlPlane) -> None:
    with pytest.raises(KubernetesError) as caught:
        verify(client(furnished, "narrow"), {"kueue": "verify"})
    assert str(caught.value) == (
        'deployments of namespace kueue-system cannot be listed: deployments.apps is forbidden: User "narrow" cannot list resource "deployments" '
        'in API group "apps" in the namespace "kueue-system"\n  hint: ask for the right to list deployments.apps in it'
    )


def install(stack: ClusterStack, made: Sequence[Phase]) -> list[Op]:
    """As a cluster's program declares an add-on: each phase after the one before it."""

    def program() -> None:
        provider = pulumi.ProviderResource("kubernetes", "cluster", {"kubeconfig": str(stack.kubeconfig)})
        after: list[pulumi.Resource] = []
        for phase in made:
            options = pulumi.ResourceOptions(provider=provider, depends_on=after)
            after = [KubernetesObject(f"{obj['kind']}-{obj['metadata']['name']}", owned(obj), options) for obj in phase.objects]

    return [step.op for step in stack.host().up(program, stack.events.append).changes if step.type.startswith("kubernetes:")]


def owned(obj: Mapping[str, Any]) -> dict[str, Any]:
    metadata = obj["metadata"]
    return {**obj, "metadata": {**metadata, "labels": {**metadata.get("labels", {}), **OWNED}}}


@pytest.fixture
def stack(bare: ControlPlane, tmp_path: Path) -> Iterator[ClusterStack]:
    """One host is enough: what differs between them is tested with the provider."""
    made = ClusterStack(tmp_path, bare.kubeconfig())
    yield made
    made.destroy()


def part(release: Release, folder: Path) -> Release:
    """The release with those of its files that are at hand."""
    return release.model_copy(update={"files": tuple(file for file in release.files if (folder / release.place(file)).is_file())})


def test_an_add_on_of_definitions_is_established_once_it_is_installed(stack: ClusterStack, bare: ControlPlane, published: Path, tmp_path: Path) -> None:
    release = part(releases()[GATEWAY], published)
    made = phases(release, Source(tmp_path / "cache", published))
    assert install(stack, made) == [Op.CREATE] * len(release.files)
    assert {definition.name for definition in release.definitions} <= bare._established()
    (found,) = verify(client(bare), {GATEWAY: "install"})
    assert (problems("main", [found]), found.version) == ((), "v1.6.1")
    assert install(stack, made) == []


OPERATOR = """
apiVersion: v1
kind: Namespace
metadata: {name: kserve}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: operator, namespace: kserve}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: kserve-controller-manager, namespace: kserve, creationTimestamp: null}
spec:
  selector: {matchLabels: {app: operator}}
  template:
    metadata: {labels: {app: operator}, creationTimestamp: null}
    spec: {serviceAccountName: operator, containers: [{name: manager, image: "kserve/kserve-controller:v0.20.0"}]}
status: {}
---
apiVersion: serving.kserve.io/v1alpha1
kind: ClusterServingRuntime
metadata: {name: first, namespace: kserve}
spec: {containers: [{name: kserve-container, image: "registry.example/runtime:1"}]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: runtimes}
webhooks:
  - name: nobody.answers.example.com
    admissionReviewVersions: [v1]
    sideEffects: None
    clientConfig: {url: "https://127.0.0.1:1/check"}
    rules: [{apiGroups: [serving.kserve.io], apiVersions: [v1alpha1], operations: [CREATE], resources: [clusterservingruntimes]}]
"""
"""What an operator is made of. Its webhook refuses every object that is made after it: here it runs no program that answers."""


def test_an_operator_is_installed_phase_by_phase_from_downloads(stack: ClusterStack, bare: ControlPlane, published: Path, tmp_path: Path) -> None:
    release = releases()["kserve"]
    definition = next(file for file in release.files if "clusterservingruntimes" in file.name)
    operator = ReleaseFile(url="https://example.com/operator.yaml", sha256=hashlib.sha256(OPERATOR.encode()).hexdigest())
    with serving({definition.name: (published / release.place(definition)).read_bytes(), operator.name: OPERATOR.encode()}) as server:
        made = phases(release.model_copy(update={"files": (definition, operator), "settings": ()}), Source(tmp_path / "cache"), server.opener)
    install(stack, made)
    (found,) = verify(client(bare), {"kserve": "install"})
    assert (found.not_ready, found.version) == ((), "v0.20.0")
    assert "clusterservingruntimes.serving.kserve.io" not in {missing.name for missing in found.missing}
    assert install(stack, made) == []


@pytest.mark.parametrize("name", INSTALLABLE)
def test_a_release_is_installed_from_its_own_files(stack: ClusterStack, bare: ControlPlane, published: Path, name: AddOn) -> None:
    release, source = releases()[name], usual_source()
    if source.folder is None or part(release, source.folder) != release:
        pytest.skip(f"{FOLDER} names no folder with the files of {release.id}")
    bare.define(published / "cert-manager")  # without its controllers: what it would sign is not waited for
    install(stack, [Phase(phase.name, tuple(map(not_signed, phase.objects))) for phase in phases(release, source)])
    (found,) = verify(client(bare), {name: "install"})
    assert (problems("main", [found]), warnings("main", [found])) == ((), ())
    for setting in release.settings:
        there = bare.request("GET", f"/api/v1/namespaces/{release.workloads[0].namespace}/configmaps/{setting.config_map}")
        assert json.loads(there["data"][setting.key])[setting.field] == setting.value


def not_signed(obj: Mapping[str, Any]) -> dict[str, Any]:
    signs = str(obj["apiVersion"]).startswith("cert-manager.io/")
    return with_value(obj, "metadata.annotations", {"pulumi.com/skipAwait": "true"}) if signs else dict(obj)
