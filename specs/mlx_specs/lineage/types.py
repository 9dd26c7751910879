"""Types of expressions where they can be told without running the SQL; None where they cannot."""

from collections.abc import Sequence

from sqlglot import exp

BOOLEAN = (exp.Predicate, exp.Not, exp.And, exp.Or, exp.Boolean, exp.LogicalOr, exp.LogicalAnd)
INTEGER = (exp.Count, exp.RowNumber, exp.Extract, exp.Year, exp.Month, exp.Day, exp.DayOfWeekIso, exp.DayOfWeek, exp.DayOfYear, exp.Length, exp.DateDiff)
FLOAT = (exp.Avg, exp.Div, exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Variance, exp.Median, exp.Quantile, exp.PercentileCont, exp.Sqrt, exp.Ln, exp.Exp)
TEXT = (exp.Lower, exp.Upper, exp.Trim, exp.Concat, exp.DPipe, exp.Substring)
AS_ARGUMENTS = (
    exp.Min, exp.Max, exp.Sum, exp.AnyValue, exp.FirstValue, exp.LastValue, exp.Lag, exp.Lead, exp.IgnoreNulls, exp.Filter,
    exp.Coalesce, exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.Abs,
)  # fmt: skip

CASTS: dict[str, str] = {
    "BOOLEAN": "boolean", "TINYINT": "integer", "SMALLINT": "integer", "INT": "integer", "BIGINT": "integer", "INT128": "integer", "UTINYINT": "integer",
    "USMALLINT": "integer", "UINT": "integer", "UBIGINT": "integer", "FLOAT": "float", "DOUBLE": "float", "DECIMAL": "float",
    "VARCHAR": "string", "TEXT": "string", "DATE": "date", "TIMESTAMP": "timestamp", "TIMESTAMPTZ": "timestamp", "TIMESTAMP_S": "timestamp",
    "TIMESTAMP_MS": "timestamp", "TIMESTAMP_NS": "timestamp",
}  # fmt: skip


def type_of(node: exp.Expr, parts: Sequence[str | None]) -> str | None:
    """The type of an expression whose parts have these types."""
    if isinstance(node, exp.Cast):
        return CASTS.get(node.to.this.value)
    if isinstance(node, BOOLEAN):
        return "boolean"
    if isinstance(node, INTEGER):
        return "integer"
    if isinstance(node, FLOAT):
        return "float"
    if isinstance(node, TEXT):
        return "string"
    if isinstance(node, AS_ARGUMENTS):
        return common(node, parts)
    return None


def common(node: exp.Expr, parts: Sequence[str | None]) -> str | None:
    """One type for all parts and the literals beside them; integer and float make a float."""
    literals = [literal_type(child) for child in node.iter_expressions() if isinstance(child, exp.Literal)]
    found = {*parts, *literals}
    if found == {"integer", "float"}:
        return "float"
    arithmetic_of_times = isinstance(node, exp.Add | exp.Sub) and bool(found & {"date", "timestamp"})
    return None if len(found) != 1 or arithmetic_of_times else found.pop()


def literal_type(literal: exp.Literal) -> str:
    if literal.is_string:
        return "string"
    return "integer" if str(literal.this).isdigit() else "float"
