"""What the engine says of a resource that failed, in the words of the specs.

Enters: the urn and the engine's message. Leaves: the object's name as people write it, and a message that says it once.
"""

import re

from mlx_stacks.changes import id_of_urn

ERRNO = re.compile(r"\[Errno \d+\] ([^:\n]+): '([^'\n]+)'")
"""How Python words an error of the disk."""
NO_ROOM = re.compile(r"^\[Errno \d+\] (No space left on device|Disk quota exceeded|File too large)$")
"""The same in the middle of a file, where Python does not know which."""


def owner(urn: str) -> str:
    """The object that a resource belongs to, such as ``Model/delay``; the resource's own name where it belongs to none."""
    return id_of_urn(urn) or urn.split("::")[-1]


def reason(urn: str, message: str) -> str:
    """The message without the engine's ``NAME is not valid: FIELD:`` and the provider's ``KIND/NAME:`` before it."""
    first, newline, more = message.partition("\n")
    first = ERRNO.sub(r"\2: \1 (mlx doctor looks at what is in the way)", first)
    first = NO_ROOM.sub(r"\1 (mlx doctor looks at what is in the way)", first)
    own = first.partition(f"{owner(urn)}: ")[2] or first.removeprefix(f"{urn.split('::')[-1]} is not valid: ")
    return own + newline + more


def sentences(failures: dict[str, str]) -> list[str]:
    """``Dataset/flights: file 'flights.csv' is not in the workspace``, one for each resource that failed."""
    return [f"{owner(urn)}: {reason(urn, message)}" for urn, message in failures.items()]
