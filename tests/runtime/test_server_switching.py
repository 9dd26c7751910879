"""Versions change inside the running server: no request is lost, and no answer mixes two versions."""

import http.client
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from made_flights import Packaged, as_rows, ask, flights, server_inputs, v2_body

from mlx_runtime.server import lifecycle
from mlx_runtime.server.config import config_from, read_config
from mlx_specs.resources import Version

BODY = json.dumps(v2_body(as_rows(flights(2, seed=4)))).encode()
SWITCHES = 20
CLIENTS = 3
Models = Callable[[str], Packaged]


@pytest.fixture(scope="module")
def versions(models: Models, workspace: Path) -> dict[str, Version]:
    return {"1": models("boosting").version("1", workspace), "2": models("shallow").version("2", workspace)}


@dataclass
class Load:
    """Clients that ask without pause until they are told to stop."""

    port: int
    ending: threading.Event = field(default_factory=threading.Event)
    seen: list[tuple[int, str | None, str, list[Any]]] = field(default_factory=list)
    broken: list[Exception] = field(default_factory=list)

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            while not self.ending.is_set():
                connection.request("POST", "/v2/models/delay-api/infer", BODY)
                response = connection.getresponse()
                answer = json.loads(response.read())
                shares = next((tensor["data"] for tensor in answer.get("outputs", []) if tensor["name"] == "probability_true"), [])
                self.seen.append((response.status, response.getheader("x-mlx-model-version"), answer.get("model_version", ""), shares))
        except Exception as error:
            self.broken.append(error)
        finally:
            connection.close()

    def __enter__(self) -> "Load":
        self._threads = [threading.Thread(target=self.run) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        for thread in self._threads:
            thread.join()


def test_twenty_switches_under_load_lose_no_request(serve: Any, versions: dict[str, Version], workspace: Path) -> None:
    folder, running = serve("delay-api", versions["1"])
    expected = {}
    for number in ("2", "1"):
        lifecycle.ensure(folder, server_inputs("delay-api", versions[number]), workspace)
        outputs = json.loads(ask(running.port, "POST", "/v2/models/delay-api/infer", BODY).body)["outputs"]
        expected[number] = next(tensor["data"] for tensor in outputs if tensor["name"] == "probability_true")
    assert expected["1"] != expected["2"]
    with Load(running.port) as load:
        for switch in range(SWITCHES):
            number = "2" if switch % 2 == 0 else "1"
            switched = lifecycle.ensure(folder, server_inputs("delay-api", versions[number]), workspace)
            assert (switched.pid, switched.port, switched.current) == (running.pid, running.port, number)
            assert ask(running.port, "POST", "/v2/models/delay-api/infer", BODY).headers["x-mlx-model-version"] == number
    assert load.broken == []
    assert len(load.seen) > SWITCHES
    assert {number for _, _, number, _ in load.seen} == {"1", "2"}
    assert [answer for answer in load.seen if answer != (200, answer[2], answer[2], expected.get(answer[2]))] == []
    assert f'mlx_switches_total{{endpoint="delay-api"}} {SWITCHES + 2}' in ask(running.port, "GET", "/metrics").body.decode()


def test_several_versions_are_held_and_asked_by_name(serve: Any, versions: dict[str, Version], workspace: Path) -> None:
    folder, running = serve("delay-api", versions["1"])
    both = config_from(server_inputs("delay-api", versions["1"]), workspace).model_copy(update={"versions": list(versions.values())})
    assert [version.version for version in lifecycle.switch(folder, both).versions] == ["1", "2"]
    answered = [ask(running.port, "POST", f"/v2/models/delay-api/versions/{number}/infer", BODY).headers["x-mlx-model-version"] for number in ("1", "2")]
    assert answered == ["1", "2"]
    assert ask(running.port, "GET", "/v2/models/delay-api").json["versions"] == ["1", "2"]


def test_an_endpoint_waits_for_its_first_model_and_says_so(serve: Any, versions: dict[str, Version], workspace: Path) -> None:
    folder, running = serve("delay-api")
    why = "WaitingForModel(delay@champion): no version has passed its gates yet; mlx apply completes the endpoint when one has"
    replies = {path: ask(running.port, "GET", path) for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/delay-api", "/v1/models/delay-api")}
    assert {path: reply.status for path, reply in replies.items()} == {
        "/v2/health/live": 200, "/v2/health/ready": 503, "/v2/models/delay-api": 503, "/v1/models/delay-api": 503,
    }  # fmt: skip
    assert replies["/v2/health/ready"].json == {"ready": False, "error": why}
    refused = ask(running.port, "POST", "/v2/models/delay-api/infer", BODY)
    assert (refused.status, refused.json, refused.headers.get("x-mlx-model-version")) == (503, {"error": why}, None)
    completed = lifecycle.ensure(folder, server_inputs("delay-api", versions["1"]), workspace)
    assert (completed.pid, completed.current) == (running.pid, "1")
    assert ask(running.port, "POST", "/v2/models/delay-api/infer", BODY).status == 200


def test_a_version_that_does_not_load_leaves_the_old_one_serving(serve: Any, versions: dict[str, Version], workspace: Path) -> None:
    folder, running = serve("delay-api", versions["1"])
    wrong = versions["2"].model_copy(update={"artifact_digest": "0" * 64})
    with pytest.raises(lifecycle.ServerError, match=r"'delay-api' keeps what it serves: .*manifest\.json has sha256 [0-9a-f]{64}, expected 0{64}"):
        lifecycle.ensure(folder, server_inputs("delay-api", wrong), workspace)
    assert ask(running.port, "POST", "/v2/models/delay-api/infer", BODY).headers["x-mlx-model-version"] == "1"
    still = read_config(folder)
    assert still is not None and still.current == "1"


def test_limits_change_without_a_restart(serve: Any, versions: dict[str, Version], workspace: Path) -> None:
    folder, running = serve("delay-api", versions["1"])
    changed = lifecycle.ensure(folder, server_inputs("delay-api", versions["1"], max_rows=1), workspace)
    assert changed.pid == running.pid
    refused = ask(running.port, "POST", "/v2/models/delay-api/infer", BODY)
    assert (refused.status, refused.json) == (413, {"error": "2 rows, at most 1 in one request"})


def test_only_the_token_switches_versions(serve: Any, versions: dict[str, Version]) -> None:
    folder, running = serve("delay-api", versions["1"])
    for headers in ({}, {"Authorization": "Bearer guessed"}):
        reply = ask(running.port, "POST", "/admin/versions", b"{}", headers)
        assert (reply.status, reply.json) == (403, {"error": "only mlx itself switches versions: run mlx apply"})
    assert (folder / "endpoint.json").stat().st_mode & 0o777 == 0o600
    config = read_config(folder)
    assert config is not None
    malformed = ask(running.port, "POST", "/admin/versions", b"{}", {"Authorization": f"Bearer {config.token}"})
    assert (malformed.status, malformed.json) == (400, {"error": "not an endpoint configuration: 2 errors"})
