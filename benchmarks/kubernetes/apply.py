"""200 Kubernetes objects of 23 kinds, applied and planned as whole processes, beside kubectl: ``python benchmarks/kubernetes/apply.py``.

A real API server on this machine (built once, see tools/README.md). The kinds are the built-in ones that nothing has to be
waited for; kubectl gets the objects as one file. Each round takes every row once, so that a noisy minute strikes all of them.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlx_cli.hurried import hurried, leave

HERE = Path(__file__).parents[2]
sys.path[:0] = [str(HERE / "tests"), str(HERE / "tests/kubernetes")]
COUNT = 200
ROUNDS, DISTANT_ROUNDS = 5, 3
ROUND_TRIPS = (2, 10, 30)
"""Milliseconds to the API server: the next building, the cloud's region, the continent."""
WAITED = ("Pod", "Deployment", "StatefulSet", "DaemonSet", "Job")
CALLED = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
"""Each would slow down every request that comes after it."""
COLUMNS = ("GET", "list", "dry run", "apply")


@dataclass(frozen=True)
class Taken:
    """By one process: seconds, seconds of its own on a processor, megabytes at most."""

    wall: float
    cpu: float
    peak: float


LAUNCHER = """
import json, os, subprocess, sys, time
began = time.perf_counter()
started = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, used = os.wait4(started.pid, 0)
print(json.dumps([status, time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""
"""A small process starts the one that is measured: its peak would begin with that of who starts it."""
Row = Callable[[str, str], Sequence[str]]
"""``row("apply", namespace)``: the command."""
Rounds = Sequence[Mapping[str, tuple[Taken, Taken]]]
"""Of each row the first apply and the plan after it, round for round."""


def main() -> None:
    if sys.argv[1:2] == ["run"]:
        with hurried():  # as the command line does
            run(*sys.argv[2:])
        leave(0)
    from control_plane import binaries, control_plane

    with tempfile.TemporaryDirectory() as folder, control_plane(Path(folder), binaries(lambda line: print(line, file=sys.stderr))) as plane:
        rows = rows_of(plane, Path(folder), plane.kubeconfig())
        for row in rows.values():
            both(plane, row)  # what is compiled and cached once
        taken = [{name: both(plane, row) for name, row in rows.items()} for _ in range(ROUNDS)]
        print_times(taken)
        print_requests({name: counted(plane, row) for name, row in rows.items()})
        print_distances({round_trip: far(plane, Path(folder), round_trip) for round_trip in ROUND_TRIPS})
        print(f"\nrequests one after the other through one kept connection, ms: {requests(plane)}")


def far(plane: Any, folder: Path, round_trip: float) -> Rounds:
    """The same where the server's answers take this many milliseconds more."""
    from distant import distant

    near = plane.kubeconfig()
    with distant(plane.url, round_trip / 1000) as url:
        kubeconfig = near.with_name(f"{round_trip}-away.kubeconfig")
        kubeconfig.write_text(near.read_text().replace(plane.url, url))
        rows = rows_of(plane, folder, kubeconfig)
        return [{name: both(plane, row) for name, row in rows.items()} for _ in range(DISTANT_ROUNDS)]


def rows_of(plane: Any, folder: Path, kubeconfig: Path) -> Mapping[str, Row]:
    def kubectl(verb: str, namespace: str) -> Sequence[str]:
        file = folder / f"{namespace}.json"
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects(namespace)}))
        return [plane.programs["kubectl"], "--kubeconfig", str(kubeconfig), {"plan": "diff"}.get(verb, verb), "--server-side", "-f", str(file)]

    def host(parallel: int) -> Row:
        return lambda verb, namespace: [sys.executable, __file__, "run", verb, str(folder / namespace), str(kubeconfig), namespace, str(parallel)]

    return {"kubectl apply --server-side, kubectl diff": kubectl, "mlx's host and provider, parallel: 4": host(4), "the same, parallel: 8": host(8)}


def both(plane: Any, row: Row) -> tuple[Taken, Taken]:
    """The first apply and the plan after it, in a namespace of their own."""
    namespace = fresh(plane)
    return process(row("apply", namespace)), process(row("plan", namespace))


def fresh(plane: Any) -> str:
    name = f"b{uuid.uuid4().hex[:8]}"
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return name


def process(command: Sequence[str]) -> Taken:
    launched = subprocess.run([sys.executable, "-S", "-c", LAUNCHER, *command], stdout=subprocess.PIPE, text=True, check=True, env=compiled())
    status, wall, cpu, peak = json.loads(launched.stdout)
    assert status == 0, f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}"
    return Taken(wall, cpu, peak)


