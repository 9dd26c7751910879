"""Requests that carry only keys: the server completes them from the online store that Feast wrote, and says how fresh it is."""

import http.client
import json
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_features import FUNCTIONS, INPUTS, LATEST, MadeStore, bookings, late_model, request, sent
from made_flights import Packaged, Reply, ask, server_inputs
from made_logs import log_of, rows

from mlx_runtime.columns import to_columns
from mlx_runtime.scorer import load
from mlx_runtime.server import lifecycle
from mlx_runtime.server.lifecycle import Running
from mlx_specs.feature_resources import FeatureLookup
from mlx_specs.resources import Version

INFER, PREDICT = "/v2/models/late-api/infer", "/v1/models/late-api:predict"
READS = (
    "the model reads hour, origin; its features (wind, rain, gusts, measured, rate, seats, age, is_old, outlook) are looked up by origin, dest, tail "
    "and computed from booked, where a request does not carry them"
)
REQUESTS = 1000


@pytest.fixture(scope="module")
def model(store: MadeStore, pack: Callable[..., Packaged]) -> Packaged:
    return late_model(store, pack)


@pytest.fixture(scope="module")
def version(model: Packaged, workspace: Path) -> Version:
    return model.version("3", workspace)


@pytest.fixture(scope="module")
def server(serve: Any, version: Version, store: MadeStore) -> Running:
    return serve("late-api", version, max_rows=2000, timeout=20, features=store.lookup)[1]


def outputs(reply: Reply) -> dict[str, list[Any]]:
    assert reply.status == 200, reply.body
    return {tensor["name"]: tensor["data"] for tensor in reply.json["outputs"]}


def asking(*names: str) -> dict[str, Any]:
    return {"outputs": [{"name": name} for name in names]}


def test_training_and_a_thousand_requests_read_the_same_values(server: Running, store: MadeStore) -> None:
    rows = bookings(REQUESTS, seed=2)
    offline = to_columns(store.join("requests", rows).select(INPUTS))
    named = asking(*(f"inputs.{name}" for name in INPUTS))
    found: dict[str, list[Any]] = {name: [] for name in INPUTS}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    for row in range(REQUESTS):
        connection.request("POST", INFER, json.dumps(request(sent(rows.slice(row, 1)), **named)))
        for tensor in json.loads(connection.getresponse().read())["outputs"]:
            found[tensor["name"].removeprefix("inputs.")] += tensor["data"]
    connection.close()
    for name, column in offline.items():
        np.testing.assert_array_equal(np.array(found[name], dtype=column.dtype), column, err_msg=name)


def test_many_rows_in_one_request_are_the_same_rows(server: Running, store: MadeStore, model: Packaged) -> None:
    rows = bookings(REQUESTS, seed=2)
    expected = load(model.folder, model.digest).score_table(store.join("requests", rows).select(INPUTS)).to_pydict()
    found = outputs(ask(server.port, "POST", INFER, request(sent(rows))))
    assert {name: np.array(values, dtype=np.float32 if "prob" in name else bool).tolist() for name, values in found.items()} == expected


def test_the_log_has_the_features_that_training_reads(serve: Any, version: Version, store: MadeStore, workspace: Path) -> None:
    folder, running = serve("late-log", version, timeout=20, features=store.lookup, log=True)
    asked = bookings(50, seed=2)
    assert ask(running.port, "POST", "/v2/models/late-log/infer", request(sent(asked))).status == 200
    lifecycle.stop(folder)
    joined = store.join("requests", asked).select(INPUTS)
    assert rows(log_of(workspace, "late-log")).select(INPUTS).to_pylist() == joined.to_pylist()


ROW = {"origin": ["JFK"], "dest": ["LAX"], "tail": [2**60 + 1], "departs": ["2013-06-10T13:00:00Z"], "booked": ["2013-06-01T00:00:00"], "hour": [9]}


