"""The table of the add-ons' releases, and how their files are fetched, checked and put in order. No cluster is needed."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from pydantic import ValidationError
from served_files import Server, serving

from mlx_components.clusters.add_ons import FOLDER, AddOnError, Opener, Source, phases, usual_source
from mlx_components.clusters.releases import ADD_ONS, Release, ReleaseFile, Setting, releases

OWNERS = {
    "cert-manager": {"cert-manager"},
    "gateway-api": {"kubernetes-sigs"},
    "kserve": {"kserve"},
    "kfp": {"kubeflow"},
    "feast": {"feast-dev"},
    "spark": {"kubeflow"},
    "trainer": {"kubeflow", "kubernetes-sigs"},
    "kueue": {"kubernetes-sigs"},
    "mlflow": {"mlflow"},
    "nvidia": {"NVIDIA"},
    "notebooks": {"kubeflow"},
}
"""Whose repositories an add-on comes from."""
FILES = [pytest.param(release, file, id=str(release.place(file))) for release in releases().values() for file in release.files]
ROWS = [pytest.param(release, id=release.name) for release in releases().values()]
NOT_IN_RELEASES = ("keda/", "kserve/runtimes/", "feast/")
"""What the folder has beside the releases' files: an autoscaler, runtimes without their images' tags, a part of Feast's one file."""


def test_every_add_on_has_a_row_in_the_order_of_installation() -> None:
    assert tuple(releases()) == ADD_ONS


@pytest.mark.parametrize(("release", "file"), FILES)
def test_a_file_comes_from_its_own_project_at_the_rows_version(release: Release, file: ReleaseFile) -> None:
    url = urlsplit(file.url)
    assert (url.scheme, url.netloc in ("raw.githubusercontent.com", "github.com")) == ("https", True)
    assert url.path.split("/")[1] in OWNERS[release.name]
    assert release.version in url.path.split("/") or "jobset" in url.path


@pytest.mark.parametrize("release", ROWS)
def test_a_row_says_where_its_project_tells_how_to_install_it(release: Release) -> None:
    assert release.page.startswith("https://")
    assert release.definitions or release.workloads


@pytest.mark.parametrize("release", ROWS)
def test_no_two_files_of_a_release_lie_at_one_place(release: Release) -> None:
    places = [release.place(file) for file in release.files]
    assert len(set(places)) == len(places)


def test_a_namespace_is_listed_once() -> None:
    kinds = {(workload.namespace, workload.kind) for release in releases().values() for workload in release.workloads}
    assert len({namespace for namespace, _ in kinds}) == len(kinds)


