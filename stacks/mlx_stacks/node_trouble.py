"""Why no node takes a pod: a volume, no such node, a taint, too large a request, or others that use what it needs. Pure.

Enters: a live pod that is not scheduled, the nodes, and what runs on them. Leaves: one ``Trouble`` in the words of node pools.
Source: kube-scheduler's filters, in the order in which they explain most.
"""

from decimal import Decimal

from mlx_specs.cluster import Cluster
from mlx_specs.diagnostics import plural
from mlx_specs.pools import selector
from mlx_stacks.api_object import Object, called, condition, is_true, made_for, name_of, part, parts, text
from mlx_stacks.cluster_live import Live
from mlx_stacks.queue_trouble import GATED, queue_trouble
from mlx_stacks.resource_words import FIELDS, NONE, amount, in_use, offered, requests, share, word
from mlx_stacks.trouble import Trouble, kind_and_name, more_nodes, some


def unscheduled(pod: Object, id: str, live: Live, cluster: Cluster) -> Trouble:
    """Why a pod has no node."""
    held = queue_trouble(pod, id, live, cluster) if condition(pod, "PodScheduled").get("reason") == GATED else None
    volume = held or _unbound(pod, live)
    if volume is not None:
        return volume
    if "Node" in live.hidden:
        return Trouble(f"no node takes it: {_words(pod)}", "ask for the right to list nodes: then mlx why names the pool")
    asked = Asked(pod, id, live, cluster)
    found = asked.no_node() or asked.tainted() or asked.no_work() or asked.too_large() or asked.taken()
    found = found or Trouble(f"no node takes it: {_words(pod)}", f"kubectl describe pod {name_of(pod)} --namespace {live.namespace} shows each node's reason")
    return Trouble(found.root, found.hint, asked.pool_link())


def _words(pod: Object) -> str:
    return text(condition(pod, "PodScheduled"), "message") or "no reason given"


def _unbound(pod: Object, live: Live) -> Trouble | None:
    """A volume that it waits for."""
    if "persistentvolumeclaim" not in _words(pod).lower():
        return None
    known = {name_of(one): one for one in live.of("PersistentVolumeClaim")}
    for name in filter(None, (text(one, "persistentVolumeClaim", "claimName") for one in parts(pod, "spec", "volumes"))):
        if name not in known:
            return Trouble(f"persistentvolumeclaim {name} is not in namespace {live.namespace}", "mlx apply makes it again")
        phase = text(known[name], "status", "phase") or "Pending"
        if phase != "Bound":
            said = next((text(event, "message") for event in live.warnings(known[name])), "no storage class has taken it")
            hint = "name a storage class that the cluster has, or make one its default: kubectl get storageclass"
            return Trouble(f"its volume {name} is not bound: {said}", hint, ((called(known[name]), phase, ""),))
    return None


def pool_of(pod: Object, cluster: Cluster) -> str | None:
    """The pool whose nodes the pod asks for."""
    asked = part(pod, "spec", "nodeSelector").items()
    return next((name for name in sorted(cluster.spec.node_pools) if asked and selector(cluster.spec, name).items() <= asked), None)


def nodes_of(pool: str, live: Live, cluster: Cluster) -> list[Object]:
    """A pool's nodes as they are now."""
    wanted = selector(cluster.spec, pool).items()
    return [node for node in live.of("Node") if wanted <= part(node, "metadata", "labels").items()]


def takes_work(node: Object) -> bool:
    """Whether it is ready, and nobody has cordoned it."""
    return not part(node, "spec").get("unschedulable") and is_true(node, "Ready")


