"""From a dataset's spec to its lineage: its source, its steps in order, what it declares about its columns."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, assert_never

from mlx_specs.dataset import CastStep, Dataset, DeduplicateStep, MissingStep, OutliersStep, PrepareStep, RejectStep, SqlStep
from mlx_specs.lineage.columns import DatasetLineage, Lineage, LineageColumn, Problem, Relation, listing, suggest
from mlx_specs.timeline import Moment, known_by, parse_moment

if TYPE_CHECKING:
    from mlx_specs.lineage.scope import Scope

Report = Callable[[Problem], None]


class HasObject(Protocol):
    """A node of the graph."""

    @property
    def object(self) -> Any: ...


class HasObjects(Protocol):
    """The graph: nodes in dependency order."""

    @property
    def objects(self) -> Iterable[HasObject]: ...


def dataset_columns(graph: HasObjects) -> Lineage:
    """The lineage of all datasets of a graph."""
    return lineage_of(node.object for node in graph.objects if isinstance(node.object, Dataset))


def lineage_of(datasets: Iterable[Dataset]) -> Lineage:
    """The lineage of datasets that come after their inputs; an input that is not there has columns that nobody knows."""
    problems: list[Problem] = []
    known: dict[str, DatasetLineage] = {}
    for dataset in datasets:
        known[dataset.metadata.name] = one_dataset(dataset, known, problems.append)
    return Lineage(tuple(known.values()), tuple(dict.fromkeys(problems)))


def one_dataset(dataset: Dataset, known: Mapping[str, DatasetLineage], report: Report) -> DatasetLineage:
    place = Place(dataset, f"Dataset/{dataset.metadata.name}", timeline_of(dataset, known, report), known, report)
    if "source" in dataset.spec.inputs:
        place.problem(("inputs", dataset.spec.inputs.index("source")), "an input named 'source' would hide the table so far", "rename that dataset")
    relation = source_columns(place)
    for index, step in enumerate(dataset.spec.prepare):
        relation = after_step(step, ("prepare", index), relation, place)
    check_conditions(relation, place)
    relation = declared(relation, place) if dataset.spec.source is None else relation
    columns = None if relation.rest is not None else relation.columns
    return DatasetLineage(place.id, dataset.metadata.name, columns, tuple(place.timeline), tuple(dataset.spec.keys), relation)


@dataclass(frozen=True)
class Place:
    """What is asked at each step: the dataset, its timeline, its inputs, where problems go."""

    dataset: Dataset
    id: str
    timeline: Sequence[str]
    known: Mapping[str, DatasetLineage]
    report: Report

    def problem(self, path: tuple[str | int, ...], message: str, hint: str = "", column: str | None = None) -> None:
        """Report a problem that is not within SQL."""
        self.report(Problem(self.id, path, message, hint, column))


def timeline_of(dataset: Dataset, known: Mapping[str, DatasetLineage], report: Report) -> tuple[str, ...]:
    """Its own timeline, else that of its inputs, which must agree on the order of events."""
    timeline = tuple(dataset.spec.timeline)
    came_from = f"Dataset/{dataset.metadata.name}"
    for name in dataset.spec.inputs:
        other = known[name].timeline if name in known else ()
        if not agree(timeline, other):
            message = f"conflicting timelines: {came_from} has [{', '.join(timeline)}], Dataset/{name} has [{', '.join(other)}]"
            path = ("timeline",) if dataset.spec.timeline else ("inputs",)
            report(Problem(f"Dataset/{dataset.metadata.name}", path, message, "give the events the same order in both"))
        elif not dataset.spec.timeline and len(other) > len(timeline):
            timeline, came_from = other, f"Dataset/{name}"
    return timeline


def agree(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether the events that both have stand in the same order."""
    return [event for event in one if event in other] == [event for event in other if event in one]