@pytest.mark.parametrize(
    "row", [{}, {"sha256": "0" * 64, "unverified": True, "reason": "x"}, {"unverified": True}, {"sha256": "0" * 64, "reason": "x"}, {"sha256": "0"}]
)
def test_a_file_has_a_hash_or_a_reason_why_not(row: Mapping[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ReleaseFile(url="https://example.com/a.yaml", **row)


def test_the_hashes_are_those_of_the_files_at_hand(published: Path) -> None:
    stated = {str(release.place(file)): file.sha256 for release in releases().values() for file in release.files}
    found = {str(path.relative_to(published)): hashlib.sha256(path.read_bytes()).hexdigest() for path in published.rglob("*.yaml")}
    of_releases = {place: digest for place, digest in found.items() if not place.startswith(NOT_IN_RELEASES)}
    assert {place: stated.get(place) for place in of_releases} == of_releases


def test_the_definitions_that_prove_an_add_on_are_the_projects_own(published: Path) -> None:
    written = [yaml.load(path.read_bytes(), yaml.CSafeLoader) for path in published.rglob("*.yaml")]
    specs = {item["metadata"]["name"]: item["spec"] for item in written if item["kind"] == "CustomResourceDefinition"}
    for release in releases().values():
        for definition in release.definitions:
            spec = specs[definition.name]
            assert (definition.kind, f"{spec['group']}/{definition.version}") == (spec["names"]["kind"], definition.api_version)
            assert [version["served"] for version in spec["versions"] if version["name"] == definition.version] == [True]


MANIFEST = """
apiVersion: things.example.com/v1
kind: Thing
metadata: {name: first, namespace: things}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: things, creationTimestamp: null}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: things, namespace: things, creationTimestamp: null}
spec: {template: {metadata: {annotations: {since: 2026-01-01}}}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: things, namespace: things}
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: things, namespace: things}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: things}
data: {mode: '{"way": "Serverless", "kept": true}', other: text}
---
apiVersion: v1
kind: Namespace
metadata: {name: things}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.things.example.com, creationTimestamp: null}
spec: {group: things.example.com, scope: Cluster, names: {kind: Thing}}
status: {conditions: null}
"""
ROW: dict[str, Any] = {
    "name": "kueue",
    "version": "v1.0.0",
    "page": "https://example.com/install",
    "version_from": {"image": "things"},
    "definitions": (),
    "workloads": (),
}


def row(content: bytes = MANIFEST.encode(), *, name: str = "things.yaml", **more: Any) -> Release:
    """A release of one file."""
    file = {"url": f"https://example.com/v1.0.0/{name}", "sha256": hashlib.sha256(content).hexdigest()}
    return Release(**{**ROW, "files": [{**file, **more.pop("file", {})}], **more})


@pytest.fixture
def server() -> Iterator[Server]:
    with serving({"things.yaml": MANIFEST.encode()}) as running:
        yield running


def nowhere(url: str) -> Any:
    raise AssertionError(f"{url} was asked for")


def failure(release: Release, source: Source, opener: Opener = nowhere) -> str:
    with pytest.raises(AddOnError) as caught:
        phases(release, source, opener)
    return f"{caught.value}\n  hint: {caught.value.hint}"


def test_a_file_is_downloaded_once_and_read_from_the_cache_from_then_on(server: Server, tmp_path: Path) -> None:
    first = phases(row(), Source(tmp_path / "cache"), server.opener)
    assert phases(row(), Source(tmp_path / "cache"), nowhere) == first
    assert server.asked == ["/v1.0.0/things.yaml"]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [hashlib.sha256(MANIFEST.encode()).hexdigest()]


def test_a_file_that_was_damaged_in_the_cache_is_fetched_again(server: Server, tmp_path: Path) -> None:
    first = phases(row(), Source(tmp_path), server.opener)
    (tmp_path / row().files[0].sha256).write_bytes(b"half")
    assert phases(row(), Source(tmp_path), server.opener) == first
    assert len(server.asked) == 2


def test_a_download_with_another_hash_is_refused_and_not_kept(server: Server, tmp_path: Path) -> None:
    server.files["things.yaml"] = b"kind: Other"
    other, stated = hashlib.sha256(b"kind: Other").hexdigest(), row().files[0].sha256
    assert failure(row(), Source(tmp_path), server.opener) == (
        "kueue v1.0.0: https://example.com/v1.0.0/things.yaml is not the file that was checked: "
        f"its sha256 is {other}, not {stated}\n"
        "  hint: nothing of it was read; fetch https://example.com/v1.0.0/things.yaml again, and do not install it if it stays different"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_the_local_folder_with_another_hash_is_refused_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "folder/kueue/things.yaml"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"kind: Other")
    assert f"kueue v1.0.0: {path} is not the file that was checked" in failure(row(), Source(tmp_path, tmp_path / "folder"))


def test_a_file_that_the_local_folder_lacks_is_named_and_not_downloaded(tmp_path: Path) -> None:
    assert failure(row(), Source(tmp_path, tmp_path / "folder")) == (
        f"kueue v1.0.0: {tmp_path}/folder/kueue/things.yaml is not there\n"
        "  hint: fetch it from https://example.com/v1.0.0/things.yaml, or unset MLX_ADD_ONS: then mlx does"
    )


def test_what_cannot_be_downloaded_says_what_else_can_be_done(server: Server, tmp_path: Path) -> None:
    assert failure(row(name="more.yaml"), Source(tmp_path), server.opener) == (
        "kueue v1.0.0: https://example.com/v1.0.0/more.yaml cannot be downloaded: HTTP Error 404: Not Found\n"
        "  hint: is this network the right one? or put the release's files into a folder, and name it in MLX_ADD_ONS"
    )


def test_a_cache_that_cannot_be_written_is_one_sentence(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert failure(row(), Source(tmp_path / "cache"), server.opener) == (
        f"{tmp_path}/cache/{row().files[0].sha256} cannot be written: File exists\n  hint: XDG_CACHE_HOME names another folder for what can be fetched again"
    )


def test_an_add_on_with_an_unverified_file_is_never_installed(tmp_path: Path) -> None:
    assert failure(releases()["kueue"], Source(tmp_path)) == (
        "kueue v0.19.2 cannot be installed from checked manifests: https://github.com/kubernetes-sigs/kueue/releases/download/v0.19.2/manifests.yaml "
        "is made as the release is cut, and nobody has hashed it here\n"
        "  hint: install it as its own page says (https://kueue.sigs.k8s.io/docs/installation/), then write kueue: verify"
    )


def test_the_variable_names_the_local_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(FOLDER, raising=False)
    assert usual_source() == Source(tmp_path / "mlx/add-ons")
    monkeypatch.setenv(FOLDER, "/releases")
    assert usual_source() == Source(tmp_path / "mlx/add-ons", Path("/releases"))


def test_definitions_come_first_and_webhooks_last(server: Server, tmp_path: Path) -> None:
    found = phases(row(), Source(tmp_path), server.opener)
    assert [(phase.name, [obj["kind"] for obj in phase.objects]) for phase in found] == [
        ("definitions", ["CustomResourceDefinition"]),
        ("namespaces", ["Namespace"]),
        ("access", ["Issuer"]),
        ("configuration", ["Certificate", "ConfigMap"]),
        ("workloads", ["Deployment"]),
        ("objects", ["Thing"]),
        ("webhooks", ["ValidatingWebhookConfiguration"]),
    ]


def test_what_only_a_server_writes_is_left_out(server: Server, tmp_path: Path) -> None:
    found = {phase.name: phase.objects[0] for phase in phases(row(), Source(tmp_path), server.opener)}
    assert found["definitions"] == {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.things.example.com"},
        "spec": {"group": "things.example.com", "scope": "Cluster", "names": {"kind": "Thing"}},
    }
    assert found["workloads"]["metadata"] == {"name": "things", "namespace": "things"}
    assert found["objects"]["metadata"] == {"name": "first"}  # the kind has no namespaces


def test_a_date_stays_a_text_as_for_kubectl(server: Server, tmp_path: Path) -> None:
    (deployment,) = next(phase for phase in phases(row(), Source(tmp_path), server.opener) if phase.name == "workloads").objects
    assert deployment["spec"]["template"]["metadata"]["annotations"] == {"since": "2026-01-01"}


def test_a_setting_changes_one_field_of_a_config_map(server: Server, tmp_path: Path) -> None:
    setting = Setting(config_map="settings", key="mode", field="way", value="Standard")
    found = phases(row(settings=(setting,)), Source(tmp_path), server.opener)
    config_map = next(obj for phase in found for obj in phase.objects if obj["kind"] == "ConfigMap")
    assert config_map["data"] == {"mode": '{\n  "way": "Standard",\n  "kept": true\n}', "other": "text"}


def test_manifests_are_read_out_of_a_script(server: Server, tmp_path: Path) -> None:
    script = "#!/bin/sh\ncat <<'FIRST'\nkind: No\nFIRST\ncat <<'SECOND'\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\nSECOND\necho done\n"
    server.files["install.sh"] = script.encode()
    release = row(script.encode(), name="install.sh", file={"heredocs": ["SECOND"]})
    (phase,) = phases(release, Source(tmp_path), server.opener)
    assert phase.objects == ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}},)
