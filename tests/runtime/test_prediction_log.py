"""The prediction log of a server process: what was asked and answered stands in it, whatever happens to the server or to its folder."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from made_flights import FEATURES, Packaged, as_rows, ask, flights, server_inputs, v2_body
from made_logs import log_of, parts, rows

from mlx_runtime.scorer import load
from mlx_runtime.server import lifecycle
from mlx_specs.resources import Version

ROWS = flights(3, seed=9)
TEXT = pyarrow.string()
SCHEMA = pyarrow.schema(
    [
        pyarrow.field("time", pyarrow.timestamp("us", tz="UTC"), nullable=False),
        pyarrow.field("id", TEXT),
        pyarrow.field("row", pyarrow.int32(), nullable=False),
        pyarrow.field("distance", pyarrow.float64()),
        pyarrow.field("hour", pyarrow.int64()),
        pyarrow.field("refundable", pyarrow.bool_()),
        pyarrow.field("booked", pyarrow.timestamp("us", tz="UTC")),
        pyarrow.field("carrier", TEXT),
        pyarrow.field("label", pyarrow.bool_(), nullable=False),
        pyarrow.field("probability_false", pyarrow.float32(), nullable=False),
        pyarrow.field("probability_true", pyarrow.float32(), nullable=False),
        pyarrow.field("model_version", TEXT, nullable=False),
        pyarrow.field("model_fingerprint", TEXT, nullable=False),
    ]
)
WAIT = 20.0
Models = Callable[[str], Packaged]


@pytest.fixture(scope="module")
def version(models: Models, workspace: Path) -> Version:
    return models("boosting").version("3", workspace)


def v2(name: str) -> str:
    return f"/v2/models/{name}/infer"


def binary(table: pyarrow.Table) -> tuple[bytes, dict[str, str]]:
    """Floats as FP32, moments and strings after their lengths; rows without gaps."""
    tensors, content = [], []
    for name, values in as_rows(table).items():
        kind = {"distance": ("FP64", "<f8"), "hour": ("INT32", "<i4"), "refundable": ("BOOL", "?")}.get(name)
        texts = b"".join(len(str(value)).to_bytes(4, "little") + str(value).encode() for value in values)
        raw = np.array(values).astype(kind[1]).tobytes() if kind else texts
        tensors.append({"name": name, "shape": [len(values)], "datatype": kind[0] if kind else "BYTES", "parameters": {"binary_data_size": len(raw)}})
        content.append(raw)
    header = json.dumps({"inputs": tensors, "id": "as bytes"}).encode()
    return b"".join([header, *content]), {"Inference-Header-Content-Length": str(len(header))}


def whole(table: pyarrow.Table) -> pyarrow.Table:
    return table.filter(pyarrow.array([None not in row.values() for row in table.to_pylist()]))


def expected(packed: Packaged, table: pyarrow.Table, id: str | None, number: str = "3") -> list[dict[str, Any]]:
    """The rows of one request, all but their time."""
    scored = load(packed.folder, packed.digest).score_table(table).to_pylist()
    told = {"model_version": number, "model_fingerprint": packed.folder.name}
    return [{"id": id, "row": place, **row, **predicted, **told} for place, (row, predicted) in enumerate(zip(table.to_pylist(), scored, strict=True))]


def test_rows_of_json_of_bytes_and_of_v1_are_logged_as_they_were_scored(serve: Any, models: Models, version: Version, workspace: Path) -> None:
    folder, running = serve("logged", version, log=True)
    full, packed = whole(flights(9, seed=2)), models("boosting")
    before = datetime.now(UTC)
    instances = [[row[name] for name in FEATURES] for row in (dict(zip(FEATURES, row, strict=True)) for row in zip(*as_rows(ROWS).values(), strict=True))]
    replies = [
        ask(running.port, "POST", v2("logged"), v2_body(as_rows(ROWS), id="7f")),
        ask(running.port, "POST", v2("logged"), *binary(full)),
        ask(running.port, "POST", "/v1/models/logged:predict", {"instances": instances}),
        ask(running.port, "POST", v2("logged"), v2_body(as_rows(ROWS.slice(0, 1)), outputs=[{"name": "label"}])),
    ]
    refused = ask(running.port, "POST", v2("logged"), {"inputs": []})
    assert [reply.status for reply in (*replies, refused)] == [200, 200, 200, 200, 400]
    lifecycle.stop(folder)
    log = rows(log_of(workspace, "logged"))
    assert log.schema.equals(SCHEMA)
    assert log.drop(["time"]).to_pylist() == [
        *expected(packed, ROWS, "7f"), *expected(packed, full, "as bytes"), *expected(packed, ROWS, None), *expected(packed, ROWS.slice(0, 1), None),
    ]  # fmt: skip
    times = log["time"].to_pylist()
    assert times == sorted(times) and before - timedelta(microseconds=1) <= times[0] and times[-1] <= datetime.now(UTC)
    assert len(set(times)) == len(replies)


def test_the_log_is_switched_on_and_off_without_a_restart_and_holds_what_was_asked_between(serve: Any, version: Version, workspace: Path) -> None:
    folder, running = serve("switched", version)
    for id, log in (("before", False), ("on", True), ("off", False), ("on again", True)):
        assert lifecycle.ensure(folder, server_inputs("switched", version, log=log), workspace).pid == running.pid
        assert ask(running.port, "POST", v2("switched"), v2_body(as_rows(ROWS), id=id)).status == 200
    lifecycle.stop(folder)
    assert rows(log_of(workspace, "switched"))["id"].to_pylist() == ["on"] * 3 + ["on again"] * 3


def test_a_restart_writes_what_waits(serve: Any, version: Version, workspace: Path) -> None:
    folder, running = serve("restarted", version, log=True)
    for id, memory in (("1", None), ("2", "4Gi")):
        again = lifecycle.ensure(folder, server_inputs("restarted", version, log=True, memory=memory), workspace)
        assert ask(again.port, "POST", v2("restarted"), v2_body(as_rows(ROWS), id=id)).status == 200
    assert again.pid != running.pid
    lifecycle.stop(folder)
    assert [part["id"].to_pylist() for part in parts(log_of(workspace, "restarted"))] == [["1"] * 3, ["2"] * 3]


def test_two_versions_stand_in_parts_of_their_own_schemas(serve: Any, models: Models, version: Version, workspace: Path) -> None:
    folder, running = serve("changed", version, log=True)
    assert ask(running.port, "POST", v2("changed"), v2_body(as_rows(ROWS))).status == 200
    minutes = models("regression").version("4", workspace)
    lifecycle.ensure(folder, server_inputs("changed", minutes, log=True), workspace)
    assert ask(running.port, "POST", v2("changed"), v2_body(as_rows(ROWS))).status == 200
    lifecycle.stop(folder)
    first, second = parts(log_of(workspace, "changed"))
    assert first.drop(["time"]).to_pylist() == expected(models("boosting"), ROWS, None)
    assert second.drop(["time"]).to_pylist() == expected(models("regression"), ROWS, None, "4")
    assert second.schema.names == [*SCHEMA.names[:8], "prediction", "model_version", "model_fingerprint"]


def test_nothing_is_written_without_a_monitor(serve: Any, version: Version, workspace: Path) -> None:
    folder, running = serve("unwatched", version)
    assert ask(running.port, "POST", v2("unwatched"), v2_body(as_rows(ROWS))).status == 200
    assert b"mlx_log" not in ask(running.port, "GET", "/metrics").body
    lifecycle.stop(folder)
    assert not log_of(workspace, "unwatched").exists()


def counted(port: int, name: str) -> dict[str, int]:
    """Rows that were written, and dropped."""
    lines = [line.split() for line in ask(port, "GET", "/metrics").body.decode().splitlines() if line.startswith("mlx_log_")]
    return {line[0].partition("{")[0]: int(line[1]) for line in lines if line[0].endswith(f'{{endpoint="{name}"}}')}


def complaints(folder: Path) -> list[str]:
    return [line.partition("prediction log: ")[2] for line in (folder / "server.log").read_text().splitlines() if "prediction log: " in line]


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def blocked(workspace: Path) -> Callable[[str], Path]:
    """A file stands where an endpoint's parts should."""

    def blocking(name: str) -> Path:
        file = log_of(workspace, name)
        file.parent.mkdir(parents=True)
        file.write_text("in the way")
        return file

    return blocking


