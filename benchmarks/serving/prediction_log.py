"""What the prediction log costs an endpoint: ``python benchmarks/serving/prediction_log.py``.

One server is asked while it keeps a log and while it keeps none, in turns: how a process happens to lie in memory makes more of a
difference than the log does. Every row that was answered must stand in the log, or be counted as dropped.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.dataset as datasets

from mlx_runtime.server import lifecycle
from mlx_specs import layout
from mlx_specs.inference_resources import ModelServerInputs
from mlx_specs.resources import Version

sys.path.append(str(Path(__file__).parents[1]))

from boosted import boosted_model

HOME, NAME = ".mlx/local", "bench"
COLUMNS = [f"f{number}" for number in range(14)]
ROUNDS, SECONDS, MANY = 9, 3.0, 32
ROWS, CLIENTS = (1, 100), (1, MANY)
BAR = 0.95
"""Requests a second with the log, as a share of those without."""
Figures = tuple[float, float, float]
"""Requests a second, median and 99th percentile of the latency in seconds."""
Measured = dict[tuple[int, int], dict[bool, list[Figures]]]


def main() -> int:
    """Prints the table; exits 1 when the bar is not reached, or a row is not in the log."""
    with tempfile.TemporaryDirectory() as temporary:
        workspace = Path(temporary)
        version = boosted_model(workspace, COLUMNS)
        try:
            found = measure(workspace, version)
            lacking = asyncio.run(dropped(bring_up(workspace, version, log=False).port))
        finally:
            lifecycle.stop(workspace / NAME)
        written = datasets.dataset(workspace / layout.prediction_log(HOME, NAME), format="parquet").count_rows()
    print("| rows | clients | without, req/s | p50 ms | p99 ms | with the log, req/s | p50 ms | p99 ms | req/s ÷ |\n" + "|---:" * 9 + "|")
    shares = [shown(rows, clients, turns) for (rows, clients), turns in found.items()]
    answered = sum(round(rate * SECONDS) * rows for (rows, _), turns in found.items() for rate, _, _ in turns[True])
    print(f"\n{answered:,} rows answered with the log on, {written:,} in the log, {lacking:,} dropped")
    return 0 if min(shares) >= BAR and written + lacking == answered else 1


def shown(rows: int, clients: int, turns: dict[bool, list[Figures]]) -> float:
    """A line of the table; the share is the median of neighbours in time."""
    share = statistics.median(logged[0] / plain[0] for logged, plain in zip(turns[True], turns[False], strict=True))
    medians = [[statistics.median(figure) for figure in zip(*turns[log], strict=True)] for log in (False, True)]
    told = " | ".join(f"{rate:,.0f} | {p50 * 1000:.2f} | {p99 * 1000:.2f}" for rate, p50, p99 in medians)
    print(f"| {rows} | {clients} | {told} | {share:.2f} |")
    return share


def measure(workspace: Path, version: Version) -> Measured:
    """By rows and clients, then by whether there was a log."""
    import uvloop

    found: Measured = {}
    for rows in ROWS:
        for clients in CLIENTS:
            turns = found.setdefault((rows, clients), {False: [], True: []})
            for turn in range(2 * ROUNDS):
                log = turn % 4 in (1, 2)
                port = bring_up(workspace, version, log=log).port
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    turns[log].append(runner.run(load(port, post(rows), clients)))
    return found


async def load(port: int, request: bytes, clients: int) -> Figures:
    """Clients that ask one after the other, each on a connection of its own."""
    end, taken = time.perf_counter() + SECONDS, list[float]()
    await asyncio.gather(*(ask_until(end, port, request, taken) for _ in range(clients)))
    return len(taken) / SECONDS, statistics.median(taken), statistics.quantiles(taken, n=100)[-1]


async def ask_until(end: float, port: int, request: bytes, taken: list[float]) -> None:
    """Notes how long each answer took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (started := time.perf_counter()) < end:
        await asked(reader, writer, request)
        taken.append(time.perf_counter() - started)
    writer.close()


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    """One answer's body."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    answer = await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(answer.decode())
    return answer


async def dropped(port: int) -> int:
    """Rows that the log says it dropped."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    metrics = (await asked(reader, writer, b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n")).decode()
    writer.close()
    return next(int(line.split()[-1]) for line in metrics.splitlines() if line.startswith("mlx_log_dropped_total{"))


def post(rows: int) -> bytes:
    """The request as it goes over the wire."""
    random = np.random.default_rng(1)
    tensors = [{"name": column, "shape": [rows], "datatype": "FP64", "data": random.random(rows).tolist()} for column in COLUMNS]
    content = json.dumps({"inputs": tensors}).encode()
    return f"POST /v2/models/{NAME}/infer HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(content)}\r\n\r\n".encode() + content


def bring_up(workspace: Path, version: Version, *, log: bool) -> lifecycle.Running:
    """The same server each time: a log is begun and ended by a switch."""
    inputs = ModelServerInputs(name=NAME, home=HOME, model="bench", alias="champion", version=version, log=log)
    return lifecycle.ensure(workspace / NAME, inputs, workspace)


if __name__ == "__main__":
    sys.exit(main())
