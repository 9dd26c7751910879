"""An environment whose state and storage are in a real bucket, and its pods' containers as processes of this machine.

What a cluster gives a pod by itself is given by the test: the account's token (as a kubeconfig), and access to the bucket (as variables).
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from flights_on_cluster import OnCluster

sys.path.append(str(Path(__file__).parents[1] / "engine/remote_state"))

from servers import NAME, Server

SPACE = "delays-remote"
LIVE, LIVE_SPACE = "live", "delays-live"
LIMIT = 300
"""Seconds within which a pod ends."""


@contextmanager
def remote_environment(flights: OnCluster, bucket: Server) -> Iterator[OnCluster]:
    """The environment ``remote`` on the cluster of ``flights``: applied, and destroyed at the end."""
    with pytest.MonkeyPatch.context() as patch:
        for key, value in access(bucket).items():
            patch.setenv(key, value)
        root = flights.workspace.root.parent / f"{flights.workspace.root.name}-remote"
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


def add_pinned(workspace: OnCluster, source: str) -> None:
    """The environment ``live`` beside it, to which versions of ``source`` are promoted."""
    stacks = workspace.workspace.root / "stacks"
    shutil.copyfile(stacks / f"{source}.yaml", stacks / f"{LIVE}.yaml")
    rewrite(stacks / f"{LIVE}.yaml", 0, lambda spec: pinned(spec, source))


def pinned(spec: dict[str, Any], source: str) -> None:
    spec["metadata"]["name"] = LIVE
    spec["spec"] |= {"models": "pinned", "promotedFrom": source}
    spec["spec"]["target"] |= {"namespace": LIVE_SPACE, "storage": f"s3://{NAME}/{LIVE}"}


def rewrite(path: Path, index: int, change: Any) -> None:
    documents = list(yaml.safe_load_all(path.read_text()))
    change(documents[index])
    path.write_text(yaml.safe_dump_all(documents, sort_keys=False))


def renamed(spec: dict[str, Any], url: str) -> None:
    """Weather is prepared on one node: a Job's command can be run here, Spark's operator cannot."""
    spec["metadata"]["name"] = "remote"
    del spec["spec"]["overrides"]["Dataset/weather"]
    spec["spec"]["state"] = {"backend": url}
    spec["spec"]["target"] |= {"namespace": SPACE, "storage": f"s3://{NAME}/lake"}


def access(bucket: Server) -> Mapping[str, str]:
    """What lets a process into the bucket; the address is this server's only."""
    return {**bucket.variables(), "AWS_ENDPOINT_URL": f"http://127.0.0.1:{bucket.port}"}


def account(on_cluster: OnCluster, name: str) -> Path:
    """A kubeconfig with a token of one of the environment's own service accounts."""
    path = f"/api/v1/namespaces/{SPACE}/serviceaccounts/{name}/token"
    token = on_cluster.plane.request("POST", path, {"spec": {"expirationSeconds": 3600}})["status"]["token"]
    config = yaml.safe_load(on_cluster.plane.kubeconfig().read_text())
    config["users"][0]["user"] = {"token": token}
    written = on_cluster.plane.folder / f"{name}.kubeconfig"
    written.write_text(yaml.safe_dump(config))
    return written


def variables(container: Mapping[str, Any], bucket: Server, kubeconfig: Path) -> dict[str, str]:
    """All that a container's process sees."""
    given = {item["name"]: item["value"] for item in container.get("env", ()) if "value" in item}
    return {**given, **access(bucket), "KUBECONFIG": str(kubeconfig), "PATH": os.environ["PATH"]}


def run(command: list[str], given: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Its image's python is this one."""
    assert command[0] in ("python", "python3")
    return subprocess.run([sys.executable, *command[1:]], env=dict(given), capture_output=True, text=True, check=False, timeout=LIMIT)


def run_dataset(on_cluster: OnCluster, name: str, bucket: Server, folder: Path) -> str:
    """What the pod of the dataset's Job says, once it has prepared the rows."""
    return run_job(on_cluster, f"dataset-{name}", bucket, folder)


def run_job(on_cluster: OnCluster, name: str, bucket: Server, folder: Path) -> str:
    """What the pod of a Job says; its name is without the digest."""
    jobs = on_cluster.objects(f"/apis/batch/v1/namespaces/{SPACE}/jobs")
    (job,) = [item for item in jobs if item["metadata"]["name"].startswith(f"{name}-") and not item["metadata"].get("ownerReferences")]
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mapped = next(volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume)
    file = folder / "object.json"
    file.write_text(on_cluster.plane.request("GET", f"/api/v1/namespaces/{SPACE}/configmaps/{mapped}")["data"]["object.json"])
    command = [str(file) if part == "/mlx/object.json" else part for part in container["command"]]
    done = run(command, variables(container, bucket, account(on_cluster, pod["serviceAccountName"])))
    assert done.returncode == 0, done.stderr
    return done.stderr
