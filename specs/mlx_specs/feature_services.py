"""Feature services by name: which features each has, from which view, and what rows must bring to get them.

A graph enters, ``Service`` values leave. What is wrong in a store (a view that is not there) is left out: the rules tell it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from mlx_specs.feature_store import FeatureStore, FeatureView, OnDemandView
from mlx_specs.graph import Graph, Node


@dataclass(frozen=True)
class Taken:
    """One feature as a service takes it."""

    view: str
    type: str
    on_demand: bool


@dataclass(frozen=True)
class Service:
    """One feature service of one store."""

    name: str
    node: Node
    """The store."""
    store: FeatureStore

    @cached_property
    def features(self) -> Mapping[str, Taken]:
        """What it gives, by name, in order."""
        return {name: taken for view, names in self._views.items() for name, taken in _taken(self.store, view, names)}

    @cached_property
    def inner(self) -> Mapping[str, Taken]:
        """Features that its on-demand views read and that it does not give itself."""
        read = {name: taken for one in self.on_demand.values() for view, names in one.inputs.views.items() for name, taken in _taken(self.store, view, names)}
        return {name: taken for name, taken in read.items() if name not in self.features}

    @cached_property
    def on_demand(self) -> Mapping[str, OnDemandView]:
        """Its on-demand views."""
        views = self.store.spec.on_demand_views
        return {name: views[name] for name in self._views if name in views}

    @cached_property
    def views(self) -> Mapping[str, FeatureView]:
        """Its feature views, those behind its on-demand views, too."""
        named = [*self._views, *(name for one in self.on_demand.values() for name in one.inputs.views)]
        views = self.store.spec.feature_views
        return {name: views[name] for name in dict.fromkeys(named) if name in views}

    @cached_property
    def keys(self) -> Mapping[str, str]:
        """The join keys that rows must have, with their types."""
        entities = self.store.spec.entities
        named = [name for view in self.views.values() for name in view.entities if name in entities]
        return {entities[name].join_key: entities[name].type for name in named}

    @cached_property
    def request(self) -> Mapping[str, str]:
        """The other columns that rows must have, with their types: what on-demand views are given by the request."""
        return {name: type for one in self.on_demand.values() for name, type in one.inputs.request.items()}

    @property
    def _views(self) -> Mapping[str, list[str]]:
        return self.store.spec.feature_services[self.name].views


def services_of(graph: Graph) -> dict[str, Service]:
    """All services by name; of two with one name the first, the rules refuse the other."""
    found: dict[str, Service] = {}
    for node in graph.of_kind("FeatureStore"):
        assert isinstance(node.object, FeatureStore)
        for name in node.object.spec.feature_services:
            found.setdefault(name, Service(name, node, node.object))
    return found


def all_of(written: Sequence[str], features: Iterable[str]) -> list[str]:
    """An empty list means all."""
    return list(written) or list(features)


def _taken(store: FeatureStore, view: str, names: Sequence[str]) -> list[tuple[str, Taken]]:
    known = store.spec.feature_views.get(view) or store.spec.on_demand_views.get(view)
    if known is None:
        return []
    on_demand = isinstance(known, OnDemandView)
    return [(name, Taken(view, known.features[name], on_demand)) for name in all_of(names, known.features) if name in known.features]
