"""The objects of one owner, of a kind in a namespace, by one request: a plan reads them all, one after the other.

What it says may be stale. Who takes an object from here compares its resourceVersion with the one in the server's next answer.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from mlx_kubernetes.client import Client
from mlx_kubernetes.discovery import Resource
from mlx_kubernetes.objects import Object


@dataclass
class _Listed:
    turn: threading.Lock = field(default_factory=threading.Lock)
    by_name: dict[str, Object] | None = None


@dataclass
class Listing:
    """Asked once a run for each kind and namespace; safe to use from several threads."""

    client: Client
    _known: dict[tuple[str, str], _Listed] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def take(self, resource: Resource, namespace: str, name: str, selector: str) -> Object | None:
        """The object as it was listed, the first time that it is asked for; None: it has to be read."""
        path = resource.path(namespace)
        with self._turn:
            listed = self._known.setdefault((path, selector), _Listed())
        with listed.turn:
            if listed.by_name is None:
                listed.by_name = self._asked(resource, path, selector)
            return listed.by_name.pop(name, None)

    def _asked(self, resource: Resource, path: str, selector: str) -> dict[str, Object]:
        """Empty where this user may read objects and not list them."""
        answer = self.client.get(path, labelSelector=selector)
        items = cast("list[Mapping[str, Any]]", answer.body.get("items") or []) if answer.ok else []
        # The items of a list do not say what they are.
        return {item["metadata"]["name"]: {**item, "apiVersion": resource.api_version, "kind": resource.kind} for item in items}
