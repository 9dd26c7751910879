"""200 Kubernetes objects, applied and planned as whole processes, beside kubectl: ``python benchmarks/kubernetes/apply.py``.

A real API server on this machine (built once, see tools/README.md); objects of seven built-in kinds in one namespace, none of
which is waited for. kubectl gets them as one file.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[2]
sys.path[:0] = [str(HERE / "tests"), str(HERE / "tests/kubernetes")]
COUNT = 200
ROUNDS = 3


def main() -> None:
    if sys.argv[1:2] == ["run"]:
        run(*sys.argv[2:])
        return
    from control_plane import binaries, control_plane

    with tempfile.TemporaryDirectory() as folder, control_plane(Path(folder), binaries(lambda line: print(line, file=sys.stderr))) as plane:
        print("| 200 objects, whole processes | first apply, s | plan without changes, s | peak MB |\n|---|---:|---:|---:|")
        rows = {"kubectl apply --server-side, kubectl diff": by_kubectl, "mlx's host and provider": by_host}
        for name, measure in rows.items():
            applied, planned = zip(
                *(measure(plane, Path(folder) / f"{measure.__name__}-{turn}", f"b{turn}-{measure.__name__[3:]}") for turn in range(ROUNDS)), strict=True
            )
            print(f"| {name} | {min(applied):.2f} | {min(planned):.2f} | {peak[measure.__name__]:.0f} |")
        print(f"\nrequests through one kept connection, ms: {requests(plane)}")


peak: dict[str, float] = {}


def by_kubectl(plane: Any, folder: Path, namespace: str) -> tuple[float, float]:
    folder.mkdir()
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    file = folder / "objects.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects(namespace)}))
    kubectl = [plane.programs["kubectl"], "--kubeconfig", str(plane.kubeconfig())]
    applied = timed("by_kubectl", [*kubectl, "apply", "--server-side", "-f", str(file)])
    return applied, timed("by_kubectl", [*kubectl, "diff", "--server-side", "-f", str(file)])


def by_host(plane: Any, folder: Path, namespace: str) -> tuple[float, float]:
    folder.mkdir()
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    ours = [sys.executable, __file__, "run"]
    applied = timed("by_host", [*ours, "up", str(folder), str(plane.kubeconfig()), namespace])
    return applied, timed("by_host", [*ours, "preview", str(folder), str(plane.kubeconfig()), namespace])


def timed(name: str, command: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    peak[name] = max(peak.get(name, 0), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024 if name == "by_host" else 0)
    return time.perf_counter() - began


def run(verb: str, folder: str, kubeconfig: str, namespace: str) -> None:
    """The process that is measured."""
    from cluster_stacks import ClusterStack

    stack = ClusterStack(Path(folder), Path(kubeconfig))
    changes = (stack.up if verb == "up" else stack.preview)(*objects(namespace))
    assert len(changes) == (COUNT if verb == "up" else 0), len(changes)


def objects(namespace: str) -> list[dict[str, Any]]:
    from samples import BUILT_IN

    kinds = ("ConfigMap", "Secret", "Service", "ServiceAccount", "Role", "CronJob", "NetworkPolicy")
    samples = [sample for sample in BUILT_IN if sample.kind in kinds]
    made = []
    for number in range(COUNT):
        sample = samples[number % len(samples)]
        metadata = {"name": f"object-{number}", "namespace": namespace, "labels": {"mlx.dev/owner": "project.dev"}}
        made.append({"apiVersion": sample.api_version, "kind": sample.kind, **sample.body, "metadata": metadata})
    return made


def requests(plane: Any) -> str:
    """What a read, a dry run and a list cost."""
    from mlx_kubernetes.client import APPLY, Client
    from mlx_kubernetes.connection import connection

    client = Client(connection(str(plane.kubeconfig())))
    path = "/api/v1/namespaces/default/configmaps"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"a": "1"}}
    calls: dict[str, Callable[[], Any]] = {
        "read": lambda: client.get("/api/v1/namespaces/default"),
        "dry run": lambda: client.request("PATCH", f"{path}/one", body, type=APPLY, query={"fieldManager": "b", "dryRun": "All"}),
        "list": lambda: client.get(path),
    }
    return ", ".join(f"{name} {best(call) * 1000:.1f}" for name, call in calls.items())


def best(call: Callable[[], Any]) -> float:
    times = []
    for _ in range(30):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2]


if __name__ == "__main__":
    main()
