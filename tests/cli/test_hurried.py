"""A command line's process does not load or search what it has no use for."""

import json
import os
import subprocess
import sys

FRAME = """
import gc, json, sys
from mlx_cli.hurried import hurried
with hurried():
    import pulumi
{code}
print(json.dumps(said + [gc.get_freeze_count() > 10_000, len(gc.get_objects()) < 1_000]))
"""
AUTOMATION = """
    said = ["pulumi.automation._stack" not in sys.modules]
    said += [pulumi.automation.Stack.__name__, "pulumi.automation._stack" in sys.modules]
"""
GRPC = """
    said = ["grpc._compression" in sys.modules, "grpc.aio._server" in sys.modules, "psutil._common" in sys.modules]
    from grpc import StatusCode
    said += [StatusCode.OK.name, "grpc._compression" in sys.modules, "grpc.aio._server" in sys.modules]
    import grpc
    said += [grpc.aio.server.__name__, "grpc.aio._server" in sys.modules, hasattr(grpc, "nonsense")]
"""
PROVIDERS = """
    from mlx_kubernetes.provider import KubernetesProvider
    said = [name in sys.modules for name in ("pulumi.provider.server", "pulumi.provider.experimental.component", "google.protobuf.text_format")]
    from pulumi.provider.experimental import component_provider_host
    said += [component_provider_host.__name__, "pulumi.provider.experimental.component" in sys.modules]
"""
TRACING = """
    said = ["opentelemetry.sdk.trace" in sys.modules]
"""


def said(code: str, **environment: str) -> object:
    ran = subprocess.run([sys.executable, "-c", FRAME.format(code=code)], capture_output=True, text=True, check=True, env={**os.environ, **environment})
    return json.loads(ran.stdout)


def test_the_automation_api_is_loaded_when_it_is_looked_at_and_nothing_is_left_to_search_at_the_end() -> None:
    assert said(AUTOMATION) == [True, "Stack", True, True, True]


def test_grpc_is_loaded_when_a_name_of_it_is_used_and_not_when_the_sdk_imports_it() -> None:
    assert said(GRPC) == [False, False, False, "OK", True, False, "server", True, False, True, True]


def test_what_makes_a_plugin_of_a_provider_is_not_loaded_where_the_provider_is_called_in_process() -> None:
    assert said(PROVIDERS) == [False, False, False, "component_provider_host", True, True, True]


def test_tracing_is_loaded_where_somebody_traces() -> None:
    assert said(TRACING) == [False, True, True]
    assert said(TRACING, TRACEPARENT="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") == [True, True, True]


LEAVING = """
import atexit, sys, threading
from mlx_cli.hurried import leave
{first}
started = threading.Event()
def work():
    started.wait()
    print("a thread has ended")
threading.Thread(target=work).start()
atexit.register(print, "what was registered is called")
class Held:
    def __del__(self):
        print("taken apart")
held = Held()
started.set()
leave(3)
"""


def left(first: str) -> tuple[int, str]:
    ran = subprocess.run([sys.executable, "-c", LEAVING.format(first=first)], capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout


def test_a_process_leaves_when_its_threads_have_ended_and_takes_nothing_apart() -> None:
    assert left("") == (3, "a thread has ended\nwhat was registered is called\n")


def test_a_process_with_a_database_takes_everything_apart_for_it_may_be_open() -> None:
    assert left("import sqlite3") == (3, "a thread has ended\nwhat was registered is called\ntaken apart\n")


def test_a_process_whose_output_nobody_reads_leaves_with_its_own_code() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    code = "from mlx_cli.hurried import leave; print(1); leave(3)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    ran = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, text=True, check=False, env=environment)
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (3, "")
