"""A FeatureStore's spec as the definitions that resources carry, and the parts of them that a join or a lookup needs.

A store that the rules found right enters; frozen ``FeatureDefinitions`` leave. A part holds nothing that does not change
values (who owns a view, whether it is served online), so that such a change joins and trains nothing.
"""

from collections.abc import Mapping, Sequence

from mlx_specs.base import seconds
from mlx_specs.feature_resources import EntityDefinition, FeatureDefinitions, FeatureField, OnDemandDefinition, ServiceDefinition, ViewDefinition
from mlx_specs.feature_services import all_of
from mlx_specs.feature_store import Entity, FeatureService, FeatureStore, FeatureStoreSpec, FeatureView, OnDemandView
from mlx_specs.resources import About


def definitions_of(store: FeatureStore, event_times: Mapping[str, str], folder: str = "") -> FeatureDefinitions:
    """The whole store; ``event_times`` has the column of each dataset that a view reads, ``folder`` the code of on-demand views."""
    spec = store.spec
    return FeatureDefinitions(
        views=[_view(name, view, spec.entities, event_times[view.source]) for name, view in spec.feature_views.items()],
        on_demand=[_on_demand(name, view, spec, folder) for name, view in spec.on_demand_views.items()],
        services=[_service(name, service, spec) for name, service in spec.feature_services.items()],
    )


def part_of(definitions: FeatureDefinitions, service: str) -> FeatureDefinitions:
    """What one service gives, with the views behind its on-demand views; of each view only the features that it needs."""
    (chosen,) = [one for one in definitions.services if one.name == service]
    on_demand = [one for one in definitions.on_demand if one.name in chosen.views]
    needed: dict[str, list[str]] = {}
    for views in (chosen.views, *(one.views for one in on_demand)):
        for view, names in views.items():
            needed.setdefault(view, []).extend(names)
    views = [_narrowed(view, needed[view.name]) for view in definitions.views if view.name in needed]
    return without_about(FeatureDefinitions(views=views, on_demand=on_demand, services=[chosen]))


def online_part(definitions: FeatureDefinitions) -> FeatureDefinitions:
    """The views that are served online."""
    return without_about(FeatureDefinitions(views=[view for view in definitions.views if view.online]))


def without_about(definitions: FeatureDefinitions) -> FeatureDefinitions:
    """The same values by nobody in particular."""
    views = [view.model_copy(update={"about": About(), "entities": [_nameless(one) for one in view.entities]}) for view in definitions.views]
    on_demand = [one.model_copy(update={"about": About()}) for one in definitions.on_demand]
    services = [one.model_copy(update={"about": About()}) for one in definitions.services]
    return FeatureDefinitions(views=views, on_demand=on_demand, services=services)


def _nameless(entity: EntityDefinition) -> EntityDefinition:
    return entity.model_copy(update={"description": ""})


def _narrowed(view: ViewDefinition, names: Sequence[str]) -> ViewDefinition:
    features = [field for field in view.features if field.name in names]
    defaults = {name: value for name, value in view.defaults.items() if name in names}
    return view.model_copy(update={"features": features, "defaults": defaults, "online": True, "push": False})


def _view(name: str, view: FeatureView, entities: Mapping[str, Entity], event_time: str) -> ViewDefinition:
    return ViewDefinition(
        name=name,
        source=view.source,
        event_time=event_time,
        created_time=view.created_time,
        entities=[_entity(entity, entities[entity]) for entity in view.entities],
        features=_fields(view.features),
        ttl=seconds(view.ttl) if view.ttl is not None else 0,
        online=view.online,
        push=view.push,
        defaults=view.defaults,
        about=_about(view),
    )


def _entity(name: str, entity: Entity) -> EntityDefinition:
    return EntityDefinition(name=name, join_key=entity.join_key, type=entity.type, description=entity.description)


def _on_demand(name: str, view: OnDemandView, spec: FeatureStoreSpec, folder: str) -> OnDemandDefinition:
    return OnDemandDefinition(
        name=name,
        function=view.function,
        folder=folder,
        views={source: all_of(names, spec.feature_views[source].features) for source, names in view.inputs.views.items()},
        request=_fields(view.inputs.request),
        features=_fields(view.features),
        defaults=view.defaults,
        about=_about(view),
    )


def _service(name: str, service: FeatureService, spec: FeatureStoreSpec) -> ServiceDefinition:
    known = {**spec.feature_views, **spec.on_demand_views}
    return ServiceDefinition(name=name, views={view: all_of(names, known[view].features) for view, names in service.views.items()}, about=_about(service))


def _fields(types: Mapping[str, str]) -> list[FeatureField]:
    return [FeatureField(name=name, type=type) for name, type in types.items()]


def _about(written: FeatureView | OnDemandView | FeatureService) -> About:
    return About(description=written.description, owner=written.owner, labels=written.tags)
