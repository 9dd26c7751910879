"""The rules that follow columns: they exist where they are named, and a model sees none from its future.

What columns a dataset has, and when each is known, comes from lineage; where that cannot tell, these rules say nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from mlx_specs.dataset import Dataset
from mlx_specs.diagnostics import Diagnostic, diagnostic, did_you_mean, listing
from mlx_specs.documents import Path
from mlx_specs.feature_services import Service, services_of
from mlx_specs.graph import Graph, Node
from mlx_specs.inference import Inference
from mlx_specs.lineage import DatasetLineage, Lineage, LineageColumn, Problem, dataset_columns
from mlx_specs.load import Draught
from mlx_specs.model import Model
from mlx_specs.monitor import Monitor
from mlx_specs.timeline import Moment, parse_moment


@dataclass(frozen=True)
class Columns:
    """The graph with the lineage of its datasets."""

    graph: Graph
    lineage: Lineage

    @cached_property
    def _datasets(self) -> dict[str, DatasetLineage]:
        return {dataset.name: dataset for dataset in self.lineage.datasets}

    def of(self, dataset: str) -> DatasetLineage | None:
        """The lineage of a dataset; None where there is no such dataset without problems."""
        return self._datasets.get(dataset)

    @cached_property
    def _services(self) -> dict[str, Service]:
        return services_of(self.graph)

    def service(self, name: str | None) -> Service | None:
        """A feature service by its name."""
        return self._services.get(name) if name is not None else None


ColumnRule = Callable[[Columns], Iterator[Diagnostic]]


def columns_of(draught: Draught) -> Columns:
    """What the rules look at: the objects that are in no cycle."""
    graph = Graph(tuple(node for node in draught.graph.objects if node.id not in draught.graph.cyclic))
    return Columns(graph, dataset_columns(graph))


def steps_name_columns_that_exist(columns: Columns) -> Iterator[Diagnostic]:
    """What a preparation step or a declared column says fits the columns at that step."""
    for problem in columns.lineage.problems:
        node = columns.graph.get(problem.dataset)
        if node is not None and problem.path:  # a dataset without source, inputs and steps is a rule of its own
            yield _of_lineage(problem, node)


def _of_lineage(problem: Problem, node: Node) -> Diagnostic:
    path: Path = ("spec", *problem.path)
    if problem.line is not None and problem.position is not None:
        place = node.document.place_in_text(path, problem.line, problem.position)
        return diagnostic(place, "sql", problem.message, problem.hint)
    return node.problem(path, "column", problem.message, problem.hint, key=path[-2:-1] == ("columns",) and isinstance(path[-1], str))


def datasets_name_columns_that_exist(columns: Columns) -> Iterator[Diagnostic]:
    """Keys, event time and checks name columns of the prepared rows."""
    for node in columns.graph.of_kind("Dataset"):
        assert isinstance(node.object, Dataset)
        spec, known = node.object.spec, columns.of(node.object.metadata.name)
        yield from _exist(node, ("spec", "keys"), spec.keys, known)
        if spec.event_time is not None:
            yield from column_exists(node, ("spec", "eventTime"), spec.event_time, known)
        for index, check in enumerate(spec.checks):
            yield from _exist(node, ("spec", "checks", index, "columns"), check.columns or [], known)


def events_are_declared(columns: Columns) -> Iterator[Diagnostic]:
    """availableAt and predictAt name events of the dataset's timeline."""
    for node in columns.graph.of_kind("Dataset"):
        assert isinstance(node.object, Dataset)
        known = columns.of(node.object.metadata.name)
        for name, column in node.object.spec.columns.items():
            if column.available_at is not None and known is not None:
                yield from _event(node, ("spec", "columns", name, "availableAt"), column.available_at, known)
    for node, model in models(columns.graph):
        data = columns.of(model.spec.data)
        if model.spec.predict_at is not None and data is not None:
            yield from _event(node, ("spec", "predictAt"), model.spec.predict_at, data)


