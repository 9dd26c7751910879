"""The limit that ``memory`` puts on a local process."""

import resource

from mlx_specs.capacity import number_of


def limit_memory(quantity: str) -> None:
    """Limits this process's data segment: an allocation beyond it raises MemoryError instead of taking the laptop down."""
    limit = int(number_of(quantity))
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
