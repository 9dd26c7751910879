"""Dataset: where rows come from, what their columns mean and when they are known, how they are prepared and checked."""

from typing import Annotated, Any, Literal, Self, TypeVar, cast

from pydantic import Discriminator, Field, Tag, model_validator

from mlx_specs.base import Column, Compute, Cron, Name, Object, SecretRef, Sql, Strict
from mlx_specs.timeline import MomentText

ColumnType = Literal["string", "integer", "float", "boolean", "timestamp", "date"]
Scalar = str | int | float | bool
Limited = TypeVar("Limited", "Outliers", "Check")


class FileSource(Strict):
    """Files: where they are."""

    path: str = Field(description="A file or a glob, relative to the workspace (or to the package's folder); .zip and .gz are read as they are.")
    package: str | None = Field(default=None, description="An installed Python package that ships the file; it is not imported.")


class CsvSource(FileSource):
    """Comma-separated values."""

    type: Literal["csv"] = Field(description="CSV, plain, gzipped or zipped.")
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = Field(default=",", description="The character between values.")
    null_values: list[str] = Field(default=["", "NA"], description="Texts that mean: no value.")


class JsonLinesSource(FileSource):
    """One JSON object a line."""

    type: Literal["jsonl"] = Field(description="JSON lines.")


class ParquetSource(FileSource):
    """Apache Parquet."""

    type: Literal["parquet"] = Field(description="Parquet.")


def text_or_secret(value: Any) -> str | None:
    """Which of the two a url is."""
    if isinstance(value, str):
        return "text"
    return "secret" if isinstance(value, dict | SecretRef) else None


class SqlSource(Strict):
    """A query against a database."""

    type: Literal["sql"] = Field(description="SQLite or PostgreSQL.")
    url: Annotated[Annotated[str, Tag("text")] | Annotated[SecretRef, Tag("secret")], Discriminator(text_or_secret)] = Field(
        description="sqlite:///PATH relative to the workspace, or postgresql://USER@HOST:PORT/DATABASE; "
        "with a password only as a secret reference to the whole URL."
    )
    query: Sql = Field(description="The SELECT that yields the rows, in the database's own SQL.")
    watermark: Sql | None = Field(
        default=None, description="A SELECT of one value that changes when the rows change; the plan asks it instead of reading all rows."
    )


Source = Annotated[CsvSource | JsonLinesSource | ParquetSource | SqlSource, Field(discriminator="type")]


class ColumnSpec(Strict):
    """What a column is."""

    type: ColumnType | None = Field(default=None, description="The column's type; values that do not fit stop the line, unless a cast step says otherwise.")
    nullable: bool = Field(default=True, description="Whether values may be missing; false makes it a check that stops the line.")
    available_at: MomentText | None = Field(
        default=None,
        description="When the value is known: an event of the timeline (departure), "
        "an event and a delay (arrival+1h), or a delay after the row's event time (1d).",
    )
    description: str = Field(default="", description="What the column means, with its unit.")


class SqlStep(Strict):
    """A SELECT; `source` is the table so far, other datasets are tables under their own names ('-' becomes '_')."""

    sql: Sql = Field(description="A SELECT in DuckDB's SQL over `source` and the datasets in `inputs`.")


class Cast(Strict):
    """Change types."""

    columns: dict[Column, ColumnType] = Field(description="The new type of each column.", min_length=1)
    on_error: Literal["fail", "reject", "null"] = Field(
        default="fail", description="What to do with rows whose value does not fit: stop, reject the row, or make the value null."
    )


class CastStep(Strict):
    """Change types."""

    cast: Cast = Field(description="Change the types of columns.")


class Missing(Strict):
    """What to do where values are missing."""

    columns: list[Column] = Field(description="The columns to look at.", min_length=1)
    strategy: Literal["reject", "mean", "median", "mode", "constant"] = Field(
        description="Reject the row, or fill with the column's mean, median or most frequent value, or with a constant."
    )
    value: Scalar | None = Field(default=None, description="The constant, for strategy: constant.")

    @model_validator(mode="after")
    def _constant_has_value(self) -> Self:
        if self.strategy == "constant" and self.value is None:
            raise ValueError("strategy constant needs 'value'")
        if self.strategy != "constant" and self.value is not None:
            raise ValueError(f"'value' belongs to strategy constant, not to {self.strategy}")
        return self


class MissingStep(Strict):
    """Treat missing values."""

    missing: Missing = Field(description="Reject or fill rows with missing values.")


class Outliers(Strict):
    """What counts as an outlier and what to do with it."""

    columns: list[Column] = Field(description="Numeric columns to look at.", min_length=1)
    method: Literal["iqr", "zscore", "range"] = Field(default="iqr", description="Distance from the quartiles, from the mean, or outside a range.")
    factor: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="How many interquartile ranges (default 1.5) or standard deviations (default 3) are still normal."
    )
    min: float | None = Field(default=None, description="The smallest normal value, for method: range.")
    max: float | None = Field(default=None, description="The largest normal value, for method: range.")
    action: Literal["reject", "clip", "null"] = Field(default="reject", description="Reject the row, move the value to the limit, or make it null.")

    @model_validator(mode="after")
    def _limits_fit_the_method(self) -> Self:
        if self.method == "range" and self.min is None and self.max is None:
            raise ValueError("method range needs 'min' or 'max', or both")
        if self.method != "range" and (self.min is not None or self.max is not None):
            raise ValueError(f"'min' and 'max' belong to method range, not to {self.method}")
        if self.method == "range" and self.factor is not None:
            raise ValueError("'factor' belongs to methods iqr and zscore, not to range")
        return _in_order(self)


class OutliersStep(Strict):
    """Treat outliers."""

    outliers: Outliers = Field(description="Reject, clip or blank outliers.")


