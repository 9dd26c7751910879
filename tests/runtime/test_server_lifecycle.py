"""The server's process: there is one, it outlives whoever started it, and it is never mistaken for another."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from made_flights import Packaged, as_rows, ask, flights, server_inputs, v2_body

from mlx_runtime.server import lifecycle
from mlx_runtime.server.config import read_record, write_record
from mlx_runtime.server.process import is_running, start_time
from mlx_runtime.workspace_code import make_importable
from mlx_specs.resources import Version

BODY = v2_body(as_rows(flights(2)))
DEADLINE = 20.0
Models = Callable[[str], Packaged]


@pytest.fixture(scope="module")
def version(models: Models, workspace: Path) -> Version:
    return models("boosting").version("1", workspace)


def await_end(pid: int, started: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while is_running(pid, started):
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.01)


def test_it_is_found_again_and_gone_after_stop(serve: Any, version: Version, workspace: Path) -> None:
    folder, running = serve("delay-api", version)
    assert lifecycle.find(folder) == running
    assert lifecycle.ensure(folder, server_inputs("delay-api", version), workspace) == running
    record = read_record(folder)
    assert record is not None
    lifecycle.stop(folder)
    assert (lifecycle.find(folder), start_time(record.pid)) == (None, None)
    lifecycle.stop(folder)


def test_stopping_what_never_was_does_nothing(tmp_path: Path) -> None:
    lifecycle.stop(tmp_path / "never")
    assert list(tmp_path.iterdir()) == []


def test_after_kill_9_it_comes_back_on_its_port(serve: Any, version: Version, workspace: Path) -> None:
    folder, running = serve("delay-api", version)
    record = read_record(folder)
    assert record is not None
    os.kill(running.pid, signal.SIGKILL)
    await_end(running.pid, record.started)
    assert lifecycle.find(folder) is None
    again = lifecycle.ensure(folder, server_inputs("delay-api", version), workspace)
    assert (again.port, again.pid == running.pid) == (running.port, False)
    assert ask(again.port, "POST", "/v2/models/delay-api/infer", BODY).status == 200


def test_a_port_that_somebody_else_took_meanwhile_is_given_up(serve: Any, version: Version, workspace: Path) -> None:
    folder, running = serve("delay-api", version)
    lifecycle.stop(folder)
    with socket.create_server(("127.0.0.1", running.port)):
        assert lifecycle.ensure(folder, server_inputs("delay-api", version), workspace).port != running.port


def test_a_requested_port_that_is_taken_is_an_error_that_names_it(version: Version, workspace: Path, endpoint: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        port = foreign.getsockname()[1]
        with pytest.raises(lifecycle.ServerError) as caught:
            lifecycle.ensure(endpoint, server_inputs("delay-api", version, port=port), workspace)
    assert str(caught.value) == f"port {port} of 127.0.0.1 is taken by another process: free it, or change realtime.port of Inference 'delay-api'"
    assert lifecycle.find(endpoint) is None


def test_moving_to_a_port_that_is_taken_leaves_the_healthy_server_as_it_is(serve: Any, version: Version, workspace: Path) -> None:
    folder, running = serve("delay-api", version)
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        port = foreign.getsockname()[1]
        with pytest.raises(lifecycle.ServerError, match=f"port {port} of 127.0.0.1 is taken by another process"):
            lifecycle.ensure(folder, server_inputs("delay-api", version, port=port), workspace)
    assert lifecycle.find(folder) == running
    assert ask(running.port, "POST", "/v2/models/delay-api/infer", BODY).status == 200


def test_another_process_with_the_recorded_pid_is_left_alone(serve: Any, version: Version) -> None:
    folder, _ = serve("delay-api", version)
    record = read_record(folder)
    assert record is not None
    lifecycle.stop(folder)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        write_record(folder, record.__class__(other.pid, record.started, record.port))
        assert lifecycle.find(folder) is None
        lifecycle.stop(folder)
        assert other.poll() is None
        other.communicate(b"\n")


def test_another_server_on_the_recorded_port_is_not_ours(serve: Any, version: Version) -> None:
    folder, running = serve("delay-api", version)
    _, stranger = serve("delay-api", version)
    record = read_record(folder)
    assert record is not None
    write_record(folder, record.__class__(record.pid, record.started, stranger.port))
    assert lifecycle.find(folder) is None
    write_record(folder, record)
    assert lifecycle.find(folder) == running


def test_starts_at_the_same_time_leave_one_server(version: Version, workspace: Path, endpoint: Path) -> None:
    inputs = server_inputs("delay-api", version)
    with ThreadPoolExecutor(4) as callers:
        found = list(callers.map(lambda _: lifecycle.ensure(endpoint, inputs, workspace), range(4)))
    assert len(set(found)) == 1
    assert lifecycle.find(endpoint) == found[0]
    lifecycle.stop(endpoint)


START = """
import sys
from pathlib import Path
from mlx_runtime.server import lifecycle
from mlx_specs.inference_resources import ModelServerInputs
lifecycle.ensure(Path(sys.argv[1]), ModelServerInputs.model_validate_json(sys.argv[2]), Path(sys.argv[3]))
"""


@pytest.mark.parametrize("moment", ["endpoint.json", "server.log", "server.json"])
def test_a_caller_killed_while_it_starts_leaves_at_most_one_server(version: Version, workspace: Path, endpoint: Path, moment: str) -> None:
    inputs = server_inputs("delay-api", version)
    arguments = [str(endpoint), json.dumps(inputs.wire()), str(workspace)]
    with subprocess.Popen([sys.executable, "-c", START, *arguments], start_new_session=True) as caller:
        deadline = time.monotonic() + DEADLINE
        while not (endpoint / moment).exists():
            assert time.monotonic() < deadline and caller.poll() is None
        caller.kill()
    running = lifecycle.ensure(endpoint, inputs, workspace)
    assert ask(running.port, "POST", "/v2/models/delay-api/infer", BODY).status == 200
    await_servers(endpoint, [running.pid])
    lifecycle.stop(endpoint)
    assert servers_of(endpoint) == []


def await_servers(folder: Path, expected: list[int]) -> None:
    """The killed caller's server may lose the lock before it has even asked for it: it ends as soon as it does."""
    deadline = time.monotonic() + DEADLINE
    while (found := servers_of(folder)) != expected:
        assert time.monotonic() < deadline, f"{found} run instead of {expected}"
        time.sleep(0.01)


