"""The model server over real HTTP: the open inference protocol V2 and V1, what it says of itself, what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_flights import Packaged, Reply, as_rows, ask, flights, v2_body

from mlx_runtime.columns import to_frame
from mlx_runtime.scorer import load
from mlx_runtime.server.lifecycle import Running
from mlx_specs.resources import About

INFER = "/v2/models/delay-api/infer"
PREDICT = "/v1/models/delay-api:predict"
TENSORS = "'inputs' must be a list of tensors: distance (FP64), hour (INT64), refundable (BOOL), booked (BYTES), carrier (BYTES)"
READS = "the model reads distance, hour, refundable, booked, carrier"
ROWS = flights(3, seed=9)
Models = Callable[[str], Packaged]


@pytest.fixture(scope="module")
def server(serve: Any, models: Models, workspace: Path) -> Running:
    about = About(description="Answers at booking time.", owner="ml-engineering", labels={"tier": "gold"})
    version = models("boosting").version("3", workspace)
    return serve("delay-api", version, max_rows=50, timeout=5, about=about)[1]


@pytest.fixture(scope="module")
def expected(models: Models) -> dict[str, list[Any]]:
    packed = models("boosting")
    return load(packed.folder, packed.digest).score_table(ROWS).to_pydict()


def outputs(reply: Reply) -> dict[str, list[Any]]:
    assert reply.status == 200, reply.body
    return {tensor["name"]: tensor["data"] for tensor in reply.json["outputs"]}


def test_v2_answers_what_the_scorer_predicts(server: Running, expected: dict[str, list[Any]]) -> None:
    reply = ask(server.port, "POST", INFER, v2_body(as_rows(ROWS), id="42"))
    assert reply.status == 200
    assert reply.headers["x-mlx-model-version"] == "3"
    answer = reply.json
    found = {tensor["name"]: np.array(tensor["data"], dtype=np.float32 if tensor["datatype"] == "FP32" else None).tolist() for tensor in answer["outputs"]}
    assert found == expected
    assert {key: value for key, value in answer.items() if key != "outputs"} == {"model_name": "delay-api", "model_version": "3", "id": "42"}
    assert [(tensor["name"], tensor["datatype"], tensor["shape"]) for tensor in answer["outputs"]] == [
        ("label", "BOOL", [3]),
        ("probability_false", "FP32", [3]),
        ("probability_true", "FP32", [3]),
    ]


def test_shapes_of_a_column_and_nested_data_are_the_same_request(server: Running) -> None:
    body = v2_body(as_rows(ROWS))
    nested = [tensor | {"shape": [3, 1], "data": [[value] for value in tensor["data"]]} for tensor in body["inputs"]]
    assert ask(server.port, "POST", INFER, {"inputs": nested}).body == ask(server.port, "POST", INFER, body).body


def test_a_version_can_be_asked_by_name(server: Running) -> None:
    body = v2_body(as_rows(ROWS))
    named = ask(server.port, "POST", "/v2/models/delay-api/versions/3/infer", body)
    assert named.body == ask(server.port, "POST", INFER, body).body
    other = ask(server.port, "POST", "/v2/models/delay-api/versions/4/infer", body)
    assert (other.status, other.json) == (404, {"error": "version '4' is not held here: 3"})


def test_outputs_can_be_chosen(server: Running) -> None:
    reply = ask(server.port, "POST", INFER, v2_body(as_rows(ROWS), outputs=[{"name": "probability_true"}]))
    assert [tensor["name"] for tensor in reply.json["outputs"]] == ["probability_true"]


def test_v1_takes_objects_lists_and_columns(server: Running) -> None:
    columns = as_rows(ROWS)
    objects = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    replies = [ask(server.port, "POST", PREDICT, {"instances": instances}) for instances in (objects, [list(row.values()) for row in objects], columns)]
    assert [reply.status for reply in replies] == [200, 200, 200]
    assert len({reply.body for reply in replies}) == 1
    v2 = outputs(ask(server.port, "POST", INFER, v2_body(columns)))
    assert replies[0].json == {"predictions": [dict(zip(v2, row, strict=True)) for row in zip(*v2.values(), strict=True)], "model_version": "3"}


def binary_body(rows: dict[str, list[Any]], **extra: Any) -> tuple[bytes, dict[str, str]]:
    """The binary tensor extension, written out by hand."""
    dtypes = {"distance": ("FP32", "<f4"), "hour": ("INT32", "<i4"), "refundable": ("BOOL", "?")}
    tensors, parts = [], []
    for name, values in rows.items():
        datatype, dtype = dtypes.get(name, ("BYTES", ""))
        if dtype:
            raw = np.array(values, dtype=float).astype(dtype).tobytes()
        else:
            raw = b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in values)
        tensors.append({"name": name, "shape": [len(values)], "datatype": datatype, "parameters": {"binary_data_size": len(raw)}})
        parts.append(raw)
    header = json.dumps({"inputs": tensors, **extra}).encode()
    return header + b"".join(parts), {"Inference-Header-Content-Length": str(len(header)), "Content-Type": "application/octet-stream"}


WHOLE = {
    "distance": [100.0, float("nan")],
    "hour": [9, 17],
    "refundable": [True, False],
    "booked": ["2013-05-01T09:00:00Z", "2013-05-02"],
    "carrier": ["UA", "ÜÄ"],
}


def test_binary_tensors_are_read_and_nan_is_null(server: Running) -> None:
    body, headers = binary_body(WHOLE)
    as_json = v2_body(WHOLE | {"distance": [100.0, None]})
    assert outputs(ask(server.port, "POST", INFER, body, headers)) == outputs(ask(server.port, "POST", INFER, as_json))


def test_binary_outputs_are_written_on_request(server: Running) -> None:
    body, headers = binary_body(WHOLE, parameters={"binary_data_output": True})
    reply = ask(server.port, "POST", INFER, body, headers)
    length = int(reply.headers["inference-header-content-length"])
    header, rest = json.loads(reply.body[:length]), reply.body[length:]
    assert [(tensor["name"], tensor["parameters"]["binary_data_size"]) for tensor in header["outputs"]] == [
        ("label", 2), ("probability_false", 8), ("probability_true", 8),
    ]  # fmt: skip
    plain = outputs(ask(server.port, "POST", INFER, v2_body(WHOLE | {"distance": [100.0, None]})))
    assert np.frombuffer(rest[:2], "?").tolist() == plain["label"]
    assert np.frombuffer(rest[2:10], "<f4").tolist() == np.array(plain["probability_false"], "<f4").tolist()


GOOD = v2_body(as_rows(ROWS.slice(0, 1)))


def changed(place: int, **change: Any) -> dict[str, Any]:
    tensors = [dict(tensor) for tensor in GOOD["inputs"]]
    tensors[place] |= change
    return {"inputs": tensors}


MALFORMED: dict[str, tuple[Any, int, str]] = {
    "not JSON": (b"{'inputs'", 400, "the body is not JSON: unexpected character, expected a string key (line 1, column 2)"),
    "not an object": ([1], 400, "the body must be a JSON object with 'inputs'"),
    "no inputs": ({}, 400, TENSORS),
    "inputs that are no tensors": ({"inputs": [1]}, 400, TENSORS),
    "a tensor left out": ({"inputs": GOOD["inputs"][1:]}, 400, f"missing column 'distance': {READS}"),
    "a tensor too many": ({"inputs": [*GOOD["inputs"], {"name": "late"}]}, 400, f"unknown column 'late': {READS}"),
    "a tensor twice": ({"inputs": [*GOOD["inputs"], GOOD["inputs"][0]]}, 400, "a column stands there twice: each of the model's columns is sent once"),
    "no shape": (changed(0, shape=None), 400, "tensor 'distance': shape None, expected [rows] or [rows, 1]"),
    "a matrix": (changed(0, shape=[1, 2]), 400, "tensor 'distance': shape [1, 2], expected [rows] or [rows, 1]"),
    "a negative shape": (changed(0, shape=[-1]), 400, "tensor 'distance': shape [-1], expected [rows] or [rows, 1]"),
    "tensors of several lengths": (changed(1, shape=[2], data=[1, 2]), 400, "tensor 'hour': 2 rows, expected 1 as in 'distance'"),
    "data that is not as long as its shape": (changed(1, data=[1, 2]), 400, "tensor 'hour': 2 values, expected 1 by its shape"),
    "no data": (changed(1, data=None), 400, "tensor 'hour': 'data' must be a list of 1 values"),
    "a wrong datatype": (changed(1, datatype="BYTES"), 400, "tensor 'hour': datatype BYTES, expected INT64"),
    "an unknown datatype": (changed(1, datatype="INT128"), 400, "tensor 'hour': datatype INT128, expected INT64"),
    "a string for a number": (changed(0, data=["12"]), 400, "tensor 'distance': '12' is not a number or null"),
    "a boolean for a number": (changed(0, data=[True]), 400, "tensor 'distance': True is not a number or null"),
    "a fraction for an integer": (changed(1, data=[9.5]), 400, "tensor 'hour': 9.5 is not a whole number or null"),
    "a number for a boolean": (changed(2, data=[1]), 400, "tensor 'refundable': 1 is not true or false or null"),
    "a number for a string": (changed(4, data=[7]), 400, "tensor 'carrier': 7 is not a string or null"),
    "a word for a moment": (changed(3, data=["noon"]), 400, "tensor 'booked': 'noon' is not a time in ISO 8601 or null"),
    "an unknown output": (GOOD | {"outputs": [{"name": "odds"}]}, 400, "output 'odds' is unknown: the model gives label, probability_false, probability_true"),
    "too many rows": (v2_body(as_rows(flights(51))), 413, "51 rows, at most 50 in one request"),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_is_refused_with_what_is_expected(server: Running, name: str) -> None:
    body, status, message = MALFORMED[name]
    reply = ask(server.port, "POST", INFER, body)
    assert (reply.status, reply.json) == (status, {"error": message})


LACKS = "missing columns 'distance', 'refundable', 'booked', 'carrier'"
MALFORMED_V1: dict[str, tuple[Any, int, str]] = {
    "no instances": ({}, 400, "'instances' must be a list of objects (a row each), a list of lists, or an object of columns"),
    "an instance that lacks columns": ({"instances": [{"hour": 9}]}, 400, f"instance 0: {LACKS}: {READS}"),
    "a list that is too short": ({"instances": [[1, 2]]}, 400, "instance 0 has 2 values, expected 5: distance, hour, refundable, booked, carrier"),
    "an instance that is a number": ({"instances": [1]}, 400, "instance 0 is not an object of distance, hour, refundable, booked, carrier"),
    "columns of several lengths": ({"instances": as_rows(ROWS) | {"hour": [1]}}, 400, "column 'hour' has 1 values, expected 3 as in 'distance'"),
    "a wrong value": ({"instances": as_rows(ROWS) | {"hour": ["9", "8", "7"]}}, 400, "tensor 'hour': '9' is not a whole number or null"),
    "too many rows": ({"instances": as_rows(flights(51))}, 413, "51 rows, at most 50 in one request"),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED_V1)
def test_a_malformed_v1_request_is_refused_with_what_is_expected(server: Running, name: str) -> None:
    body, status, message = MALFORMED_V1[name]
    reply = ask(server.port, "POST", PREDICT, body)
    assert (reply.status, reply.json) == (status, {"error": message})


def broken_binary(change: Callable[[bytes], bytes], length: str | None = None) -> tuple[bytes, dict[str, str]]:
    body, headers = binary_body(WHOLE)
    return change(body), headers | ({"Inference-Header-Content-Length": length} if length else {})


BROKEN = {
    "a header length beyond the body": (broken_binary(lambda body: body, "99999"), "header inference-header-content-length is '99999': expected the length"),
    "a header length that is no number": (broken_binary(lambda body: body, "many"), "header inference-header-content-length is 'many': expected the length"),
    "a body cut off": (broken_binary(lambda body: body[:-3]), "tensor 'carrier': the binary data ends within value 1 of 2"),
    "bytes to spare": (broken_binary(lambda body: body + b"123"), "73 bytes of binary data, expected 70 as the tensors' binary_data_size say"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_binary_request_is_refused(server: Running, name: str) -> None:
    (body, headers), message = BROKEN[name]
    reply = ask(server.port, "POST", INFER, body, headers)
    assert reply.status == 400
    assert reply.json["error"].startswith(message)


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(server: Running) -> None:
    reply = ask(server.port, "POST", INFER, None, {"Content-Length": str(1 << 30)})
    assert (reply.status, reply.json) == (413, {"error": "the body has more than 67108864 bytes"})


SAYS = {
    "/": (200, {"status": "alive"}),
    "/v2": (200, {"name": "mlx", "version": "2", "extensions": ["binary_tensor_data"]}),
    "/v2/health/live": (200, {"live": True}),
    "/v2/health/ready": (200, {"ready": True}),
    "/v2/models/delay-api/ready": (200, {"name": "delay-api", "ready": True}),
    "/v2/models/delay-api/versions/3/ready": (200, {"name": "delay-api", "ready": True}),
    "/v2/models/delay-api/versions/4": (404, {"error": "version '4' is not held here: 3"}),
    "/v1/models/delay-api": (200, {"name": "delay-api", "ready": True}),
    "/v1/models": (200, {"models": ["delay-api"]}),
    "/v2/models/delay": (404, {"error": "model 'delay' is not served here: this is 'delay-api'"}),
    "/docs": (404, {"error": "no such path: /docs. Models are below /v2/models/delay-api"}),
    "/admin/identity": (403, {"error": "only mlx itself switches versions: run mlx apply"}),
    INFER: (405, {"error": f"{INFER} takes POST"}),
}


@pytest.mark.parametrize("path", SAYS)
def test_a_get_is_answered(server: Running, path: str) -> None:
    reply = ask(server.port, "GET", path)
    assert (reply.status, reply.json) == SAYS[path]


@pytest.mark.parametrize("path", ["/v2/models/delay/infer", "/v2/models/delay/versions/3/infer", "/v1/models/delay:predict"])
def test_another_model_is_not_found(server: Running, path: str) -> None:
    reply = ask(server.port, "POST", path, {})
    assert (reply.status, reply.json) == (404, {"error": "model 'delay' is not served here: this is 'delay-api'"})


def test_what_is_only_read_takes_no_post(server: Running) -> None:
    reply = ask(server.port, "POST", "/v2/health/live", {})
    assert (reply.status, reply.json) == (405, {"error": "/v2/health/live takes GET"})


def test_the_metadata_holds_the_schema_the_example_and_who_answers_for_it(server: Running, models: Models) -> None:
    packed = models("boosting")
    model = load(packed.folder, packed.digest).model
    number = {"shape": [-1], "parameters": {"type": "float", "nullable": False}}
    assert ask(server.port, "GET", "/v2/models/delay-api").json == {
        "name": "delay-api",
        "versions": ["3"],
        "platform": "mlx_onnx",
        "inputs": [
            {"name": "distance", "datatype": "FP64", "shape": [-1], "parameters": {"type": "float", "nullable": True}},
            {"name": "hour", "datatype": "INT64", "shape": [-1], "parameters": {"type": "integer", "nullable": True}},
            {"name": "refundable", "datatype": "BOOL", "shape": [-1], "parameters": {"type": "boolean", "nullable": True}},
            {"name": "booked", "datatype": "BYTES", "shape": [-1], "parameters": {"type": "timestamp", "nullable": True}},
            {"name": "carrier", "datatype": "BYTES", "shape": [-1], "parameters": {"type": "string", "nullable": True}},
        ],
        "outputs": [
            {"name": "label", "datatype": "BOOL", "shape": [-1], "parameters": {"type": "boolean", "nullable": False}},
            {"name": "probability_false", "datatype": "FP32", **number},
            {"name": "probability_true", "datatype": "FP32", **number},
        ],
        "parameters": {
            "model": "delay", "model_version": "3", "fingerprint": "boosting", "artifact_digest": packed.digest, "task": "classification", "target": "late",
            "example": model.example, "max_rows": 50, "timeout": 5,
            "description": "Answers at booking time.", "owner": "ml-engineering", "labels": {"tier": "gold"},
        },
    }  # fmt: skip


def test_the_example_of_the_metadata_scores(server: Running) -> None:
    metadata = ask(server.port, "GET", "/v2/models/delay-api").json
    reply = ask(server.port, "POST", PREDICT, {"instances": metadata["parameters"]["example"]})
    assert (reply.status, len(reply.json["predictions"])) == (200, 2)


def test_requests_errors_and_rows_are_counted_by_version(serve: Any, models: Models, workspace: Path) -> None:
    _, running = serve("counted", models("boosting").version("7", workspace))
    body = v2_body(as_rows(ROWS))
    for content in (body, body, {}):
        ask(running.port, "POST", "/v2/models/counted/infer", content)
    reply = ask(running.port, "GET", "/metrics")
    lines = reply.body.decode().splitlines()
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert [line for line in lines if not line.startswith("#") and "_bucket" not in line and "_sum" not in line] == [
        'mlx_requests_total{endpoint="counted",version="7",code="200"} 2',
        'mlx_requests_total{endpoint="counted",version="7",code="400"} 1',
        'mlx_errors_total{endpoint="counted",version="7"} 1',
        'mlx_rows_total{endpoint="counted",version="7"} 6',
        'mlx_request_seconds_count{endpoint="counted",version="7"} 3',
        'mlx_switches_total{endpoint="counted"} 0',
        'mlx_current_version{endpoint="counted",version="7"} 1',
    ]


def test_the_metrics_are_what_prometheus_reads(server: Running) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    ask(server.port, "POST", INFER, v2_body(as_rows(ROWS)))
    families = {family.name: family for family in text_string_to_metric_families(ask(server.port, "GET", "/metrics").body.decode())}
    assert {name: family.type for name, family in families.items()} == {
        "mlx_requests": "counter", "mlx_errors": "counter", "mlx_rows": "counter", "mlx_request_seconds": "histogram", "mlx_switches": "counter",
        "mlx_current_version": "gauge",
    }  # fmt: skip


def test_a_regression_and_string_labels_are_answered_in_kind(serve: Any, models: Models, pack: Callable[..., Packaged], workspace: Path) -> None:
    from made_flights import forest, late

    regression = models("regression")
    _, running = serve("minutes", regression.version("1", workspace))
    predicted = ask(running.port, "POST", "/v1/models/minutes:predict", {"instances": as_rows(ROWS)}).json["predictions"]
    np.testing.assert_allclose(predicted, regression.estimator.predict(to_frame(ROWS)), rtol=1e-5)
    words = pack("words", forest(), flights(), np.where(late(flights()), "late", "on time"))
    _, running = serve("words", words.version("1", workspace))
    found = outputs(ask(running.port, "POST", "/v2/models/words/infer", v2_body(as_rows(ROWS))))
    assert sorted(found) == ["label", "probability_late", "probability_on time"]
    assert found["label"] == words.estimator.predict(to_frame(ROWS)).tolist()
    body, headers = binary_body(WHOLE, outputs=[{"name": "label", "parameters": {"binary_data": True}}])
    reply = ask(running.port, "POST", "/v2/models/words/infer", body, headers)
    assert reply.body[int(reply.headers["inference-header-content-length"]) :].startswith((b"\x04\x00\x00\x00late", b"\x07\x00\x00\x00on time"))
