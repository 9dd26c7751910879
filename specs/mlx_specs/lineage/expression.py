"""What an expression is made of: the merged lineage of its columns, with aggregates and windows told apart from the row's own.

An expression and a scope enter, a ``LineageColumn`` leaves. Names that do not exist are reported on the way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlglot import exp

from mlx_specs.lineage.columns import LineageColumn
from mlx_specs.lineage.scope import Scope, resolve
from mlx_specs.lineage.types import type_of

OTHER_AGGREGATES = frozenset({
    "arbitrary", "bit_and", "bit_or", "bit_xor", "bitstring_agg", "entropy", "favg", "fsum", "geometric_mean", "histogram", "kahan_sum", "kurtosis_pop",
    "list_sort", "mad", "product", "regr_avgx", "regr_avgy", "regr_count", "sem", "sumkahan", "weighted_avg",
})  # fmt: skip
"""Aggregates of DuckDB that sqlglot knows only as a function of that name."""

UNREPEATABLE = frozenset({
    "now", "today", "random", "gen_random_uuid", "uuid", "uuidv4", "uuidv7", "get_current_timestamp", "get_current_time", "transaction_timestamp", "nextval",
})  # fmt: skip
UNREPEATABLE_NODES = (exp.Rand, exp.Uuid, exp.CurrentDate, exp.CurrentTime, exp.CurrentTimestamp)


def value_of(node: exp.Expr, scope: Scope) -> LineageColumn:
    """The lineage of one expression; a plain column keeps its name and type."""
    match node:
        case exp.Column():
            return resolve(node, scope)
        case exp.Paren() | exp.Alias():
            return value_of(node.this, scope)
        case exp.Window():
            return windowed(node, scope)
        case exp.AggFunc() | exp.Filter() | exp.WithinGroup():
            return aggregated(node, scope)
        case exp.Anonymous() if node.name.lower() in OTHER_AGGREGATES:
            return aggregated(node, scope)
        case exp.Query():
            return subquery(node, scope)
        case _:
            refuse_unrepeatable(node, scope)
            return of_parts(node, scope)


def of_parts(node: exp.Expr, scope: Scope) -> LineageColumn:
    parts = [value_of(part, scope) for part in parts_of(node)]
    return scope.merge(parts, type_of(node, [part.type for part in parts]))


def parts_of(node: exp.Expr) -> Iterator[exp.Expr]:
    """Direct children that carry values; bare identifiers are lambda parameters and field names."""
    for child in node.iter_expressions():
        if not isinstance(child, exp.Identifier | exp.DataType | exp.Literal | exp.Var):
            yield child


def aggregated(node: exp.Expr, scope: Scope) -> LineageColumn:
    """An aggregate is made of other rows' values, and of what chose these rows."""
    whole = of_parts(node, scope)
    return of_other_rows(replace(scope.merge([whole, *scope.selection]), type=whole.type), scope.groups, scope)


def of_other_rows(value: LineageColumn, groups: Sequence[LineageColumn], scope: Scope) -> LineageColumn:
    """Without moments of its own, unless the groups are the keys of a dataset: then each group is one row."""
    grouped = {origin for group in groups for origin in group.origins}
    for dataset in {dataset for dataset, _ in value.origins}:
        keys = scope.text.keys.get(dataset, ())
        if keys and all((dataset, key) in grouped for key in keys):
            return value
    return replace(value, own_moments=())


def windowed(node: exp.Window, scope: Scope) -> LineageColumn:
    """A window reads other rows; partition and order are the row's own, as are the arguments where the frame holds the row."""
    named = [scope.windows[name.lower()] for name in (node.alias, node.name) if name and name.lower() in scope.windows]
    definitions: list[exp.Expr] = [node, *named]
    partition = [value_of(part, scope) for one in definitions for part in one.args.get("partition_by") or ()]
    order = [value_of(one.args["order"], scope) for one in definitions if one.args.get("order")]
    argument = node.this if not isinstance(node.this, exp.Filter | exp.AggFunc) else None
    value = value_of(argument, scope) if argument is not None else of_parts(node.this, scope)
    if reads_other_rows(node.this, definitions):
        value = of_other_rows(value, partition, scope)
    chosen = replace(scope.merge(scope.selection), own_moments=())
    return replace(scope.merge([value, *partition, *order, chosen]), type=value.type)


def reads_other_rows(function: exp.Expr, definitions: Sequence[exp.Expr]) -> bool:
    """lag and lead always do; else the frame has to end before the row itself, start after it, or exclude it."""
    inner = function.this if isinstance(function, exp.IgnoreNulls | exp.RespectNulls) else function
    if isinstance(inner, exp.Lag | exp.Lead):
        return True
    frame = next((one.args["spec"] for one in definitions if one.args.get("spec")), None)
    if frame is None:
        return False
    sides = {side: str(frame.args.get(side) or "").upper() for side in ("start_side", "end_side")}
    return sides["end_side"] == "PRECEDING" or sides["start_side"] == "FOLLOWING" or frame.args.get("exclude") is not None


def subquery(node: exp.Query, scope: Scope) -> LineageColumn:
    """A scalar subquery, IN or EXISTS: all its columns, and what selects its rows."""
    relation = scope.text.relation_of(node, scope.inner())
    parts = [*relation.everything, *relation.selected_by]
    return scope.merge(parts, relation.columns[0].type if len(relation.columns) == 1 else None)


def refuse_unrepeatable(node: exp.Expr, scope: Scope) -> None:
    name = node.name.lower() if isinstance(node, exp.Anonymous) else ""
    if name in UNREPEATABLE or isinstance(node, UNREPEATABLE_NODES):
        scope.text.problem(
            node,
            f"{name + '()' if name else node.sql(dialect='duckdb').lower()} gives something else each time; the same input must give the same data",
            "take the value from a column or from a variable of the environment",
        )
