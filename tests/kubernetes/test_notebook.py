"""A notebook stops when nothing happens in it: the rendered containers as processes of this machine, a real JupyterLab and a real API server.

Kubeflow's controller, which takes the pod of a stopped notebook away, is not there: what is asserted is what tells it so.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket
import yaml
from built_tools import free_port
from control_plane import ControlPlane

from mlx_components.kubernetes.notebook import HOME, PORT, TOKEN_FOLDER, notebook_objects
from mlx_components.kubernetes.place import Place
from mlx_specs.base import Metadata
from mlx_specs.cluster import ClusterSpec
from mlx_specs.environment import Images, KubernetesTarget
from mlx_specs.notebook import Notebook, NotebookSpec

DIGEST = f"sha256:{'a' * 64}"
STOPPED = "kubeflow-resource-stopped"
IDLE = "4s"
Container = Mapping[str, Any]


@pytest.fixture
def rendered(plane: ControlPlane, definitions: None, namespace: str) -> list[dict[str, Any]]:
    """The objects of a notebook that may be idle for some seconds, in a namespace of their own."""
    images = Images(registry="registry.example.com/mlx", runtime=DIGEST, pipelines=DIGEST, notebook=DIGEST)
    target = KubernetesTarget(type="kubernetes", cluster="main", namespace=namespace, storage="s3://lake/prod", images=images)
    place = Place("flights", "prod", "main", ClusterSpec(provider="existing", context="main"), target)
    made = [dict(one) for one in notebook_objects(Notebook(metadata=Metadata(name="explore"), spec=NotebookSpec(idle_stop=IDLE)), place)]
    plane.kubectl("apply", "--server-side", "--filename", "-", text=yaml.safe_dump_all(made))
    return made


def test_a_notebook_in_which_nothing_happens_is_stopped_and_a_busy_one_is_not(
    plane: ControlPlane, rendered: list[dict[str, Any]], namespace: str, tmp_path: Path
) -> None:
    server, watcher = containers(rendered)
    with jupyter(server, tmp_path, plane) as url:
        page = browser(url)
        kernel = page.post(f"{url}/api/kernels", timeout=30).json()["id"]
        with computing(url, kernel):
            plane.until(lambda: state(url, kernel) == "busy", "the cell runs")
            with process(watcher, url, account(plane, namespace, tmp_path), plane) as watching:
                # It looks four times in this while, and is told each time that a cell runs.
                with pytest.raises(subprocess.TimeoutExpired):
                    watching.wait(timeout=8)
                assert stopped(plane, namespace) is None
                page.post(f"{url}/api/kernels/{kernel}/interrupt", timeout=30).raise_for_status()
                plane.until(lambda: stopped(plane, namespace), "the notebook is stopped")
                assert watching.stderr is not None
                said = watching.stderr.readline()  # after it has stopped it
                watching.terminate()
    assert said == "nothing has happened for 4 s: stopped\n"


def test_its_account_may_stop_this_notebook_and_do_nothing_else(plane: ControlPlane, rendered: list[dict[str, Any]], namespace: str, tmp_path: Path) -> None:
    token = (account(plane, namespace, tmp_path) / "token").read_text()

    def asks(method: str, path: str) -> int:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/merge-patch+json"}
        return requests.request(method, f"{plane.url}{path}", headers=headers, json={}, verify=str(plane.authority), timeout=30).status_code

    notebooks = f"/apis/kubeflow.org/v1/namespaces/{namespace}/notebooks"
    assert asks("PATCH", f"{notebooks}/explore") == 200
    assert [asks("PATCH", f"{notebooks}/another"), asks("GET", notebooks), asks("GET", f"/api/v1/namespaces/{namespace}/secrets")] == [403] * 3


def test_what_people_run_in_it_gets_no_token_of_the_api_server(rendered: list[dict[str, Any]]) -> None:
    pod = of(rendered)
    server, watcher = containers(rendered)
    assert (pod["automountServiceAccountToken"], pod["serviceAccountName"]) == (False, "notebook-explore")
    assert [mount["name"] for mount in server["volumeMounts"]] == ["scratch", "home"]
    assert [mount["name"] for mount in watcher["volumeMounts"]] == ["scratch", "token"]


def of(rendered: list[dict[str, Any]]) -> dict[str, Any]:
    (notebook,) = [one for one in rendered if one["kind"] == "Notebook"]
    return notebook["spec"]["template"]["spec"]


def containers(rendered: list[dict[str, Any]]) -> tuple[Container, Container]:
    """The server, and what watches it."""
    server, watcher = of(rendered)["containers"]
    return server, watcher


@contextmanager
def jupyter(server: Container, folder: Path, plane: ControlPlane) -> Iterator[str]:
    """The rendered command on a port of this machine; the address that the watcher is given, with that port."""
    home, port = folder / "home", free_port()
    home.mkdir()
    assert server["workingDir"] == HOME
    parts = [part.replace(HOME, str(home)).replace(str(PORT), str(port)).replace("0.0.0.0", "127.0.0.1") for part in server["command"]]
    (base,) = [part.partition("=")[2].rstrip("/") for part in parts if part.startswith("--ServerApp.base_url=")]
    variables = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(folder)}
    with (folder / "jupyter.log").open("w") as log:
        started = subprocess.Popen([sys.executable, "-m", *parts, "--allow-root"], cwd=home, env=variables, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}{base}"
    try:
        plane.until(lambda: started.poll() is None and answers(f"{url}/api/status"), "JupyterLab answers", limit=60)
        yield url
    finally:
        started.terminate()
        started.wait(30)


def browser(url: str) -> requests.Session:
    """As a page of it asks: with the token against forged requests that the server gave it."""
    session = requests.Session()
    session.get(f"{url}/lab", timeout=30).raise_for_status()
    session.headers["X-XSRFToken"] = session.cookies["_xsrf"]
    return session


@contextmanager
def computing(url: str, kernel: str) -> Iterator[None]:
    """A cell that runs until it is interrupted, and says nothing meanwhile."""
    channel = websocket.create_connection(f"{url.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels")
    header = {"msg_id": "1", "username": "", "session": "1", "msg_type": "execute_request", "version": "5.3"}
    content = {"code": "import threading; threading.Event().wait()", "silent": False}
    channel.send(json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}))
    try:
        yield
    finally:
        channel.close()


@contextmanager
def process(watcher: Container, server: str, folder: Path, plane: ControlPlane) -> Iterator["subprocess.Popen[str]"]:
    """The rendered command and environment, with what the kubelet adds."""
    command = [server if part.startswith("http://") else part for part in watcher["command"]]
    host, _, port = plane.url.removeprefix("https://").partition(":")
    given = {item["name"]: item["value"].replace(TOKEN_FOLDER, str(folder)) for item in watcher["env"]}
    variables = {**given, "PATH": os.environ["PATH"], "KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    started = subprocess.Popen([sys.executable, *command[1:]], env=variables, stderr=subprocess.PIPE, text=True)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def account(plane: ControlPlane, namespace: str, folder: Path) -> Path:
    """The folder that Kubernetes mounts: a token of the notebook's account, and the certificate authority."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/notebook-explore/token"
    mounted = folder / "account"
    mounted.mkdir()
    (mounted / "token").write_text(plane.request("POST", path, {"spec": {"expirationSeconds": 3600}})["status"]["token"])
    (mounted / "ca.crt").write_bytes(plane.authority.read_bytes())
    return mounted


def stopped(plane: ControlPlane, namespace: str) -> str | None:
    found = plane.request("GET", f"/apis/kubeflow.org/v1/namespaces/{namespace}/notebooks/explore")
    return found["metadata"].get("annotations", {}).get(STOPPED)


def state(url: str, kernel: str) -> str:
    return requests.get(f"{url}/api/kernels/{kernel}", timeout=30).json()["execution_state"]


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=10).ok
    except requests.ConnectionError:
        return False
