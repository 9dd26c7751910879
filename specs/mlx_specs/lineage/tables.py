"""FROM and JOIN: which tables a SELECT reads under which names, and what a join's condition does to their columns."""

from dataclasses import replace

from sqlglot import exp

from mlx_specs.lineage.columns import LineageColumn, Relation, listing, suggest
from mlx_specs.lineage.expression import of_parts, value_of
from mlx_specs.lineage.scope import Scope, Source


def sources_of(query: exp.Select, scope: Scope) -> tuple[Scope, tuple[LineageColumn, ...]]:
    """The scope with all tables of FROM, and the columns of join conditions that select rows."""
    clause = query.args.get("from_")
    nodes: list[exp.Expr] = [clause.this] if clause is not None else []
    selected: list[LineageColumn] = []
    for node in nodes:
        scope, chosen = add_table(node, None, scope)
        selected += chosen
    for join in (*(query.args.get("joins") or ()), *(query.args.get("laterals") or ())):
        node = join.this if isinstance(join, exp.Join) else join
        scope, chosen = add_table(node, join if isinstance(join, exp.Join) else None, scope)
        selected += chosen
    return scope, tuple(selected)


def add_table(node: exp.Expr, join: exp.Join | None, scope: Scope) -> tuple[Scope, list[LineageColumn]]:
    """The scope with one more table, and with the tables that are joined to it in parentheses."""
    source = Source(node.alias_or_name, table_relation(node, scope))
    scope, selected = join_table(source, join, scope) if join is not None else (replace(scope, sources=(*scope.sources, source)), [])
    for nested in () if isinstance(node, exp.Select) else node.args.get("joins") or ():
        scope, chosen = add_table(nested.this, nested, scope)
        selected = [*selected, *chosen]
    return scope, selected


def table_relation(node: exp.Expr, scope: Scope) -> Relation:
    """Columns of one item of FROM."""
    match node:
        case exp.Subquery() if isinstance(node.this, exp.Query):
            relation = scope.text.relation_of(node, scope.inner())
        case exp.Subquery():
            inner, selected = add_table(node.this, None, scope.inner())
            columns = tuple(column for source in inner.sources for column in source.visible)
            rests = [source.relation.rest for source in inner.sources if source.relation.rest is not None]
            relation = Relation(columns, scope.merge(rests) if rests else None, tuple(selected))
        case exp.Values():
            return scope.text.relation_of(node, scope.inner())
        case exp.Select() | exp.SetOperation():  # the parser takes it, DuckDB does not
            scope.text.problem(node, "a query in FROM without parentheses", "write (select ...) as NAME")
            return Relation(rest=LineageColumn())
        case exp.Lateral() if isinstance(node.this, exp.Query):
            relation = scope.text.relation_of(node.this, scope.inner())
        case exp.Table() if isinstance(node.this, exp.Identifier):
            relation = named_table(node, scope)
        case _:
            relation = function_table(node, scope)
    return pivoted(titled_table(relation, node), node, scope)


def named_table(table: exp.Table, scope: Scope) -> Relation:
    """A dataset, ``source`` or a CTE; anything else is reported."""
    relation = scope.tables.get(table.name.lower())
    if relation is not None:
        return relation
    known = sorted(scope.tables)
    if table.this.args.get("quoted") or table.args.get("db"):
        message = f"unknown table '{table.name}': SQL reads datasets, never files"
        scope.text.problem(table, message, "declare a Dataset with this source and name it in `inputs`")
    else:
        near = suggest(table.name, known)
        scope.text.problem(table, f"unknown table '{table.name}'{near}", f"tables here: {listing(known)}; name other datasets in `inputs`")
    return Relation(rest=LineageColumn())


def function_table(node: exp.Expr, scope: Scope) -> Relation:
    """range(), unnest() and such: one column of what its arguments are made of; functions that read files are refused."""
    function = node.this if isinstance(node, exp.Table | exp.Lateral) else node
    name = function.name.lower() if isinstance(function, exp.Anonymous) else function.sql_name().lower() if isinstance(function, exp.Func) else function.key
    if name.startswith("read") or name.endswith("_scan") or name in ("glob", "sniff_csv"):
        scope.text.problem(node, f"{name}() reads what no dataset declares", "declare a Dataset with this source and name it in `inputs`")
    return Relation(rest=of_parts(function, scope))


