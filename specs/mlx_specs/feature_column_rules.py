"""The rules of features that follow columns: sources have them with their types, rows have their keys, and none is from the future.

What columns a dataset has, and when each is known, comes from lineage; where that cannot tell, these rules say nothing.
"""

from collections.abc import Collection, Iterator, Sequence

from mlx_specs.column_rules import Columns, column_exists, models
from mlx_specs.dataset import Dataset
from mlx_specs.diagnostics import Diagnostic, listing
from mlx_specs.documents import Path
from mlx_specs.feature_services import Service
from mlx_specs.feature_store import FeatureStore
from mlx_specs.graph import Node
from mlx_specs.inference import Inference
from mlx_specs.lineage import DatasetLineage, LineageColumn
from mlx_specs.timeline import Moment, known_by, parse_moment


def feature_views_name_columns_that_exist(columns: Columns) -> Iterator[Diagnostic]:
    """A feature view's features, its created time and its entities' join keys are columns of its dataset, of the types that it says."""
    for node in columns.graph.of_kind("FeatureStore"):
        assert isinstance(node.object, FeatureStore)
        spec = node.object.spec
        for name, view in spec.feature_views.items():
            known, path = columns.of(view.source), ("spec", "featureViews", name)
            for feature, type in view.features.items():
                yield from _has(node, (*path, "features", feature), feature, type, known, named=True)
            if view.created_time is not None:
                yield from column_exists(node, (*path, "createdTime"), view.created_time, known)
            for index, entity in enumerate(view.entities):
                if entity in spec.entities:
                    one = spec.entities[entity]
                    yield from _has(node, (*path, "entities", index), one.join_key, one.type, known)


def rows_have_what_their_features_need(columns: Columns) -> Iterator[Diagnostic]:
    """The rows of a model or a batch have the join keys, request columns and event time of their features, and no column of a feature's name."""
    for node, path, service, dataset in _joins(columns):
        data = columns.of(dataset)
        source = columns.graph.get(f"Dataset/{dataset}")
        if source is not None and isinstance(source.object, Dataset) and source.object.spec.event_time is None:
            message = f"features are joined as of each row's event time: Dataset/{dataset} declares none"
            yield node.problem(path, "missing-field", message, f"declare eventTime at {source.place}")
        for name, type in {**service.keys, **service.request}.items():
            what = "join key" if name in service.keys else "request column"
            yield from _has(node, path, name, type, data, why=f", the {what} of features in '{service.name}'")
        yield from _are_told_apart(node, path, service, data)


def _are_told_apart(node: Node, path: Path, service: Service, data: DatasetLineage | None) -> Iterator[Diagnostic]:
    if data is None or data.columns is None:
        return
    for name, taken in {**service.features, **service.inner}.items():
        if any(column.name == name for column in data.columns):
            message = f"'{name}' is a column of {data.id} and a feature of '{taken.view}' in '{service.name}'"
            yield node.problem(path, "duplicate", message, "give one of them another name, or take it out of the dataset or the service")


def _joins(columns: Columns) -> Iterator[tuple[Node, Path, Service, str]]:
    """Who joins which service to the rows of which dataset."""
    for node, model in models(columns.graph):
        service = columns.service(model.spec.feature_service)
        if service is not None:
            yield node, ("spec", "featureService"), service, model.spec.data
    for node in columns.graph.of_kind("Inference"):
        assert isinstance(node.object, Inference)
        service = columns.service(node.object.spec.features)
        if service is not None and node.object.spec.batch is not None:
            yield node, ("spec", "features"), service, node.object.spec.batch.input


def _has(node: Node, path: Path, name: str, type: str, dataset: DatasetLineage | None, *, named: bool = False, why: str = "") -> Iterator[Diagnostic]:
    """The dataset has the column, of this type where lineage knows the type."""
    yield from column_exists(node, path, name, dataset, key=named, why=why)
    column = next((one for one in dataset.columns or () if one.name == name), None) if dataset is not None else None
    if dataset is not None and column is not None and column.type not in (None, type):
        message = f"'{name}' is {_a(column.type)} in {dataset.id}, not {_a(type)}{why}"
        yield node.problem(path, "wrong-type", message, f"write {column.type}, or cast it in a step of the dataset")


def _a(type: str | None) -> str:
    return f"an {type}" if type == "integer" else f"a {type}"


