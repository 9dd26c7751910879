"""Why an object on a cluster is not well: the chain from it down to what is wrong, ONE root, and what to do about it.

Enters: a live object and a snapshot of what is around it, as the API gives both. Leaves: a ``Cause``, or None where it is well or
on its way. Pure: every case is told from the snapshot alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mlx_kubernetes.readiness import readiness
from mlx_specs.cluster import Cluster
from mlx_stacks.api_object import Object, called, condition, is_true, name_of, number, part, text
from mlx_stacks.cluster_live import Live
from mlx_stacks.pod_trouble import not_made, pod_trouble
from mlx_stacks.queue_trouble import queue_trouble
from mlx_stacks.trouble import Trouble, logs_of


@dataclass(frozen=True)
class Link:
    """One object of the chain, and how it is."""

    id: str
    status: str
    detail: str = ""


@dataclass(frozen=True)
class Cause:
    """The chain begins at what was asked for and ends at what is wrong."""

    chain: tuple[Link, ...]
    root: str
    hint: str

    def wire(self) -> dict[str, Any]:
        """As it stands among a status's fields."""
        return {**asdict(self), "chain": [asdict(link) for link in self.chain]}

    @staticmethod
    def read(fields: Mapping[str, Any]) -> "Cause | None":
        """The cause among a status's fields."""
        found = fields.get("cause")
        return Cause(tuple(Link(**link) for link in found["chain"]), found["root"], found["hint"]) if found else None


@dataclass(frozen=True)
class Scene:
    """What is asked about, and all that is known."""

    id: str
    """The object of the specs: ``Inference/delay-api``."""
    live: Live
    cluster: Cluster


def find_cause(top: Object, scene: Scene) -> Cause | None:
    """What keeps it from being well; None for what is well, and for work that goes on."""
    return _below(top, scene)


def cause_of_waiting(top: Object, scene: Scene) -> Cause:
    """The same of what should be ready and is not: what is still on its way is a cause then."""
    found = _below(top, scene)
    return found or Cause((*_way_down(top, scene.live),), *_on_its_way(top, scene))


def _below(at: Object, scene: Scene) -> Cause | None:
    if is_well(at):
        return None
    held = queue_trouble(at, scene.id, scene.live, scene.cluster)
    if held is not None:
        return _ends(at, held)
    for child in _looked_at(at, scene.live):
        found = _below(child, scene)
        if found is not None:
            return Cause((_link(at), *found.chain), found.root, found.hint)
    own = _trouble(at, scene)
    return _ends(at, own) if own is not None else None


def _ends(at: Object, trouble: Trouble) -> Cause:
    return Cause((_link(at), *(Link(id, word, detail) for id, word, detail in trouble.beyond)), trouble.root, trouble.hint)


def is_well(item: Object) -> bool:
    """Whether nothing needs to be asked below it."""
    match item["kind"]:
        case "ReplicaSet":
            return number(item, "status", "readyReplicas") >= number(item, "spec", "replicas")
        case "Pod":
            return text(item, "status", "phase") == "Succeeded" or is_true(item, "Ready")
        case "Job":
            return is_true(item, "Complete")
        case _:
            return readiness(item).state == "ready"


def _looked_at(at: Object, live: Live) -> Sequence[Object]:
    """A Job's earlier pods failed and were tried again: the newest tells; a Deployment's replicas each count."""
    children = live.children(at)
    return children[:1] if at["kind"] in ("Job", "CronJob") else children


def _trouble(at: Object, scene: Scene) -> Trouble | None:
    """What is wrong with an object itself, when nothing below it tells."""
    match at["kind"]:
        case "Pod":
            return pod_trouble(at, scene.id, scene.live, scene.cluster)
        case "Job":
            return _job(at, scene)
        case "Deployment" | "ReplicaSet" | "StatefulSet":
            return not_made(at, scene.live)
        case _:
            found = readiness(at)
            return Trouble(found.reason, logs_of(scene.id)) if found.state == "failed" else None


def _job(job: Object, scene: Scene) -> Trouble | None:
    if is_true(job, "Failed"):
        said = condition(job, "Failed")
        reason = f"{name_of(job)} failed: {said.get('message') or said.get('reason')}"
        return Trouble(reason, f"{logs_of(scene.id)}; when that is mended, mlx apply runs it again")
    return not_made(job, scene.live)


def _way_down(at: Object, live: Live) -> list[Link]:
    """To the first that is not well, and to what is not well below it."""
    below = next((child for child in _looked_at(at, live) if not is_well(child)), None)
    return [_link(at), *(_way_down(below, live) if below is not None else [])]


def _on_its_way(top: Object, scene: Scene) -> tuple[str, str]:
    """What is waited for, where nothing is wrong with it."""
    add_on = CONTROLLERS.get(top["kind"])
    if not part(top, "status") and add_on and not scene.live.children(top):
        where = scene.cluster.metadata.name
        hint = f"does {add_on} run{SEES.get(add_on, '')}? mlx status --cluster {where}"
        return f"no controller has answered: nothing was made of {called(top)}", hint
    return readiness(top).reason or "it is not ready yet", "nothing is wrong that can be seen: look again in a minute"


CONTROLLERS = {"InferenceService": "kserve", "FeatureStore": "feast", "Notebook": "notebooks", "SparkApplication": "spark", "TrainJob": "trainer"}
"""The add-on that makes something of each kind."""
SEES = {"spark": ", and does it look into this namespace (spark.jobNamespaces of its chart)"}
"""What else an add-on has to be told."""


def _link(item: Object) -> Link:
    match item["kind"]:
        case "Pod":
            return Link(called(item), text(item, "status", "phase") or "Pending", _where(item))
        case "Job":
            return Link(called(item), _job_word(item))
        case "ReplicaSet" | "Deployment" | "StatefulSet":
            ready, wanted = number(item, "status", "readyReplicas"), number(item, "spec", "replicas", otherwise=1)
            return Link(called(item), "NotReady", f"{ready} of {wanted} replicas ready")
        case _:
            return Link(called(item), "NotReady", readiness(item).reason)


def _job_word(job: Object) -> str:
    if is_true(job, "Failed"):
        return "Failed"
    return "Suspended" if part(job, "spec").get("suspend") else "Running"


def _where(pod: Object) -> str:
    node = text(pod, "spec", "nodeName")
    return f"on node {node}" if node else "on no node"
