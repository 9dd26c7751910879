"""A Kubernetes control plane on this machine: the real etcd, kube-apiserver, controller manager and scheduler, with TLS, RBAC and tokens.

KWOK plays the kubelets: nodes get Ready and pods run, complete and end, but no container is started. Each process ends with
the test's own, whatever ends that.
"""

import base64
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import requests
import yaml
from built_tools import TOOLS, Tell, built, end_with_parent, free_port

VERSION = "1.36.3"
PROGRAMS = {
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
}
ETCD = {"etcd": "go.etcd.io/etcd/server/v3"}
STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
)
"""What KWOK does to nodes and pods; without them it ends at once."""
READY = 60.0
"""Seconds within which each part has to answer."""


@dataclass(frozen=True)
class Binaries:
    """Where the programs stand."""

    kubernetes: Path
    etcd: Path

    def __getitem__(self, program: str) -> str:
        return str((self.etcd if program == "etcd" else self.kubernetes) / program)


def binaries(tell: Tell) -> Binaries:
    """Built once, about eight minutes on two cores. Raises ``NoTool`` where Go is not there."""
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    major, minor, _ = VERSION.split(".")
    known = {"gitVersion": f"v{VERSION}", "gitMajor": major, "gitMinor": minor}
    variables = " ".join(f"-X {package}.{name}={value}" for package in packages for name, value in known.items())
    flags = ("-trimpath", f"-ldflags=-s -w {variables}")
    return Binaries(built("kubernetes", PROGRAMS, tell, flags=flags, also=_copy_stages), built("etcd", ETCD, tell, flags=("-trimpath", "-ldflags=-s -w")))


def _copy_stages(folder: Path) -> None:
    """KWOK's own, from its module."""
    listed = ["go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"]
    module = Path(subprocess.run(listed, cwd=TOOLS / "kubernetes", capture_output=True, text=True, check=True).stdout.strip())
    text = "\n---\n".join((module / "kustomize" / "stage" / stage).read_text() for stage in STAGES)
    (folder / "stages.yaml").write_text(text)


@dataclass
class ControlPlane:
    """A running one, as its administrator sees it."""

    folder: Path
    programs: Binaries
    port: int
    tokens: dict[str, str] = field(default_factory=dict)
    """By user; ``admin`` may do everything."""

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def authority(self) -> Path:
        """What its certificate is checked against."""
        return self.folder / "certificates" / "apiserver.crt"

    @cached_property
    def session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # a REQUESTS_CA_BUNDLE would win over the next line
        session.verify = str(self.authority)
        session.headers["Authorization"] = f"Bearer {self.tokens['admin']}"
        return session

    def request(self, method: str, path: str, body: Any = None, *, type: str = "application/json", code: int | None = None, **query: str) -> Any:
        """The answer's JSON; another code than expected (2xx where none is) fails with what the server said.

        "Later" (429) is what it says of a kind that was defined a moment ago.
        """
        data = None if body is None else json.dumps(body)

        def ask() -> tuple[requests.Response] | None:
            answer = self.session.request(method, self.url + path, params=query, data=data, headers={"Content-Type": type}, timeout=READY)
            return None if answer.status_code == 429 and code != 429 else (answer,)

        (answer,) = self.until(ask, f"{method} {path} is answered")
        assert answer.status_code == code if code else answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content.startswith(b"{") else answer.text

    def kubeconfig(self, user: str = "admin", *, context: str = "test", namespace: str = "default") -> Path:
        """A file for this user, made anew."""
        path = self.folder / f"{user}.kubeconfig"
        authority = base64.b64encode(self.authority.read_bytes()).decode()
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": self.url, "certificate-authority-data": authority}}],
            "users": [{"name": user, "user": {"token": self.tokens[user]}}],
            "contexts": [{"name": context, "context": {"cluster": "test", "user": user, "namespace": namespace}}],
            "current-context": context,
        }
        path.write_text(yaml.safe_dump(content))
        return path

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        command = [self.programs["kubectl"], "--kubeconfig", str(self.kubeconfig()), *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def add_node(self, name: str, capacity: Mapping[str, str], *, labels: Mapping[str, str] | None = None, taints: Sequence[Mapping[str, str]] = ()) -> None:
        """A node that KWOK plays. Its capacity comes with it, as a kubelet's does: KWOK gives its own to a node that it sees without."""
        metadata = {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **(labels or {})}}
        full = {"pods": "110", **capacity}
        self.request("POST", "/api/v1/nodes", {"metadata": metadata, "spec": {"taints": list(taints)}, "status": {"capacity": full, "allocatable": full}})
        self.until(lambda: self._is_ready(name), f"node {name} is Ready")

    def define(self, folder: Path) -> None:
        """Makes every custom resource definition below a folder; they are established when this returns."""
        texts = [path.read_bytes() for path in sorted(folder.rglob("*.yaml"))]
        found = [text for text in texts if re.search(rb"^kind: CustomResourceDefinition$", text, re.MULTILINE)]
        with ThreadPoolExecutor(8) as at_once:
            names = list(at_once.map(self._defined, found))
        self.until(lambda: set(names) <= self._established(), f"{len(names)} definitions are established")

    def _defined(self, text: bytes) -> str:
        """The server reads the YAML; some are of a megabyte."""
        matched = re.search(rb"^  name: (\S+)$", text, re.MULTILINE)
        assert matched, text[:200]
        name = matched.group(1).decode()
        query = {"fieldManager": "tests", "force": "true"}
        headers = {"Content-Type": "application/apply-patch+yaml"}
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
        answer = self.session.patch(self.url + path, data=text, params=query, headers=headers, timeout=READY)
        assert answer.ok, f"{name}: {answer.text[:500]}"
        return name

    def _established(self) -> set[str]:
        items = self.request("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")["items"]
        return {item["metadata"]["name"] for item in items if _is_true(item, "Established")}

    def until(self, true: Callable[[], Any], what: str, *, limit: float = READY) -> Any:
        """Asks again and again; what came out true."""
        deadline = time.monotonic() + limit
        while not (found := true()):
            assert time.monotonic() < deadline, f"not within {limit:.0f} s: {what}"
            time.sleep(0.03)
        return found

    def _is_ready(self, node: str) -> bool:
        return _is_true(self.request("GET", f"/api/v1/nodes/{node}"), "Ready")


