"""Rows of a stream through the scorer, as an executor has them: what is scored, what is put aside, what is looked up."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow
import pytest
from made_features import MadeStore, bookings, late_model, sent
from made_flights import Packaged, flights
from made_stream import as_lines, told

from mlx_runtime.batch.blocks import REASON
from mlx_runtime.features import open_source
from mlx_runtime.scorer import Scorer, load
from mlx_runtime.stream import StreamError
from mlx_runtime.stream.scored_rows import MOMENT, SCHEMA, RowScorer, latest, reasons, scored_schema
from mlx_runtime.stream.sinks import split
from mlx_specs.resources import Version

Models = Callable[[str], Packaged]


def entering(rows: Sequence[Any]) -> pyarrow.RecordBatch:
    texts = [row if row is None or isinstance(row, bytes) else orjson.dumps(row) for row in rows]
    return pyarrow.RecordBatch.from_pylist([{"_source": f"a#{at}", "_key": b"k", "_row": text} for at, text in enumerate(texts)], SCHEMA)


def scored(scorer: RowScorer, rows: Sequence[Any], oldest: datetime | None = None) -> list[dict[str, Any]]:
    return scorer.score(entering(rows), oldest).to_pylist()


@pytest.fixture(scope="module")
def boosting(models: Models) -> RowScorer:
    packed = models("boosting")
    return RowScorer(told(columns=["carrier", "hour", "note"], eventTime="booked"), load(packed.folder, packed.digest))


def test_rows_at_fault_are_put_aside_one_by_one_wherever_they_stand(boosting: RowScorer) -> None:
    rows: list[Any] = as_lines(flights(64))
    faults = {0: {"hour": "x"}, 17: {"distance": True}, 18: {"carrier": 5}, 40: {"hour": 1e300}, 63: {"refundable": "yes"}}
    for at, fault in faults.items():
        rows[at] = {**rows[at], **fault}
    found = scored(boosting, rows)
    assert {at: row[REASON] for at, row in enumerate(found) if row[REASON]} == {
        0: "tensor 'hour': 'x' is not a whole number or null",
        17: "tensor 'distance': True is not a number or null",
        18: "tensor 'carrier': 5 is not a string or null",
        40: "column 'hour': 1e+300 is beyond 64 bits",
        63: "tensor 'refundable': 'yes' is not true or false or null",
    }
    well = [at for at in range(64) if at not in (0, 17, 18, 40, 63)]
    expected = boosting.scorer.score_table(flights(64)).take(well).to_pylist()
    outputs = list(expected[0])
    assert [{name: found[at][name] for name in outputs} for at in well] == expected
    assert all(found[at][name] is None for at in (0, 17) for name in (*outputs, "carrier", "hour"))


def test_columns_that_are_carried_have_the_models_types_and_others_are_text(boosting: RowScorer) -> None:
    (row,) = scored(boosting, [{"hour": 7, "note": {"a": [1]}, "nobody's": "business", "booked": "2013-05-01T12:00:00+02:00"}])
    assert (row["hour"], row["carrier"], row["note"], row[MOMENT], row["_row"]) == (7, None, '{"a":[1]}', datetime(2013, 5, 1, 10, tzinfo=UTC), None)
    (text,) = scored(boosting, [{"note": "as it is"}])
    assert (text["note"], text[MOMENT]) == ("as it is", None)


def test_what_a_micro_batch_leaves_is_split_and_summed_up(boosting: RowScorer) -> None:
    noon = datetime(2013, 5, 1, 12, tzinfo=UTC)
    rows = [{"booked": "2013-05-01T13:00:00Z"}, {"booked": "2013-05-01T11:00:00Z"}, b"{", b"[", None]
    made = pyarrow.Table.from_batches([boosting.score(entering(rows), noon)])
    well, aside = split(made, Version(version="7", fingerprint="f", artifact="a", artifact_digest="d"))
    assert well.column_names == [
        "_source",
        "_key",
        "carrier",
        "hour",
        "note",
        "label",
        "probability_false",
        "probability_true",
        "model_version",
        "model_fingerprint",
    ]
    assert well.select(["_source", "model_version", "model_fingerprint"]).to_pylist() == [{"_source": "a#0", "model_version": "7", "model_fingerprint": "f"}]
    assert aside.column_names == ["_source", "_row", "_reason"]
    one, later = datetime(2013, 5, 1, 13, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC)
    assert latest(made, None, later) == latest(made, noon, later) == one
    assert (latest(made, later, later), latest(made, None, noon)) == (later, noon)
    assert reasons(aside).startswith("2 × it is not JSON: unexpected end of data: line 1 column 2 (char 1), 1 × it is ")


def test_a_batch_without_a_row_that_can_be_scored_keeps_its_schema(boosting: RowScorer) -> None:
    made = boosting.score(entering([b"{", b"1"]), None)
    assert made.schema == scored_schema(boosting.scorer.model, boosting.told)
    assert boosting.score(entering([]), None).num_rows == 0


def test_features_that_rows_lack_are_looked_up_as_of_their_moment(store: MadeStore, workspace: Path, pack: Callable[..., Packaged]) -> None:
    """As an endpoint looks them up; rows that carry them use their own."""
    packed = late_model(store, pack)
    source = open_source(store.lookup, workspace)
    scorer = RowScorer(told(eventTime=store.lookup.event_time), load(packed.folder, packed.digest), source)
    rows = bookings(20)
    found = scored(scorer, as_objects(sent(rows)))
    assert [row[REASON] for row in found] == [None] * 20
    outputs = [field.name for field in scored_schema(scorer.scorer.model, scorer.told)][5:]
    assert [{name: row[name] for name in outputs} for row in found] == packed_predictions(store, packed, rows)
    (lacking,) = scored(scorer, [{}])
    assert lacking[REASON].startswith("missing ")


def packed_predictions(store: MadeStore, packed: Packaged, rows: pyarrow.Table) -> list[dict[str, Any]]:
    """Of the rows as Feast joins them."""
    joined = store.join("stream", rows)
    model = load(packed.folder, packed.digest)
    return model.score_table(joined.select([tensor.name for tensor in model.model.inputs])).to_pylist()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"booked": "9999-12-31T23:59:59-14:00"}, "column 'booked': 9999-12-31T23:59:59-14:00 lies in no year from 1900 to 2200"),
        ({"booked": "0001-01-01T00:00:00+14:00"}, "column 'booked': 0001-01-01T00:00:00+14:00 lies in no year from 1900 to 2200"),
        (b'{"note": ' + b"[" * 600 + b"]" * 600 + b"}", "column 'note' is nested too deeply to be carried"),
        (b'{"hour": -1e19}', "column 'hour': -1e+19 is beyond 64 bits"),
        ({"hour": 2**63}, "column 'hour': 9.22337e+18 is beyond 64 bits"),
        ([{"hour": 7}], "it is not a JSON object"),
        (b'{"hour": 7}{"hour": 8}', "it is not JSON: unexpected content after document: line 1 column 12 (char 11)"),
    ],
)
def test_no_row_ends_a_stream(boosting: RowScorer, row: Any, reason: str) -> None:
    before, found, after = scored(boosting, [{"hour": 7}, row, {"hour": 8}])
    assert [before[REASON], after[REASON]] == [None, None]
    assert found[REASON] == reason


class Failing:
    """An engine of a user's estimator, which raises what it likes."""

    def predict(self, columns: Any) -> Any:
        if (columns["hour"] > 20).any():
            raise ZeroDivisionError("float division by zero\nin a function of theirs")
        return {"label": columns["hour"] > 10, "probability_false": columns["hour"] * 0.0, "probability_true": columns["hour"] * 0.0}


