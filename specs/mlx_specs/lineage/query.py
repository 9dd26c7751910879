"""What columns a query yields: SELECT with joins, CTEs, subqueries, set operations, stars.

A syntax tree and a scope enter, a ``Relation`` leaves. Where columns cannot be known without reading data (PIVOT, COLUMNS),
the relation has a ``rest`` that is made of everything that the query reads, so that nothing from the future gets lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlglot import exp

from mlx_specs.lineage.columns import LineageColumn, Problem, Relation, listing, rename, suggest
from mlx_specs.lineage.expression import value_of
from mlx_specs.lineage.scope import Scope
from mlx_specs.lineage.tables import sources_of


def relation_of(query: exp.Expr, scope: Scope) -> Relation:
    """The columns of a query."""
    scope = replace(scope, tables=with_ctes(query, scope))
    match query:
        case exp.Subquery():
            return relation_of(query.this, scope) if isinstance(query.this, exp.Query) else Relation(rest=scope.merge(joined(query.this, scope)))
        case exp.SetOperation():
            return set_operation(query, scope)
        case exp.Select():
            return select(query, scope)
        case exp.Values():
            return values(query, scope)
        case _:
            return Relation(rest=scope.merge(joined(query, scope)))


def with_ctes(query: exp.Expr, scope: Scope) -> Mapping[str, Relation]:
    """The tables in reach of the query: those of the scope and its own CTEs, each seeing those before it."""
    clause = query.args.get("with_")
    if clause is None:
        return scope.tables
    tables = dict(scope.tables)
    for cte in clause.expressions:
        name, body = cte.alias.lower(), cte.this
        if clause.args.get("recursive") and isinstance(body, exp.SetOperation):
            tables[name] = titled(relation_of(body.this, scope.inner(tables)), cte)
        tables[name] = titled(relation_of(body, scope.inner(tables)), cte)
    return tables


def titled(relation: Relation, node: exp.Expr) -> Relation:
    """The relation under the column names of an alias such as ``t(a, b)``."""
    alias = node.args.get("alias")
    names = [column.name for column in alias.args.get("columns") or ()] if isinstance(alias, exp.TableAlias) else []
    if not names:
        return relation
    columns = list(relation.columns) + [LineageColumn()] * (len(names) - len(relation.columns) if relation.rest is None else 0)
    kept = [replace(column, name=name) for name, column in zip(names, columns, strict=False)]
    return replace(relation, columns=(*kept, *columns[len(names) :]))


def set_operation(query: exp.SetOperation, scope: Scope) -> Relation:
    """UNION, EXCEPT, INTERSECT: by position, or by name; names are those of the first side."""
    left, right = (relation_of(side, scope.inner(scope.tables)) for side in (query.left, query.right))
    selected = (*left.selected_by, *right.selected_by)
    if query.args.get("by_name"):
        names = dict.fromkeys(column.name for column in (*left.columns, *right.columns))
        pairs = [(name, [one for one in (left.column(name), right.column(name)) if one is not None]) for name in names]
        return Relation(tuple(union(name, found, scope) for name, found in pairs), rest_of([left, right], scope), selected)
    if left.rest is None and right.rest is None and len(left.columns) != len(right.columns):
        scope.text.problem(query, f"the two sides of {query.key.upper()} have {len(left.columns)} and {len(right.columns)} columns")
    if left.rest is not None or right.rest is not None:
        return Relation(left.columns, scope.merge([*left.everything, *right.everything]), selected)
    columns = tuple(union(a.name, [a, b], scope) for a, b in zip(left.columns, right.columns, strict=False))
    return Relation(columns, None, selected)


def union(name: str, sides: Sequence[LineageColumn], scope: Scope) -> LineageColumn:
    types = {side.type for side in sides}
    return replace(scope.merge(sides, types.pop() if len(types) == 1 else None), name=name)


def rest_of(relations: Sequence[Relation], scope: Scope) -> LineageColumn | None:
    rests = [relation.rest for relation in relations if relation.rest is not None]
    return scope.merge(rests) if rests else None


def values(query: exp.Values, scope: Scope) -> Relation:
    """``values (1, 'a'), (2, 'b')``: col0, col1, or the names of the alias."""
    first = query.expressions[0]
    cells = first.expressions if isinstance(first, exp.Tuple) else [first]
    return titled(Relation(tuple(replace(value_of(cell, scope), name=f"col{index}") for index, cell in enumerate(cells))), query)


def select(query: exp.Select, scope: Scope) -> Relation:
    """FROM, then WHERE and GROUP BY, then the columns; what remains only orders, limits or selects."""
    scope, selected = sources_of(query, scope)
    scope = replace(scope, windows={window.name.lower(): window for window in query.args.get("windows") or ()})
    aliased = with_aliases(query, scope)
    where = [value_of(query.args["where"].this, aliased)] if query.args.get("where") else []
    groups = group_values(query, aliased)
    scope = replace(scope, selection=(*selected, *where, *groups), groups=tuple(groups))
    relation, final = projections(query, scope)
    later = [value_of(query.args[key].this, final) for key in ("having", "qualify") if query.args.get(key)]
    for key in ("order", "distinct", "limit", "offset"):
        if query.args.get(key) is not None:
            value_of(query.args[key], final)
    inner = tuple(column for source in scope.sources for column in source.relation.selected_by)
    return replace(relation, selected_by=distinct((*inner, *selected, *where, *later)))


def with_aliases(query: exp.Select, scope: Scope) -> Scope:
    """WHERE and GROUP BY may name the columns that the SELECT makes; evaluated without reporting anything twice."""
    silent = replace(scope, text=replace(scope.text, report=set[Problem]().add))
    named = [projection for projection in query.expressions if isinstance(projection, exp.Alias) and may_name(query, projection.alias.lower())]
    return replace(scope, aliases={projection.alias.lower(): value_of(projection.this, silent) for projection in named})


def may_name(query: exp.Select, alias: str) -> bool:
    """Whether WHERE or GROUP BY can mean this column: looking at each twice would double the work at every level of subqueries."""
    group = query.args.get("group")
    if group is not None and (group.args.get("all") or any(isinstance(one, exp.Literal) for one in group.expressions)):
        return True
    clauses = [clause for clause in (query.args.get("where"), group) if clause is not None]
    return any(column.parts[0].name.lower() == alias for clause in clauses for column in clause.find_all(exp.Column))


def group_values(query: exp.Select, scope: Scope) -> list[LineageColumn]:
    """The columns of GROUP BY; a number means that column, ALL means all that are not aggregates."""
    group = query.args.get("group")
    if group is None:
        return []
    expressions: list[exp.Expr] = [*group.expressions]
    for key in ("rollup", "cube", "grouping_sets"):
        expressions += group.args.get(key) or []
    if group.args.get("all"):
        expressions += [one for one in query.expressions if not one.find(exp.AggFunc, exp.Star)]
    return [value_of(positional(one, query), scope) for one in expressions]


def positional(node: exp.Expr, query: exp.Select) -> exp.Expr:
    if isinstance(node, exp.Literal) and str(node.this).isdigit() and 0 < int(node.this) <= len(query.expressions):
        return query.expressions[int(node.this) - 1]
    return node


def projections(query: exp.Select, scope: Scope) -> tuple[Relation, Scope]:
    """The columns in order, and the scope in which the later clauses see them."""
    columns: list[LineageColumn] = []
    rest: LineageColumn | None = None
    for projection in query.expressions:
        star = star_of(projection)
        if star is not None:
            made, open_rest = expand(star, table_of(projection), scope)
            columns += made
            rest = open_rest if rest is None else rest
        elif isinstance(projection, exp.Columns) or projection.find(exp.Columns) or isinstance(projection.this, exp.Star):
            rest = scope.merge([one for source in scope.sources for one in source.relation.everything])
        else:
            column = project(projection, scope)
            columns.append(column)
            if isinstance(projection, exp.Alias):
                scope = replace(scope, aliases={**scope.aliases, column.name.lower(): column})
    return Relation(tuple(columns), rest), scope


def project(projection: exp.Expr, scope: Scope) -> LineageColumn:
    """One column with the name that DuckDB gives it; none for an expression without AS."""
    value = value_of(projection, scope)
    if isinstance(projection, exp.Alias):
        return rename(value, projection.alias, scope.text.dataset)
    return value if isinstance(projection, exp.Column) else replace(value, name="")


def star_of(projection: exp.Expr) -> exp.Star | None:
    if isinstance(projection, exp.Star):
        return projection
    return projection.this if isinstance(projection, exp.Column) and isinstance(projection.this, exp.Star) else None


def table_of(projection: exp.Expr) -> str:
    return projection.table if isinstance(projection, exp.Column) else ""


def expand(star: exp.Star, table: str, scope: Scope) -> tuple[list[LineageColumn], LineageColumn | None]:
    """``*`` or ``t.*`` with exclude, replace and rename."""
    chosen = [source for source in scope.sources if not table or source.alias.lower() == table.lower()]
    if not chosen:
        aliases = [source.alias for source in scope.sources]
        scope.text.problem(star.parent or star, f"unknown table '{table}' in '{table}.*'{suggest(table, aliases)}", f"tables here: {listing(aliases)}")
    columns = [column for source in chosen for column in (source.relation.columns if table else source.visible)]
    rest = rest_of([source.relation for source in chosen], scope)
    excluded, replaced, renamed = modifiers(star)
    check_modifiers(star, {*excluded, *replaced, *renamed}, columns, rest, scope)
    made: list[LineageColumn] = []
    for column in columns:
        lower = column.name.lower()
        value = value_of(replaced[lower].this, scope) if lower in replaced else column
        made += [rename(value, renamed.get(lower, column.name), scope.text.dataset)] if lower not in excluded else []
    return made, rest


def modifiers(star: exp.Star) -> tuple[set[str], dict[str, Any], dict[str, str]]:
    """Names to exclude, expressions to replace by name, new names by old name; keys in lower case."""
    excluded = {one.name.lower() for one in star.args.get("except_") or ()}
    replaced = {one.alias.lower(): one for one in star.args.get("replace") or ()}
    renamed = {one.this.name.lower(): one.alias for one in star.args.get("rename") or ()}
    return excluded, replaced, renamed


def check_modifiers(star: exp.Star, names: set[str], columns: Sequence[LineageColumn], rest: LineageColumn | None, scope: Scope) -> None:
    known = [column.name for column in columns]
    for name in sorted(names - {one.lower() for one in known}) if rest is None else ():
        node = next((one for one in star.find_all(exp.Identifier) if one.name.lower() == name), star)
        scope.text.problem(node, f"unknown column '{name}'{suggest(name, known)}", f"columns here: {listing(known)}", name)


def joined(node: exp.Expr, scope: Scope) -> list[LineageColumn]:
    """Everything that a construct reads which is not followed in detail."""
    reads: list[LineageColumn] = []
    for table in node.find_all(exp.Table):
        relation = scope.tables.get(table.name.lower())
        reads += relation.everything if relation is not None else ()
    return reads


def distinct(columns: Sequence[LineageColumn]) -> tuple[LineageColumn, ...]:
    return tuple(dict.fromkeys(column for column in columns if column.origins or column.moments))
