"""An apply to a cluster that is killed at random moments, then apply: the end state is that of an undisturbed one; then destroy, with a controller gone.

Only real processes can be killed, and only a real API server says what is there twice.
"""

import itertools
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from flights_on_cluster import OnCluster, make_champion
from test_environment import described, groups

KILLS = int(os.environ.get("MLX_TEST_KILLS", "6"))
"""Each is a whole process; twenty take ten minutes of two cores."""


@pytest.fixture(scope="module")
def ready(flights: OnCluster, mlflow: str) -> Iterator[OnCluster]:
    make_champion(mlflow, "other", "delay")
    yield flights
    flights.mlx("destroy", "--env", "other", "--yes")


def test_kills_at_any_moment_and_an_apply_end_like_an_undisturbed_run(ready: OnCluster) -> None:
    said = ready.mlx("apply", "--env", "other", "--yes")
    undisturbed, runs, lines = there_is(ready), submitted(ready), len(said.err.splitlines())
    ready.mlx("destroy", "--env", "other", "--yes")
    assert there_is(ready) == []
    moments, kills = random.Random(2013), 0
    while kills < KILLS:
        if kill_one(ready, moments, lines):
            kills += 1
        else:  # it has ended before: there is nothing left to do that could be cut off
            ready.mlx("destroy", "--env", "other", "--yes")
    ready.mlx("apply", "--env", "other", "--yes")
    assert there_is(ready) == undisturbed
    assert submitted(ready) == runs
    assert ready.plan("other") == {}


def submitted(on_cluster: OnCluster) -> list[str]:
    """The runs of the namespace that is there now; those of one that was destroyed have gone with it."""
    born = on_cluster.plane.request("GET", "/api/v1/namespaces/delays-other")["metadata"]["creationTimestamp"]
    mine = [run for run in on_cluster.pipelines.runs if run["created_at"] >= born]
    return sorted(run["display_name"] for run in mine if run["display_name"].startswith("delays-other/"))


def kill_one(on_cluster: OnCluster, moments: random.Random, lines: int) -> bool:
    """Kills an apply some time after a drawn line of its progress; False when it ended before that."""
    command = on_cluster.workspace.command("apply", "--env", "other", "--yes")
    with subprocess.Popen(
        command, cwd=on_cluster.workspace.root, env=on_cluster.variables(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stderr is not None
        for _ in itertools.islice(process.stderr, moments.randint(0, lines)):
            pass
        try:
            process.wait(timeout=moments.random() * 0.5)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.returncode == -signal.SIGKILL


def test_destroy_leaves_nothing_and_ends_where_the_controller_of_a_finalizer_is_gone(ready: OnCluster) -> None:
    ready.mlx("apply", "--env", "other", "--yes")
    at = "/apis/feast.dev/v1/namespaces/delays-other/featurestores/flights"
    held = {"metadata": {"finalizers": ["feast.dev/cleanup"]}}
    ready.plane.request("PATCH", at, held, type="application/merge-patch+json")
    said = ready.mlx("destroy", "--env", "other", "--yes")
    assert "released: nobody has removed the finalizer feast.dev/cleanup within 60 s; its controller seems to be gone" in said.err
    assert there_is(ready) == []


def there_is(on_cluster: OnCluster) -> list[Any]:
    """Every object with the label of the environment's owner, but what controllers made, without what differs between two runs."""
    found: list[Any] = []
    for group in groups(on_cluster):
        for resource in on_cluster.plane.request("GET", group).get("resources", ()):
            if "/" not in resource["name"] and {"list", "get"} <= set(resource["verbs"]):
                path = f"{group}/{resource['name']}"
                items = on_cluster.plane.request("GET", path, labelSelector="mlx.dev/owner=flights.other")["items"]
                found += [(*described(item, resource["kind"]).values(), stable(item)) for item in items if not item["metadata"].get("ownerReferences")]
    return sorted(found, key=str)


def stable(item: dict[str, Any]) -> dict[str, Any]:
    """Which volume a claim gets, and what a Job's pods are told apart by, is the cluster's to say."""
    spec = {key: value for key, value in item.get("spec", {}).items() if key not in ("volumeName", "selector", "template", "clusterIP", "clusterIPs")}
    return {"spec": spec, "data": item.get("data"), "rules": item.get("rules"), "labels": item["metadata"].get("labels")}