def inputs_of(server: Running, rows: dict[str, list[Any]], *names: str) -> dict[str, list[Any]]:
    found = outputs(ask(server.port, "POST", INFER, request(rows, **asking(*(f"inputs.{name}" for name in names)))))
    return {name.removeprefix("inputs."): values for name, values in found.items()}


def test_a_feature_that_the_request_carries_is_used_as_it_is(server: Running) -> None:
    assert inputs_of(server, ROW, "wind", "rate") == {"wind": [7.5], "rate": [0.1]}
    assert inputs_of(server, ROW | {"wind": [30.5]}, "wind", "rate") == {"wind": [30.5], "rate": [0.1]}
    assert inputs_of(server, ROW | {"wind": [None]}, "wind") == {"wind": [None]}
    carried_rate = {name: values for name, values in ROW.items() if name != "dest"} | {"rate": [0.5]}
    assert inputs_of(server, carried_rate, "wind", "rate") == {"wind": [7.5], "rate": [0.5]}


def test_what_functions_read_can_be_carried_as_well(server: Running) -> None:
    whole = ROW | {"seats": [100]}
    del whole["tail"]
    refused = ask(server.port, "POST", INFER, request(whole))
    assert refused.json["error"].startswith("missing key 'tail' (of view planes)")
    assert inputs_of(server, whole | {"built": [2003]}, "age", "is_old") == {"age": [10.0], "is_old": [0.0]}


def test_a_request_that_carries_every_feature_needs_no_key(server: Running) -> None:
    example = ask(server.port, "GET", "/v2/models/late-api").json["parameters"]["example"]
    reply = ask(server.port, "POST", PREDICT, {"instances": example})
    assert reply.status == 200
    assert "parameters" not in reply.json


def test_v1_takes_objects_lists_and_columns_of_keys(server: Running) -> None:
    rows = sent(bookings(20, seed=5))
    required = [tensor["name"] for tensor in ask(server.port, "GET", "/v2/models/late-api").json["inputs"]]
    assert required == ["hour", "origin", "dest", "tail", "booked"]
    v2 = outputs(ask(server.port, "POST", INFER, request(rows)))
    objects = [dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True)]
    for instances in (objects, rows):
        reply = ask(server.port, "POST", PREDICT, {"instances": instances})
        assert reply.json["predictions"] == [dict(zip(v2, row, strict=True)) for row in zip(*v2.values(), strict=True)]
        assert {name.split(".")[1] for name in reply.json["parameters"]} == {"forecast", "route-rate", "planes"}
    assert ask(server.port, "POST", PREDICT, {"instances": [[9, "JFK", "LAX", 7, None]]}).status == 200


def test_binary_keys_are_read_without_loss(server: Running) -> None:
    rows = {"tail": np.array([2**60 + 1, 2**60 + 2], "<i8"), "hour": np.array([9, 10], "<i4")}
    texts = {"origin": ["JFK", "LGA"], "dest": ["LAX", "ÖÄ"], "booked": ["2013-06-01", "2013-06-01"], "departs": ["2013-06-10T13:00:00Z"] * 2}
    raws = {name: array.tobytes() for name, array in rows.items()}
    raws |= {name: b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in values) for name, values in texts.items()}
    datatypes = {"tail": "INT64", "hour": "INT32"}
    tensors = [
        {"name": name, "shape": [2], "datatype": datatypes.get(name, "BYTES"), "parameters": {"binary_data_size": len(raw)}} for name, raw in raws.items()
    ]
    named = ["inputs.seats", "inputs.outlook", "features.planes.age"]
    header = json.dumps({"inputs": tensors, "outputs": [{"name": name, "parameters": {"binary_data": True}} for name in named]}).encode()
    reply = ask(server.port, "POST", INFER, header + b"".join(raws.values()), {"Inference-Header-Content-Length": str(len(header))})
    assert reply.status == 200, reply.body
    length = int(reply.headers["inference-header-content-length"])
    found = json.loads(reply.body[:length])
    assert [(tensor["name"], tensor["datatype"]) for tensor in found["outputs"]] == [(named[0], "FP64"), (named[1], "BYTES"), (named[2], "FP64")]
    as_json = inputs_of(server, {name: array.tolist() for name, array in rows.items()} | texts, "seats")
    assert np.frombuffer(reply.body[length : length + 16], "<f8").tolist() == as_json["seats"]


