"""Where the API server is, who asks, and what is done when the network or the server does not answer at once."""

import base64
import json
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from control_plane import ControlPlane

from mlx_kubernetes.client import Client
from mlx_kubernetes.connection import Connection, connection
from mlx_kubernetes.discovery import Discovery
from mlx_kubernetes.errors import KubernetesError, NotYet, Unreachable


def config(**changes: Any) -> dict[str, Any]:
    """A kubeconfig with one of each; ``changes`` are of its user."""
    return {
        "current-context": "one",
        "contexts": [{"name": "one", "context": {"cluster": "here", "user": "me", "namespace": "team"}}, {"name": "two", "context": {"cluster": "nowhere"}}],
        "clusters": [{"name": "here", "cluster": {"server": "http://127.0.0.1:8001/behind"}}],
        "users": [{"name": "me", "user": {"token": "secret", **changes}}],
    }


def test_a_kubeconfig_is_read_from_its_text() -> None:
    found = connection(yaml.safe_dump(config()))
    assert (found.server, found.host, found.port, found.prefix) == ("http://127.0.0.1:8001/behind", "127.0.0.1", 8001, "/behind")
    assert (found.context, found.namespace, found.token) == ("one", "team", "secret")


def test_the_file_that_kubeconfig_names_is_read_with_what_stands_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("from a file\n")
    (tmp_path / "config").write_text(yaml.safe_dump(config(tokenFile="token")))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/missing:{tmp_path}/config")
    assert connection(namespace="other").token == "from a file"
    assert connection(namespace="other").namespace == "other"


def test_several_files_are_merged_as_kubectl_merges_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first definition of a name is right, each file's paths are its own, and a file that is not there is skipped."""
    for folder, token in (("a", "of a"), ("b", "of b")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "token").write_text(token)
    first = {
        "contexts": [{"name": "one", "context": {"cluster": "there", "user": "me"}}],
        "users": [{"name": "me", "user": {"tokenFile": "token"}}],
    }
    second = {
        **config(),
        "current-context": "two",
        "contexts": [{"name": "one", "context": {"cluster": "nowhere"}}, {"name": "two", "context": {"cluster": "there", "user": "other"}}],
        "clusters": [{"name": "there", "cluster": {"server": "http://127.0.0.1:8002"}}],
        "users": [{"name": "me", "user": {"token": "hidden"}}, {"name": "other", "user": {"tokenFile": "token"}}],
    }
    (tmp_path / "a/config").write_text(yaml.safe_dump(first))
    (tmp_path / "b/config").write_text(yaml.safe_dump(second))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/a/config:{tmp_path}/missing:{tmp_path}/b/config")
    current, named = connection(), connection(context="one")
    assert (current.context, current.server, current.token) == ("two", "http://127.0.0.1:8002", "of b")
    assert (named.context, named.server, named.token) == ("one", "http://127.0.0.1:8002", "of a")
    with pytest.raises(KubernetesError, match=r"a/config:.*b/config has no context 'three'\n  hint: there are: one, two"):
        connection(context="three")


@pytest.mark.parametrize(
    ("text", "context", "said"),
    [
        ("just: [a", "", "the kubeconfig is no kubeconfig"),
        (yaml.safe_dump({**config(), "current-context": ""}) + "\n", "", "the kubeconfig has no current context"),
        (yaml.safe_dump(config()), "three", "the kubeconfig has no context 'three'\n  hint: there are: one, two"),
        (yaml.safe_dump(config()), "two", "the kubeconfig has no cluster 'nowhere'\n  hint: there are: here"),
    ],
)
def test_what_is_wrong_in_a_kubeconfig_is_named(text: str, context: str, said: str) -> None:
    with pytest.raises(KubernetesError) as caught:
        connection(text + "\n", context)
    assert str(caught.value).startswith(said)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubernetesError, match=f"no kubeconfig at {tmp_path}/none\n  hint: set KUBECONFIG, or name the file in the Cluster: spec.kubeconfig"):
        connection(f"{tmp_path}/none")


