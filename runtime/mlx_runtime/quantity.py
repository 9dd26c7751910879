"""Kubernetes quantities as numbers, and the limit that ``memory`` puts on a local process."""

import resource

from mlx_specs.base import QUANTITY

UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def to_bytes(quantity: str) -> int:
    """``"512Mi"`` -> 536870912. The argument has been validated as a Quantity."""
    match = QUANTITY.match(quantity)
    assert match is not None, quantity
    return int(float(match[1]) * UNITS[match[2] or ""])


def limit_memory(quantity: str) -> None:
    """Limits this process's data segment: an allocation beyond it raises MemoryError instead of taking the laptop down."""
    limit = to_bytes(quantity)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
