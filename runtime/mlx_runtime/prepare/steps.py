"""The ordered steps of preparation: each makes a new ``source`` of the old one and sets aside the rows that leave it.

A connection with the table ``source`` and a step enter; rejected rows go to tables of their own, counted by reason. What is
computed over columns (means, quartiles) is computed over sorted values, so that the order of rows never changes a digit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

import duckdb

from mlx_specs.dataset import STEP_KEYS, Cast, CastStep, DatasetSpec, Deduplicate, DeduplicateStep, Missing, MissingStep, Outliers, OutliersStep

from mlx_specs.dataset import PrepareStep, RejectStep, SqlStep  # isort: skip

from mlx_runtime.prepare.casts import family, fitted, misfit_message, misfits, missing
from mlx_runtime.prepare.database import Connection, columns, literal, one, quoted, replace_source, text
from mlx_runtime.prepare.errors import PrepareError, counted, first_line, listing, nearest

REASON = "mlx_reason"
Report = Callable[[str], None]


@dataclass(frozen=True)
class Rejected:
    """Rows that one step set aside for one reason; all rows of a step are in one table."""

    step: int
    """From 1, as people count."""
    table: str
    reason: str
    rows: int


@dataclass(frozen=True)
class Step:
    """One step at work."""

    number: int
    connection: Connection
    spec: DatasetSpec
    report: Report

    @property
    def key(self) -> str:
        """``sql``, ``reject``, …"""
        step = self.spec.prepare[self.number - 1]
        return next(key for key in STEP_KEYS if hasattr(step, key))

    def error(self, message: str, hint: str = "") -> PrepareError:
        """An error of this step."""
        return PrepareError(f"step {self.number} {self.key}: {message}", hint=hint)


def run_steps(connection: Connection, spec: DatasetSpec, report: Report) -> list[Rejected]:
    """All steps in order; what they rejected."""
    rejected: list[Rejected] = []
    for index, step in enumerate(spec.prepare):
        rejected += run_step(step, Step(index + 1, connection, spec, report))
    return rejected


def run_step(step: PrepareStep, at: Step) -> list[Rejected]:
    """One step; DuckDB's complaints in our words."""
    try:
        match step:
            case SqlStep():
                return run_sql(step.sql, at)
            case CastStep():
                return run_cast(step.cast, at)
            case MissingStep():
                return treat_missing(step.missing, at)
            case OutliersStep():
                return treat_outliers(step.outliers, at)
            case DeduplicateStep():
                return deduplicate(step.deduplicate, at)
            case RejectStep():
                return reject(first_reason({f"({step.reject.where}\n)": step.reject.reason}), at)
            case _:
                assert_never(step)
    except duckdb.Error as error:
        raise at.error(first_line(error)) from error


def run_sql(sql: str, at: Step) -> list[Rejected]:
    """The new table is what the SELECT yields; it reads the old one in sorted order, so that sums of floats are the same to the last digit."""
    if at.number > 1 or at.spec.source is not None:
        replace_source(at.connection, "select * from source order by all nulls first")
    query = f"({sql.strip().rstrip(';')}\n)"
    names = [row[0] for row in at.connection.execute(f"describe {query}").fetchall()]
    twice = sorted({name for name in names if [one.lower() for one in names].count(name.lower()) > 1})
    if twice:
        raise at.error(f"two columns are named '{twice[0]}'", "name one of them otherwise (as), or leave it out (exclude)")
    replace_source(at.connection, f"select * from {query}")
    at.report(f"step {at.number} sql: {counted(one(at.connection, 'select count(*) from source'))}")
    return []


def known(names: Sequence[str], at: Step) -> dict[str, str]:
    """The DuckDB types of these columns, which have to be there."""
    found = columns(at.connection, "source")
    absent = [name for name in names if name not in found]
    if absent:
        raise at.error(f"unknown column '{absent[0]}'{nearest(absent[0], list(found))}", f"columns at this step: {listing(list(found))}")
    return {name: found[name] for name in names}


def run_cast(cast: Cast, at: Step) -> list[Rejected]:
    """Change types; a value that does not fit stops, becomes null, or rejects its row."""
    types = known(list(cast.columns), at)
    new = {name: fitted(name, types[name], type) for name, type in cast.columns.items()}
    rejected: list[Rejected] = []
    if cast.on_error == "reject":
        misfit = {name: f"not {missing(name, types[name], type)} and ({new[name]}) is null" for name, type in cast.columns.items()}
        rejected = reject(first_reason({misfit[name]: does_not_fit(name, type) for name, type in cast.columns.items()}), at)
    if cast.on_error == "fail":
        stop_at_misfits(cast, types, at)
    change(at.connection, new)
    at.report(f"step {at.number} cast: {', '.join(f'{name} to {type}' for name, type in cast.columns.items())}")
    return rejected


