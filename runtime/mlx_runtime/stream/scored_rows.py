"""Rows of a stream, as texts, become predictions or reasons why there are none.

Enters: a batch of rows, each the bytes of a JSON object. Leaves: a batch of as many rows in the same order, with the columns of
``scored_schema``. Every row is held against the model's signature as a request's rows are; features that it lacks are looked up.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import orjson
import pyarrow

from mlx_runtime.engines import Outputs
from mlx_runtime.features import FeatureSource, utc_now
from mlx_runtime.scorer import Scorer, output_schema
from mlx_runtime.server.accepted import Accepted, accepted, carried, complete
from mlx_runtime.server.tensors import from_values, plain_from_values
from mlx_runtime.signature import ScoreError
from mlx_runtime.stream import StreamError
from mlx_specs.artifact import ModelFile, Tensor
from mlx_specs.diagnostics import listing
from mlx_specs.followed import FollowedStream

ORIGIN, KEY, MOMENT, TEXT, REASON = "_source", "_key", "_moment", "_row", "_reason"
"""Where a row stood (TOPIC/PARTITION/OFFSET, or FILE#ROW); its message's key; its event time; its text and why it was put aside, if it was."""
PROVENANCE = ("model_version", "model_fingerprint")
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
    reason: str = ""


@dataclass(frozen=True)
class RowScorer:
    """One version of a model, for the rows of one stream."""

    told: FollowedStream
    scorer: Scorer
    source: FeatureSource | None = None

    def score(self, batch: pyarrow.RecordBatch, oldest: datetime | None) -> pyarrow.RecordBatch:
        """Rows whose moment lies before ``oldest`` are late."""
        takes = accepted(self.scorer.model, self.source)
        texts, known = batch.column(TEXT).to_pylist(), batch.column(REASON).to_pylist()
        integers = [tensor.name for tensor in self.scorer.model.inputs if tensor.type == "integer" and tensor.name in self.told.columns]
        rows = [_Row(text, reason=reason) if reason else self._read(text, oldest, integers) for text, reason in zip(texts, known, strict=True)]
        parts = [part for names, places in _alike(rows, takes).items() for part in self._scored(rows, places, names, takes)]
        return self._batch(batch, rows, parts)

    def _read(self, text: bytes | None, oldest: datetime | None, integers: Sequence[str]) -> _Row:
        """``integers`` are columns that are carried as such."""
        if not text:
            return _Row(text, reason="it is empty")
        try:
            values = orjson.loads(text)
        except ValueError as error:
            return _Row(text, reason=f"it is not JSON: {error}")
        if not isinstance(values, dict):
            return _Row(text, reason="it is not a JSON object")
        for name in integers:
            if isinstance(value := values.get(name), int | float) and not -LARGEST <= value < LARGEST:
                return _Row(text, values, reason=f"column '{name}': {value:g} is beyond 64 bits")
        if not self.told.event_time or values.get(self.told.event_time) is None:
            return _Row(text, values)
        try:
            (moment,) = plain_from_values(_moment_tensor(self.told), [values[self.told.event_time]])
        except ScoreError as error:
            return _Row(text, values, reason=_plainly(error))
        if oldest is not None and moment < oldest:
            return _Row(text, values, moment, f"it is late: {moment.isoformat()} lies before {oldest.isoformat()}")
        return _Row(text, values, moment)

    def _scored(self, rows: Sequence[_Row], places: Sequence[int], names: Sequence[str], takes: Accepted) -> Iterator[tuple[Sequence[int], Outputs]]:
        """Parts that were scored; the others are given their reasons. What fails as a whole is halved until the row at fault is alone."""
        try:
            outputs = self._predict([rows[place].values for place in places], names, takes)
        except ScoreError as error:
            at_fault = set(error.rows) or (set(range(len(places))) if len(places) == 1 else set[int]())
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
        model_columns = {tensor.name: tensor for tensor in self.scorer.model.inputs}
        made: dict[str, Any] = {
            ORIGIN: batch.column(ORIGIN),
            KEY: batch.column(KEY),
            MOMENT: pyarrow.array([row.moment for row in rows], INSTANT),
            TEXT: pyarrow.array([_shown(row) for row in rows], pyarrow.string()),
            REASON: pyarrow.array([row.reason or None for row in rows], pyarrow.string()),
            **{name: pyarrow.array(self._carried(name, rows, model_columns), schema.field(name).type) for name in self.told.columns},
        }
        scored = [place for places, _ in parts for place in places]
        order = np.full(len(rows), -1)
        order[scored] = np.arange(len(scored))
        chosen = pyarrow.array(order, mask=order < 0)
        for each in output_schema(self.scorer.model):
            values = [pyarrow.array(outputs[each.name], type=each.type, from_pandas=False) for _, outputs in parts]
            made[each.name] = pyarrow.chunked_array(values, type=each.type).combine_chunks().take(chosen)
        return pyarrow.RecordBatch.from_arrays([made[name] for name in schema.names], schema=schema)

    def _carried(self, name: str, rows: Sequence[_Row], model_columns: Mapping[str, Tensor]) -> list[Any]:
        """Of the rows that were scored: what the model reads has its type, the rest is text."""
        if name == self.told.event_time:
            return [None if row.reason else row.moment for row in rows]
        values = [None if row.reason else row.values.get(name) for row in rows]
        if name in model_columns:
            return plain_from_values(model_columns[name], values)
        return [value if value is None or isinstance(value, str) else orjson.dumps(value).decode() for value in values]


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


def _moment_tensor(told: FollowedStream) -> Tensor:
    return Tensor(name=told.event_time, datatype="BYTES", type="timestamp")


def _plainly(error: ScoreError) -> str:
    """Without the number of the row, which is that of a part."""
    text = str(error)
    return text.rpartition(" (row ")[0] or text


def reasons(rejected: pyarrow.Table) -> str:
    """The most frequent ones, for the log."""
    counted = rejected.group_by(REASON).aggregate([(REASON, "count")]).sort_by([(f"{REASON}_count", "descending")])
    said = [f"{count:,} × {reason}" for reason, count in zip(counted.column(REASON).to_pylist(), counted.column(f"{REASON}_count").to_pylist(), strict=True)]
    return listing(said, 3)


def latest(made: pyarrow.Table, before: datetime | None) -> datetime | None:
    """The latest moment of all rows that were scored."""
    moments = made.filter(made.column(REASON).is_null()).column(MOMENT).to_pylist()
    return max((moment for moment in (before, *moments) if moment is not None), default=None)