def source_columns(place: Place) -> Relation:
    """The columns that are read; without declared columns: nobody knows."""
    spec = place.dataset.spec
    if spec.source is None:
        first = spec.prepare[0] if spec.prepare else None
        if not isinstance(first, SqlStep):
            path = ("prepare", 0) if spec.prepare else ()
            place.problem(path, "a dataset without a source begins with a sql step over its inputs", "such as: sql: select * from INPUT")
        return Relation(rest=LineageColumn())
    if not spec.columns:
        return Relation(rest=LineageColumn())
    return Relation(tuple(read_column(name, column.type, column.available_at, place) for name, column in spec.columns.items()))


def read_column(name: str, type: str | None, available_at: str | None, place: Place) -> LineageColumn:
    moment = parsed(available_at)
    moments = () if moment is None else (moment,)
    return LineageColumn(name, type, moments, moments, ((place.id, name),), (link(name, moment, place),))


def parsed(available_at: str | None) -> Moment | None:
    """A text that is no moment is told where specs are checked; here it says nothing."""
    try:
        return None if available_at is None else parse_moment(available_at)
    except ValueError:
        return None


def link(name: str, moment: Moment | None, place: Place) -> str:
    known = "" if moment is None else f", known {'' if moment.event is None else 'at '}{moment}{' after the row' if moment.event is None else ''}"
    return f"{name} ({place.id}{known})"


def after_step(step: PrepareStep, path: tuple[str | int, ...], relation: Relation, place: Place) -> Relation:
    """The columns after one step."""
    match step:
        case SqlStep():
            return after_sql(step.sql, (*path, "sql"), relation, place)
        case CastStep():
            check_columns(list(step.cast.columns), (*path, "cast", "columns"), relation, place)
            return replace(relation, columns=tuple(cast(column, step.cast.columns) for column in relation.columns))
        case MissingStep():
            check_columns(step.missing.columns, (*path, "missing", "columns"), relation, place)
            return relation
        case OutliersStep():
            check_columns(step.outliers.columns, (*path, "outliers", "columns"), relation, place)
            return relation
        case DeduplicateStep():
            check_columns(step.deduplicate.keys or [], (*path, "deduplicate", "keys"), relation, place)
            check_columns(step.deduplicate.order_by or [], (*path, "deduplicate", "orderBy"), relation, place)
            return relation
        case RejectStep():
            return after_condition(step.reject.where, (*path, "reject", "where"), relation, place)
        case _:
            assert_never(step)


def cast(column: LineageColumn, types: Mapping[str, str]) -> LineageColumn:
    return replace(column, type=types[column.name]) if column.name in types else column


def check_columns(names: Sequence[str], path: tuple[str | int, ...], relation: Relation, place: Place) -> None:
    """Columns that a step names have to be there at that step, written as they are."""
    known = [column.name for column in relation.columns]
    for index, name in enumerate(names):
        if name not in known and relation.rest is None:
            where = (*path, name) if path[-2:] == ("cast", "columns") else (*path, index)
            place.problem(where, f"unknown column '{name}'{suggest(name, known)}", f"columns at this step: {listing(known)}", name)


def after_sql(sql: str, path: tuple[str | int, ...], relation: Relation, place: Place) -> Relation:
    """The columns of a sql step; those that nobody knows where the SQL is nested deeper than Python's stack."""
    try:
        return made_by_sql(sql, path, relation, place)
    except RecursionError:
        too_deep(path, place)
        return Relation(rest=LineageColumn())


def too_deep(path: tuple[str | int, ...], place: Place) -> None:
    place.report(Problem(place.id, path, "SQL that is nested too deeply", "split it into several steps", None, 1, 1))


def made_by_sql(sql: str, path: tuple[str | int, ...], relation: Relation, place: Place) -> Relation:
    """The columns that a query makes: named, and each name once."""
    from mlx_specs.lineage.parse import SyntaxProblem, parse_query  # sqlglot takes 0.2 s to import: only where there is SQL

    query = parse_query(sql)
    if isinstance(query, SyntaxProblem):
        place.report(Problem(place.id, path, query.message, "", None, query.line, query.position))
        return Relation(rest=LineageColumn())
    scope = scope_of(sql, path, relation, place)
    made = scope.text.relation_of(query, scope)
    check_names(made, path, place)
    return replace(made, selected_by=tuple(dict.fromkeys((*relation.selected_by, *made.selected_by))))


