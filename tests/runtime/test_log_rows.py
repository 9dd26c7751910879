"""Rows and parts of the prediction log, for what a server meets once in a while: a turn of the hour, odd values, names that clash."""

from datetime import UTC, date, datetime

import numpy as np

from mlx_runtime.server.log_parts import Parts
from mlx_runtime.server.log_rows import log_rows, log_schema
from mlx_runtime.server.scored import HOUR, Block, Layout, scored
from mlx_specs.artifact import ModelFile, Tensor
from mlx_specs.resources import Version

NAN = float("nan")
VERSION = Version(fingerprint="f", version="1", artifact="m", artifact_digest="d")
NOON = int(datetime(2013, 5, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000


def model(inputs: list[Tensor], outputs: list[Tensor]) -> Layout:
    return Layout(
        ModelFile(model="m", fingerprint="f", task="regression", target="y", inputs=inputs, outputs=outputs, engine="onnx", engine_file="m", example={})
    )


def block(layout: Layout, moment: int, *requests: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]) -> Block:
    made = Block(moment // HOUR, VERSION, layout)
    for columns, outputs in requests:
        made.add(scored(moment, VERSION, layout, columns, outputs, len(next(iter(outputs.values()))), 0, None))
    return made


def texts(*values: str | None) -> np.ndarray:
    return np.array([*values, None], dtype=object)[:-1]


MINUTES = model([Tensor(name="x", datatype="FP64", type="float")], [Tensor(name="prediction", datatype="FP64", type="float", nullable=False)])
ONE = ({"x": np.array([1.5])}, {"prediction": np.array([2.5])})


def test_every_type_and_its_nulls_come_back_as_they_were_scored() -> None:
    kinds = {"float": "FP64", "single": "FP32", "integer": "INT64", "boolean": "BOOL", "timestamp": "BYTES", "date": "BYTES", "string": "BYTES"}
    inputs = [Tensor(name=name, datatype=datatype, type="float" if name == "single" else name) for name, datatype in kinds.items()]
    layout = model(inputs, [Tensor(name="label", datatype="BYTES", type="string"), Tensor(name="share", datatype="INT64", type="integer")])
    moment = datetime(2013, 5, 1, 10, 0, 0, 123457, tzinfo=UTC)
    seconds = [moment.timestamp(), NAN]
    first = {
        "float": np.array([np.inf, NAN]), "single": np.array([0.1, NAN]), "integer": np.array([1e300, NAN]), "boolean": np.array([1.0, NAN]),
        "timestamp": np.array(seconds), "date": np.array([-86_400.0, NAN]), "string": texts("ÜÄ", None),
    }  # fmt: skip
    second = {name: values[:1] for name, values in first.items()}
    made = block(layout, NOON, (first, {"label": texts("a", "b"), "share": np.array([2**62 + 1, 1])}), (second, {"label": texts("c"), "share": np.array([3])}))
    found = log_rows(made)
    assert found.schema == log_schema(layout.model)
    whole = {
        "float": float("inf"), "single": float(np.float32(0.1)), "integer": 2**63 - 1024, "boolean": True, "timestamp": moment, "date": date(1969, 12, 31),
        "string": "ÜÄ",
    }  # fmt: skip
    told = {"time": datetime(2013, 5, 1, 12, tzinfo=UTC), "id": None, "model_version": "1", "model_fingerprint": "f"}
    assert found.to_pylist() == [
        {**told, **whole, "row": 0, "label": "a", "share": 2**62 + 1},
        {**told, **dict.fromkeys(whole), "row": 1, "label": "b", "share": 1},
        {**told, **whole, "row": 0, "label": "c", "share": 3},
    ]


def test_an_input_that_is_called_as_another_column_says_that_it_is_an_input() -> None:
    inputs = [Tensor(name=name, datatype="FP64", type="float") for name in ("id", "x", "prediction", "time")]
    layout = model(inputs, MINUTES.model.outputs)
    columns = {name: np.array([float(place)]) for place, name in enumerate(("id", "x", "prediction", "time"))}
    found = log_rows(block(layout, NOON, (columns, {"prediction": np.array([9.0])})))
    assert found.schema.names == [
        "time", "id", "row", "inputs.id", "x", "inputs.prediction", "inputs.time", "prediction", "model_version", "model_fingerprint",
    ]  # fmt: skip
    assert found.select([3, 4, 5, 6, 7]).to_pylist() == [{"inputs.id": 0.0, "x": 1.0, "inputs.prediction": 2.0, "inputs.time": 3.0, "prediction": 9.0}]


def test_a_part_is_due_when_it_is_large_or_old_or_its_hour_is_over() -> None:
    parts, second = Parts(), 1_000_000
    parts.add(block(MINUTES, NOON - second, ONE))
    parts.add(block(MINUTES, NOON + second, ONE, ONE))
    over = parts.due(NOON + 2 * second, rows=3, age=30 * second)
    assert [parts.file(part).key.partition("T115959000000-")[0] for part in over] == ["2013-05-01T11/20130501"]
    assert parts.due(NOON + 2 * second, rows=3, age=30 * second) == []
    parts.add(block(MINUTES, NOON + 2 * second, ONE))
    assert [part.rows for part in parts.due(NOON + 3 * second, rows=3, age=30 * second)] == [3]
    parts.add(block(MINUTES, NOON + 5 * second, ONE))
    assert [part.rows for part in parts.due(NOON + 35 * second, rows=3, age=30 * second)] == [1]