def does_not_fit(name: str, type: str) -> str:
    return f"{name} is not {'an' if type == 'integer' else 'a'} {type}"


def stop_at_misfits(cast: Cast, types: dict[str, str], at: Step) -> None:
    wrong = [found for name, type in cast.columns.items() if (found := misfits(at.connection, "source", name, types[name], type)) is not None]
    if wrong:
        messages = [misfit_message(one, f"row {one.first[0][0]:,} of the table") for one in wrong]
        raise at.error("; ".join(messages), "use onError: reject or null, or another type")


def treat_missing(treatment: Missing, at: Step) -> list[Rejected]:
    """Reject rows with missing values, or fill them."""
    types = known(treatment.columns, at)
    if treatment.strategy == "reject":
        return reject(first_reason({f"{quoted(name)} is null": f"{name} is missing" for name in treatment.columns}), at)
    fills = {name: fill_value(name, types[name], treatment, at) for name in treatment.columns}
    gaps = {name: one(at.connection, f"select count(*) - count({quoted(name)}) from source") for name in treatment.columns}
    change(at.connection, {name: f"coalesce({quoted(name)}, {value})" for name, value in fills.items()})
    filled = ", ".join(f"{counted(gaps[name], 'value')} of {name} filled with the {treatment.strategy}" for name in fills)
    at.report(f"step {at.number} missing: {filled}")
    return []


def fill_value(name: str, duckdb_type: str, treatment: Missing, at: Step) -> str:
    """The value as a SQL literal of the column's own type; a mean of whole numbers is rounded to one."""
    column, kind = quoted(name), family(duckdb_type)
    if treatment.strategy == "constant":
        return constant(name, duckdb_type, treatment.value, at)
    if treatment.strategy in ("mean", "median") and kind not in ("integer", "number"):
        raise at.error(f"column '{name}' is {duckdb_type.lower()}: it has no {treatment.strategy}", "use strategy: mode or constant")
    query = {
        "mean": f"select avg({column} order by {column}) from source",
        "median": f"select median({column}) from source",
        "mode": f"select {column} from source where {column} is not null group by 1 order by count(*) desc, 1 limit 1",
    }[treatment.strategy]
    rows = at.connection.execute(query).fetchall()
    if not rows or rows[0][0] is None:
        raise at.error(f"column '{name}' has no values to take the {treatment.strategy} of", "use strategy: constant or reject")
    value = round(rows[0][0]) if kind == "integer" else rows[0][0]
    return f"cast({text(str(value))} as {duckdb_type})"


def constant(name: str, duckdb_type: str, value: str | int | float | bool | None, at: Step) -> str:
    if value is None:
        raise at.error("strategy: constant needs a value")
    try:
        same = one(
            at.connection, f"select try_cast(cast({literal(value)} as {duckdb_type}) as double) is not distinct from try_cast({literal(value)} as double)"
        )
    except duckdb.Error:
        same = False
    if not same:
        raise at.error(f"the value {value!r} does not fit column '{name}', which is {duckdb_type.lower()}")
    return f"cast({literal(value)} as {duckdb_type})"


def treat_outliers(outliers: Outliers, at: Step) -> list[Rejected]:
    """Reject rows with outliers, or move values to the limit, or make them null."""
    types = known(outliers.columns, at)
    wrong = [name for name, type in types.items() if family(type) not in ("integer", "number")]
    if wrong:
        raise at.error(f"column '{wrong[0]}' is {types[wrong[0]].lower()}, not a number")
    limits = {name: bounds(name, outliers, at) for name in outliers.columns}
    tests = {name: outside(name, low, high) for name, (low, high) in limits.items()}
    if outliers.action == "reject":
        return reject(first_reason({test: f"{name} is an outlier, {range_words(*limits[name])}" for name, test in tests.items() if test}), at)
    counts = {name: one(at.connection, f"select count(*) from source where {test}") for name, test in tests.items() if test}
    new = clipped if outliers.action == "clip" else blanked
    change(at.connection, {name: new(name, types[name], *limits[name]) for name in counts})
    verb = "clipped" if outliers.action == "clip" else "made null"
    words = ", ".join(f"{counted(count, 'value')} of {name} {verb}, {range_words(*limits[name])}" for name, count in counts.items())
    at.report(f"step {at.number} outliers: {words or 'no limits'}")
    return []