def servers_of(folder: Path) -> list[int]:
    """Processes whose command line names the folder."""
    found = subprocess.run(["ps", "-eww", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout.splitlines()
    return [int(line.split()[0]) for line in found if f"mlx_runtime.server --folder {folder}" in line]


def test_a_second_server_on_the_folder_ends_at_once(serve: Any, version: Version) -> None:
    folder, running = serve("delay-api", version)
    second = subprocess.run(
        [sys.executable, "-P", "-m", "mlx_runtime.server", "--folder", str(folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert second.returncode == 75
    assert second.stderr.endswith(f"ERROR another server holds {folder}\n")
    assert lifecycle.find(folder) == running


def test_a_server_whose_folder_is_deleted_ends_by_itself(serve: Any, version: Version) -> None:
    folder, running = serve("delay-api", version)
    started = start_time(running.pid)
    assert started is not None
    shutil.rmtree(folder)
    await_end(running.pid, started)


def test_a_model_that_does_not_load_says_why(version: Version, workspace: Path, endpoint: Path) -> None:
    wrong = version.model_copy(update={"artifact_digest": "0" * 64})
    with pytest.raises(lifecycle.ServerError, match=r"manifest\.json has sha256 [0-9a-f]{64}, expected 0{64}: the artifact was changed") as caught:
        lifecycle.ensure(endpoint, server_inputs("delay-api", wrong), workspace)
    assert caught.value.hint == "mlx refresh, then mlx apply: the model is packaged again"


def test_memory_that_does_not_suffice_says_so(version: Version, workspace: Path, endpoint: Path) -> None:
    with pytest.raises(lifecycle.ServerError) as caught:
        lifecycle.ensure(endpoint, server_inputs("delay-api", version, memory="16Mi"), workspace)
    assert str(caught.value) == "the model does not fit into memory (16Mi): raise compute.memory of Inference 'delay-api'"


def test_memory_and_threads_are_set_in_the_process(serve: Any, version: Version, workspace: Path) -> None:
    folder, running = serve("delay-api", version, memory="2Gi", cpu=2)
    limits = Path(f"/proc/{running.pid}/limits").read_text()
    assert [line.split()[3] for line in limits.splitlines() if line.startswith("Max data size")] == [str(2 << 30)]
    assert b"OMP_NUM_THREADS=2" in Path(f"/proc/{running.pid}/environ").read_bytes().split(b"\0")
    other = lifecycle.ensure(folder, server_inputs("delay-api", version, memory="1Gi", cpu=2), workspace)
    assert (other.pid == running.pid, other.port) == (False, running.port)


SLOW = '''
import time
from pathlib import Path
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

class Slow(ClassifierMixin, BaseEstimator):
    """Takes as many seconds as the first row says, and says when it begins; fails where the number is negative."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        seconds = float(X["seconds"].iloc[0])
        if seconds < 0:
            raise ArithmeticError("no such time")
        Path("predicting").touch()
        time.sleep(seconds)
        return np.full(len(X), self.classes_[0])
'''


@pytest.fixture(scope="module")
def slow(serve: Any, pack: Callable[..., Packaged], workspace: Path) -> tuple[Path, lifecycle.Running]:
    """A model made of the workspace's own code, which only a native artifact can hold."""
    (workspace / "kfp_pipelines" / "slow_model_of_tests.py").write_text(SLOW)
    make_importable(workspace)
    from slow_model_of_tests import Slow  # pyright: ignore[reportMissingImports]

    packed = pack("slow", Slow(), pyarrow.table({"seconds": [0.0, 0.0]}), np.array(["a", "b"]))
    assert packed.folder.joinpath("model.pkl").is_file()
    return serve("slow", packed.version("1", workspace), timeout=1)


def wait_for(running: lifecycle.Running, seconds: float) -> Any:
    return ask(running.port, "POST", "/v1/models/slow:predict", {"instances": [{"seconds": seconds}]})


def test_a_request_beyond_the_timeout_is_answered_504_and_health_stays_live(slow: tuple[Path, lifecycle.Running]) -> None:
    _, running = slow
    with ThreadPoolExecutor(1) as client:
        waiting = client.submit(wait_for, running, 2.0)
        asked = 0
        while not waiting.done():
            assert ask(running.port, "GET", "/v2/health/live").status == 200
            asked += 1
        reply = waiting.result()
    assert (reply.status, reply.json, asked > 3) == (504, {"error": "no answer within 1 s"}, True)
    assert wait_for(running, 0.0).json == {"predictions": ["a"], "model_version": "1"}


def test_a_model_that_fails_is_answered_500_and_logged(slow: tuple[Path, lifecycle.Running]) -> None:
    folder, running = slow
    reply = wait_for(running, -1.0)
    assert (reply.status, reply.json) == (500, {"error": "the model failed on these rows; see mlx logs"})
    assert "ArithmeticError: no such time" in (folder / "server.log").read_text()


def test_sigterm_ends_it_after_the_requests_in_flight(slow: tuple[Path, lifecycle.Running], workspace: Path) -> None:
    folder, running = slow
    begun = workspace / "predicting"
    begun.unlink(missing_ok=True)
    with ThreadPoolExecutor(1) as client:
        waiting = client.submit(wait_for, running, 0.7)
        deadline = time.monotonic() + DEADLINE
        while not begun.exists():
            assert time.monotonic() < deadline
        lifecycle.stop(folder)
        assert (waiting.done(), waiting.result().status) == (True, 200)
    assert lifecycle.find(folder) is None


def test_a_compiled_model_is_served_without_loading_what_trained_it(serve: Any, version: Version) -> None:
    """What makes it ready in under a second."""
    _, running = serve("delay-api", version)
    assert ask(running.port, "POST", "/v2/models/delay-api/infer", BODY).status == 200
    mapped = Path(f"/proc/{running.pid}/maps").read_text()
    assert [library for library in ("sklearn", "pandas", "scipy", "pyarrow", "skl2onnx") if f"/{library}/" in mapped] == []
    assert "/onnxruntime/" in mapped