def test_a_row_at_which_a_users_code_raises_is_put_aside_and_no_other(boosting: RowScorer) -> None:
    scorer = RowScorer(boosting.told, Scorer(boosting.scorer.model, Failing()))
    found = scored(scorer, [{"hour": hour} for hour in (7, 11, 21, 12, 23)])
    broken = "it cannot be scored: float division by zero"
    assert [(row["label"], row[REASON]) for row in found] == [(False, None), (True, None), (None, broken), (True, None), (None, broken)]


def test_a_key_beyond_64_bits_puts_its_row_aside(store: MadeStore, workspace: Path, pack: Callable[..., Packaged]) -> None:
    packed = late_model(store, pack)
    scorer = RowScorer(told(eventTime="departs"), load(packed.folder, packed.digest), open_source(store.lookup, workspace))
    (sent_row,) = as_objects(sent(bookings(1)))
    found = scored(scorer, [{**sent_row, "tail": 1}, {**sent_row, "tail": 1e300}])
    assert [row[REASON] for row in found] == [None, "column 'tail': 1e+300 is beyond 64 bits"]


def as_objects(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def test_a_carried_column_may_not_be_named_like_a_prediction(models: Models) -> None:
    packed = models("boosting")
    model = load(packed.folder, packed.digest).model
    for name in ("label", "model_version", "_source"):
        with pytest.raises(StreamError, match=f"^column '{name}' has the name of a prediction$"):
            scored_schema(model, told(columns=[name]))