def compiled() -> dict[str, str]:
    """An installed package is compiled once, whatever this process was told."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def print_times(rounds: Rounds) -> None:
    columns = ("first apply, s", "÷ kubectl", "its own CPU, s", "plan, s", "÷ kubectl", "its own CPU, s", "peak MB")
    print(f"\n| {COUNT} objects, best of {ROUNDS} | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")
    first: list[float] = []
    for name in rounds[0]:
        applied, planned = ([taken[name][at] for taken in rounds] for at in (0, 1))
        apply, plan = min(one.wall for one in applied), min(one.wall for one in planned)
        first = first or [apply, plan]
        peak = max(one.peak for one in (*applied, *planned))
        cells = (f"{apply:.2f}", f"{apply / first[0]:.2f}", f"{min(one.cpu for one in applied):.2f}")
        print(f"| {name} | {' | '.join(cells)} | {plan:.2f} | {plan / first[1]:.2f} | {min(one.cpu for one in planned):.2f} | {peak:.0f} |")


def print_distances(distances: Mapping[float, Rounds]) -> None:
    print(f"\n| round trip to the server, ms; best of {DISTANT_ROUNDS} | first apply, s | ÷ kubectl | plan, s | ÷ kubectl |\n|---|{'---:|' * 4}")
    for round_trip, rounds in distances.items():
        first: list[float] = []
        for name in rounds[0]:
            walls = [min(taken[name][at].wall for taken in rounds) for at in (0, 1)]
            first = first or walls
            cells = [f"{wall:.2f} | {wall / of_kubectl:.2f}" for wall, of_kubectl in zip(walls, first, strict=True)]
            print(f"| {round_trip}: {name} | {' | '.join(cells)} |")


def print_requests(rows: Mapping[str, tuple[Counter[str], Counter[str]]]) -> None:
    print(f"\n| requests | {' | '.join(f'apply: {column}' for column in COLUMNS)} | {' | '.join(f'plan: {column}' for column in COLUMNS)} |")
    print(f"|---|{'---:|' * 8}")
    for name, (applied, planned) in rows.items():
        print(f"| {name} | {' | '.join(str(times[column]) for times in (applied, planned) for column in COLUMNS)} |")


def counted(plane: Any, row: Row) -> tuple[Counter[str], Counter[str]]:
    """What each asks of the server, apart from the rounds: it is written to stderr, kubectl's as ``verb="GET" url="..."``."""
    namespace = fresh(plane)
    seen: list[Counter[str]] = []
    for verb in ("apply", "plan"):
        command = row(verb, namespace)
        told = [*command, "count"] if "run" in command else [*command, "-v=6"]
        lines = subprocess.run(told, check=True, capture_output=True, text=True, env=compiled()).stderr
        seen.append(Counter(column(method, url) for method, url in re.findall(r'verb="(\w+)" url="([^"]*)"', lines)))
    return seen[0], seen[1]


def column(method: str, url: str) -> str:
    if method == "GET":
        return "list" if "labelSelector" in url else "GET"
    return "dry run" if "dryRun=All" in url else "apply"


def run(verb: str, folder: str, kubeconfig: str, namespace: str, parallel: str, *count: str) -> None:
    """The process that is measured."""
    from mlx_engine.embedded import embedded_host
    from mlx_engine.host import Options, Stack
    from mlx_kubernetes.package import PACKAGE, make_provider

    stack = Stack("project", "dev", Path(folder), Path(folder) / "state")
    host = embedded_host(stack, Options(parallel=int(parallel)), {PACKAGE: make_provider})
    with telling() if count else unchanged():
        result = (host.up if verb == "apply" else host.preview)(lambda: declare(objects(namespace), kubeconfig), lambda _event: None)
    changed = [step for step in result.changes if step.type.startswith("kubernetes:")]
    assert len(changed) == (COUNT if verb == "apply" else 0), len(changed)


def declare(asked: Sequence[Mapping[str, Any]], kubeconfig: str) -> None:
    import pulumi

    class KubernetesObject(pulumi.CustomResource):
        """As ``pulumi_kubernetes`` declares one, whose import takes a second of its own."""

    options = pulumi.ResourceOptions(provider=pulumi.ProviderResource("kubernetes", "cluster", {"kubeconfig": kubeconfig}))
    for one in asked:
        version = one["apiVersion"]
        type_ = f"kubernetes:{version if '/' in version else f'core/{version}'}:{one['kind']}"
        KubernetesObject(type_, one["metadata"]["name"], dict(one), options)


@contextmanager
def telling() -> Iterator[None]:
    from mlx_kubernetes.client import Client

    once: Any = Client._once

    def told(self: Client, method: str, where: str, content: bytes | None, headers: dict[str, str]) -> Any:
        sys.stderr.write(f'verb="{method}" url="{where}"\n')
        return once(self, method, where, content, headers)

    Client._once = told
    yield


@contextmanager
def unchanged() -> Iterator[None]:
    yield


def objects(namespace: str) -> list[dict[str, Any]]:
    """Names are of the namespace, too: some kinds have none."""
    from samples import BUILT_IN

    samples = [sample for sample in BUILT_IN if sample.kind not in (*WAITED, *CALLED)]
    assert len(samples) == 23, [sample.kind for sample in samples]
    made: list[dict[str, Any]] = []
    for number in range(COUNT):
        sample = samples[number % len(samples)]
        metadata = {"name": f"object-{number}-{namespace}", "labels": {"mlx.dev/owner": "project.dev"}}
        inside = {"namespace": namespace} if sample.namespaced else {}
        made.append({"apiVersion": sample.api_version, "kind": sample.kind, **sample.body, "metadata": {**metadata, **inside}})
    return made


def requests(plane: Any) -> str:
    """What one of each costs where nothing else runs."""
    from mlx_kubernetes.client import APPLY, Client
    from mlx_kubernetes.connection import connection

    client = Client(connection(str(plane.kubeconfig())))
    path = "/api/v1/namespaces/default/configmaps"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"a": "1"}}
    names = iter(range(1000))

    def patch(name: str, **query: str) -> None:
        client.request("PATCH", f"{path}/{name}", {**body, "metadata": {"name": name}}, type=APPLY, query={"fieldManager": "b", **query})

    calls: dict[str, Callable[[], Any]] = {
        "GET": lambda: client.get("/api/v1/namespaces/default"),
        "apply of a new object": lambda: patch(f"one-{next(names)}"),
        "dry run": lambda: patch("one-0", dryRun="All"),
        "list of 30": lambda: client.get(path),
    }
    return ", ".join(f"{name} {median(call) * 1000:.1f}" for name, call in calls.items())


def median(call: Callable[[], Any]) -> float:
    times: list[float] = []
    for _ in range(30):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2]


if __name__ == "__main__":
    main()