def program(tmp_path: Path, *lines: str) -> str:
    path = tmp_path / "login"
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_program_that_logs_in_is_asked_once_and_again_when_its_token_has_expired(plane: ControlPlane, tmp_path: Path) -> None:
    """The cloud CLIs' way: the first token that it prints is one that the server does not know any more."""
    lines = (
        f"echo asked >> {tmp_path}/log",
        f"[ $(wc -l < {tmp_path}/log) = 1 ] && token=expired || token={plane.tokens['admin']}",
        'echo "{\\"status\\": {\\"token\\": \\"$token\\"}}"',
    )
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": program(tmp_path, *lines)}}
    kubeconfig = yaml.safe_load(plane.kubeconfig().read_text())
    kubeconfig["users"][0]["user"] = user
    client = Client(connection(yaml.safe_dump(kubeconfig)))
    assert client.get("/api/v1/namespaces/default").body["metadata"]["name"] == "default"
    assert client.get("/api/v1/namespaces/default").ok
    assert (tmp_path / "log").read_text().splitlines() == ["asked", "asked"]


def test_a_program_that_cannot_log_in_says_its_last_line(tmp_path: Path) -> None:
    user = {"exec": {"command": program(tmp_path, "echo please log in first >&2", "exit 1")}, "token": None}
    client = Client(connection(yaml.safe_dump(config(**user))))
    with pytest.raises(KubernetesError, match="could not log in to one: please log in first"):
        client.get("/api")


def test_a_program_that_is_not_there_is_named() -> None:
    client = Client(connection(yaml.safe_dump(config(exec={"command": "no-such-login"}, token=None))))
    with pytest.raises(KubernetesError, match="the program no-such-login that logs in to one is not on PATH"):
        client.get("/api")