def test_a_full_log_drops_and_counts_rows_while_requests_are_answered_and_recovers(
    serve: Any, version: Version, workspace: Path, blocked: Callable[[str], Path]
) -> None:
    file = blocked("full")
    folder, running = serve("full", version, log=True, timeout=60)
    body = json.dumps(v2_body(as_rows(flights(10_000)))).encode()
    assert [ask(running.port, "POST", v2("full"), body).status for _ in range(6)] == [200] * 6
    until(lambda: complaints(folder) != [])
    assert [ask(running.port, "POST", v2("full"), body).status for _ in range(15)] == [200] * 15
    assert counted(running.port, "full") == {"mlx_log_rows_total": 0, "mlx_log_dropped_total": 10_000}
    file.unlink()
    until(lambda: counted(running.port, "full")["mlx_log_rows_total"] > 0)
    assert ask(running.port, "POST", v2("full"), v2_body(as_rows(ROWS), id="after")).status == 200
    lifecycle.stop(folder)
    log = rows(file)
    assert (log.num_rows, log["id"].to_pylist()[-3:]) == (200_003, ["after"] * 3)
    (said,) = complaints(folder)
    assert re.fullmatch(rf"[1-6]0,000 rows wait, 0 were dropped: {file}/\S+\.parquet could not be written: \[Errno 20\] Not a directory: \S+", said)


def test_rows_that_are_lost_at_the_end_are_said(serve: Any, version: Version, blocked: Callable[[str], Path]) -> None:
    file = blocked("lost")
    folder, running = serve("lost", version, log=True)
    assert ask(running.port, "POST", v2("lost"), v2_body(as_rows(ROWS))).status == 200
    lifecycle.stop(folder)
    assert file.read_text() == "in the way"
    assert complaints(folder)[-1].startswith(f"the last 3 rows are lost: {file}/")