@contextmanager
def control_plane(folder: Path, programs: Binaries, users: Mapping[str, Sequence[str]] | None = None) -> Iterator[ControlPlane]:
    """Boots one below an empty folder; ``users`` are further ones with their groups, whose tokens are their names."""
    plane = ControlPlane(folder, programs, free_port())
    plane.tokens = {name: f"token-of-{name}" for name in ("admin", "controllers", *(users or {}))}
    with ExitStack() as started:
        _start_etcd_and_server(plane, started, users or {})
        for program, flags in _others(plane).items():
            _start(started, plane, program, flags)
        plane.until(lambda: _answers(plane, "/api/v1/namespaces/default/serviceaccounts/default"), "the default service account is there")
        yield plane


def _is_true(item: Mapping[str, Any], condition: str) -> bool:
    conditions = (item.get("status") or {}).get("conditions") or []
    return any((one["type"], one["status"]) == (condition, "True") for one in conditions)


def _start_etcd_and_server(plane: ControlPlane, started: ExitStack, users: Mapping[str, Sequence[str]]) -> None:
    folder, client, peer = plane.folder, free_port(), free_port()
    at = f"http://127.0.0.1:{client}"
    peers = f"http://127.0.0.1:{peer}"
    _start(started, plane, "etcd", [
        "--data-dir", str(folder / "etcd"), "--listen-client-urls", at, "--advertise-client-urls", at, "--listen-peer-urls", peers,
        "--initial-advertise-peer-urls", peers, "--initial-cluster", f"default={peers}", "--unsafe-no-fsync", "--log-level", "error",
    ])  # fmt: skip
    _write_keys(folder)
    groups = {"admin": ["system:masters"], "controllers": ["system:masters"], **users}
    lines = [f'{plane.tokens[name]},{name},{name},"{",".join(group)}"' for name, group in groups.items()]
    (folder / "tokens.csv").write_text("\n".join(lines) + "\n")
    key = str(folder / "service-accounts.key")
    _start(started, plane, "kube-apiserver", [
        "--etcd-servers", at, "--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1", "--secure-port", str(plane.port),
        "--cert-dir", str(folder / "certificates"), "--token-auth-file", str(folder / "tokens.csv"), "--authorization-mode", "Node,RBAC",
        "--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", key, "--service-account-signing-key-file", key,
        "--service-cluster-ip-range", "10.96.0.0/16", "--enable-admission-plugins", "NodeRestriction",
    ])  # fmt: skip
    plane.until(lambda: plane.authority.is_file() and _answers(plane, "/readyz"), f"the API server answers; {folder / 'kube-apiserver.log'}")


def _others(plane: ControlPlane) -> dict[str, list[str]]:
    config = str(plane.kubeconfig("controllers"))
    here = ["--bind-address=127.0.0.1", "--leader-elect=false", f"--cert-dir={plane.folder / 'certificates-of-others'}", f"--kubeconfig={config}"]
    key = plane.folder / "service-accounts.key"
    return {
        "kube-controller-manager": [
            *here, f"--secure-port={free_port()}", "--use-service-account-credentials",
            f"--service-account-private-key-file={key}", f"--root-ca-file={plane.authority}",
        ],
        "kube-scheduler": [*here, f"--secure-port={free_port()}"],
        "kwok": [
            "--kubeconfig", config, "--manage-all-nodes", "--config", str(plane.programs.kubernetes / "stages.yaml"),
            "--node-lease-duration-seconds=40", f"--server-address=127.0.0.1:{free_port()}",
        ],
    }  # fmt: skip


def _write_keys(folder: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    (folder / "service-accounts.key").write_bytes(private)


def _start(started: ExitStack, plane: ControlPlane, program: str, flags: Sequence[str]) -> None:
    """What is started last is ended first: the API server does not end once its etcd is gone."""
    log = started.enter_context((plane.folder / f"{program}.log").open("wb"))
    environment = {**os.environ, "HOME": str(plane.folder)}
    process = subprocess.Popen([plane.programs[program], *flags], stdout=log, stderr=log, env=environment, preexec_fn=end_with_parent)
    started.callback(_end, process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _answers(plane: ControlPlane, path: str) -> bool:
    try:
        return plane.session.get(plane.url + path, timeout=5).ok
    except (requests.ConnectionError, OSError):
        return False
