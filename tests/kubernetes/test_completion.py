"""The Job that completes a waiting endpoint: its exact command, environment and rights, as a process against the real API server and a real bucket.

Only a real API server says what a service account may do.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from flights_on_cluster import OnCluster, make_champion
from remote_environment import SPACE, account, remote_environment, run, run_dataset, variables
from servers import Server

AIRPORTS = {
    "apiVersion": "mlx/v1", "kind": "Dataset", "metadata": {"name": "airports"}, "environments": ["remote"],
    "spec": {"source": {"type": "csv", "path": "own/*.csv"}, "columns": {"code": {"type": "string"}, "name": {"type": "string"}}},
}  # fmt: skip
SERVICES = f"/apis/serving.kserve.io/v1beta1/namespaces/{SPACE}/inferenceservices"


@pytest.fixture(scope="module")
def remote(flights: OnCluster, bucket: Server) -> Iterator[OnCluster]:
    """Applied before its model has a version."""
    with remote_environment(flights, bucket) as workspace:
        yield workspace


def test_the_job_completes_the_endpoint_that_waited(remote: OnCluster, bucket: Server, mlflow: str) -> None:
    assert remote.objects(SERVICES) == []
    make_champion(mlflow, "remote", "delay")
    kept = remote.plane.request("GET", f"/api/v1/namespaces/{SPACE}/configmaps/mlx-apply")["data"]["job.json"]
    pod = json.loads(kept)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["serviceAccountName"] == "mlx-apply"
    done = run(container["command"], variables(container, bucket, account(remote, "mlx-apply")))
    assert (done.returncode, done.stderr.splitlines()[0][:7]) == (0, "bundle "), done.stdout + done.stderr
    assert [item["metadata"]["name"] for item in remote.objects(SERVICES)] == ["delay-api"]
    assert remote.plan("remote") == {}


def test_files_of_the_workspace_are_where_pods_read_them_and_other_rows_are_prepared_anew(remote: OnCluster, bucket: Server, tmp_path: Path) -> None:
    remote.workspace.write("own/airports.csv", "code,name\nJFK,Kennedy\n")
    remote.workspace.write("specs/own.yaml", yaml.safe_dump(AIRPORTS))
    remote.mlx("apply", "--env", "remote", "--yes")
    assert remote.plan("remote") == {}
    first = run_dataset(remote, "airports", bucket, tmp_path)
    remote.workspace.write("own/airports.csv", "code,name\nJFK,Kennedy\nLGA,La Guardia\n")
    assert remote.plan("remote")["Dataset/airports"]["effect_text"] == "prepare (submitted, not waited for)"
    remote.mlx("apply", "--env", "remote", "--yes")
    second = run_dataset(remote, "airports", bucket, tmp_path)
    assert ("wrote 1 row" in first, "wrote 2 rows" in second) == (True, True), first + second
    (remote.workspace.root / "specs/own.yaml").unlink()
    remote.mlx("apply", "--env", "remote", "--yes")


def test_the_account_may_do_that_and_no_more(remote: OnCluster) -> None:
    kubeconfig = account(remote, "mlx-apply")

    def may(verb: str, resource: str, namespace: str) -> bool:
        asked = [remote.plane.programs["kubectl"], "--kubeconfig", str(kubeconfig), "auth", "can-i", verb, resource, "-n", namespace]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == "yes"

    assert may("patch", "inferenceservices.serving.kserve.io", SPACE)
    assert [may("get", "secrets", SPACE), may("patch", "inferenceservices.serving.kserve.io", "default"), may("get", "nodes", "")] == [False] * 3
