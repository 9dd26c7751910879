"""Where the API server is and who asks: from a kubeconfig, its contexts and its users.

A user has a token, a client certificate, or a program that prints either (``exec``, as the clouds' CLIs do).
"""

import base64
import json
import os
import ssl
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from mlx_kubernetes.errors import KubernetesError
from mlx_kubernetes.kubeconfig import read_kubeconfig

EXEC_LIMIT = 60
"""Seconds that a program that prints credentials may take."""


@dataclass(frozen=True)
class Connection:
    """One cluster as one user sees it."""

    server: str
    context: str
    namespace: str
    """For objects that name none."""
    tls: ssl.SSLContext | None
    token: str = ""
    login: tuple[str, ...] = ()
    """The program that prints a token; asked once a run, and again when the token has expired."""
    login_environment: tuple[tuple[str, str], ...] = ()

    @property
    def host(self) -> str:
        return urlsplit(self.server).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.server).port or (443 if self.tls else 80)

    @property
    def prefix(self) -> str:
        """Some servers stand behind a path."""
        return urlsplit(self.server).path.rstrip("/")


def connection(kubeconfig: str = "", context: str = "", namespace: str = "") -> Connection:
    """From a file's path or text; left out: ``KUBECONFIG``, else ``~/.kube/config``, else the pod's own service account."""
    if not kubeconfig and not os.environ.get("KUBECONFIG") and not (Path.home() / ".kube/config").is_file():
        return _in_cluster(namespace)
    config = read_kubeconfig(kubeconfig)
    name = context or config.current
    if not name:
        raise KubernetesError(f"{config.where} has no current context", hint="name one in the Cluster: spec.context")
    chosen = config.named("context", name)
    cluster = config.named("cluster", str(chosen.get("cluster")))
    user = config.named("user", str(chosen["user"])) if chosen.get("user") else {}
    server = str(cluster.get("server") or "")
    return Connection(
        server=server,
        context=name,
        namespace=namespace or str(chosen.get("namespace") or "default"),
        tls=_tls(cluster, user, config.where) if server.startswith("https:") else None,
        token=_token(user),
        login=_login(user),
        login_environment=tuple((str(item["name"]), str(item["value"])) for item in (user.get("exec") or {}).get("env") or ()),
    )


def log_in(asked: Connection) -> str:
    """The token that the user's program prints now. Source: client.authentication.k8s.io, ExecCredential."""
    environment = {**os.environ, **dict(asked.login_environment)}
    try:
        done = subprocess.run(asked.login, env=environment, capture_output=True, text=True, timeout=EXEC_LIMIT, check=False)
    except FileNotFoundError:
        raise KubernetesError(
            f"the program {asked.login[0]} that logs in to {asked.context} is not on PATH", hint="install it, as kubectl needs it, too"
        ) from None
    except subprocess.TimeoutExpired:
        raise KubernetesError(f"{asked.login[0]} has not logged in within {EXEC_LIMIT} s", hint="run it by hand once") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise KubernetesError(f"{asked.login[0]} could not log in to {asked.context}: {last}", hint="log in as for kubectl, then run it again")
    try:
        return str(json.loads(done.stdout)["status"]["token"])
    except (ValueError, KeyError, TypeError):
        raise KubernetesError(f"{asked.login[0]} printed no token", hint="client certificates printed by a program are not read; use a token") from None


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any], where: str) -> ssl.SSLContext:
    if cluster.get("insecure-skip-tls-verify"):
        tls = ssl._create_unverified_context()  # as the user's kubeconfig says
    else:
        authority = _content(cluster, "certificate-authority")
        try:
            tls = ssl.create_default_context(cadata=authority.decode()) if authority else ssl.create_default_context()
        except (ssl.SSLError, UnicodeDecodeError):
            raise KubernetesError(f"{where}: the cluster's certificate authority is no certificate", hint="fetch the kubeconfig again") from None
    certificate, key = _content(user, "client-certificate"), _content(user, "client-key")
    if certificate and key:
        _load_pair(tls, certificate, key)
    return tls


def _load_pair(tls: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """ssl reads them from a file only; it is gone before anybody else could open it."""
    with tempfile.NamedTemporaryFile(suffix=".pem") as pair:
        pair.write(certificate + b"\n" + key)
        pair.flush()
        tls.load_cert_chain(pair.name)


def _content(section: Mapping[str, Any], name: str) -> bytes:
    """Given as base64 (``NAME-data``) or as a file."""
    if section.get(f"{name}-data"):
        return base64.b64decode(str(section[f"{name}-data"]))
    return Path(str(section[name])).read_bytes() if section.get(name) else b""


def _token(user: Mapping[str, Any]) -> str:
    if user.get("tokenFile"):
        return Path(str(user["tokenFile"])).read_text().strip()
    return str(user.get("token") or "")


def _login(user: Mapping[str, Any]) -> tuple[str, ...]:
    program = cast("Mapping[str, Any]", user.get("exec") or {})
    return (str(program["command"]), *map(str, program.get("args") or ())) if program else ()


def _in_cluster(namespace: str) -> Connection:
    account = Path("/var/run/secrets/kubernetes.io/serviceaccount")
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not (account / "token").is_file():
        raise KubernetesError("no kubeconfig: neither KUBECONFIG nor ~/.kube/config", hint="get the cluster's kubeconfig, as for kubectl")
    tls = ssl.create_default_context(cafile=str(account / "ca.crt"))
    own = (account / "namespace").read_text().strip()
    return Connection(f"https://{host}:{port}", "in-cluster", namespace or own, tls, token=(account / "token").read_text().strip())
