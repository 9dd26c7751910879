"""Everything in a graph that asks for compute: how much each pod asks for, and how many of them run at the same time.

A graph enters, frozen workloads leave, each with the place of its ``compute``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from mlx_specs.base import Compute
from mlx_specs.capacity import Amount, asked, request_of
from mlx_specs.documents import Path
from mlx_specs.graph import Graph, Node
from mlx_specs.inference import Inference
from mlx_specs.pipeline import Pipeline


@dataclass(frozen=True)
class Workload:
    """Pods that are alike."""

    node: Node
    path: Path
    """Of its ``compute``."""
    compute: Compute
    replicas: tuple[int, int] | None = None
    """The fewest and the most of an endpoint."""

    @cached_property
    def request(self) -> Amount:
        """What each pod asks for."""
        return request_of(self.compute)

    @property
    def asked(self) -> str:
        """The same in words."""
        return asked(self.compute) or "a node"


def workloads(graph: Graph) -> Iterator[Workload]:
    """The workloads of a graph, in its order."""
    for node in graph.objects:
        if isinstance(node.object, Pipeline):
            for name, step in node.object.spec.steps.items():
                yield Workload(node, ("spec", "steps", name, "compute"), step.compute)
        compute: Compute | None = getattr(node.object.spec, "compute", None)
        if compute is not None:
            yield Workload(node, ("spec", "compute"), compute, _replicas(node))


def _replicas(node: Node) -> tuple[int, int] | None:
    scaling = node.object.spec.scaling if isinstance(node.object, Inference) else None
    return (scaling.min, scaling.max) if scaling is not None else None