WITHOUT = {"origin": "key 'origin' (of views forecast, route-rate)", "dest": "key 'dest' (of view route-rate)", "tail": "key 'tail' (of view planes)"}
REFUSED: dict[str, tuple[dict[str, list[Any]], str]] = {
    **{f"no {name}": ({other: ROW[other] for other in ROW if other != name}, f"missing {words}: {READS}") for name, words in WITHOUT.items()},
    "no request column": (
        {name: ROW[name] for name in ROW if name != "booked"},
        f"missing request column 'booked' (of on-demand view plane-age): {READS}",
    ),
    "nothing but a column": (
        {"hour": [9]},
        "missing keys 'origin', 'dest', 'tail' (of views forecast, route-rate, planes) and request column 'booked' (of on-demand view plane-age): " + READS,
    ),
    "a column that nobody reads": (ROW | {"late": ["true"]}, f"unknown column 'late': {READS}"),
    "a number for a key": (ROW | {"dest": [1]}, "tensor 'dest': 1 is not a string or null"),
    "a fraction for a key": (ROW | {"tail": [1.5]}, "tensor 'tail': 1.5 is not a whole number or null"),
    "a word for the moment": (ROW | {"departs": ["soon"]}, "tensor 'departs': 'soon' is not a time in ISO 8601 or null"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_that_cannot_be_completed_is_refused_by_name(server: Running, name: str) -> None:
    rows, message = REFUSED[name]
    reply = ask(server.port, "POST", INFER, request(rows))
    assert (reply.status, reply.json) == (400, {"error": message})


def test_rows_with_other_columns_than_the_first_are_refused(server: Running) -> None:
    row = {name: values[0] for name, values in ROW.items()}
    reply = ask(server.port, "POST", PREDICT, {"instances": [row, row | {"wind": 3.0}]})
    assert (reply.status, reply.json) == (400, {"error": "instance 1 has 'wind', unlike instance 0: all rows of a request carry the same columns"})


def test_the_answer_says_how_fresh_each_view_is(server: Running) -> None:
    rows = {
        "origin": ["JFK", "JFK", "XXX", None], "dest": ["LAX", "BOS", "LAX", "LAX"], "tail": [2**60 + 1, None, 7, 7], "booked": [None] * 4, "hour": [9] * 4,
        "departs": ["2013-06-10T13:00:00Z"] * 4,
    }  # fmt: skip
    details = [f"features.{view}.{what}" for view in ("forecast", "route-rate", "planes") for what in ("age", "status")]
    reply = ask(server.port, "POST", INFER, request(rows, **asking(*details)))
    assert reply.json["parameters"] == {
        "features.forecast.age": 3600.0, "features.forecast.no_row": 2, "features.forecast.too_old": 0,
        "features.route-rate.age": 3600.0, "features.route-rate.no_row": 2, "features.route-rate.too_old": 1,
        "features.planes.age": 200 * 86_400 + 3600.0, "features.planes.no_row": 3, "features.planes.too_old": 0,
    }  # fmt: skip
    assert outputs(reply) == {
        "features.forecast.age": [3600.0, 3600.0, None, None], "features.forecast.status": ["found", "found", "no row", "no row"],
        "features.route-rate.age": [3600.0, 3 * 86_400 + 3600.0, None, None], "features.route-rate.status": ["found", "too old", "no row", "no row"],
        "features.planes.age": [200 * 86_400 + 3600.0, None, None, None], "features.planes.status": ["found", "no row", "no row", "no row"],
    }  # fmt: skip
    sent_along = request(ROW | {"rate": [0.5]}, **asking("features.route-rate.age", "features.route-rate.status"))
    assert outputs(ask(server.port, "POST", INFER, sent_along)) == {"features.route-rate.age": [None], "features.route-rate.status": ["carried"]}


def test_without_a_moment_a_row_is_about_now(server: Running) -> None:
    rows = {name: values for name, values in ROW.items() if name != "departs"}
    reply = ask(server.port, "POST", INFER, request(rows, **asking("features.forecast.age", "inputs.rate")))
    answered = outputs(reply)
    age_now = (np.datetime64("now", "s") - np.datetime64(LATEST.replace(tzinfo=None), "s")).astype(float)
    assert abs(answered["features.forecast.age"][0] - age_now) < 60
    assert (answered["inputs.rate"], reply.json["parameters"]["features.route-rate.too_old"]) == ([None], 1)


def test_the_metadata_tells_what_must_and_what_may_be_sent(server: Running) -> None:
    metadata = ask(server.port, "GET", "/v2/models/late-api").json
    assert [(tensor["name"], tensor["datatype"]) for tensor in metadata["inputs"]] == [
        ("hour", "INT64"), ("origin", "BYTES"), ("dest", "BYTES"), ("tail", "INT64"), ("booked", "BYTES"),
    ]  # fmt: skip
    parameters = metadata["parameters"]
    assert [tensor["name"] for tensor in parameters["optional_inputs"]] == [
        "wind", "rain", "gusts", "measured", "rate", "seats", "age", "is_old", "outlook", "built", "departs",
    ]  # fmt: skip
    assert parameters["keys"] == {"origin": ["forecast", "route-rate"], "dest": ["route-rate"], "tail": ["planes"]}
    assert sorted(parameters["model_inputs"]) == sorted(INPUTS)
    assert (parameters["feature_service"], parameters["event_time"]) == ("delay-features", "departs")
    assert {"features.forecast.age", "features.planes.status", "inputs.wind"} <= set(parameters["optional_outputs"])


def test_the_metrics_count_lookups_what_was_missing_and_ages(serve: Any, version: Version, store: MadeStore) -> None:
    port = serve("late-api", version, features=store.lookup)[1].port
    assert "mlx_feature" not in ask(port, "GET", "/metrics").body.decode()
    two = {name: values * 2 for name, values in ROW.items()} | {"origin": ["JFK", "XXX"], "dest": ["BOS", "BOS"]}
    assert ask(port, "POST", INFER, request(two)).status == 200
    lines = ask(port, "GET", "/metrics").body.decode().splitlines()
    assert [line for line in lines if line.startswith(("mlx_feature_lookups", "mlx_feature_missing"))] == [
        'mlx_feature_lookups_total{endpoint="late-api",view="forecast"} 2',
        'mlx_feature_lookups_total{endpoint="late-api",view="planes"} 2',
        'mlx_feature_lookups_total{endpoint="late-api",view="route-rate"} 2',
        'mlx_feature_missing_total{endpoint="late-api",view="forecast",reason="no_row"} 1',
        'mlx_feature_missing_total{endpoint="late-api",view="route-rate",reason="no_row"} 1',
        'mlx_feature_missing_total{endpoint="late-api",view="route-rate",reason="too_old"} 1',
    ]
    assert 'mlx_feature_age_seconds_bucket{endpoint="late-api",view="forecast",le="600.0"} 0' in lines
    assert 'mlx_feature_age_seconds_bucket{endpoint="late-api",view="forecast",le="3600.0"} 1' in lines
    assert 'mlx_feature_join_seconds_count{endpoint="late-api"} 1' in lines


# What changes while it serves


@contextmanager
def load_of(port: int, clients: int = 2) -> Iterator[list[tuple[int, bytes]]]:
    """Clients that ask without pause; yields their failures, which nobody expects."""
    ending, broken = threading.Event(), list[tuple[int, bytes]]()

    def run() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        while not ending.is_set():
            connection.request("POST", INFER, json.dumps(request(ROW)))
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                broken.append((response.status, body))
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield broken
    finally:
        ending.set()
        for thread in threads:
            thread.join()


def copied(store: MadeStore, name: str) -> FeatureLookup:
    """A store of a test's own: the same bytes at another path."""
    path = f".mlx/local/features/{name}/online.db"
    (store.workspace / path).parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(store.workspace / store.lookup.path) as source, sqlite3.connect(store.workspace / path) as target:
        source.backup(target)
    return store.lookup.model_copy(update={"path": path})


def set_ages(path: Path, seconds: int) -> None:
    """Another writer, while the server reads."""
    with sqlite3.connect(path, timeout=20) as connection:
        connection.execute("update air_travel_forecast set event_ts = ?", (int(LATEST.timestamp()) - seconds,))
    connection.close()


def forecast_age(port: int) -> float:
    return outputs(ask(port, "POST", INFER, request(ROW, **asking("features.forecast.age"))))["features.forecast.age"][0]


def test_what_is_written_to_the_store_is_seen_by_the_next_request(serve: Any, version: Version, store: MadeStore) -> None:
    lookup = copied(store, "written")
    port = serve("late-api", version, features=lookup)[1].port
    with load_of(port) as broken:
        for round in range(10):
            set_ages(store.workspace / lookup.path, round)
            assert forecast_age(port) == 3600.0 + round
    assert broken == []


def test_a_store_that_is_replaced_as_a_whole_is_seen_and_no_request_fails(serve: Any, version: Version, store: MadeStore) -> None:
    lookup = copied(store, "replaced")
    path = store.workspace / lookup.path
    port = serve("late-api", version, features=lookup)[1].port
    with load_of(port) as broken:
        for round in range(10):
            shutil.copyfile(path, path.with_suffix(".new"))
            set_ages(path.with_suffix(".new"), round)
            path.with_suffix(".new").replace(path)
            assert forecast_age(port) == 3600.0 + round
    assert broken == []


def test_without_the_store_it_says_so_until_it_is_there(serve: Any, version: Version, store: MadeStore) -> None:
    lookup = copied(store, "late")
    path = store.workspace / lookup.path
    path.rename(path.with_suffix(".away"))
    port = serve("late-api", version, features=lookup)[1].port
    why = f"the online store {lookup.path} is not there: mlx apply makes it, mlx features materialize fills it"
    refused = ask(port, "POST", INFER, request(ROW))
    assert (refused.status, refused.json, refused.headers["x-mlx-model-version"]) == (503, {"error": why}, "3")
    assert ask(port, "GET", "/v2/health/live").status == 200
    not_ready = [ask(port, "GET", path) for path in ("/v2/health/ready", "/v2/models/late-api/ready", "/v1/models/late-api")]
    assert [(reply.status, reply.json["error"]) for reply in not_ready] == [(503, why)] * 3
    example = ask(port, "GET", "/v2/models/late-api").json["parameters"]["example"]
    assert ask(port, "POST", PREDICT, {"instances": example}).status == 200
    path.with_suffix(".away").rename(path)
    assert (ask(port, "POST", INFER, request(ROW)).status, ask(port, "GET", "/v2/health/ready").status) == (200, 200)


def test_health_answers_while_a_writer_holds_the_store(serve: Any, version: Version, store: MadeStore) -> None:
    lookup = copied(store, "held")
    port = serve("late-api", version, features=lookup)[1].port
    replies = list[Reply]()
    waiting = threading.Thread(target=lambda: replies.append(ask(port, "POST", INFER, request(ROW))))
    writer = sqlite3.connect(store.workspace / lookup.path, isolation_level=None)
    writer.execute("pragma journal_mode = delete")
    writer.execute("begin exclusive")
    waiting.start()
    health = [ask(port, "GET", "/v2/health/live").status for _ in range(50)]
    assert (health, replies) == ([200] * 50, [])
    writer.execute("commit")
    waiting.join()
    assert replies[0].status == 200


def test_another_lookup_and_other_code_reach_the_running_server(serve: Any, version: Version, store: MadeStore, workspace: Path) -> None:
    folder, running = serve("late-api", version, features=store.lookup)
    code = workspace / "feature_repo" / "plane_features.py"
    computed = []
    try:
        with load_of(running.port) as broken:
            for digest, added in (("2", 100), ("3", 1000)):
                code.write_text(FUNCTIONS.replace("float(years)", f"float(years + {added})"))
                changed = store.lookup.model_copy(update={"code_digest": digest})
                ensured = lifecycle.ensure(folder, server_inputs("late-api", version, features=changed), workspace)
                assert ensured.pid == running.pid
                computed += inputs_of(ensured, ROW, "age")["age"]
            without = store.lookup.model_copy(update={"event_time": "", "code_digest": "3"})
            assert lifecycle.ensure(folder, server_inputs("late-api", version, features=without), workspace).pid == running.pid
        assert [json.loads(body)["error"].split(":")[0] for _, body in broken if b"'departs'" not in body] == []
    finally:
        code.write_text(FUNCTIONS)
    plain = inputs_of(lifecycle.ensure(folder, server_inputs("late-api", version, features=store.lookup), workspace), ROW, "age")["age"][0]
    assert computed == [plain + 100, plain + 1000]


def test_code_that_cannot_be_imported_leaves_the_old_code_serving(serve: Any, version: Version, store: MadeStore, workspace: Path) -> None:
    folder, running = serve("late-api", version, features=store.lookup)
    code = workspace / "feature_repo" / "plane_features.py"
    code.write_text("import nothing_of_this_name\n")
    changed = store.lookup.model_copy(update={"code_digest": "9"})
    try:
        with pytest.raises(lifecycle.ServerError, match=r"keeps what it serves: plane_features:age cannot be imported: .*nothing_of_this_name"):
            lifecycle.ensure(folder, server_inputs("late-api", version, features=changed), workspace)
        assert ask(running.port, "POST", INFER, request(ROW)).status == 200
    finally:
        code.write_text(FUNCTIONS)


def test_a_function_that_fails_is_named_with_its_arguments(serve: Any, version: Version, store: MadeStore, workspace: Path) -> None:
    (workspace / "feature_repo" / "failing.py").write_text("def age(built, booked):\n    return {'age': 1 / (built - built), 'is_old': True}\n")
    definitions = store.lookup.definitions
    failing = definitions.model_copy(update={"on_demand": [definitions.on_demand[0].model_copy(update={"function": "failing:age"})]})
    port = serve("late-api", version, features=store.lookup.model_copy(update={"definitions": failing}))[1].port
    reply = ask(port, "POST", INFER, request(ROW))
    assert reply.status == 500
    assert reply.json["error"].startswith("on-demand view 'plane-age': failing:age(built=")
    assert reply.json["error"].endswith("failed: ZeroDivisionError: division by zero")


SAY_MODULES = """
import asyncio, json, sys
from pathlib import Path
from mlx_runtime.server.app import Application
from mlx_runtime.server.config import read_config
from mlx_runtime.server.held import load_snapshot

async def answer(body):
    sent = []
    async def receive(): return {"type": "http.request", "body": body}
    async def send(message): sent.append(message)
    application = Application(load_snapshot(read_config(Path(sys.argv[1]))), lambda config: None)
    await application({"type": "http", "path": "/v2/models/late-api/infer", "method": "POST", "headers": []}, receive, send)
    return sent[0]["status"]

print(asyncio.run(answer(sys.argv[2].encode())), json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def test_the_server_imports_neither_feast_nor_pandas(serve: Any, version: Version, store: MadeStore) -> None:
    folder = serve("late-api", version, features=store.lookup)[0]
    done = subprocess.run([sys.executable, "-c", SAY_MODULES, folder, json.dumps(request(ROW))], check=True, capture_output=True, text=True)
    status, _, modules = done.stdout.partition(" ")
    assert (status, {"feast", "pandas", "pyarrow", "torch", "google"} & set(json.loads(modules))) == ("200", set())
