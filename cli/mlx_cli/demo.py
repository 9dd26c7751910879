"""``make demo``: the main job on New York's flights, as a newcomer would type it, with the real output and timings.

Runs in the reference workspace; edits a spec only to show a plan, and puts it back. Leaves everything running.
"""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from mlx_cli.boundary import DONE, INTERRUPTED, WRONG
from mlx_cli.output import cell, columns, duration, paint_for, short

ROOT = Path(__file__).resolve().parents[2]
SPEC = "specs/delay.yaml"
PLAN = ".mlx/plan.json"
FLIGHTS = [
    {"month": 12, "weekday": 1, "hour": 18, "sched_dep_time": 1830, "sched_arr_time": 2110, "carrier": "EV", "origin": "EWR", "dest": "ORD", "distance": 719.0},
    {"month": 9, "weekday": 2, "hour": 6, "sched_dep_time": 600, "sched_arr_time": 905, "carrier": "DL", "origin": "JFK", "dest": "ATL", "distance": 760.0},
]
"""Two flights at booking time: an evening in December, and an early morning in September."""
PARAMETER = ("max_iter: 100", "max_iter: 120")
THRESHOLD = ("threshold: 0.2", "threshold: 0.1")
LEAK = ("features: [month,", "features: [dep_delay, month,")
TYPO = ("input: december-flights", "input: decemberflights")
EDITS = (PARAMETER, THRESHOLD, LEAK, TYPO)
"""What is written in the spec, once, and what the demo makes of it for a moment."""
TYPES: dict[type, str] = {int: "INT64", float: "FP64", str: "BYTES"}


class Stopped(Exception):
    """A command of the demo did not exit as it should."""


class Terminated(KeyboardInterrupt):
    """Like Ctrl-C, but nobody has told the verb that runs."""


def main() -> int:
    """The whole story; stops at the first command that fails."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, terminate)
    try:
        start_clean()
        from_specs_to_predictions()
        ask_the_endpoint()
        read_the_batch()
        what_a_change_means()
        a_mistake()
    except Stopped as error:
        print(f"\nthe demo stopped: {error}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("\nthe demo was interrupted; make demo starts it again", file=sys.stderr)
        return INTERRUPTED
    tell(f"Done in {duration(time.monotonic() - began)}. Everything is left running.")
    print("Go on:  .venv/bin/mlx status · .venv/bin/mlx logs delay-api · edit specs/delay.yaml, then .venv/bin/mlx apply\nTidy up: .venv/bin/mlx destroy")
    return DONE


def terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Make and CI end the demo so: as an exception, which puts the specs back on its way out."""
    raise Terminated


def start_clean() -> None:
    """What an earlier demo left is removed; registered model versions are kept, as always."""
    objects = json.loads(mlx_json("status"))["objects"]
    if any(item["status"] != "NotApplied" for item in objects):
        tell("There is something from before: remove it.")
        mlx("destroy", "--yes")


def from_specs_to_predictions() -> None:
    """validate, plan, apply, status; a second plan finds nothing to do."""
    tell("Data, features, models, endpoints, a batch and a monitor are written down in specs/. Are they right?")
    mlx("validate")
    tell("What would be made of them?")
    mlx("plan", "--out", PLAN)
    tell("Do exactly that: prepare data and features, train, register and serve three models, score December.")
    mlx("apply", PLAN)
    mlx("status")
    tell("The same specs again: nothing to do.")
    mlx("plan", "--detailed-exitcode")


def ask_the_endpoint() -> None:
    """The open inference protocol by HTTP, and the same through the CLI."""
    tell("The endpoint speaks KServe's open inference protocol, V2 and V1.")
    fields = next(item["fields"] for item in json.loads(mlx_json("status"))["objects"] if item["id"] == "Inference/delay-api")
    url = f"{fields['url']}/v2/models/delay-api/infer"
    body = json.dumps({"inputs": [tensor(name) for name in FLIGHTS[0]]})
    command(f"curl -s {url} -d '{body}'")
    print(json.dumps(post(url, body)))
    rows = ROOT / ".mlx" / "two-flights.json"
    rows.write_text(json.dumps(FLIGHTS), encoding="utf-8")
    mlx("predict", "delay-api", "--data", str(rows.relative_to(ROOT)))


