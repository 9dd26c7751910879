"""What pods ask for and nodes offer, of any resource, and the words for it. Pure.

Source: Kubernetes v1 ResourceRequirements; a pod's request is that of its containers together, or of its largest init container.
"""

from collections.abc import Iterable
from decimal import Decimal

from mlx_specs.capacity import GI, number_of
from mlx_specs.pools import GPU
from mlx_stacks.api_object import Object, name_of, part, parts, text
from mlx_stacks.cluster_live import Live

ORDER = (GPU, "memory", "cpu")
"""The rarer first."""
FIELDS = {GPU: "compute.gpu", "memory": "compute.memory", "cpu": "compute.cpu"}
NONE = Decimal(0)


def requests(pod: Object) -> dict[str, Decimal]:
    """What a pod asks for, the rarer first; nothing that it asks none of."""
    total: dict[str, Decimal] = {}
    for container in parts(pod, "spec", "containers"):
        total |= {resource: total.get(resource, NONE) + quantity for resource, quantity in _asked(container).items()}
    for container in parts(pod, "spec", "initContainers"):
        total |= {resource: max(total.get(resource, NONE), quantity) for resource, quantity in _asked(container).items()}
    return {resource: total[resource] for resource in ordered(total) if total[resource]}


def _asked(container: Object) -> dict[str, Decimal]:
    given = {**part(container, "resources", "limits"), **part(container, "resources", "requests")}
    return {name: number_of(str(quantity)) for name, quantity in given.items()}


def offered(node: Object, resource: str) -> Decimal:
    """What pods can use of a node."""
    return number_of(text(part(node, "status", "allocatable"), resource) or "0")


def in_use(nodes: Iterable[Object], resource: str, live: Live) -> Decimal:
    """What all that runs on them has asked for."""
    names = {name_of(node) for node in nodes}
    return sum((requests(pod).get(resource, NONE) for pod in live.neighbours if text(pod, "spec", "nodeName") in names), NONE)


def ordered(names: Iterable[str]) -> list[str]:
    """The rarer first, then by name."""
    known = set(names)
    return [*(name for name in ORDER if name in known), *sorted(known - set(ORDER))]


def amount(resource: str, quantity: Decimal) -> str:
    """``2 GPUs``, ``4 cpu``, ``16Gi memory``"""
    if resource == GPU:
        return f"{_plain(quantity)} GPU{'' if quantity == 1 else 's'}"
    return f"{_gigabytes(quantity)} memory" if resource == "memory" else f"{_plain(quantity)} {resource}"


def share(resource: str, used: Decimal, total: Decimal) -> str:
    """``2 of 2 GPUs in use``"""
    if resource == "memory":
        return f"{_gigabytes(used)} of {_gigabytes(total)} memory in use"
    return f"{_plain(used)} of {_plain(total)} {'GPUs' if resource == GPU else resource} in use"


def word(resource: str) -> str:
    """``GPU``"""
    return "GPU" if resource == GPU else resource


def _gigabytes(quantity: Decimal) -> str:
    return f"{_plain((quantity / GI).quantize(Decimal('0.1')))}Gi"


def _plain(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}"
