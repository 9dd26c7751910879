"""What looking features up costs an endpoint: ``python benchmarks/features/serving.py``.

The same model is asked with every input sent, and with keys only; the two take turns, so that a busy moment hits both.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet

from mlx_features.client import FeastWorker
from mlx_features.repository import project
from mlx_runtime.server import lifecycle
from mlx_specs.feature_resources import (
    EntityDefinition,
    FeatureDefinitions,
    FeatureField,
    FeatureLookup,
    FeatureRegistryInputs,
    OnDemandDefinition,
    OnlineFeaturesInputs,
    ServiceDefinition,
    ViewDefinition,
)
from mlx_specs.inference_resources import ModelServerInputs
from mlx_specs.resources import PreparedData, Version

sys.path.append(str(Path(__file__).parents[1]))

from boosted import boosted_model

HOME, STORE = ".mlx/local", "bench"
ENTITIES, VIEWS, FEATURES = 10_000, 3, 4
ROUNDS, SECONDS, CLIENTS = 3, 2.0, 32
ROWS = (1, 100)
BAR = 0.4
"""Keys-only requests a second at 32 clients, one row, as a share of those that send everything."""
NOW = datetime.now(UTC).replace(microsecond=0)
NAMES = [f"f{view}_{feature}" for view in range(VIEWS) for feature in range(FEATURES)]
FUNCTION = "def ratio(f0_0, amount):\n    return None if f0_0 is None or amount is None else amount / (1 + abs(f0_0))\n"


def main() -> int:
    """Prints the table; exits 1 when the bar is not reached."""
    with tempfile.TemporaryDirectory() as temporary:
        workspace = Path(temporary)
        lookup, version = made_store(workspace), boosted_model(workspace, ["amount", *NAMES, "ratio"])
        servers = {name: bring_up(workspace, name, version, features) for name, features in (("sent", None), ("looked_up", lookup))}
        try:
            found = measure({name: running.port for name, (_, running) in servers.items()})
        finally:
            for folder, _ in servers.values():
                lifecycle.stop(folder)
    print("| rows | clients | all inputs sent, req/s | p50 ms | keys only, req/s | p50 ms | req/s ÷ | p50 × |\n|---:|---:|---:|---:|---:|---:|---:|---:|")
    for (rows, clients), by_name in found.items():
        (plain, plain_p50), (joined, joined_p50) = (tuple(map(statistics.median, zip(*by_name[name], strict=True))) for name in ("sent", "looked_up"))
        print(
            f"| {rows} | {clients} | {plain:,.0f} | {plain_p50 * 1000:.2f} | {joined:,.0f} | {joined_p50 * 1000:.2f} "
            f"| {joined / plain:.2f} | {joined_p50 / plain_p50:.1f} |"
        )
    first = found[1, CLIENTS]
    return 0 if statistics.median(rate for rate, _ in first["looked_up"]) >= BAR * statistics.median(rate for rate, _ in first["sent"]) else 1


Measured = dict[tuple[int, int], dict[str, list[tuple[float, float]]]]


def measure(ports: dict[str, int]) -> Measured:
    """Requests a second and the median latency, by rows and clients, then by endpoint."""
    import uvloop

    found: Measured = {}
    for rows in ROWS:
        for clients in (1, CLIENTS):
            by_name = found.setdefault((rows, clients), {name: [] for name in ports})
            for _ in range(ROUNDS):
                for name, port in ports.items():
                    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                        by_name[name].append(runner.run(load(port, post(name, body(name, rows)), clients)))
    return found


async def load(port: int, request: bytes, clients: int) -> tuple[float, float]:
    """Clients that ask one after the other, each on a connection of its own."""
    end, taken = time.perf_counter() + SECONDS, list[float]()
    await asyncio.gather(*(ask_until(end, port, request, taken) for _ in range(clients)))
    return len(taken) / SECONDS, statistics.median(taken)


async def ask_until(end: float, port: int, request: bytes, taken: list[float]) -> None:
    """Notes how long each answer took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (started := time.perf_counter()) < end:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        answer = await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(answer.decode())
        taken.append(time.perf_counter() - started)
    writer.close()