def titled_table(relation: Relation, node: exp.Expr) -> Relation:
    """Under the column names of an alias such as ``t(a, b)``; a function's single rest becomes these columns."""
    alias = node.args.get("alias")
    names = [column.name for column in alias.args.get("columns") or ()] if isinstance(alias, exp.TableAlias) else []
    if not names:
        return relation
    if not relation.columns and relation.rest is not None:
        return Relation(tuple(replace(relation.rest, name=name) for name in names), None, relation.selected_by)
    titled = [replace(column, name=name) for name, column in zip(names, relation.columns, strict=False)]
    return replace(relation, columns=(*titled, *relation.columns[len(names) :]))


def pivoted(relation: Relation, node: exp.Expr, scope: Scope) -> Relation:
    """PIVOT and UNPIVOT make columns of values: any of them may be made of everything."""
    return Relation(rest=scope.merge(relation.everything), selected_by=relation.selected_by) if node.args.get("pivots") else relation


def join_table(source: Source, join: exp.Join, scope: Scope) -> tuple[Scope, list[LineageColumn]]:
    """The scope with the joined table; its columns are known only when the join's condition is."""
    using = [identifier.name for identifier in join.args.get("using") or ()] or natural(source, join, scope)
    both = replace(scope, sources=(*scope.sources, source))
    conditions = [value_of(join.args["on"], both)] if join.args.get("on") is not None else []
    for name in using:
        conditions += using_column(name, source, join, scope)
    condition = scope.merge(conditions)
    before = tuple(taint(one, condition, scope) for one in scope.sources) if join.side in ("RIGHT", "FULL") else scope.sources
    if join.kind in ("SEMI", "ANTI"):
        return replace(scope, sources=before), [condition]
    hidden = frozenset(name.lower() for name in using)
    return replace(scope, sources=(*before, replace(taint(source, condition, scope), hidden=hidden))), [condition]


def natural(source: Source, join: exp.Join, scope: Scope) -> list[str]:
    """The names that both sides of a NATURAL join have."""
    if join.args.get("method") != "NATURAL":
        return []
    left = {column.name.lower() for one in scope.sources for column in one.visible}
    return [column.name for column in source.relation.columns if column.name.lower() in left]


def using_column(name: str, source: Source, join: exp.Join, scope: Scope) -> list[LineageColumn]:
    """The column of both sides; a side that lacks it is reported."""
    node = next((one for one in join.args.get("using") or () if one.name == name), join)
    found: list[LineageColumn] = []
    sides = [[column for one in scope.sources if (column := one.relation.column(name)) is not None], [source.relation.column(name)]]
    for side, aliases in zip(sides, ([one.alias for one in scope.sources], [source.alias]), strict=True):
        if not side or side[0] is None:
            scope.text.problem(node, f"unknown column '{name}' in using: {listing(aliases)} has none", "", name)
        else:
            found.append(side[0])
    return found


def taint(source: Source, condition: LineageColumn, scope: Scope) -> Source:
    """All columns of a table, known only when the condition that brought them is."""
    if not condition.moments:
        return source
    columns = tuple(tainted(column, condition, scope) for column in source.relation.columns)
    rest = None if source.relation.rest is None else tainted(source.relation.rest, condition, scope)
    return replace(source, relation=replace(source.relation, columns=columns, rest=rest))


def tainted(column: LineageColumn, condition: LineageColumn, scope: Scope) -> LineageColumn:
    both = scope.merge([column, condition])
    own = scope.merge([replace(column, moments=column.own_moments), replace(condition, moments=condition.own_moments)]).moments
    if both.moments == column.moments:
        return replace(column, own_moments=own)
    chain = (*condition.chain, f"{column.name} (joined by it)")
    return replace(column, moments=both.moments, own_moments=own, chain=chain)