def _event(node: Node, path: Path, text: str, dataset: DatasetLineage) -> Iterator[Diagnostic]:
    event = parse_moment(text).event
    if event is not None and event not in dataset.timeline:
        hint = f"the timeline of {dataset.id} is [{', '.join(dataset.timeline)}]" if dataset.timeline else f"{dataset.id} declares no timeline"
        yield node.problem(path, "event", f"there is no event '{event}'{did_you_mean(event, dataset.timeline)}", hint)


def models_name_columns_that_exist(columns: Columns) -> Iterator[Diagnostic]:
    """A model's target and features are columns of its dataset, and the target is no feature."""
    for node, model in models(columns.graph):
        spec, data = model.spec, columns.of(model.spec.data)
        yield from column_exists(node, ("spec", "target"), spec.target, data)
        service = columns.service(spec.feature_service)
        more = list(service.features) if service is not None else []
        # Where the service is not known, the rule that it exists has spoken.
        if spec.feature_service is None or service is not None:
            yield from _exist(node, ("spec", "features"), spec.features or [], data, more, service.name if service is not None else "")
        for index, feature in enumerate(spec.features or []):
            if feature == spec.target:
                yield node.problem(
                    ("spec", "features", index), "leak", f"the target '{feature}' is among the features", "take it out: it is what the model predicts"
                )


def models_see_no_future(columns: Columns) -> Iterator[Diagnostic]:
    """A model that predicts at a moment uses no column that is known only later."""
    for node, model in models(columns.graph):
        data = columns.of(model.spec.data)
        if model.spec.predict_at is None or data is None or data.columns is None:
            continue
        predict = parse_moment(model.spec.predict_at)
        if predict.event is not None and predict.event not in data.timeline:
            continue
        for path, column in _features(model, data, columns):
            yield from _known(node, path, column, predict, data)


def _features(model: Model, data: DatasetLineage, columns: Columns) -> Iterator[tuple[Path, LineageColumn]]:
    """The columns that the model uses, each with the place that says so."""
    if model.spec.features is not None:
        for index, name in enumerate(model.spec.features):
            column = data.column(name)
            if column is not None and name != model.spec.target:
                yield ("spec", "features", index), column
        return
    left_out = _not_features(model, columns)
    yield from ((("spec", "data"), column) for column in data.columns or () if column.name not in left_out)


def _not_features(model: Model, columns: Columns) -> set[str]:
    """What a model that lists no features leaves out: its target, the dataset's keys and event time."""
    node = columns.graph.get(f"Dataset/{model.spec.data}")
    dataset = node.object.spec if node is not None and isinstance(node.object, Dataset) else None
    return {model.spec.target, *(dataset.keys if dataset is not None else ()), (dataset.event_time or "") if dataset is not None else ""}


def _known(node: Node, path: Path, column: LineageColumn, predict: Moment, data: DatasetLineage) -> Iterator[Diagnostic]:
    verdict = column.known_by(predict, data.timeline)
    if verdict is True:
        return
    chain = " -> ".join(column.chain) or column.name
    hint = (
        f"take it out of the features, or predict later than {predict}"
        if path[1] == "features"
        else f"list the features without it, or predict later than {predict}"
    )
    if verdict is False:
        yield node.problem(path, "leak", f"feature '{column.name}' is not known at {predict}: {chain}", hint)
    else:
        yield node.problem(
            path, "leak", f"nobody can tell whether feature '{column.name}' is known at {predict}: {chain}", "say it by an event of the timeline"
        )


def batches_fit_their_model(columns: Columns) -> Iterator[Diagnostic]:
    """A batch input has the model's features, keys to tell rows apart, and the columns to carry."""
    for node in columns.graph.of_kind("Inference"):
        assert isinstance(node.object, Inference)
        batch = node.object.spec.batch
        known = columns.of(batch.input) if batch is not None else None
        if batch is None or known is None:
            continue
        yield from _exist(node, ("spec", "batch", "columns"), batch.columns, known)
        path: Path = ("spec", "batch", "input")
        if not known.keys:
            yield node.problem(path, "missing-field", f"{known.id} declares no keys, so predictions could not be told apart", "declare keys in the dataset")
        service = columns.service(node.object.spec.features)
        given = list(service.features) if service is not None else []
        used = _features_of(node.object, columns)
        missing = [name for name in used if name not in given and known.columns is not None and known.column(name) is None]
        if missing:
            yield node.problem(path, "column", f"{known.id} lacks {listing(missing)}, which {node.object.spec.model} uses", _where_from(node, known, columns))


