"""Rows of a stream, as texts, become predictions or reasons why there are none.

Enters: a batch of rows, each the bytes of a JSON object. Leaves: a batch of as many rows in the same order, with the columns of
``scored_schema``. Every row is held against the model's signature as a request's rows are; features that it lacks are looked up.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import orjson
import pyarrow

from mlx_runtime.batch.blocks import PROVENANCE, REASON
from mlx_runtime.engines import Outputs
from mlx_runtime.features import FeatureSource, StoreUnavailable, utc_now
from mlx_runtime.scorer import Scorer, output_schema
from mlx_runtime.server.accepted import Accepted, accepted, carried, complete
from mlx_runtime.server.tensors import from_values, plain_from_values
from mlx_runtime.signature import ScoreError
from mlx_runtime.stream import StreamError
from mlx_specs.artifact import ModelFile, Tensor
from mlx_specs.diagnostics import listing
from mlx_specs.followed import FollowedStream

ORIGIN, KEY, MOMENT, TEXT = "_source", "_key", "_moment", "_row"
"""Where a row stood (TOPIC/PARTITION/OFFSET, or FILE#ROW); its message's key; its event time; its text, if it was put aside."""
FIRST_YEAR, LAST_YEAR = 1900, 2200
LARGEST = 2**63
"""Of whole numbers, what is the first too many."""
INSTANT = pyarrow.timestamp("us", tz="UTC")
KINDS: Mapping[str, pyarrow.DataType] = {
    "boolean": pyarrow.bool_(), "integer": pyarrow.int64(), "float": pyarrow.float64(), "string": pyarrow.string(),
    "timestamp": INSTANT, "date": pyarrow.date32(),
}  # fmt: skip
SCHEMA = pyarrow.schema({ORIGIN: pyarrow.string(), KEY: pyarrow.binary(), TEXT: pyarrow.binary(), REASON: pyarrow.string()})
"""Of the rows that enter; what could not be read has its reason already."""


def scored_schema(model: ModelFile, told: FollowedStream) -> pyarrow.Schema:
    """What a row leaves as; raises ``StreamError`` where two columns would have one name."""
    types = {tensor.name: KINDS[tensor.type] for tensor in model.inputs} | ({told.event_time: INSTANT} if told.event_time else {})
    kept = {ORIGIN: pyarrow.string(), KEY: pyarrow.binary(), MOMENT: INSTANT, TEXT: pyarrow.string(), REASON: pyarrow.string()}
    outputs = {each.name: each.type for each in output_schema(model)}
    if doubled := [name for name in told.columns if name in (*kept, *outputs, *PROVENANCE)]:
        raise StreamError(f"column '{doubled[0]}' has the name of a prediction", hint="take it out of stream.columns, or send it by another name")
    return pyarrow.schema({**kept, **{name: types.get(name, pyarrow.string()) for name in told.columns}, **outputs})


@dataclass
class _Row:
    """One row on its way."""

    text: bytes | None
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    moment: datetime | None = None
    carried: dict[str, Any] = field(default_factory=dict[str, Any])
    """What its prediction carries: what the model reads has its type, the rest is text."""
    reason: str = ""


@dataclass(frozen=True)
class RowScorer:
    """One version of a model, for the rows of one stream."""

    told: FollowedStream
    scorer: Scorer
    source: FeatureSource | None = None

    def score(self, batch: pyarrow.RecordBatch, oldest: datetime | None) -> pyarrow.RecordBatch:
        """Rows whose moment lies before ``oldest`` are late."""
        takes = self._takes
        texts, known = batch.column(TEXT).to_pylist(), batch.column(REASON).to_pylist()
        rows = [_Row(text, reason=reason) if reason else self._read(text, oldest, takes) for text, reason in zip(texts, known, strict=True)]
        parts = [part for names, places in _alike(rows, takes).items() for part in self._scored(rows, places, names, takes)]
        return self._batch(batch, rows, parts)

    def _read(self, text: bytes | None, oldest: datetime | None, takes: Accepted) -> _Row:
        if not text:
            return _Row(text, reason="it is empty")
        try:
            values = orjson.loads(text)
        except ValueError as error:
            return _Row(text, reason=f"it is not JSON: {error}")
        if not isinstance(values, dict):
            return _Row(text, reason="it is not a JSON object")
        row = _Row(text, values, reason=next(filter(None, (_beyond(name, values.get(name), takes) for name in values)), ""))
        try:
            row.moment = _moment(self.told.event_time, values.get(self.told.event_time)) if self.told.event_time else None
            for name in self.told.columns:
                row.carried[name] = row.moment if name == self.told.event_time else _carried(name, values.get(name), self._tensors)
        except ScoreError as error:
            row.reason = row.reason or _plainly(error)
        if not row.reason and oldest is not None and row.moment is not None and row.moment < oldest:
            row.reason = f"it is late: {row.moment.isoformat()} lies before {oldest.isoformat()}"
        return row

    @cached_property
    def _takes(self) -> Accepted:
        return accepted(self.scorer.model, self.source)

    @cached_property
    def _tensors(self) -> Mapping[str, Tensor]:
        """The model's inputs by name."""
        return {tensor.name: tensor for tensor in self.scorer.model.inputs}

    def _scored(self, rows: Sequence[_Row], places: Sequence[int], names: Sequence[str], takes: Accepted) -> Iterator[tuple[Sequence[int], Outputs]]:
        """Parts that were scored; the others are given their reasons. What fails as a whole is halved until the row at fault is alone."""
        try:
            outputs = self._predict([rows[place].values for place in places], names, takes)
        except (StoreUnavailable, MemoryError):
            raise
        except Exception as error:  # broad: a function or an estimator of a user's may raise anything, and one row is not to end a stream
            named = error.rows if isinstance(error, ScoreError) else ()
            at_fault = set(named) or (set(range(len(places))) if len(places) == 1 else set[int]())
            for at in at_fault:
                rows[places[at]].reason = _plainly(error)
            rest = [place for at, place in enumerate(places) if at not in at_fault]
            middle = len(rest) if at_fault else len(rest) // 2
            for some in (rest[:middle], rest[middle:]):
                if some:
                    yield from self._scored(rows, some, names, takes)
        else:
            yield places, outputs

    def _predict(self, rows: Sequence[Mapping[str, Any]], names: Sequence[str], takes: Accepted) -> Outputs:
        columns = {name: [row.get(name) for row in rows] for name in names}
        arrays = {name: from_values(takes.tensors[name], values) for name, values in columns.items() if name not in takes.plain}
        plain = {name: plain_from_values(takes.tensors[name], values) for name, values in columns.items() if name in takes.plain}
        completed = complete(takes, carried(takes, arrays, plain), len(rows), utc_now())
        return self.scorer.score_columns(completed.columns, len(rows))

    def _batch(self, batch: pyarrow.RecordBatch, rows: Sequence[_Row], parts: Sequence[tuple[Sequence[int], Outputs]]) -> pyarrow.RecordBatch:
        schema = scored_schema(self.scorer.model, self.told)
        made: dict[str, Any] = {
            ORIGIN: batch.column(ORIGIN),
            KEY: batch.column(KEY),
            MOMENT: pyarrow.array([row.moment for row in rows], INSTANT),
            TEXT: pyarrow.array([_shown(row) for row in rows], pyarrow.string()),
            REASON: pyarrow.array([row.reason or None for row in rows], pyarrow.string()),
            **{name: pyarrow.array([None if row.reason else row.carried[name] for row in rows], schema.field(name).type) for name in self.told.columns},
        }
        scored = [place for places, _ in parts for place in places]
        order = np.full(len(rows), -1)
        order[scored] = np.arange(len(scored))
        chosen = pyarrow.array(order, mask=order < 0)
        for each in output_schema(self.scorer.model):
            values = [pyarrow.array(outputs[each.name], type=each.type, from_pandas=False) for _, outputs in parts]
            made[each.name] = pyarrow.chunked_array(values, type=each.type).combine_chunks().take(chosen)
        return pyarrow.RecordBatch.from_arrays([made[name] for name in schema.names], schema=schema)


def _alike(rows: Sequence[_Row], takes: Accepted) -> dict[tuple[str, ...], list[int]]:
    """The places of rows that carry the same of what the model takes; those that lack something are given their reason.

    A column that the model reads and that may be null is null where a row leaves it out; other columns of a row are nobody's business.
    """
    nullable = [tensor.name for tensor in takes.required if tensor.nullable and (takes.join is None or tensor.name in takes.join.columns)]
    found = dict[tuple[str, ...], list[int]]()
    for place, row in enumerate(rows):
        if not row.reason:
            names = tuple(name for name in takes.tensors if name in row.values or name in nullable)
            found.setdefault(names, []).append(place)
    for names in list(found):
        try:
            takes.check(names)
        except ScoreError as error:
            for place in found.pop(names):
                rows[place].reason = str(error)
    return found


def _shown(row: _Row) -> str | None:
    """The text of a row that is put aside."""
    return row.text.decode("utf-8", "replace") if row.reason and row.text is not None else None


def _carried(name: str, value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """One value as a prediction carries it; ``ScoreError`` where it cannot be kept."""
    if name in tensors:
        if tensors[name].type == "timestamp":
            return _moment(name, value)
        (plain,) = plain_from_values(tensors[name], [value])
        return plain
    if value is None or isinstance(value, str):
        return value
    try:
        return orjson.dumps(value).decode()
    except TypeError as error:
        raise ScoreError(f"column '{name}' is nested too deeply to be carried") from error


def _moment(name: str, value: Any) -> datetime | None:
    """A time in ISO 8601, in UTC; ``ScoreError`` where it is none, or one of no century that anybody means."""
    (moment,) = plain_from_values(Tensor(name=name, datatype="BYTES", type="timestamp"), [value])
    if moment is None:
        return None
    if not FIRST_YEAR < moment.year < LAST_YEAR:
        raise ScoreError(f"column '{name}': {moment.isoformat()} lies in no year from {FIRST_YEAR} to {LAST_YEAR}")
    return moment.astimezone(UTC)


def _beyond(name: str, value: Any, takes: Accepted) -> str:
    """Why a whole number cannot be one; '' where it can, or is none."""
    tensor = takes.tensors.get(name)
    if tensor is None or tensor.type != "integer" or not isinstance(value, int | float) or -LARGEST <= value < LARGEST:
        return ""
    return f"column '{name}': {value:g} is beyond 64 bits"


def _plainly(error: Exception) -> str:
    """Without the number of the row, which is that of a part."""
    text = str(error).strip() or type(error).__name__
    return text.rpartition(" (row ")[0] or text if isinstance(error, ScoreError) else f"it cannot be scored: {text.splitlines()[0]}"


def reasons(rejected: pyarrow.Table) -> str:
    """The most frequent ones, for the log."""
    counted = rejected.group_by(REASON).aggregate([(REASON, "count")]).sort_by([(f"{REASON}_count", "descending")])
    said = [f"{count:,} × {reason}" for reason, count in zip(counted.column(REASON).to_pylist(), counted.column(f"{REASON}_count").to_pylist(), strict=True)]
    return listing(said, 3)


def latest(made: pyarrow.Table, before: datetime | None, now: datetime) -> datetime | None:
    """The latest moment of all rows that were scored; of one that is still to come it is now: one wrong clock does not make all others late."""
    moments = made.filter(made.column(REASON).is_null()).column(MOMENT).to_pylist()
    return max((min(moment, now) for moment in (before, *moments) if moment is not None), default=None)
