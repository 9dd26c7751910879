"""What is wrong at the end of a chain: a value that the modules that look for causes make, and the words that they share."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlx_specs.cluster import Cluster

SHOWN = 3
"""How many of several are named."""


@dataclass(frozen=True)
class Trouble:
    """One sentence for what is wrong, one for what to do."""

    root: str
    hint: str
    beyond: tuple[tuple[str, str, str], ...] = ()
    """What else leads to it, after the object itself: id, word, detail, such as ``NodePool/gpu``."""


def logs_of(id: str) -> str:
    """Where to read on."""
    return f"mlx logs {id.partition('/')[2]} shows what it wrote"


def kind_and_name(id: str) -> str:
    """``notebook explore``"""
    kind, _, name = id.partition("/")
    return f"{kind.lower()} {name}"


def some(names: Sequence[str]) -> str:
    """``a, b, c and 2 more``"""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def more_nodes(pool: str, cluster: Cluster) -> str:
    """What to do where a pool is full."""
    if pool not in cluster.spec.node_pools:
        return "raise its quota, or end what is not needed"
    raised = f"raise nodePools.{pool}.max in Cluster/{cluster.metadata.name}"
    # mlx makes no nodes in a cluster that somebody else has made.
    return f"add a node and {raised}, or free one" if cluster.spec.provider == "existing" else f"{raised}, or free one"