def _where_from(node: Node, known: DatasetLineage, columns: Columns) -> str:
    assert isinstance(node.object, Inference)
    model = columns.graph.get(f"Model/{node.object.spec.model.partition('@')[0]}")
    service = model.object.spec.feature_service if model is not None and isinstance(model.object, Model) else None
    join = f"; write features: {service} to join its features" if service is not None and node.object.spec.features is None else ""
    return f"it has {listing(_names(known) or ())}{join}"


def _features_of(inference: Inference, columns: Columns) -> Sequence[str]:
    node = columns.graph.get(f"Model/{inference.spec.model.partition('@')[0]}")
    if node is None or not isinstance(node.object, Model):
        return ()
    spec, data = node.object.spec, columns.of(node.object.spec.data)
    if spec.features is not None:
        return spec.features
    service = columns.service(spec.feature_service)
    own = [column.name for column in (data.columns or () if data is not None else ()) if column.name not in _not_features(node.object, columns)]
    return [*own, *(service.features if service is not None else ())]


def monitors_name_columns_that_exist(columns: Columns) -> Iterator[Diagnostic]:
    """A monitor watches features of its model, and joins labels by columns that their dataset has."""
    for node in columns.graph.of_kind("Monitor"):
        assert isinstance(node.object, Monitor)
        spec = node.object.spec
        inference = columns.graph.get(f"Inference/{spec.inference}")
        features = _features_of(inference.object, columns) if inference is not None and isinstance(inference.object, Inference) else ()
        for index, name in enumerate((spec.data_drift.columns or []) if spec.data_drift is not None and features else []):
            if name not in features:
                message = f"'{name}' is no feature of {spec.inference}'s model{did_you_mean(name, features)}"
                yield node.problem(("spec", "dataDrift", "columns", index), "column", message, f"the features are {listing(features, 24)}")
        if spec.performance is not None:
            labels = spec.performance.labels
            yield from _exist(node, ("spec", "performance", "labels", "key"), labels.key, columns.of(labels.dataset))


def models(graph: Graph) -> Iterator[tuple[Node, Model]]:
    """The models of a graph."""
    for node in graph.of_kind("Model"):
        assert isinstance(node.object, Model)
        yield node, node.object


def _exist(node: Node, path: Path, names: Sequence[str], dataset: DatasetLineage | None, more: Sequence[str] = (), service: str = "") -> Iterator[Diagnostic]:
    """Each name is a column of the dataset, or one of ``more``, the features of a service."""
    for index, name in enumerate(names):
        if name not in more:
            yield from column_exists(node, (*path, index), name, dataset, more=more, why=f", and no feature in '{service}'" if service else "")


def column_exists(
    node: Node, path: Path, name: str, dataset: DatasetLineage | None, *, key: bool = False, why: str = "", more: Sequence[str] = ()
) -> Iterator[Diagnostic]:
    """A problem at the path where lineage knows the dataset's columns, and this is none of them."""
    known = _names(dataset) if dataset is not None else None
    if dataset is None or known is None or name in known:
        return
    message = f"{dataset.id} has no column '{name}'{why}{did_you_mean(name, (*known, *more))}"
    yield node.problem(path, "column", message, f"it has {listing(known, 24)}" + (f"; the service has {listing(more, 24)}" if more else ""), key=key)


def _names(dataset: DatasetLineage) -> list[str] | None:
    return None if dataset.columns is None else [column.name for column in dataset.columns]


RULES: tuple[ColumnRule, ...] = (
    steps_name_columns_that_exist,
    datasets_name_columns_that_exist,
    events_are_declared,
    models_name_columns_that_exist,
    models_see_no_future,
    batches_fit_their_model,
    monitors_name_columns_that_exist,
)
