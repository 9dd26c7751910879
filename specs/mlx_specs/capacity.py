"""Amounts of CPU, memory and GPUs: what a node offers, what a pod asks for, what is left, how often one fits the other.

Quantities enter, frozen ``Amount`` values and the words for them leave. Nothing here knows of clouds, pools or specs.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from mlx_specs.base import Compute

API_QUANTITY = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
DECIMALS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARIES = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
GI = 2**30
MI = 2**20
MANY = 1000
"""Copies of a pod that asks for nothing: more than any node runs."""


@dataclass(frozen=True)
class Amount:
    """CPU in thousandths of a core, memory in bytes, GPUs."""

    cpu: int = 0
    memory: int = 0
    gpus: int = 0

    def plus(self, other: "Amount") -> "Amount":
        """Both together."""
        return Amount(self.cpu + other.cpu, self.memory + other.memory, self.gpus + other.gpus)

    def minus(self, other: "Amount") -> "Amount":
        """What is left; nothing is less than zero."""
        return Amount(max(0, self.cpu - other.cpu), max(0, self.memory - other.memory), max(0, self.gpus - other.gpus))

    def times(self, number: int) -> "Amount":
        """So many of it."""
        return Amount(self.cpu * number, self.memory * number, self.gpus * number)

    def copies_of(self, request: "Amount") -> int:
        """How many pods with this request a node that offers this amount can run."""
        pairs = ((self.cpu, request.cpu), (self.memory, request.memory), (self.gpus, request.gpus))
        return min((has // wants for has, wants in pairs if wants), default=MANY)

    def holds(self, request: "Amount") -> bool:
        """Whether one such pod fits."""
        return self.copies_of(request) > 0

    def lacks(self, request: "Amount") -> "Amount":
        """What is missing for one such pod."""
        return request.minus(self)

    def share_of(self, whole: "Amount") -> Decimal:
        """The sum of the shares of each resource that ``whole`` has: how two lacks of one request are compared."""
        pairs = ((self.cpu, whole.cpu), (self.memory, whole.memory), (self.gpus, whole.gpus))
        return sum((Decimal(part) / of for part, of in pairs if of), Decimal(0))


def number_of(quantity: str) -> Decimal:
    """``"512Mi"`` -> 536870912, ``"3860m"`` -> 3.86, ``"1e3"`` -> 1000: every form that the Kubernetes API writes.

    Raises ValueError for what is no quantity.
    Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    """
    match = API_QUANTITY.fullmatch(quantity)
    if match is None:
        raise ValueError(f"{quantity!r} is no quantity")
    number, suffix = Decimal(match[1]), match[2] or ""
    if suffix in BINARIES:
        return number * 1024 ** BINARIES[suffix]
    return number.scaleb(DECIMALS[suffix] if suffix in DECIMALS else int(suffix[1:]))


def amount(cpu: str, memory: str, gpus: str = "0") -> Amount:
    """An amount from quantities."""
    return Amount(int(number_of(cpu) * 1000), int(number_of(memory)), int(number_of(gpus)))


def request_of(compute: Compute) -> Amount:
    """What one pod with this ``compute`` asks for."""
    return Amount((compute.cpu or 0) * 1000, int(number_of(compute.memory or "0")), compute.gpu or 0)


def asked(compute: Compute) -> str:
    """``64 cpu, 256Gi, 2 gpu``: as it is written."""
    parts = (f"{compute.cpu} cpu" if compute.cpu else "", compute.memory or "", f"{compute.gpu} gpu" if compute.gpu else "")
    return ", ".join(part for part in parts if part)


def offered(offer: Amount, *, gpus: bool = False) -> str:
    """``3.5 cpu, 12.1Gi, 1 gpu``, rounded down: what is said to be there is there. ``gpus``: say so where there are none."""
    count = [f"{offer.gpus} gpu"] if offer.gpus else ["no gpu"] if gpus else []
    return ", ".join([f"{_one_digit(offer.cpu * 10 // 1000)} cpu", f"{_one_digit(offer.memory * 10 // GI)}Gi", *count])


def lacking(lack: Amount) -> str:
    """``60.5 cpu, 243.9Gi``, rounded up, without what is not missing."""
    cpu = f"{_one_digit(-(-lack.cpu * 10 // 1000))} cpu" if lack.cpu else ""
    memory = f"{_one_digit(-(-lack.memory * 10 // GI))}Gi" if lack.memory else ""
    return ", ".join(part for part in (cpu, memory, f"{lack.gpus} gpu" if lack.gpus else "") if part)


def _one_digit(tenths: int) -> str:
    return f"{tenths // 10}.{tenths % 10}".removesuffix(".0")


Resource = Literal["cpu", "memory", "gpu"]


def first_lacking(lack: Amount) -> Resource | None:
    """The field of ``compute`` that asks for too much; GPUs before memory before cores, as they are the rarer."""
    return "gpu" if lack.gpus else "memory" if lack.memory else "cpu" if lack.cpu else None