class Asked:
    """What one pod asks for, beside the nodes that there are; each question gives the trouble, or None."""

    def __init__(self, pod: Object, id: str, live: Live, cluster: Cluster) -> None:
        self.id, self.live, self.cluster = id, live, cluster
        self.pool = pool_of(pod, cluster)
        self.labels = part(pod, "spec", "nodeSelector")
        self.wanted = requests(pod)
        self.tolerations = parts(pod, "spec", "tolerations")
        self.chosen = [node for node in live.of("Node") if self.labels.items() <= part(node, "metadata", "labels").items()]
        self.open = [node for node in self.chosen if self.taint_of(node) is None]
        self.usable = [node for node in self.open if takes_work(node)]

    @property
    def where(self) -> str:
        """``pool gpu``"""
        return f"pool {self.pool}" if self.pool else "the cluster"

    @property
    def most(self) -> int:
        """How many nodes its pool may have."""
        return self.cluster.spec.node_pools[self.pool].max if self.pool else 0

    def pool_link(self) -> tuple[tuple[str, str, str], ...]:
        """The pool as the end of the chain."""
        if self.pool is None:
            return ()
        count = len(nodes_of(self.pool, self.live, self.cluster))
        return ((f"NodePool/{self.pool}", "Full" if count else "Empty", f"{count} of at most {_nodes(self.most)}"),)

    def no_node(self) -> Trouble | None:
        """None has the labels that it asks for."""
        if self.chosen:
            return None
        labels = ",".join(f"{key}={value}" for key, value in sorted(self.labels.items()))
        if self.pool is None:
            return Trouble(f"no node has {labels}" if labels else "the cluster has no nodes", "name a pool in compute.pool")
        hint = f"does the cluster's autoscaler run, and are the pool's nodes labelled so? mlx status --cluster {self.cluster.metadata.name}"
        return Trouble(f"pool {self.pool} has no node: none has {labels}", hint)

    def tainted(self) -> Trouble | None:
        """The only ones that could hold it have a taint that it does not tolerate."""
        could = [node for node in self.chosen if node not in self.open and self.holds(node)]
        taint = self.taint_of(could[0]) if could and not any(map(self.holds, self.open)) else None
        if taint is None:
            return None
        value = f"={taint['value']}" if taint.get("value") else ""
        root = f"the nodes of {self.where} that could hold it have the taint {taint.get('key')}{value}:{taint.get('effect')}, which it does not tolerate"
        if self.pool is None:
            return Trouble(root, f"name their pool in compute.pool of {self.id}: what names a pool tolerates its taints")
        return Trouble(root, f"write the taint in nodePools.{self.pool}.taints of Cluster/{self.cluster.metadata.name}, then mlx apply")

    def no_work(self) -> Trouble | None:
        """Those that it may run on are cordoned or not ready."""
        if not self.open or self.usable:
            return None
        names = some(sorted(map(name_of, self.open)))
        root = f"no node of {self.where} takes work: {names} {'is' if len(self.open) == 1 else 'are'} cordoned or not ready"
        return Trouble(root, "kubectl get nodes shows which; kubectl uncordon lets one take work again")

    def too_large(self) -> Trouble | None:
        """More than a node has when nothing runs on it."""
        for resource, wanted in self.wanted.items():
            largest = max((offered(node, resource) for node in self.usable), default=NONE)
            if wanted > largest:
                root = f"it asks for {amount(resource, wanted)}, and the largest node of {self.where} has {amount(resource, largest)}"
                larger = (
                    f"give nodePools.{self.pool} of Cluster/{self.cluster.metadata.name} larger machines" if self.pool else "name another pool in compute.pool"
                )
                return Trouble(root, f"lower {FIELDS.get(resource, 'compute')} of {self.id}, or {larger}")
        return None

    def taken(self) -> Trouble | None:
        """They could hold it, and others have what it needs."""
        for resource, wanted in self.wanted.items():
            if all(offered(node, resource) - in_use([node], resource, self.live) < wanted for node in self.usable):
                total = sum((offered(node, resource) for node in self.usable), NONE)
                return Trouble(f"waiting for {word(resource)}: {self.where} has {self.room()}, {self.used(resource, total)}", self.grow())
        return None

    def room(self) -> str:
        """``max 1 node``, or how many there are of those."""
        now = len(self.chosen)
        return _nodes(now) if self.pool is None else f"max {_nodes(self.most)}" if now >= self.most else f"{now} of at most {_nodes(self.most)}"

    def used(self, resource: str, total: Decimal) -> str:
        """``2 of 2 GPUs in use by notebook explore``"""
        names = {name_of(node) for node in self.usable}
        pods = [pod for pod in self.live.neighbours if text(pod, "spec", "nodeName") in names and requests(pod).get(resource)]
        users = some(sorted({_user(pod, self.live.namespace) for pod in pods}))
        return share(resource, in_use(self.usable, resource, self.live), total) + (f" by {users}" if users else "")

    def grow(self) -> str:
        """What to do about a full pool."""
        if self.pool is None:
            return f"free what it needs, or name a pool in compute.pool of {self.id}"
        if len(self.chosen) < self.most:
            return f"the autoscaler may still add a node to pool {self.pool}; where it does not within minutes, its log says why"
        return more_nodes(self.pool, self.cluster)

    def holds(self, node: Object) -> bool:
        """Whether it would fit on an empty node like this one."""
        return all(offered(node, resource) >= wanted for resource, wanted in self.wanted.items())

    def taint_of(self, node: Object) -> Object | None:
        """The first taint that keeps it off; those that say that a node is not ready or cordoned are ``no_work``'s."""
        hard = [one for one in parts(node, "spec", "taints") if one.get("effect") != "PreferNoSchedule"]
        written = [one for one in hard if not text(one, "key").startswith("node.kubernetes.io/")]
        return next((one for one in written if not any(_tolerates(each, one) for each in self.tolerations)), None)


def _tolerates(toleration: Object, taint: Object) -> bool:
    key = toleration.get("key") in (None, "", taint.get("key"))
    effect = toleration.get("effect") in (None, "", taint.get("effect"))
    return key and effect and (toleration.get("operator") == "Exists" or text(toleration, "value") == text(taint, "value"))


def _user(pod: Object, namespace: str) -> str:
    at = text(pod, "metadata", "namespace")
    name = kind_and_name(made_for(pod)) if made_for(pod) else f"pod {name_of(pod)}"
    return name if at == namespace else f"{name} of namespace {at}"


def _nodes(count: int) -> str:
    return plural(count, "node")
