"""What a workload waits for in its queue: a quota that others use, or that is too small. Pure.

Enters: a live workload and the queues. Leaves: one ``Trouble`` in the words of node pools, or None for what Kueue lets start.
Source: Kueue v1beta2, Workload, LocalQueue and ClusterQueue.
"""

from collections.abc import Iterable
from decimal import Decimal

from mlx_components.kubernetes.place import QUEUE
from mlx_specs.capacity import number_of
from mlx_specs.cluster import Cluster
from mlx_stacks.api_object import NOTHING, Object, called, condition, is_owned_by, is_true, made_for, name_of, number, part, parts, text
from mlx_stacks.cluster_live import Live
from mlx_stacks.resource_words import FIELDS, NONE, amount, ordered, requests, share, word
from mlx_stacks.trouble import Trouble, kind_and_name, more_nodes, some

GATED = "SchedulingGated"


def queue_trouble(item: Object, id: str, live: Live, cluster: Cluster) -> Trouble | None:
    """Why Kueue does not let it start; None where it does, or has no say."""
    workload = next((one for one in live.of("Workload") if is_owned_by(one, item)), None)
    if workload is None:
        return _not_taken_up(item, cluster)
    if is_true(workload, "Admitted") or is_true(workload, "Finished"):
        return None
    queue = text(workload, "spec", "queueName")
    local = _named(live.of("LocalQueue"), queue)
    if local is None:
        hint = f"mlx apply makes a queue for each pool of Cluster/{cluster.metadata.name}; compute.pool of {id} names one"
        return Trouble(f"there is no queue {queue} in namespace {live.namespace}", hint, (_link(workload),))
    name = text(local, "spec", "clusterQueue")
    shared = _named(live.of("ClusterQueue"), name)
    if shared is None and "ClusterQueue" not in live.hidden:
        return Trouble(
            f"queue {queue} leads to ClusterQueue {name}, which is not there", f"mlx apply --cluster {cluster.metadata.name} makes it", (_link(workload),)
        )
    return _no_quota(workload, queue, shared, id, live, cluster)


def _named(items: Iterable[Object], name: str) -> Object | None:
    return next((one for one in items if name_of(one) == name), None)


def _link(workload: Object) -> tuple[str, str, str]:
    return called(workload), "Pending", _words(workload)


def _words(workload: Object) -> str:
    return text(condition(workload, "QuotaReserved") or condition(workload, "Admitted"), "message")


def _not_taken_up(item: Object, cluster: Cluster) -> Trouble | None:
    queue = text(part(item, "metadata", "labels"), QUEUE)
    if item["kind"] == "Pod" and condition(item, "PodScheduled").get("reason") == GATED:
        return Trouble("a scheduling gate holds the pod, and Kueue has not taken it up", f"does kueue run? mlx status --cluster {cluster.metadata.name}")
    if item["kind"] != "Job" or not part(item, "spec").get("suspend"):
        return None
    if queue:
        return Trouble(f"it waits in queue {queue}, and Kueue has not taken it up", f"does kueue run? mlx status --cluster {cluster.metadata.name}")
    return Trouble(f"{called(item)} was suspended by hand", f'kubectl patch job {name_of(item)} --patch \'{{"spec": {{"suspend": false}}}}\' lets it go on')


def _no_quota(workload: Object, queue: str, shared: Object | None, id: str, live: Live, cluster: Cluster) -> Trouble:
    beyond, hint = (_link(workload), (f"Queue/{queue}", "Full", "")), more_nodes(queue, cluster)
    active = condition(shared or NOTHING, "Active")
    if active.get("status") == "False":
        return Trouble(f"queue {queue} takes nothing: {active.get('message')}", f"mlx status --cluster {cluster.metadata.name} shows the queues", beyond)
    short = _lacking(workload, shared) if shared is not None else None
    if shared is None or short is None:
        said = f": {_words(workload)}" if _words(workload) else ""
        return Trouble(f"queue {queue} has no quota for it{said}", hint, beyond)
    resource, wanted, used, quota = short
    if wanted > quota:
        root = f"it asks for {amount(resource, wanted)}, and the quota of queue {queue} is {amount(resource, quota)} in all"
        return Trouble(root, f"lower {FIELDS.get(resource, 'compute')} of {id}, or {hint}", beyond)
    users = some(sorted({_user(one, live) for one in live.of("Workload") if one is not workload and _holds(one, shared)})) or "other environments"
    root = f"waiting for {word(resource)}: queue {queue} has no quota left, {share(resource, used, quota)} by {users}"
    return Trouble(root, hint, beyond)


def _lacking(workload: Object, shared: Object) -> tuple[str, Decimal, Decimal, Decimal] | None:
    """The resource, what is asked for, what others hold, and the quota."""
    wanted = _wanted(workload)
    quotas = _sums((one, "nominalQuota") for group in parts(shared, "spec", "resourceGroups") for one in parts(group, "flavors"))
    used = _sums((one, "total") for one in parts(shared, "status", "flavorsReservation"))
    for resource in ordered(wanted):
        if resource in quotas and used.get(resource, NONE) + wanted[resource] > quotas[resource]:
            return resource, wanted[resource], used.get(resource, NONE), quotas[resource]
    return None


def _wanted(workload: Object) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for pods in parts(workload, "spec", "podSets"):
        count = number(pods, "count", otherwise=1)
        found |= {resource: found.get(resource, NONE) + each * count for resource, each in requests(part(pods, "template")).items()}
    return found


def _sums(flavors: Iterable[tuple[Object, str]]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for flavor, key in flavors:
        found |= {one["name"]: found.get(one["name"], NONE) + number_of(text(one, key) or "0") for one in parts(flavor, "resources")}
    return found


def _holds(workload: Object, shared: Object) -> bool:
    return text(workload, "status", "admission", "clusterQueue") == name_of(shared) and not is_true(workload, "Finished")


def _user(workload: Object, live: Live) -> str:
    """The object of the specs that holds it."""
    held = next((one for items in live.objects.values() for one in items if made_for(one) and is_owned_by(workload, one)), None)
    return kind_and_name(made_for(held)) if held is not None else name_of(workload)
