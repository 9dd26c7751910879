"""The Job that completes a waiting endpoint: its exact command, environment and rights, as a process against the real API server and a real bucket.

Only a real API server says what a service account may do. What a cluster gives a pod by itself is given here by the test: the
account's token (as a kubeconfig), and access to the bucket (as variables).
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from built_tools import NoTool
from flights_on_cluster import OnCluster, make_champion

sys.path.append(str(Path(__file__).parents[1] / "engine/remote_state"))

from servers import Server, serve

SERVICES = "/apis/serving.kserve.io/v1beta1/namespaces/delays-remote/inferenceservices"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    try:
        with serve("s3", tmp_path_factory.mktemp("bucket"), print) as server:
            yield server
    except NoTool as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def remote(flights: OnCluster, bucket: Server) -> Iterator[OnCluster]:
    """An environment whose state, and its cluster's, is in a bucket; applied before its model has a version."""
    os.environ.update(bucket.variables())
    root = flights.workspace.root.parent / "remote"
    shutil.copytree(flights.workspace.root, root, ignore=shutil.ignore_patterns(".mlx"))
    workspace = OnCluster(type(flights.workspace)(root), flights.plane, flights.pipelines)
    url = bucket.url("state")
    rewrite(root / "specs/on-cluster.yaml", 0, lambda spec: spec["spec"].update(state={"backend": url}))
    rewrite(root / "specs/on-cluster.yaml", 1, lambda spec: spec.update(environments=["remote"]))
    shutil.move(root / "stacks/dev.yaml", root / "stacks/remote.yaml")
    rewrite(root / "stacks/remote.yaml", 0, lambda spec: renamed(spec, url))
    workspace.mlx("apply", "--cluster", "main", "--yes")
    workspace.mlx("apply", "--env", "remote", "--yes")
    yield workspace
    workspace.mlx("destroy", "--env", "remote", "--yes")


def rewrite(path: Path, index: int, change: Any) -> None:
    documents = list(yaml.safe_load_all(path.read_text()))
    change(documents[index])
    path.write_text(yaml.safe_dump_all(documents, sort_keys=False))


def renamed(spec: dict[str, Any], url: str) -> None:
    spec["metadata"]["name"] = "remote"
    spec["spec"]["state"] = {"backend": url}
    spec["spec"]["target"] |= {"namespace": "delays-remote", "storage": "s3://lake/remote"}


def test_the_job_completes_the_endpoint_that_waited(remote: OnCluster, mlflow: str) -> None:
    assert remote.objects(SERVICES) == []
    make_champion(mlflow, "delay", "s3://lake/remote")
    done = run_job(remote)
    assert (done.returncode, done.stderr.splitlines()[0][:7]) == (0, "bundle "), done.stdout + done.stderr
    assert [item["metadata"]["name"] for item in remote.objects(SERVICES)] == ["delay-api"]
    assert remote.plan("remote") == {}


def test_the_account_may_do_that_and_no_more(remote: OnCluster) -> None:
    kubeconfig = account(remote)

    def may(verb: str, resource: str, namespace: str) -> bool:
        asked = [remote.plane.programs["kubectl"], "--kubeconfig", str(kubeconfig), "auth", "can-i", verb, resource, "-n", namespace]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == "yes"

    assert may("patch", "inferenceservices.serving.kserve.io", "delays-remote")
    assert [may("get", "secrets", "delays-remote"), may("patch", "inferenceservices.serving.kserve.io", "default"), may("get", "nodes", "")] == [False] * 3


def run_job(on_cluster: OnCluster) -> "subprocess.CompletedProcess[str]":
    """As a pod of the Job would: its image's python is this one."""
    kept = on_cluster.plane.request("GET", "/api/v1/namespaces/delays-remote/configmaps/mlx-apply")["data"]["job.json"]
    pod = json.loads(kept)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["serviceAccountName"] == "mlx-apply"
    assert container["command"][0] == "python"
    given = {item["name"]: item["value"] for item in container["env"]}
    by_cluster = {"KUBECONFIG": str(account(on_cluster)), "PATH": os.environ["PATH"], **{key: os.environ[key] for key in os.environ if key.startswith("AWS_")}}
    return subprocess.run([sys.executable, *container["command"][1:]], env={**given, **by_cluster}, capture_output=True, text=True, check=False)


def account(on_cluster: OnCluster) -> Path:
    """A kubeconfig with a token of the environment's own service account."""
    path = "/api/v1/namespaces/delays-remote/serviceaccounts/mlx-apply/token"
    token = on_cluster.plane.request("POST", path, {"spec": {"expirationSeconds": 3600}})["status"]["token"]
    config = yaml.safe_load(on_cluster.plane.kubeconfig().read_text())
    config["users"][0]["user"] = {"token": token}
    written = on_cluster.plane.folder / "account.kubeconfig"
    written.write_text(yaml.safe_dump(config))
    return written
