"""The scorer: batches that fit are scored, those that do not are refused in words."""

from collections.abc import Callable

import numpy as np
import pyarrow
import pytest
from made_flights import Packaged, flights

from mlx_runtime.artifact import ArtifactError
from mlx_runtime.scorer import BLOCK, ScoreError, blocks, load

Models = Callable[[str], Packaged]


def test_columns_may_come_in_any_order_and_in_narrower_types(models: Models) -> None:
    scorer = load(models("boosting").folder, models("boosting").digest)
    table = flights(50)
    narrow = table.set_column(1, "hour", table["hour"].cast("int8")).set_column(4, "carrier", table["carrier"].cast("large_string").dictionary_encode())
    assert scorer.score_table(narrow.select(list(reversed(table.column_names)))) == scorer.score_table(table)


def test_the_output_schema_is_the_same_for_no_rows(models: Models) -> None:
    scorer = load(models("boosting").folder, models("boosting").digest)
    empty = scorer.score_table(flights(5).slice(0, 0))
    assert empty.schema == scorer.score_table(flights(5)).schema
    assert empty.num_rows == 0


READS = "the model reads distance, hour, refundable, booked, carrier"
WRONG: dict[str, tuple[Callable[[pyarrow.Table], pyarrow.Table], str]] = {
    "a missing column": (lambda t: t.drop(["hour"]), f"missing column 'hour': {READS}"),
    "an extra column": (lambda t: t.append_column("late", t["refundable"]), f"unknown column 'late': {READS}"),
    "a string for a number": (lambda t: t.set_column(0, "distance", t["carrier"]), "column 'distance' is string: the model expects float (FP64)"),
    "a float for an integer": (lambda t: t.set_column(1, "hour", t["hour"].cast("double")), "column 'hour' is double: the model expects integer (INT64)"),
    "a number for a boolean": (lambda t: t.set_column(2, "refundable", t["hour"]), "column 'refundable' is int64: the model expects boolean (BOOL)"),
    "a number for a moment": (lambda t: t.set_column(3, "booked", t["hour"]), "column 'booked' is int64: the model expects timestamp (BYTES)"),
    "a list": (lambda t: t.set_column(1, "hour", pyarrow.array([[1]] * 20)), "column 'hour' is list<item: int64>: the model expects integer (INT64)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_the_signature_is_refused(models: Models, name: str) -> None:
    change, message = WRONG[name]
    scorer = load(models("boosting").folder, models("boosting").digest)
    with pytest.raises(ScoreError) as caught:
        scorer.score_table(change(flights(20)))
    assert (str(caught.value), caught.value.rows) == (message, ())


def test_rows_with_a_null_where_none_may_be_are_named(pack: Callable[..., Packaged]) -> None:
    data = flights().select(["hour"])
    from sklearn.linear_model import LogisticRegression

    packed = pack("no-nulls", LogisticRegression(), data, data["hour"].to_numpy() > 12)
    scorer = load(packed.folder, packed.digest)
    with pytest.raises(ScoreError) as caught:
        scorer.score_table(pyarrow.table({"hour": pyarrow.array([9, None, 14, None], pyarrow.int64())}))
    assert (str(caught.value), caught.value.rows) == ("column 'hour' may not be null (row 1)", (1, 3))


def test_predictions_are_the_same_to_the_bit_however_the_table_is_chunked(models: Models) -> None:
    scorer = load(models("forest").folder, models("forest").digest)
    whole = flights(BLOCK + 100)
    pieces = pyarrow.concat_tables([whole.slice(0, 7), whole.slice(7, BLOCK), whole.slice(BLOCK + 7)])
    assert [block.num_rows for block in blocks(pieces)] == [BLOCK, 100]
    assert scorer.score_table(pieces) == scorer.score_table(whole)


def test_a_corrupted_artifact_is_not_loaded(models: Models, pack: Callable[..., Packaged]) -> None:
    from made_flights import late, logistic

    packed = pack("corrupted", logistic(), flights(), late(flights()))
    graph = (packed.folder / "model.onnx").read_bytes()
    (packed.folder / "model.onnx").write_bytes(graph[:-1] + bytes([graph[-1] ^ 1]))
    with pytest.raises(ArtifactError, match=r"model\.onnx has sha256 [0-9a-f]{64}, expected [0-9a-f]{64}: the file is corrupted"):
        load(packed.folder, packed.digest)


def test_a_moment_counts_whatever_its_unit_and_zone(models: Models) -> None:
    scorer = load(models("boosting").folder, models("boosting").digest)
    table = flights(50)
    elsewhere = table.set_column(3, "booked", table["booked"].cast(pyarrow.timestamp("ns", tz="America/New_York")))
    naive = table.set_column(3, "booked", table["booked"].cast(pyarrow.timestamp("s")))
    assert scorer.score_table(elsewhere) == scorer.score_table(table) == scorer.score_table(naive)


def test_nan_counts_as_null(models: Models) -> None:
    scorer = load(models("boosting").folder, models("boosting").digest)
    table = flights(50)
    nan = table.set_column(0, "distance", pyarrow.array(np.asarray(table["distance"].to_pandas(), dtype=float), from_pandas=False))
    assert nan["distance"].null_count == 0
    assert scorer.score_table(nan) == scorer.score_table(table)
