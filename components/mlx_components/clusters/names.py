"""Names that clouds restrict more than we do, made from ours: the same for the same names, and never one for two."""

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from itertools import count

AKS_POOL = re.compile(r"[a-z][a-z0-9]{0,11}")
AKS_SYSTEM_POOL = "system"


def aks_pool_names(pools: Iterable[str]) -> Mapping[str, str]:
    """At most 12 of a-z and 0-9: a name that is so keeps it, others are cut and marked by a digest."""
    names = sorted(pools)
    made = {name: name for name in names if AKS_POOL.fullmatch(name) and name != AKS_SYSTEM_POOL}
    for name in names:
        if name not in made:
            made[name] = next(each for each in _marked(name) if each not in made.values())
    return made


def shortened(name: str, limit: int) -> str:
    """The name, or its beginning and a digest of all of it."""
    return name if len(name) <= limit else f"{name[: limit - 9].rstrip('-')}-{_digest(name)[:8]}"


def _marked(name: str) -> Iterable[str]:
    for attempt in count():
        yield re.sub("[^a-z0-9]", "", name)[:6] + _digest(f"{name}{attempt or ''}")[:6]


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
