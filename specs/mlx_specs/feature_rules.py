"""The rules of feature stores and of what uses them: names lead somewhere, and every name means one thing.

Everything that could be made of a workspace enters; diagnostics leave. What follows columns of datasets stands in
feature_column_rules.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime

from mlx_specs.dataset import Dataset
from mlx_specs.diagnostics import Diagnostic, did_you_mean, listing, there_are
from mlx_specs.documents import Path
from mlx_specs.environment import KubernetesTarget
from mlx_specs.feature_services import Service, services_of
from mlx_specs.feature_store import FeatureStore, FeatureStoreSpec, FeatureView, OnDemandView
from mlx_specs.graph import Graph, Node
from mlx_specs.inference import Inference
from mlx_specs.load import Draught
from mlx_specs.model import Model
from mlx_specs.references import used_services


def feature_views_hold_together(draught: Draught) -> Iterator[Diagnostic]:
    """A feature view names entities of its store, each once and with a key of its own, and a dataset with an event time."""
    for node, store in _stores(draught.graph):
        for name, view in store.spec.feature_views.items():
            yield from _entities_hold(node, ("spec", "featureViews", name), view, store.spec)
            data = draught.graph.get(f"Dataset/{view.source}")
            if data is not None and isinstance(data.object, Dataset) and data.object.spec.event_time is None:
                message = f"a feature view needs 'eventTime' of Dataset/{view.source}, which has none"
                yield node.problem(("spec", "featureViews", name, "source"), "missing-field", message, f"declare eventTime at {data.place}")
            if view.push and not view.online:
                hint = "leave out push, or serve the view online"
                yield node.problem(("spec", "featureViews", name, "push"), "ignored-field", "pushed rows go to the online store: the view is not in it", hint)


def _entities_hold(node: Node, path: Path, view: FeatureView, spec: FeatureStoreSpec) -> Iterator[Diagnostic]:
    keys: dict[str, str] = {}
    for index, name in enumerate(view.entities):
        here: Path = (*path, "entities", index)
        entity = spec.entities.get(name)
        if entity is None:
            yield node.problem(here, "reference", f"there is no entity '{name}'{did_you_mean(name, spec.entities)}", there_are(spec.entities))
        elif name in view.entities[:index]:
            yield node.problem(here, "duplicate", f"'{name}' is named twice")
        elif entity.join_key in keys:
            yield node.problem(here, "duplicate", f"'{name}' and '{keys[entity.join_key]}' have the same join key '{entity.join_key}'")
        else:
            keys[entity.join_key] = name
            if entity.join_key in view.features:
                message = f"'{entity.join_key}' is the join key of entity '{name}': it cannot be a feature, too"
                yield node.problem((*path, "features", entity.join_key), "duplicate", message, "take it out: whoever asks has it already", key=True)


def entities_are_used(draught: Draught) -> Iterator[Diagnostic]:
    """An entity is named by some view of its store; Feast would register it for nobody."""
    for node, store in _stores(draught.graph):
        named = {entity for view in store.spec.feature_views.values() for entity in view.entities}
        for name in store.spec.entities:
            if name not in named:
                hint = "name it in the entities of a view, or remove it"
                yield node.problem(("spec", "entities", name), "unused", f"no feature view is about the entity '{name}'", hint, key=True)


def on_demand_views_hold_together(draught: Draught) -> Iterator[Diagnostic]:
    """An on-demand view reads feature views and their features, has inputs, and each of its names means one thing."""
    for node, store in _stores(draught.graph):
        spec = store.spec
        for name, view in spec.on_demand_views.items():
            path: Path = ("spec", "onDemandViews", name)
            if name in spec.feature_views:
                yield node.problem(path, "duplicate", f"'{name}' is a feature view, too", "a service takes views by name: give one of them another", key=True)
            if not view.inputs.views and not view.inputs.request:
                yield node.problem((*path, "inputs"), "missing-field", "an on-demand view needs inputs: views, request or both", key=True)
            yield from _views_exist(node, (*path, "inputs", "views"), view.inputs.views, spec.feature_views, "feature view")
            yield from _inputs_are_told_apart(node, path, view, spec)


def _inputs_are_told_apart(node: Node, path: Path, view: OnDemandView, spec: FeatureStoreSpec) -> Iterator[Diagnostic]:
    """The function's parameters are named after the inputs, so no two inputs have one name."""
    owners: dict[str, str] = {}
    for source, written in view.inputs.views.items():
        known = spec.feature_views.get(source)
        for feature in list(written) or (list(known.features) if known is not None else []):
            if owners.setdefault(feature, source) != source:
                message = f"'{feature}' comes from two views: {owners[feature]} and {source}"
                yield node.problem((*path, "inputs", "views", source), "duplicate", message, "name the feature otherwise in one of their datasets", key=True)
    for column in view.inputs.request:
        if column in owners:
            message = f"'{column}' comes from the request and from the view '{owners[column]}'"
            yield node.problem((*path, "inputs", "request", column), "duplicate", message, "take it from one of them", key=True)
    for feature in view.features:
        if feature in owners or feature in view.inputs.request:
            message = f"'{feature}' is an input of this view: what it returns needs another name"
            yield node.problem((*path, "features", feature), "duplicate", message, key=True)