def after_condition(sql: str, path: tuple[str | int, ...], relation: Relation, place: Place) -> Relation:
    """A condition over the table so far: it selects rows and changes no value."""
    try:
        return chosen_by(sql, path, relation, place)
    except RecursionError:
        too_deep(path, place)
        return relation


def chosen_by(sql: str, path: tuple[str | int, ...], relation: Relation, place: Place) -> Relation:
    """The table with the columns of the condition among those that select its rows."""
    from mlx_specs.lineage.expression import value_of
    from mlx_specs.lineage.parse import SyntaxProblem, parse_condition
    from mlx_specs.lineage.scope import Source

    condition = parse_condition(sql)
    if isinstance(condition, SyntaxProblem):
        place.report(Problem(place.id, path, condition.message, "", None, condition.line, condition.position))
        return relation
    scope = replace(scope_of(sql, path, relation, place), sources=(Source("source", relation),))
    value = value_of(condition, scope)
    return replace(relation, selected_by=tuple(dict.fromkeys((*relation.selected_by, value)))) if value.moments else relation


def scope_of(sql: str, path: tuple[str | int, ...], relation: Relation, place: Place) -> "Scope":
    """What SQL of this dataset can name: its inputs, and ``source`` once there is one."""
    from mlx_specs.lineage.query import relation_of
    from mlx_specs.lineage.scope import Scope, Text

    unknown = Relation(rest=LineageColumn())
    inputs = {name.replace("-", "_"): place.known[name].relation if name in place.known else unknown for name in place.dataset.spec.inputs}
    has_source = place.dataset.spec.source is not None or path[:2] != ("prepare", 0)
    tables = {**inputs, "source": relation} if has_source else inputs
    keys = {one.id: one.keys for one in place.known.values()}
    return Scope(Text(place.id, path, sql, place.timeline, keys, place.report, relation_of), tables)


def check_names(made: Relation, path: tuple[str | int, ...], place: Place) -> None:
    seen: set[str] = set()
    for index, column in enumerate(made.columns):
        if not column.name:
            place.problem(path, f"column {index + 1} has no name", "give the expression a name: … as NAME")
        elif column.name.lower() in seen:
            place.problem(path, f"two columns are named '{column.name}'", "name one of them otherwise (as), or leave it out (exclude)", column.name)
        seen.add(column.name.lower())


def check_conditions(relation: Relation, place: Place) -> None:
    """Conditions of quality checks name columns of the result."""
    for index, check in enumerate(place.dataset.spec.checks):
        if check.condition is not None:
            after_condition(check.condition, ("checks", index, "condition"), relation, place)


def declared(relation: Relation, place: Place) -> Relation:
    """What a derived dataset says of its columns: types, and when values made of other rows are known."""
    columns = list(relation.columns)
    by_name = {column.name: index for index, column in enumerate(columns)}
    for name, said in place.dataset.spec.columns.items():
        if name in by_name:
            column = columns[by_name[name]]
            typed = replace(column, type=said.type or column.type)
            columns[by_name[name]] = declared_available(typed, parsed(said.available_at), place)
        elif relation.rest is None:
            place.problem(("columns", name), f"unknown column '{name}'{suggest(name, by_name)}", f"the steps make: {listing(by_name)}", name)
    return replace(relation, columns=tuple(columns))


def declared_available(column: LineageColumn, moment: Moment | None, place: Place) -> LineageColumn:
    """Believed, unless the row's own value is known later than it says."""
    if moment is None:
        return column
    if any(known_by(own, moment, place.timeline) is False for own in column.own_moments):
        place.problem(
            ("columns", column.name, "availableAt"),
            f"availableAt: {moment} would hide that {' -> '.join((*column.chain, column.name) if not column.chain else column.chain)} is known later",
            "remove availableAt; only what is made of other rows (an aggregate, lag, a window that ends before the row) can be known earlier",
            column.name,
        )
        return column
    origins = column.origins or ((place.id, column.name),)
    return replace(column, moments=(moment,), own_moments=(moment,), chain=(link(column.name, moment, place),), origins=origins)
