"""Quality checks on the prepared rows: each counts the rows that fail, and stops the line or warns.

A check on values passes where the value is missing (as SQL's own CHECK does); notNull is the check for that.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

import duckdb

from mlx_runtime.prepare.database import Connection, columns, literal, one, quoted, text
from mlx_runtime.prepare.errors import PrepareError, counted, first_line, listing, nearest, shown
from mlx_specs.dataset import Check, DatasetSpec

SAMPLES = 5


@dataclass(frozen=True)
class Verdict:
    """What one check found."""

    name: str
    severity: str
    passed: bool
    failing: int
    message: str
    samples: tuple[str, ...] = ()


def run_checks(connection: Connection, spec: DatasetSpec) -> list[Verdict]:
    """All checks, those of ``nullable: false`` first; raises when one that stops has failed, naming all that have."""
    rows = one(connection, "select count(*) from source")
    found = columns(connection, "source")
    implied = [Check(type="notNull", columns=[name]) for name, column in spec.columns.items() if not column.nullable and name in found]
    verdicts = [run_check(connection, check, spec, rows, found) for check in (*implied, *spec.checks)]
    stopping = [verdict for verdict in verdicts if not verdict.passed and verdict.severity == "stop"]
    if stopping:
        details = "\n".join(line for verdict in stopping for line in (f"  {verdict.name}: {verdict.message}", *(f"    {sample}" for sample in verdict.samples)))
        noun = "check" if len(stopping) == 1 else "checks"
        raise PrepareError(f"{len(stopping)} quality {noun} failed\n{details}", hint="correct the source, reject the rows in a step, or use severity: warn")
    return verdicts


def run_check(connection: Connection, check: Check, spec: DatasetSpec, rows: int, found: dict[str, str]) -> Verdict:
    name = check.name or check_name(check)
    absent = [column for column in check.columns or () if column not in found]
    if absent:
        raise PrepareError(f"check {name}: unknown column '{absent[0]}'{nearest(absent[0], list(found))}", hint=f"the result has: {listing(list(found))}")
    if check.type == "rows":
        return rows_verdict(name, check, rows)
    try:
        return condition_verdict(connection, name, check, spec, rows)
    except duckdb.Error as error:
        raise PrepareError(f"check {name}: {first_line(error)}") from error


def check_name(check: Check) -> str:
    """``range of distance``, ``unique of year, month``, ``rows``"""
    about = ", ".join(check.columns) if check.columns else check.condition or ""
    return f"{check.type} of {about}" if about else check.type


def rows_verdict(name: str, check: Check, rows: int) -> Verdict:
    low, high = check.min, check.max
    passed = (low is None or rows >= low) and (high is None or rows <= high)
    wanted = " and ".join(part for part in (f"at least {low:,.0f}" if low is not None else "", f"at most {high:,.0f}" if high is not None else "") if part)
    return Verdict(name, check.severity, passed, 0 if passed else rows, f"{counted(rows)}, wanted {wanted}")


def condition_verdict(connection: Connection, name: str, check: Check, spec: DatasetSpec, rows: int) -> Verdict:
    """Rows that fail, against the tolerated share."""
    failing, words = failing_rows(check)
    count = one(connection, f"select count(*) from source where ({failing})")
    passed = count <= check.tolerance * rows
    tolerated = f", tolerated {check.tolerance:.2%}" if check.tolerance else ""
    samples = () if passed else sample_rows(connection, check, spec, failing)
    return Verdict(name, check.severity, passed, count, f"{counted(count)} of {rows:,} {words}{tolerated}", samples)


def failing_rows(check: Check) -> tuple[str, str]:
    """The condition of rows that fail, and words for it."""
    names = [quoted(name) for name in check.columns or ()]
    match check.type:
        case "notNull":
            return any_of(f"{name} is null" for name in names), "have no value"
        case "unique":
            keys = ", ".join(names)
            shared = f"select row, count(*) over (partition by {keys}) as rows from (select rowid as row, * from source)"
            return f"rowid in (select row from ({shared}) where rows > 1)", "share their values with another row"
        case "range":
            return any_of(f"{name} not between {bound(check.min, '-inf')} and {bound(check.max, 'inf')}" for name in names), range_words(check)
        case "values":
            allowed = ", ".join(literal(value) for value in check.values or ())
            return any_of(f"{name} not in ({allowed})" for name in names), f"are none of {', '.join(str(value) for value in check.values or ())}"
        case "pattern":
            return any_of(f"not regexp_full_match({name}, {text(check.pattern or '')})" for name in names), f"do not match {check.pattern}"
        case "condition":
            return f"not ({check.condition}\n)", f"do not fulfil {check.condition}"
        case "rows":
            raise AssertionError("counted without a condition")
        case _:
            assert_never(check.type)


def any_of(tests: Iterable[str]) -> str:
    return " or ".join(f"({test})" for test in tests)


def bound(value: float | None, otherwise: str) -> str:
    return f"{value!r}::double" if value is not None else f"'{otherwise}'::double"


def range_words(check: Check) -> str:
    if check.min is not None and check.max is not None:
        return f"outside {check.min:g} to {check.max:g}"
    return f"are not at least {check.min:g}" if check.min is not None else f"are not at most {check.max:g}" if check.max is not None else "outside no limits"


def sample_rows(connection: Connection, check: Check, spec: DatasetSpec, failing: str) -> tuple[str, ...]:
    """The first failing rows: keys and the columns that were looked at."""
    found = columns(connection, "source")
    wanted = [*spec.keys, *(check.columns or ())] or list(found)
    names = [name for name in dict.fromkeys(wanted) if name in found]
    order = ", ".join(quoted(name) for name in [*names, *(name for name in found if name not in names)])
    rows = connection.execute(f"select {', '.join(quoted(name) for name in names)} from source where ({failing}) order by {order} limit {SAMPLES}").fetchall()
    return tuple(", ".join(f"{name}={shown(value)}" for name, value in zip(names, row, strict=True)) for row in rows)