def services_hold_together(draught: Draught) -> Iterator[Diagnostic]:
    """A service takes views of its store and their features, no two of one name; and no other store has a service of its name."""
    homes: dict[str, Node] = {}
    for node, store in _stores(draught.graph):
        spec = store.spec
        views = {**spec.feature_views, **spec.on_demand_views}
        for name, service in spec.feature_services.items():
            path: Path = ("spec", "featureServices", name)
            if homes.setdefault(name, node) is not node:
                message = f"{homes[name].id} has a feature service '{name}', too"
                yield node.problem(path, "duplicate", message, "models find services by name: give one of them another", key=True)
            yield from _views_exist(node, (*path, "views"), service.views, views, "feature view")
            yield from _features_are_told_apart(node, (*path, "views"), service.views, views)


def _features_are_told_apart(
    node: Node, path: Path, taken: Mapping[str, Sequence[str]], views: Mapping[str, FeatureView | OnDemandView]
) -> Iterator[Diagnostic]:
    owners: dict[str, str] = {}
    for view, written in taken.items():
        for feature in list(written) or (list(views[view].features) if view in views else []):
            if owners.setdefault(feature, view) != view:
                hint = "list the features of one of the views without it"
                yield node.problem((*path, view), "duplicate", f"'{feature}' comes from two views: {owners[feature]} and {view}", hint, key=True)


def _views_exist(
    node: Node, path: Path, taken: Mapping[str, Sequence[str]], views: Mapping[str, FeatureView | OnDemandView] | Mapping[str, FeatureView], what: str
) -> Iterator[Diagnostic]:
    for view, features in taken.items():
        if view not in views:
            yield node.problem((*path, view), "reference", f"there is no {what} '{view}'{did_you_mean(view, views)}", there_are(sorted(views)), key=True)
            continue
        for index, feature in enumerate(features):
            names = views[view].features
            if feature not in names:
                message = f"there is no feature '{feature}' in this view{did_you_mean(feature, names)}"
                yield node.problem((*path, view, index), "reference", message, there_are(names))
            elif feature in features[:index]:
                yield node.problem((*path, view, index), "duplicate", f"'{feature}' is named twice")


def defaults_are_of_the_features_type(draught: Draught) -> Iterator[Diagnostic]:
    """A default is for a feature of its view, and of that feature's type."""
    for node, store in _stores(draught.graph):
        for kind, views in (("featureViews", store.spec.feature_views), ("onDemandViews", store.spec.on_demand_views)):
            for name, view in views.items():
                yield from _defaults_fit(node, ("spec", kind, name, "defaults"), view)


def _defaults_fit(node: Node, path: Path, view: FeatureView | OnDemandView) -> Iterator[Diagnostic]:
    for feature, value in view.defaults.items():
        if feature not in view.features:
            message = f"'{feature}' is no feature of this view{did_you_mean(feature, view.features)}"
            yield node.problem((*path, feature), "column", message, f"the features are {listing(view.features)}", key=True)
        elif not _is_of(view.features[feature], value):
            yield node.problem((*path, feature), "wrong-type", f"the default of '{feature}' is no {view.features[feature]}", EXAMPLES[view.features[feature]])


