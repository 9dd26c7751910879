"""SQL text -> syntax tree, once per text; what does not parse is told with its place in the text.

The only module that calls sqlglot's parser. sqlglot is imported here, and this module only where some dataset has SQL.
"""

import logging
import re
from dataclasses import dataclass
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it would print a warning of its own for what we refuse in our words
COLOUR = re.compile(r"\x1b\[\d+m")


@dataclass(frozen=True)
class SyntaxProblem:
    """Why a text is no query; line and position from 1."""

    message: str
    line: int | None = None
    position: int | None = None


@lru_cache(maxsize=16384)
def parse_query(sql: str) -> exp.Query | SyntaxProblem:
    """One SELECT (with CTEs, unions, values). The tree is shared: never change it."""
    try:
        statements = [statement for statement in sqlglot.parse(sql, dialect="duckdb") if statement is not None]
    except SqlglotError as error:
        return syntax_problem(error)
    if len(statements) != 1:
        return SyntaxProblem(f"expected one SELECT, found {len(statements)} statements")
    query = statements[0]
    if isinstance(query, exp.Query):
        return query
    word = str(query.this) if isinstance(query, exp.Command) else query.key
    return SyntaxProblem(f"expected a SELECT, found {word.upper()}", 1, 1)


@lru_cache(maxsize=16384)
def parse_condition(sql: str) -> exp.Expr | SyntaxProblem:
    """One condition, such as ``arr_delay is null``."""
    try:
        return sqlglot.parse_one(sql, dialect="duckdb", into=exp.Condition)  # pyright: ignore[reportReturnType]
    except SqlglotError as error:
        return syntax_problem(error)


def syntax_problem(error: SqlglotError) -> SyntaxProblem:
    """The first thing that sqlglot stumbled on, in our words."""
    details = error.errors if isinstance(error, ParseError) else []
    for detail in details:
        word, line, end = detail.get("highlight"), detail.get("line"), detail.get("col")
        if word and line and end:
            return SyntaxProblem(f"SQL that does not parse, at '{word}'", line, max(1, end - len(word) + 1))
    return SyntaxProblem("SQL that does not parse: " + COLOUR.sub("", str(error)).splitlines()[0])


def place(node: exp.Expr, sql: str) -> tuple[int | None, int | None]:
    """Line and position of a node's first identifier in the text, from 1."""
    starts = [identifier.meta["start"] for identifier in node.find_all(exp.Identifier) if "start" in identifier.meta]
    if not starts:
        return None, None
    before = sql[: min(starts)]
    return before.count("\n") + 1, min(starts) - (before.rfind("\n") + 1) + 1
