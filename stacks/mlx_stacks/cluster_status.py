"""The status of a cluster as a stack of its own: whether it answers, its add-ons, its node pools, its queues. Reads only."""

from collections.abc import Iterator, Mapping, Sequence

from mlx_components.kubernetes.queues import API as KUEUE
from mlx_engine.stack_outputs import stack_outputs
from mlx_engine.values import Values
from mlx_kubernetes.client import Client
from mlx_kubernetes.readiness import readiness
from mlx_specs.cluster import Cluster
from mlx_specs.diagnostics import plural
from mlx_specs.pools import GPU
from mlx_stacks.add_ons import FoundAddOn, problems, verify
from mlx_stacks.api_object import Object, is_true, name_of, number, parts, text
from mlx_stacks.cluster_cause import Cause, Link
from mlx_stacks.cluster_live import PODS, Live
from mlx_stacks.cluster_look import Connected, asked, nodes
from mlx_stacks.cluster_program import connected_to
from mlx_stacks.node_trouble import nodes_of, takes_work
from mlx_stacks.object_status import ObjectStatus
from mlx_stacks.resource_words import in_use, offered, share
from mlx_stacks.workspace import Workspace

UNFINISHED = "status.phase!=Succeeded,status.phase!=Failed"


def cluster_status(workspace: Workspace, cluster: Cluster) -> tuple[ObjectStatus, ...]:
    """A row for the cluster, each add-on, each pool and each queue. One in a cloud that was never applied is one row."""
    applied = stack_outputs(workspace.stack)
    if applied is None and cluster.spec.provider != "existing":
        return (_row(cluster, applied, "declared, not applied yet"),)
    connected = connected_to(workspace, cluster.spec) if cluster.spec.provider == "existing" else Connected.of(applied or {})
    client = asked(connected.client)
    return asked(lambda: tuple(_rows(client, cluster, applied)))


def _rows(client: Client, cluster: Cluster, applied: Values | None) -> Iterator[ObjectStatus]:
    there = nodes(client)
    version = text(client.get("/version").body, "gitVersion")
    said = f"{cluster.spec.provider}, Kubernetes {version.removeprefix('v')}, {plural(len(there), 'node')}"
    yield _row(cluster, applied, said, {"version": version, "nodes": len(there)})
    yield from (add_on_status(cluster, one) for one in verify(client, cluster.spec.add_ons))
    running = parts(client.get(PODS.path(), fieldSelector=UNFINISHED).body, "items")
    live = Live("", None, {"Node": there}, neighbours=running)
    yield from (_pool(name, cluster, live) for name in sorted(cluster.spec.node_pools))
    if "kueue" in cluster.spec.add_ons:
        queues = parts(client.get(f"/apis/{KUEUE}/clusterqueues").body, "items")
        yield from (_queue(name, queues) for name in sorted(cluster.spec.node_pools))


def _row(cluster: Cluster, applied: Values | None, detail: str, fields: Mapping[str, object] | None = None) -> ObjectStatus:
    id = f"Cluster/{cluster.metadata.name}"
    if applied is not None:
        return ObjectStatus(id, "Ready", detail, fields or {})
    return ObjectStatus(id, "NotApplied", f"{detail}: mlx apply --cluster {cluster.metadata.name}", fields or {})


def add_on_status(cluster: Cluster, found: FoundAddOn) -> ObjectStatus:
    """Whether it is there; of many missing definitions the text names three, and `fields` all."""
    missing = [definition.name for definition in found.missing]
    fields = {"version": found.version, "wanted": found.wanted, "written_for": found.release.version, "missing": missing}
    id = f"AddOn/{found.name}"
    if found.is_there:
        differs = found.version and found.version.removeprefix("v") != found.release.version.removeprefix("v")
        written = f"; mlx is written for {found.release.version}" if differs else ""
        return ObjectStatus(id, "Ready", f"{found.version or 'its version is not told'}{written}", fields)
    (problem,) = problems(cluster.metadata.name, [found])
    sentence, _, hint = problem.partition("\n  hint: ")
    root = sentence.partition(f"add-on {found.name}: ")[2]
    return ObjectStatus(
        id, "Missing" if found.missing else "NotReady", f"{root}; {hint}", {**fields, "cause": Cause((Link(id, "NotReady"),), root, hint).wire()}
    )


def _pool(name: str, cluster: Cluster, live: Live) -> ObjectStatus:
    """How many of its nodes take work, and how full they are."""
    pool = cluster.spec.node_pools[name]
    there = nodes_of(name, live, cluster)
    ready = [node for node in there if takes_work(node)]
    full = [share(resource, in_use(there, resource, live), total) for resource in (GPU, "memory", "cpu") if (total := _total(there, resource))]
    detail = ", ".join([f"{len(ready)} of {plural(len(there), 'node')} ready, max {pool.max}", *full])
    word = "Ready" if len(ready) == len(there) and (there or not pool.min) else "NotReady"
    return ObjectStatus(f"NodePool/{name}", word if there or pool.min else "Empty", detail, {"nodes": len(there), "ready": len(ready), "max": pool.max})


def _total(there: Sequence[Object], resource: str):
    return sum(offered(node, resource) for node in there)


def _queue(name: str, queues: Sequence[Object]) -> ObjectStatus:
    """A pool's quota, and what waits for it."""
    found = next((one for one in queues if name_of(one) == name), None)
    if found is None:
        return ObjectStatus(f"Queue/{name}", "Missing", "its ClusterQueue is not there: mlx apply --cluster NAME makes it")
    item = {**found, "apiVersion": KUEUE, "kind": "ClusterQueue"}
    waiting, running = number(found, "status", "pendingWorkloads"), number(found, "status", "admittedWorkloads")
    fields = {"pending": waiting, "admitted": running}
    if not is_true(found, "Active"):
        return ObjectStatus(f"Queue/{name}", "NotReady", readiness(item).reason, fields)
    return ObjectStatus(
        f"Queue/{name}", "Waiting" if waiting else "Ready", f"{plural(waiting, 'workload')} {'waits' if waiting == 1 else 'wait'}, {running} admitted", fields
    )