EXAMPLES = {
    "string": "put it in quotes",
    "integer": "a whole number such as 0",
    "float": "a number such as 0.5",
    "boolean": "true or false",
    "timestamp": 'a moment in ISO 8601, such as "2013-10-01T00:00:00Z"',
    "date": 'a day in ISO 8601, such as "2013-10-01"',
}


def _is_of(type: str, value: str | int | float | bool) -> bool:
    match type:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return isinstance(value, str) and _is_moment(type, value)


def _is_moment(type: str, value: str) -> bool:
    try:
        _ = date.fromisoformat(value) if type == "date" else datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def feature_services_exist(draught: Draught) -> Iterator[Diagnostic]:
    """A model and an inference name a feature service of some feature store."""
    services = services_of(draught.graph)
    for node in draught.graph.objects:
        for path, name in used_services(node.object):
            if name not in services and draught.complete:
                message = f"there is no feature service '{name}'{did_you_mean(name, services)}"
                yield node.problem(path, "reference", message, there_are(sorted(services)))


def inferences_have_the_features_of_their_model(draught: Draught) -> Iterator[Diagnostic]:
    """An inference completes its rows from the service of its model, or from one that has all that the model reads."""
    services = services_of(draught.graph)
    for node in draught.graph.of_kind("Inference"):
        assert isinstance(node.object, Inference)
        spec = node.object.spec
        model = draught.graph.get(f"Model/{spec.model.partition('@')[0]}")
        service = services.get(spec.features or "")
        if model is None or service is None or not isinstance(model.object, Model):
            continue
        yield from _fits(node, service, model, services)
        if spec.mode != "batch":
            yield from _is_online(node, service)


def _fits(node: Node, service: Service, model: Node, services: Mapping[str, Service]) -> Iterator[Diagnostic]:
    assert isinstance(model.object, Model)
    wanted = model.object.spec.feature_service
    if wanted is None:
        message = f"{model.id} has no featureService: it was not trained on the features of '{service.name}'"
        yield node.problem(("spec", "features"), "features", message, f"leave it out, or write featureService: {service.name} at {model.place}")
    elif wanted in services and wanted != service.name:
        missing = sorted(_read(model.object, services[wanted]) - service.features.keys())
        if missing:
            message = f"'{service.name}' lacks {listing(missing)}, which {model.id} reads from '{wanted}'"
            yield node.problem(("spec", "features"), "features", message, f"write features: {wanted}")


def _read(model: Model, service: Service) -> Collection[str]:
    return {name for name in service.features if model.spec.features is None or name in model.spec.features}


def _is_online(node: Node, service: Service) -> Iterator[Diagnostic]:
    offline = sorted(name for name, view in service.views.items() if not view.online)
    if offline:
        message = f"'{service.name}' needs {listing(offline)} of {service.node.id}, which {'is' if len(offline) == 1 else 'are'} not served online"
        yield node.problem(("spec", "features"), "features", message, "write online: true in the view, or send these features with the rows")


def features_are_where_pods_read_them(draught: Draught) -> Iterator[Diagnostic]:
    """Endpoints and streams on a cluster look features up in a server: no pod has the file of an sqlite store."""
    services = services_of(draught.graph)
    if not isinstance(draught.chosen.object.spec.target, KubernetesTarget):
        return
    for node in draught.graph.of_kind("Inference"):
        assert isinstance(node.object, Inference)
        service = services.get(node.object.spec.features or "")
        if node.object.spec.mode != "batch" and service is not None and service.store.spec.online_store.type == "sqlite":
            message = f"'features' cannot be looked up on target kubernetes: the online store of {service.node.id} is a file (sqlite), which no pod has"
            hint = "use onlineStore.type: redis or postgres there; or null in the overrides: rows carry all columns"
            yield node.problem(("spec", "features"), "unsupported", message, hint, key=True)


def _stores(graph: Graph) -> Iterator[tuple[Node, FeatureStore]]:
    for node in graph.of_kind("FeatureStore"):
        assert isinstance(node.object, FeatureStore)
        yield node, node.object


RULES = (
    feature_views_hold_together,
    entities_are_used,
    on_demand_views_hold_together,
    services_hold_together,
    defaults_are_of_the_features_type,
    feature_services_exist,
    inferences_have_the_features_of_their_model,
    features_are_where_pods_read_them,
)
