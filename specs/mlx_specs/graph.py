"""All specs of one environment in dependency order.

Typed objects with their documents enter, a frozen ``Graph`` leaves. Its order is the same for the same specs: dependencies
first, then by kind and name.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from mlx_specs.diagnostics import Diagnostic, Place, Severity
from mlx_specs.documents import Document, Path
from mlx_specs.feature_store import FeatureStore
from mlx_specs.kinds import AnyObject
from mlx_specs.references import references, used_services


@dataclass(frozen=True)
class Node:
    """One object with what it refers to and where it stands."""

    id: str
    """KIND/NAME"""
    object: AnyObject
    references: tuple[str, ...]
    """The ids of the objects that it refers to, sorted."""
    document: Document

    @property
    def place(self) -> Place:
        """Where the object starts."""
        return self.document.place()

    def problem(self, path: Path, code: str, message: str, hint: str = "", *, key: bool = False, severity: Severity = "error") -> Diagnostic:
        """A diagnostic at a path of the object, such as ``("spec", "target")``."""
        return self.document.problem(path, code, message, hint, key=key, severity=severity)


@dataclass(frozen=True)
class Graph:
    """The objects of one environment; ``objects`` are in dependency order."""

    objects: tuple[Node, ...]
    cyclic: tuple[str, ...] = ()
    """Ids of objects that refer to themselves through others, and of what depends on them; they stand at the end."""

    @cached_property
    def _by_id(self) -> dict[str, Node]:
        return {node.id: node for node in self.objects}

    @cached_property
    def _dependents(self) -> dict[str, list[Node]]:
        found: dict[str, list[Node]] = {}
        for node in self.objects:
            for reference in node.references:
                found.setdefault(reference, []).append(node)
        return found

    def get(self, id: str) -> Node | None:
        """The object of an id such as ``Model/delay``; None where there is none."""
        return self._by_id.get(id)

    def dependents(self, id: str) -> tuple[Node, ...]:
        """The objects that refer to it directly, in the graph's order."""
        return tuple(self._dependents.get(id, ()))

    def is_watched(self, id: str) -> bool:
        """Whether a Monitor names it."""
        return any(node.object.kind == "Monitor" for node in self.dependents(id))

    def of_kind(self, kind: str) -> tuple[Node, ...]:
        """The objects of one kind, in the graph's order."""
        return tuple(node for node in self.objects if node.object.kind == kind)


def make_node(made: AnyObject, document: Document) -> Node:
    """An object as a node of the graph."""
    return Node(f"{made.kind}/{made.metadata.name}", made, tuple(sorted({reference.id for reference in references(made)})), document)


def make_graph(nodes: Iterable[Node]) -> Graph:
    """The graph of some nodes; references that lead nowhere are left to the rules."""
    by_id = {node.id: node for node in _with_stores(list(nodes))}
    waiting = {id: sum(reference in by_id for reference in node.references) for id, node in by_id.items()}
    users: dict[str, list[str]] = {}
    for id, node in by_id.items():
        for reference in node.references:
            users.setdefault(reference, []).append(id)
    order = _order(waiting, users)
    cyclic = tuple(sorted(by_id.keys() - set(order)))
    return Graph(tuple(by_id[id] for id in (*order, *cyclic)), cyclic)


def _with_stores(nodes: Sequence[Node]) -> Sequence[Node]:
    """Whoever names a feature service refers to the store that has it."""
    stores: dict[str, str] = {}
    for node in sorted(nodes, key=lambda node: node.id):
        for service in node.object.spec.feature_services if isinstance(node.object, FeatureStore) else ():
            stores.setdefault(service, node.id)
    return [_with_store(node, stores) for node in nodes] if stores else nodes


def _with_store(node: Node, stores: Mapping[str, str]) -> Node:
    more = {stores[service] for _, service in used_services(node.object) if service in stores}
    return replace(node, references=tuple(sorted({*node.references, *more}))) if more else node


def _order(waiting: dict[str, int], users: dict[str, list[str]]) -> Sequence[str]:
    """Kahn's algorithm; among those that are ready the smallest id goes first."""
    ready = [id for id, count in waiting.items() if count == 0]
    heapq.heapify(ready)
    order: list[str] = []
    while ready:
        id = heapq.heappop(ready)
        order.append(id)
        for user in users.get(id, ()):
            waiting[user] -= 1
            if waiting[user] == 0:
                heapq.heappush(ready, user)
    return order