def test_a_client_certificate_is_shown_to_the_server(plane: ControlPlane) -> None:
    """The test's server takes none: it is enough that the pair is read and the server answers by the token."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "me")])
    import datetime

    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    certificate = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    kubeconfig = yaml.safe_load(plane.kubeconfig().read_text())
    kubeconfig["users"][0]["user"].update({
        "client-certificate-data": base64.b64encode(certificate.public_bytes(serialization.Encoding.PEM)).decode(),
        "client-key-data": base64.b64encode(pem).decode(),
    })  # fmt: skip
    assert Client(connection(yaml.safe_dump(kubeconfig))).get("/api/v1/namespaces/default").ok


def test_a_certificate_of_another_authority_is_not_trusted(plane: ControlPlane, tmp_path: Path) -> None:
    kubeconfig = yaml.safe_load(plane.kubeconfig().read_text())
    del kubeconfig["clusters"][0]["cluster"]["certificate-authority-data"]
    with pytest.raises(Unreachable, match="shows a certificate that is not trusted"):
        Client(connection(yaml.safe_dump(kubeconfig))).get("/api")


class Busy(BaseHTTPRequestHandler):
    """A mock of a server that has too much to do at first: what a real one answers under priority and fairness."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked += 1  # type: ignore[attr-defined]
        busy = self.server.asked < 3  # type: ignore[attr-defined]
        body = json.dumps({"message": "too many requests"} if busy else {"kind": "Fine"}).encode()
        self.send_response(429 if busy else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


def test_a_busy_server_is_asked_again() -> None:
    server = HTTPServer(("127.0.0.1", 0), Busy)
    server.asked = 0  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        answer = Client(Connection(f"http://127.0.0.1:{server.server_port}", "one", "default", None)).get("/api")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert (answer.code, answer.body) == (200, {"kind": "Fine"})


class WebPage(BaseHTTPRequestHandler):
    """Some other server: it answers a page, or JSON of its own."""

    def do_GET(self) -> None:
        body = b'{"detail": "Not Found"}' if self.path == "/json" else b"<!doctype html><p>Welcome"
        self.send_response(404 if self.path == "/json" else 200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


def test_a_server_that_is_no_kubernetes_is_told_with_its_status() -> None:
    server = HTTPServer(("127.0.0.1", 0), WebPage)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        client = Client(Connection(url, "one", "default", None))
        other = client.get("/json")
        with pytest.raises(Unreachable) as caught:
            client.get("/api/v1/nodes")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert other.message == "it answers HTTP 404, and not as a Kubernetes API server does"
    assert str(caught.value) == (
        f"{url} (context one) answers HTTP 200 with a web page: it does not look like a Kubernetes API server\n"
        "  hint: does the kubeconfig name the right server and port?"
    )


def test_a_server_that_accepts_and_says_nothing_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time for a first answer is shortened for the test; once a server has answered, it has its whole time again."""
    monkeypatch.setattr("mlx_kubernetes.client.FIRST", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        client = Client(Connection(url, "one", "default", None))
        with pytest.raises(Unreachable, match=rf"the API server {url} \(context one\) does not answer within 0 s"):
            client.get("/api")
    assert client.patience == 0.2


@dataclass
class Relay:
    port: int
    open: list[socket.socket] = field(default_factory=list)
    """Every connection that was ever made."""

    def drop_all(self) -> None:
        for near in self.open:
            with suppress(OSError):
                near.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy(port: int, drop_after: int) -> Iterator[Relay]:
    """Passes connections on, and closes the first one once it has carried so many bytes back."""
    listener = socket.create_server(("127.0.0.1", 0))
    relay = Relay(listener.getsockname()[1])

    def pump(source: socket.socket, target: socket.socket, limit: int) -> None:
        carried = 0
        try:
            while data := source.recv(4096):
                carried += len(data)
                target.sendall(data)
                if carried > limit:
                    break
        except OSError:
            pass
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", port))
            limit = drop_after if not relay.open else 1 << 40
            relay.open.append(near)
            threading.Thread(target=pump, args=(near, far, 1 << 40), daemon=True).start()
            threading.Thread(target=pump, args=(far, near, limit), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield relay
    finally:
        listener.close()


def test_a_connection_that_breaks_is_opened_again(plane: ControlPlane) -> None:
    kubeconfig = yaml.safe_load(plane.kubeconfig().read_text())
    with proxy(plane.port, 6000) as relay:
        kubeconfig["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{relay.port}"
        client = Client(connection(yaml.safe_dump(kubeconfig)))
        assert [client.get("/api/v1/namespaces/default").ok for _ in range(8)] == [True] * 8


def test_connections_are_used_again_and_one_that_broke_takes_the_others_with_it(plane: ControlPlane) -> None:
    kubeconfig = yaml.safe_load(plane.kubeconfig().read_text())
    with proxy(plane.port, 1 << 40) as relay:
        kubeconfig["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{relay.port}"
        client = Client(connection(yaml.safe_dump(kubeconfig)))
        threads = [threading.Thread(target=client.get, args=("/api/v1/namespaces",)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        opened = len(relay.open)
        for _ in range(6):
            client.get("/api/v1/namespaces")
        assert 1 <= len(relay.open) == opened <= 6
        relay.drop_all()
        assert client.get("/api/v1/namespaces").ok
        assert len(relay.open) == opened + 1
        assert client.patience == client.limit


def test_discovery_asks_once_and_again_for_what_it_does_not_know(plane: ControlPlane) -> None:
    discovery = Discovery(Client(connection(str(plane.kubeconfig()))))
    deployment = discovery.resource("apps/v1", "Deployment")
    assert (deployment.path("team", "api"), deployment.path("team")) == (
        "/apis/apps/v1/namespaces/team/deployments/api",
        "/apis/apps/v1/namespaces/team/deployments",
    )
    assert discovery.resource("v1", "Namespace").path("", "team") == "/api/v1/namespaces/team"
    with pytest.raises(NotYet) as caught:
        discovery.resource("autoscaling/v2beta2", "HorizontalPodAutoscaler")
    assert str(caught.value).endswith("hint: it knows HorizontalPodAutoscaler of autoscaling/v1, autoscaling/v2")
