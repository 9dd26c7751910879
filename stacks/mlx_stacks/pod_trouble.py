"""What is wrong with a pod, or with who should make it: image, container, secret, volume, probe, quota. Pure.

Enters: a live pod and what is around it. Leaves: one ``Trouble``, or None for a pod that is on its way.
Source: Kubernetes v1 PodStatus, ContainerStatus, and the reasons that the kubelet writes.
"""

import re
from collections.abc import Iterator

from mlx_components.kubernetes.inference import INITIALIZER
from mlx_specs.cluster import Cluster
from mlx_stacks.api_object import Object, condition, name_of, part, parts, text
from mlx_stacks.cluster_live import Live
from mlx_stacks.node_trouble import unscheduled
from mlx_stacks.trouble import Trouble, logs_of

UNPULLED = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable")
ON_ITS_WAY = ("ContainerCreating", "PodInitializing", "")
MISSING = re.compile(r'(secret|configmap|persistentvolumeclaim|serviceaccount) "([^"]+)"[^"]*not found', re.IGNORECASE)
EXCEEDED = re.compile(r"exceeded quota: ([^,\s]+), (.*)")
VIOLATES = "violates PodSecurity"
WORDS = 300
"""Letters of a container's last words."""


def pod_trouble(pod: Object, id: str, live: Live, cluster: Cluster) -> Trouble | None:
    """Why a pod does not run."""
    if condition(pod, "PodScheduled").get("status") == "False":
        return unscheduled(pod, id, live, cluster)
    evicted = text(pod, "status", "reason")
    if evicted:
        return Trouble(f"the pod was ended: {evicted}: {text(pod, 'status', 'message') or 'no reason given'}", f"see its node, and compute of {id}")
    troubles = (_container(pod, container, id, live) for container in containers(pod))
    return next((found for found in troubles if found is not None), None) or _not_started(pod, id, live) or _not_ready(pod, id, live)


def containers(pod: Object) -> Iterator[Object]:
    """The statuses of its containers, in the order in which they start."""
    yield from parts(pod, "status", "initContainerStatuses")
    yield from parts(pod, "status", "containerStatuses")


def crashed(container: Object) -> Object:
    """How it ended with an error, now or before it was started again; empty where it did not."""
    again = text(container, "state", "waiting", "reason") == "CrashLoopBackOff"
    found = part(container, "state", "terminated") or (part(container, "lastState", "terminated") if again else {})
    return found if found.get("exitCode") else {}


def _container(pod: Object, container: Object, id: str, live: Live) -> Trouble | None:
    reason, message = text(container, "state", "waiting", "reason"), text(container, "state", "waiting", "message")
    name, over = text(container, "name"), crashed(container)
    if reason in UNPULLED:
        hint = "is it in the registry under this digest, and may the nodes pull it? target.images of the environment names it"
        return Trouble(f"image {text(container, 'image')} cannot be pulled: {message or reason}", hint)
    if over:
        return _crash(pod, name, over, id, live)
    if reason in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError"):
        return _missing(message, live) or Trouble(f"container {name} cannot be made: {message or reason}", f"correct what it says in {id}, then mlx apply")
    return None if reason in ON_ITS_WAY else Trouble(f"container {name} waits: {reason}{f': {message}' if message else ''}", logs_of(id))


def _crash(pod: Object, name: str, over: Object, id: str, live: Live) -> Trouble:
    if over.get("reason") == "OOMKilled":
        limit = _limit(pod, name)
        return Trouble(f"container {name} was killed: it needs more memory than its limit{f' of {limit}' if limit else ''}", f"raise compute.memory of {id}")
    words = live.last_words.get(f"{name_of(pod)}/{name}") or text(over, "message")
    said = f": {_cut(words)}" if words.strip() else ""
    if name == INITIALIZER:
        hint = "is the artifact still there, and may service account mlx-serve read it? target.identity of the environment gives it access"
        return Trouble(f"the model cannot be fetched (exit code {over['exitCode']}){said}", hint)
    return Trouble(f"container {name} ended with exit code {over['exitCode']}{said}", logs_of(id))


def _cut(words: str) -> str:
    """The end of what it wrote, which is where a reason stands."""
    text = words.strip()
    return text if len(text) <= WORDS else f"…{text[-WORDS:]}"


def _limit(pod: Object, container: str) -> str:
    return next((text(one, "resources", "limits", "memory") for one in parts(pod, "spec", "containers") if one.get("name") == container), "")


def _not_started(pod: Object, id: str, live: Live) -> Trouble | None:
    """It has a node, and its volumes or its sandbox cannot be made: only events say so."""
    for event in live.warnings(pod):
        message = text(event, "message")
        if event.get("reason") in ("FailedMount", "FailedAttachVolume"):
            return _missing(message, live) or Trouble(f"a volume cannot be mounted: {message}", "correct what it says; the pod goes on by itself")
        if event.get("reason") == "FailedCreatePodSandBox":
            return Trouble(f"its node cannot start it: {message}", f"node {text(pod, 'spec', 'nodeName')}: its network or runtime is broken; drain it")
    return None


def _not_ready(pod: Object, id: str, live: Live) -> Trouble | None:
    if text(pod, "status", "phase") != "Running":
        return None
    failing = next((text(event, "message") for event in live.warnings(pod) if event.get("reason") == "Unhealthy"), "")
    names = ", ".join(text(one, "name") for one in containers(pod) if not one.get("ready")) or "its container"
    return Trouble(f"{names} runs and does not answer as ready{f': {failing}' if failing else ''}", logs_of(id))


def not_made(owner: Object, live: Live) -> Trouble | None:
    """Why a Deployment, a Job or a set has no pods: what its controller was refused."""
    refused = condition(owner, "ReplicaFailure")
    said = text(refused, "message") if refused.get("status") == "True" else ""
    said = said or next((text(event, "message") for event in live.warnings(owner) if event.get("reason") == "FailedCreate"), "")
    quota = EXCEEDED.search(said)
    if quota:
        return Trouble(
            f"the namespace's quota {quota[1]} is used up: {quota[2]}", f"raise ResourceQuota {quota[1]} of {live.namespace}, or end what is not needed"
        )
    if VIOLATES in said:
        hint = "its pods run without root and privileges: the namespace's level is restricted"
        return Trouble(f"the namespace does not let its pod in: it {VIOLATES}{said.partition(VIOLATES)[2]}", hint)
    return (_missing(said, live) or Trouble(f"its pods cannot be made: {said}", "correct what it says; the controller tries again")) if said else None


def _missing(message: str, live: Live) -> Trouble | None:
    found = MISSING.search(message)
    if found is None:
        return None
    kind, name = found[1].lower(), found[2].rpartition("/")[2]
    by_hand = f"make it: kubectl create {MADE_BY_HAND[kind].format(name=name)} --namespace {live.namespace}" if kind in MADE_BY_HAND else ""
    return Trouble(f"{kind} {name} is not in namespace {live.namespace}", by_hand or "mlx apply makes it again")


MADE_BY_HAND = {"secret": "secret generic {name} --from-literal=KEY=VALUE"}
"""What is not in the specs; the rest is mlx's own."""