class Deduplicate(Strict):
    """What makes rows duplicates."""

    keys: list[Column] | None = Field(default=None, description="Columns that identify a row; left out: the dataset's keys, or all columns.")
    keep: Literal["first", "last"] = Field(default="first", description="Which row to keep.")
    order_by: list[Column] | None = Field(default=None, description="The order that decides first and last; left out: the order in the source.")


class DeduplicateStep(Strict):
    """Remove duplicates."""

    deduplicate: Deduplicate = Field(description="Keep one row of each group of duplicates; the others are rejected.")


class Reject(Strict):
    """Rows to set aside."""

    where: Sql = Field(description="A SQL condition; rows for which it is true are rejected.")
    reason: str = Field(min_length=1, description="Why, as it is shown beside the count.")


class RejectStep(Strict):
    """Set rows aside with a reason."""

    reject: Reject = Field(description="Set rows aside, counted and kept with the reason.")


STEP_KEYS = ("sql", "cast", "missing", "outliers", "deduplicate", "reject")


def step_key(value: Any) -> str | None:
    """The one key that says which step this is; None where there is none, or more than one."""
    names = cast("dict[str, Any]", value) if isinstance(value, dict) else type(value).model_fields if isinstance(value, Strict) else ()
    found = [key for key in STEP_KEYS if key in names]
    return found[0] if len(found) == 1 else None


PrepareStep = Annotated[
    Annotated[SqlStep, Tag("sql")]
    | Annotated[CastStep, Tag("cast")]
    | Annotated[MissingStep, Tag("missing")]
    | Annotated[OutliersStep, Tag("outliers")]
    | Annotated[DeduplicateStep, Tag("deduplicate")]
    | Annotated[RejectStep, Tag("reject")],
    Discriminator(step_key),
]

CHECK_FIELDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "notNull": (("columns",), ()),
    "unique": (("columns",), ()),
    "range": (("columns",), ("min", "max")),
    "values": (("columns", "values"), ()),
    "pattern": (("columns", "pattern"), ()),
    "rows": ((), ("min", "max")),
    "condition": (("condition",), ()),
}
"""For each type of check the fields that it needs, and those of which it needs at least one; it takes no others."""


class Check(Strict):
    """One quality check on the prepared rows."""

    name: str | None = Field(default=None, description="What to call the check in reports; left out: made of its parts.")
    type: Literal["notNull", "unique", "range", "values", "pattern", "rows", "condition"] = Field(description="What is checked.")
    columns: list[Column] | None = Field(default=None, description="The columns to check: for notNull, unique (together), range, values and pattern.")
    min: float | None = Field(default=None, description="The smallest allowed value (range) or number of rows (rows).")
    max: float | None = Field(default=None, description="The largest allowed value (range) or number of rows (rows).")
    values: list[Scalar] | None = Field(default=None, description="The allowed values, for type: values.")
    pattern: str | None = Field(default=None, description="A regular expression that the whole value matches, for type: pattern.")
    condition: Sql | None = Field(default=None, description="A SQL condition that every row fulfils, for type: condition.")
    tolerance: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.0, description="The share of rows that may fail.")
    severity: Literal["stop", "warn"] = Field(default="stop", description="Stop the line, or go on with a warning.")

    @model_validator(mode="after")
    def _fields_fit_the_type(self) -> Self:
        needed, one_of = CHECK_FIELDS[self.type]
        given = {name for name in ("columns", "min", "max", "values", "pattern", "condition") if getattr(self, name) is not None}
        for name in needed:
            if name not in given:
                raise ValueError(f"a check of type {self.type} needs '{name}'")
        if one_of and not given & set(one_of):
            raise ValueError(f"a check of type {self.type} needs {' or '.join(repr(name) for name in one_of)}")
        for name in sorted(given - {*needed, *one_of}):
            raise ValueError(f"a check of type {self.type} has no '{name}'")
        return _in_order(self)


def _in_order(limits: Limited) -> Limited:
    if limits.min is not None and limits.max is not None and limits.min > limits.max:
        raise ValueError(f"'min' {limits.min:g} is above 'max' {limits.max:g}")
    return limits


class DatasetSpec(Strict):
    """What a dataset is made of."""

    source: Source | None = Field(default=None, description="Where rows come from; left out when `inputs` and a first sql step make them.")
    inputs: list[Name] = Field(default_factory=list, description="Other datasets that sql steps read, by name ('-' becomes '_' in SQL).")
    keys: list[Column] = Field(default_factory=list, description="The columns that together identify a row; carried into predictions.")
    event_time: Column | None = Field(default=None, description="The column that says when the row happened, in UTC.")
    timeline: list[Name] = Field(default_factory=list, description="The events of a row's life in order, such as [booking, departure, arrival].")
    columns: dict[Column, ColumnSpec] = Field(
        default_factory=dict,
        description="For a source: the columns that are read, no others (left out: all). Otherwise: what is known about columns that the steps make.",
    )
    prepare: list[PrepareStep] = Field(
        default_factory=list[PrepareStep], description="Steps in order; each has one key: sql, cast, missing, outliers, deduplicate or reject."
    )
    checks: list[Check] = Field(default_factory=list[Check], description="Quality checks on the result.")
    schedule: Cron | None = Field(default=None, description="When to prepare again: a cron line in UTC.")
    compute: Compute | None = Field(default=None, description="What preparing asks for on a cluster; with more than one node it is a Spark application.")


class Dataset(Object):
    """A dataset: prepared rows, addressed by their content."""

    kind: Literal["Dataset"] = Field(default="Dataset", description="A dataset.")
    spec: DatasetSpec = Field(description="Source, columns, preparation, checks.")