def post(name: str, content: bytes) -> bytes:
    """The request as it goes over the wire."""
    return f"POST /v2/models/{name.replace('_', '-')}/infer HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(content)}\r\n\r\n".encode() + content


def body(name: str, rows: int) -> bytes:
    """Everything, or the key of each row and the column that the on-demand function reads."""
    random = np.random.default_rng(1)
    tensors: dict[str, tuple[str, list[Any]]] = {"amount": ("FP64", random.random(rows).tolist())}
    if name == "looked_up":
        tensors["customer"] = ("INT64", random.integers(0, ENTITIES, rows).tolist())
    else:
        tensors |= {feature: ("FP64", random.random(rows).tolist()) for feature in [*NAMES, "ratio"]}
    return json.dumps({"inputs": [{"name": key, "shape": [rows], "datatype": kind, "data": data} for key, (kind, data) in tensors.items()]}).encode()


def made_store(workspace: Path) -> FeatureLookup:
    """Three views of four features each, filled by Feast, and an on-demand view."""
    customer = EntityDefinition(name="customer", join_key="customer", type="integer")
    of_view: Callable[[int], list[str]] = lambda view: NAMES[view * FEATURES : (view + 1) * FEATURES]  # noqa: E731
    definitions = FeatureDefinitions(
        views=[
            ViewDefinition(
                name=f"view{view}", source=f"source{view}", event_time="at", entities=[customer], ttl=86_400,
                features=[FeatureField(name=name, type="float") for name in of_view(view)],
            )
            for view in range(VIEWS)
        ],
        on_demand=[
            OnDemandDefinition(
                name="ratio", function="ratios:ratio", views={"view0": ["f0_0"]}, request=[FeatureField(name="amount", type="float")],
                features=[FeatureField(name="ratio", type="float")],
            )
        ],
        services=[ServiceDefinition(name="all", views={**{f"view{view}": of_view(view) for view in range(VIEWS)}, "ratio": ["ratio"]})],
    )  # fmt: skip
    (workspace / "feature_repo").mkdir()
    (workspace / "feature_repo" / "ratios.py").write_text(FUNCTION)
    sources = {f"source{view}": source(workspace, f"source{view}", of_view(view)) for view in range(VIEWS)}
    with FeastWorker(workspace) as worker:
        worker.apply(FeatureRegistryInputs(name=STORE, home=HOME, definitions=definitions, sources=sources), print_nothing)
        online = worker.materialize(OnlineFeaturesInputs(name=STORE, home=HOME, definitions=definitions, sources=sources), None, None, print_nothing)
    return FeatureLookup(store=STORE, path=online.path, project=project(STORE), definitions=definitions)


def source(workspace: Path, name: str, features: list[str]) -> PreparedData:
    """A row of each entity, an hour old."""
    random = np.random.default_rng(0)
    at = pyarrow.array([NOW - timedelta(hours=1)] * ENTITIES, pyarrow.timestamp("us", tz="UTC"))
    path = workspace / f"{name}.parquet"
    parquet.write_table(pyarrow.table({"customer": np.arange(ENTITIES), "at": at, **{feature: random.random(ENTITIES) for feature in features}}), path)
    return PreparedData(name=name, digest=name, path=path.name, keys=["customer"], event_time="at")


def bring_up(workspace: Path, name: str, version: Version, features: FeatureLookup | None) -> tuple[Path, lifecycle.Running]:
    """An endpoint of its own."""
    folder = workspace / name
    inputs = ModelServerInputs(name=name.replace("_", "-"), home=HOME, model="bench", alias="champion", version=version, features=features)
    return folder, lifecycle.ensure(folder, inputs, workspace)


def print_nothing(_: str) -> None:
    """Feast's progress is no part of the table."""


if __name__ == "__main__":
    sys.exit(main())
