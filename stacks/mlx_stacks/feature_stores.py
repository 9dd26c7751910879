"""The feature stores of an environment as they were applied: what is in the registry, what the online store was filled from. Reads only."""

from dataclasses import dataclass

from mlx_features.repository import online_path, project
from mlx_specs.diagnostics import did_you_mean, listing
from mlx_specs.environment import KubernetesTarget
from mlx_specs.feature_definitions import part_of
from mlx_specs.feature_resources import FeatureDefinitions, FeatureLookup, FeatureRegistryOutputs, OnlineFeaturesOutputs
from mlx_stacks.errors import UserError
from mlx_stacks.status import recorded_by_object
from mlx_stacks.workspace import Workspace, open_host


@dataclass(frozen=True)
class AppliedStore:
    """One store; ``online`` is missing where an apply ended before it was filled."""

    name: str
    registry: FeatureRegistryOutputs
    online: OnlineFeaturesOutputs | None

    @property
    def definitions(self) -> FeatureDefinitions:
        """Everything that it declares."""
        return self.registry.definitions

    def lookup(self, service: str) -> FeatureLookup:
        """How the features of one of its services are found online."""
        path = online_path(self.registry.home, self.name)
        return FeatureLookup(store=self.name, path=path, project=project(self.name), definitions=part_of(self.definitions, service))


def feature_stores(workspace: Workspace) -> tuple[AppliedStore, ...]:
    """Every store that was applied, by name; raises ``UserError`` where they are on a cluster."""
    if isinstance(workspace.environment.spec.target, KubernetesTarget):
        hint = f"mlx status --env {workspace.name} says how their Jobs go; requests to an endpoint say what is looked up"
        raise UserError(f"the feature stores of environment {workspace.name} are on a cluster, which this verb does not look into yet", hint=hint)
    recorded = recorded_by_object(open_host(workspace).export_state())
    stores = [(id.split("/")[1], resources) for id, resources in sorted(recorded.items()) if "FeatureRegistry" in resources]
    return tuple(
        AppliedStore(
            name,
            FeatureRegistryOutputs.model_validate(resources["FeatureRegistry"]),
            OnlineFeaturesOutputs.model_validate(resources["OnlineFeatures"]) if "OnlineFeatures" in resources else None,
        )
        for name, resources in stores
    )


def store_named(workspace: Workspace, name: str | None) -> AppliedStore:
    """The store of this name, or the only one; raises ``UserError`` with those that there are."""
    stores = {store.name: store for store in feature_stores(workspace)}
    if name is None and len(stores) == 1:
        return next(iter(stores.values()))
    if name is None and stores:
        raise UserError(f"there are {len(stores)} feature stores", hint=f"say which: {listing(stores)}")
    plain = (name or "").removeprefix("FeatureStore/")
    if plain not in stores:
        raise UserError(_no_store(workspace, plain, list(stores)), hint=f"there are {listing(stores)}" if stores else "mlx apply makes what is declared")
    return stores[plain]


def store_with(workspace: Workspace, service: str) -> AppliedStore:
    """The store that has a feature service; raises ``UserError`` with the services that there are."""
    services = {one.name: store for store in feature_stores(workspace) for one in store.definitions.services}
    if service not in services:
        hint = f"there are {listing(services)}" if services else "mlx apply makes what is declared"
        raise UserError(f"no feature service called {service!r} was applied to environment {workspace.name}{did_you_mean(service, services)}", hint=hint)
    return services[service]


def _no_store(workspace: Workspace, name: str, known: list[str]) -> str:
    called = f" called {name!r}" if name else ""
    return f"no feature store{called} was applied to environment {workspace.name}{did_you_mean(name, known) if name else ''}"
