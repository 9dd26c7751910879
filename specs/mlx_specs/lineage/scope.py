"""What a name means at one place of a query: the tables in reach, their columns, and the query around it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlglot import exp

from mlx_specs.lineage.columns import LineageColumn, Problem, Relation, listing, merge, suggest
from mlx_specs.lineage.parse import place


@dataclass(frozen=True)
class Text:
    """One SQL text of one dataset: where problems in it are told, and what its words are compared with."""

    dataset: str
    path: tuple[str | int, ...]
    sql: str
    timeline: Sequence[str]
    keys: Mapping[str, Sequence[str]]
    """Key columns of each dataset, by id."""
    report: Callable[[Problem], None]
    relation_of: "Callable[[exp.Expr, Scope], Relation]"
    """How a query within the text is followed: expressions hold queries and queries hold expressions."""

    def problem(self, node: exp.Expr, message: str, hint: str = "", column: str | None = None) -> None:
        """Report a problem at the node's place."""
        line, position = place(node, self.sql)
        self.report(Problem(self.dataset, self.path, message, hint, column, line, position))


@dataclass(frozen=True)
class Source:
    """A table of FROM under its alias; ``hidden`` columns were merged by USING and answer only to their qualified name."""

    alias: str
    relation: Relation
    hidden: frozenset[str] = frozenset()

    @property
    def visible(self) -> tuple[LineageColumn, ...]:
        """The columns that ``*`` yields."""
        return tuple(column for column in self.relation.columns if column.name.lower() not in self.hidden)


@dataclass(frozen=True)
class Scope:
    """All that an expression can name."""

    text: Text
    tables: Mapping[str, Relation]
    """What FROM can name: inputs, ``source``, CTEs; lower case."""
    sources: tuple[Source, ...] = ()
    outer: "Scope | None" = None
    aliases: Mapping[str, LineageColumn] = field(default_factory=dict[str, LineageColumn])
    """Columns that this SELECT has already made; lower case."""
    windows: Mapping[str, exp.Expr] = field(default_factory=dict[str, exp.Expr])
    selection: tuple[LineageColumn, ...] = ()
    """Columns of where, join and group by: an aggregate counts the rows that they choose."""
    groups: tuple[LineageColumn, ...] = ()

    def merge(self, parts: Sequence[LineageColumn], type: str | None = None) -> LineageColumn:
        """Merge along this text's timeline."""
        return merge(parts, self.text.timeline, type=type)

    def inner(self, tables: Mapping[str, Relation] | None = None) -> "Scope":
        """The scope of a subquery, which may name this scope's columns."""
        return Scope(self.text, self.tables if tables is None else tables, outer=self)


def resolve(column: exp.Column, scope: Scope) -> LineageColumn:
    """What a column's name stands for; a name that nothing has is reported and stands for nothing."""
    parts = [part.name for part in column.parts if isinstance(part, exp.Identifier)]
    found = find(parts, scope)
    if found is None:
        report_unknown(column, parts, scope)
        return LineageColumn(name=parts[-1])
    if len(found) > 1:
        aliases = listing(source.alias for source in scope.sources if source.relation.column(parts[-1]))
        scope.text.problem(column, f"ambiguous column '{parts[-1]}': it is in {aliases}", f"write {scope.sources[0].alias}.{parts[-1]}", parts[-1])
    return found[0]


def find(parts: Sequence[str], scope: Scope) -> list[LineageColumn] | None:
    """Candidates in this scope, then in the one around it: qualified, plain, made by this SELECT, whole row, struct field."""
    found = find_qualified(parts, scope) if len(parts) > 1 else find_plain(parts[0], scope)
    if found:
        return found
    return None if scope.outer is None else find(parts, scope.outer)


def find_qualified(parts: Sequence[str], scope: Scope) -> list[LineageColumn]:
    for source in scope.sources:
        if source.alias.lower() in (parts[-2].lower(), parts[0].lower()):
            name = parts[-1] if source.alias.lower() == parts[-2].lower() else parts[1]
            column = source.relation.column(name)
            return [column] if column is not None else []
    structs = find_plain(parts[0], scope)
    return [replace(struct, name=parts[-1], type=None) for struct in structs]


def find_plain(name: str, scope: Scope) -> list[LineageColumn]:
    lower = name.lower()
    known = [column for source in scope.sources for column in source.visible if column.name.lower() == lower]
    if known:
        return known
    if lower in scope.aliases:
        return [scope.aliases[lower]]
    rows = [scope.merge(source.relation.everything) for source in scope.sources if source.alias.lower() == lower]
    if rows:
        return rows
    rest = [source.relation.rest for source in scope.sources if source.relation.rest is not None]
    return [replace(scope.merge(rest), name=name)] if rest else []


def report_unknown(column: exp.Column, parts: Sequence[str], scope: Scope) -> None:
    name = parts[-1]
    if len(parts) > 1:
        source = next((one for one in scope.sources if one.alias.lower() == parts[-2].lower()), None)
        if source is None:
            aliases = [one.alias for one in scope.sources]
            message = f"unknown table '{parts[-2]}' in '{'.'.join(parts)}'{suggest(parts[-2], aliases)}"
            scope.text.problem(column, message, f"tables here: {listing(aliases)}", name)
            return
        names = [one.name for one in source.relation.columns]
        scope.text.problem(column, f"unknown column '{name}' of '{source.alias}'{suggest(name, names)}", f"{source.alias} has: {listing(names)}", name)
        return
    names = [one.name for source in scope.sources for one in source.visible]
    scope.text.problem(column, f"unknown column '{name}'{suggest(name, [*names, *scope.aliases])}", f"columns here: {listing(names)}" if names else "", name)