def bounds(name: str, outliers: Outliers, at: Step) -> tuple[float | None, float | None]:
    """The smallest and the largest normal value; None: no limit."""
    column = f"cast({quoted(name)} as double)"
    match outliers.method:
        case "range":
            return outliers.min, outliers.max
        case "iqr":
            low, high = at.connection.execute(f"select quantile_cont({column}, 0.25), quantile_cont({column}, 0.75) from source").fetchall()[0]
            reach = (outliers.factor or 1.5) * (high - low) if low is not None else 0.0
        case "zscore":
            low, spread = at.connection.execute(f"select avg({column} order by {column}), stddev_samp({column} order by {column}) from source").fetchall()[0]
            high, reach = low, (outliers.factor or 3.0) * (spread or 0.0)
        case _:
            assert_never(outliers.method)
    return (None, None) if low is None else (low - reach, high + reach)


def outside(name: str, low: float | None, high: float | None) -> str:
    tests = [f"{quoted(name)} < {low!r}::double" if low is not None else "", f"{quoted(name)} > {high!r}::double" if high is not None else ""]
    return f"({' or '.join(test for test in tests if test)})" if any(tests) else ""


def clipped(name: str, duckdb_type: str, low: float | None, high: float | None) -> str:
    """Moved to the limit; for whole numbers to the nearest one inside."""
    inside = ("ceil({})", "floor({})") if family(duckdb_type) == "integer" else ("{}", "{}")
    value = quoted(name)
    if low is not None:
        value = f"greatest({value}, cast({inside[0].format(f'{low!r}::double')} as {duckdb_type}))"
    if high is not None:
        value = f"least({value}, cast({inside[1].format(f'{high!r}::double')} as {duckdb_type}))"
    return f"case when {quoted(name)} is not null then {value} end"


def blanked(name: str, duckdb_type: str, low: float | None, high: float | None) -> str:
    return f"case when {outside(name, low, high)} then null else {quoted(name)} end"


def range_words(low: float | None, high: float | None) -> str:
    """``normal is -60 to 1000``"""
    if low is not None and high is not None:
        return f"normal is {low:g} to {high:g}"
    return f"normal is at least {low:g}" if low is not None else f"normal is at most {high:g}" if high is not None else "no limits"


def deduplicate(deduplicate: Deduplicate, at: Step) -> list[Rejected]:
    """Keep one row of each group; the order of the table decides where orderBy does not."""
    keys = deduplicate.keys or at.spec.keys or list(columns(at.connection, "source"))
    order = deduplicate.order_by or []
    known([*keys, *order], at)
    direction = "desc" if deduplicate.keep == "last" else "asc"
    ordering = ", ".join([*(f"{quoted(name)} {direction} nulls last" for name in order), f"rowid {direction}"])
    partition = ", ".join(quoted(name) for name in keys)
    words = "all columns" if not (deduplicate.keys or at.spec.keys) else ", ".join(keys)
    repeated = f"row_number() over (partition by {partition} order by {ordering}) > 1"
    return reject(first_reason({repeated: f"duplicate of {words}"}), at)


def first_reason(reasons: dict[str, str]) -> str:
    """The SQL expression that gives the reason of the first condition that is true, else null."""
    cases = " ".join(f"when {condition} then {text(reason)}" for condition, reason in reasons.items())
    return f"case {cases} end" if cases else "cast(null as varchar)"


def change(connection: Connection, expressions: dict[str, str]) -> None:
    """New values for some columns."""
    if expressions:
        replacing = ", ".join(f"{expression} as {quoted(name)}" for name, expression in expressions.items())
        replace_source(connection, f"select * replace ({replacing}) from source")


def reject(reason: str, at: Step) -> list[Rejected]:
    """Set aside the rows for which the expression gives a reason."""
    table = f"mlx_rejected_{at.number}"
    at.connection.execute(f"create table mlx_marked as select *, {reason} as {REASON} from source")
    at.connection.execute(f"create table {table} as select * from mlx_marked where {REASON} is not null")
    replace_source(at.connection, f"select * exclude ({REASON}) from mlx_marked where {REASON} is null")
    at.connection.execute("drop table mlx_marked")
    counts = at.connection.execute(f"select {REASON}, count(*) from {table} group by 1 order by 1").fetchall()
    for reason_text, rows in counts:
        at.report(f"step {at.number} {at.key}: {counted(rows)} rejected ({reason_text})")
    if not counts:
        at.report(f"step {at.number} {at.key}: no row rejected")
    return [Rejected(at.number, table, reason_text, rows) for reason_text, rows in counts]