def read_the_batch() -> None:
    """The first rows of the batch's Parquet file."""
    import pyarrow.parquet as parquet

    fields = next(item["fields"] for item in json.loads(mlx_json("status"))["objects"] if item["id"] == "Inference/delay-nightly")
    tell(f"The batch scored {fields['rows']:,} flights of December into {short(fields['path'])}:")
    table = parquet.read_table(ROOT / fields["path"]).slice(0, 5)
    kept = [name for name in table.column_names if "fingerprint" not in name]
    print(columns([[cell(row[name]) for name in kept] for row in table.to_pylist()], header=kept))


def what_a_change_means() -> None:
    """Two edits of one line each, and what the plan says of them."""
    tell("Change a hyperparameter: the plan says what that means, and names the endpoint behind it.")
    with edited(ROOT / SPEC, *PARAMETER):
        mlx("plan")
    tell("Change a monitor's threshold instead.")
    with edited(ROOT / SPEC, *THRESHOLD):
        mlx("plan")


def a_mistake() -> None:
    """A column that is the future at the moment of prediction, and a name that does not exist."""
    tell("And two mistakes? The delay at departure is not known when a flight is booked, and there is no such dataset.")
    with edited(ROOT / SPEC, *LEAK), edited(ROOT / SPEC, *TYPO):
        mlx("validate", expected=1)


@contextmanager
def edited(path: Path, old: str, new: str) -> Iterator[None]:
    """The spec with one line changed; put back at the end, whatever happens."""
    before = path.read_text(encoding="utf-8")
    if before.count(old) != 1:
        raise Stopped(f"{SPEC} does not say {old!r} exactly once any more")
    print(f"--- {SPEC}\n-   {old}\n+   {new}", flush=True)
    try:
        path.write_text(before.replace(old, new), encoding="utf-8")
        yield
    finally:
        path.write_text(before, encoding="utf-8")


def mlx(*arguments: str, expected: int = 0) -> None:
    """Runs a verb as a person would, and says how long it took."""
    command(" ".join(["mlx", *arguments]))
    began = time.monotonic()
    code = wait_for(subprocess.Popen([sys.executable, "-m", "mlx_cli", *arguments], cwd=ROOT))
    print(paint_for(sys.stdout)(f"({duration(time.monotonic() - began)})", "dim"), flush=True)
    if code != expected:
        raise Stopped(f"`mlx {' '.join(arguments)}` exited {code}")


def wait_for(process: subprocess.Popen[bytes]) -> int:
    """Its exit code. Who interrupts the demo lets the verb end in good order, instead of killing it."""
    try:
        return process.wait()
    except KeyboardInterrupt as interrupt:
        if isinstance(interrupt, Terminated):  # Ctrl-C reaches the verb by itself
            process.terminate()
        process.wait()
        raise


def mlx_json(verb: str) -> str:
    """What a verb prints for machines."""
    done = subprocess.run([sys.executable, "-m", "mlx_cli", verb, "-o", "json"], cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise Stopped(f"`mlx {verb} -o json` exited {done.returncode}\n{done.stderr}")
    return done.stdout


def tensor(name: str) -> dict[str, Any]:
    """One input of a V2 request: a column with one row."""
    value = FLIGHTS[0][name]
    return {"name": name, "shape": [1], "datatype": TYPES[type(value)], "data": [value]}


def post(url: str, body: str) -> Any:
    """The endpoint's answer."""
    request = urllib.request.Request(url, data=body.encode(), headers={"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except OSError as error:
        raise Stopped(f"{url} did not answer: {error}") from error


def tell(text: str) -> None:
    """What comes now, in a sentence."""
    print(f"\n{paint_for(sys.stdout)(f'# {text}', 'bold')}", flush=True)


def command(text: str) -> None:
    """A command line, as a person would type it."""
    print(f"{paint_for(sys.stdout)('$', 'blue')} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
