"""FeatureStore: Feast's registry and online store; and for those who use a service, their rows with its features."""

from collections.abc import Mapping
from typing import Any, Literal

import pulumi

from mlx_components.dataset import DatasetComponent
from mlx_components.resource import MlxComponent, MlxResource
from mlx_features.repository import project
from mlx_specs.feature_definitions import definitions_of, online_part, part_of
from mlx_specs.feature_resources import FeatureDefinitions, FeatureLookup, FeatureRegistryInputs, JoinedDatasetInputs, OnlineFeaturesInputs
from mlx_specs.feature_store import FeatureStore
from mlx_specs.resources import PreparedData

REGISTRY_OUTPUTS = ("codeDigest", "path", "registryDigest", "appliedDigest")
ONLINE_OUTPUTS = ("path", "rows", "latest", "status")
JOINED_OUTPUTS = ("codeDigest", "contentDigest", "path", "rows", "columns", "coverage")


class FeatureStoreComponent(MlxComponent):
    """``join`` gives rows with a service's features, ``lookup`` says how a server finds them.

    ``code`` is the folder of the on-demand functions of a released store; empty: feature_repo/.
    """

    def __init__(self, store: FeatureStore, *, home: str, datasets: Mapping[str, DatasetComponent], code: str = "", protect: bool = False) -> None:
        super().__init__(store, "FeatureStore")
        self.name, self.home, self.datasets = store.metadata.name, home, datasets
        sources = {view.source for view in store.spec.feature_views.values()}
        self.definitions = definitions_of(store, {name: datasets[name].prepared["eventTime"] for name in sources}, code)
        self.registry = self._registry(store, protect=protect)
        self.online = self._online(store)
        self.register_outputs({"path": self.registry.output("path"), "online": self.online.output("path"), "status": self.online.output("status")})

    def join(self, consumer: MlxComponent, kind: Literal["model", "inference"], name: str, service: str, data: DatasetComponent) -> dict[str, Any]:
        """The rows with the service's features, as a model or a batch reads them; a child of the consumer."""
        definitions = part_of(self.definitions, service)
        # A model and an inference may have one name; a dot is in neither, so their folders are two.
        declared = JoinedDatasetInputs(
            name=f"{kind}.{name}", home=self.home, store=self.name, definitions=definitions, data=NO_DATA, about=consumer.about
        ).wire()
        inputs = {**declared, "sources": self._sources(definitions), "data": data.prepared, "codeDigest": None}
        joined = MlxResource("JoinedDataset", name, inputs, JOINED_OUTPUTS, consumer.child(depends_on=[self.registry]))
        return {**data.prepared, "digest": joined.output("contentDigest"), "path": joined.output("path")}

    def lookup(self, service: str, event_time: str) -> dict[str, Any]:
        """What a server needs to complete requests; known to be there once the online store is."""
        definitions = part_of(self.definitions, service)
        declared = FeatureLookup(store=self.name, path="", project=project(self.name), definitions=definitions, event_time=event_time).wire()
        return {**declared, "path": self.online.output("path")}

    def _registry(self, store: FeatureStore, *, protect: bool) -> MlxResource:
        spec = store.spec
        declared = FeatureRegistryInputs(
            name=self.name,
            home=self.home,
            definitions=self.definitions,
            online_store=spec.online_store.type,
            offline_store=spec.offline_store.type,
            about=self.about,
        ).wire()
        inputs = {**declared, "sources": self._sources(self.definitions), "codeDigest": None}
        return MlxResource("FeatureRegistry", self.name, inputs, REGISTRY_OUTPUTS, self.child(protect=protect))

    def _online(self, store: FeatureStore) -> MlxResource:
        settings, definitions = store.spec.materialization, online_part(self.definitions)
        declared = OnlineFeaturesInputs(
            name=self.name,
            home=self.home,
            definitions=definitions,
            trigger=settings.trigger,
            mode=settings.mode,
            start=settings.start.isoformat() if settings.start is not None else "",
            about=self.about,
        ).wire()
        options: pulumi.ResourceOptions = self.child(depends_on=[self.registry])
        return MlxResource("OnlineFeatures", self.name, {**declared, "sources": self._sources(definitions)}, ONLINE_OUTPUTS, options)

    def _sources(self, definitions: FeatureDefinitions) -> dict[str, Any]:
        return {name: self.datasets[name].prepared for name in sorted({view.source for view in definitions.views})}


NO_DATA = PreparedData(name="", digest="", path="")
"""What stands in declared inputs for rows that are an output of another resource."""