def features_are_not_from_the_future(columns: Columns) -> Iterator[Diagnostic]:
    """A model that predicts at a moment uses no feature whose source value, join key or request column is known only later."""
    for node, model in models(columns.graph):
        service, data = columns.service(model.spec.feature_service), columns.of(model.spec.data)
        if service is None or data is None or model.spec.predict_at is None:
            continue
        predict = parse_moment(model.spec.predict_at)
        if predict.event is not None and predict.event not in data.timeline:
            continue
        used = [name for name in service.features if model.spec.features is None or name in model.spec.features]
        for name in used:
            path: Path = ("spec", "features", model.spec.features.index(name)) if model.spec.features is not None else ("spec", "featureService")
            yield from _feature_is_known(_Asked(node, path, predict, data, columns), name, service)
        yield from _keys_are_known(_Asked(node, ("spec", "featureService"), predict, data, columns), service, {service.features[name].view for name in used})


class _Asked:
    """Who asks whether something is known, when, and where to say that it is not."""

    def __init__(self, node: Node, path: Path, predict: Moment, data: DatasetLineage, columns: Columns) -> None:
        self.node, self.path, self.predict, self.data, self.columns = node, path, predict, data, columns

    def leak(self, verdict: bool | None, what: str, chain: Sequence[str], hint: str) -> Diagnostic:
        """The same words for all that is not known, or not known to be."""
        told = f"{what} is not known at {self.predict}" if verdict is False else f"nobody can tell whether {what} is known at {self.predict}"
        return self.node.problem(self.path, "leak", f"{told}: {' -> '.join(chain)}", hint)


def _feature_is_known(asked: _Asked, name: str, service: Service) -> Iterator[Diagnostic]:
    taken = service.features[name]
    if not taken.on_demand:
        yield from _value_is_known(asked, name, service, taken.view, f"feature '{name}' of '{taken.view}'")
        return
    for view, written in service.on_demand[taken.view].inputs.views.items():
        for feature in written or (service.views[view].features if view in service.views else ()):
            yield from _value_is_known(asked, feature, service, view, f"feature '{name}', made of '{feature}' of '{view}',")


def _value_is_known(asked: _Asked, column: str, service: Service, view: str, what: str) -> Iterator[Diagnostic]:
    source = asked.columns.of(service.views[view].source) if view in service.views else None
    found = source.column(column) if source is not None else None
    if source is None or found is None:
        return
    verdict = _known_at_its_event_time(found, asked.predict, asked.data, source)
    if verdict is not True:
        hint = f"where {source.id} has the value at its event time, say so there: {column}: {{availableAt: 0s}}; else shift its event time, or predict later"
        yield asked.leak(verdict, what, found.chain or (column,), hint)


def _known_at_its_event_time(column: LineageColumn, predict: Moment, data: DatasetLineage, source: DatasetLineage) -> bool | None:
    """A join takes a row once its event time is reached: its values must be known then, or by an event before the prediction."""
    verdicts = [_one_known(moment, predict, data, source) for moment in column.moments]
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _one_known(moment: Moment, predict: Moment, data: DatasetLineage, source: DatasetLineage) -> bool | None:
    if moment.event is None:
        return moment.delay == 0
    timeline = data.timeline if moment.event in data.timeline else source.timeline
    return known_by(moment, predict, timeline)


def _keys_are_known(asked: _Asked, service: Service, used: Collection[str]) -> Iterator[Diagnostic]:
    """Those of the views that the model uses."""
    behind = {*used, *(view for name in used if name in service.on_demand for view in service.on_demand[name].inputs.views)}
    for name in {**service.keys, **service.request}:
        column = asked.data.column(name) if behind & set(_views_with(service, name)) else None
        verdict = column.known_by(asked.predict, asked.data.timeline) if column is not None else True
        if column is not None and verdict is not True:
            what = f"{'join key' if name in service.keys else 'request column'} '{name}' of '{service.name}'"
            yield asked.leak(
                verdict, what, column.chain or (name,), f"take the views {listing(_views_with(service, name))} out of the service, or predict later"
            )


def _views_with(service: Service, name: str) -> list[str]:
    """The views that a key or a request column is for."""
    entities = service.store.spec.entities
    keyed = [view for view, one in service.views.items() if any(entity in entities and entities[entity].join_key == name for entity in one.entities)]
    return sorted({*keyed, *(view for view, one in service.on_demand.items() if name in one.inputs.request)})


RULES = (feature_views_name_columns_that_exist, rows_have_what_their_features_need, features_are_not_from_the_future)
