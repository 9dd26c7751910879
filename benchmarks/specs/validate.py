"""How long ``validate`` takes for 200, 1,000 and 10,000 specs, as a process of its own and within one.

    .venv/bin/python benchmarks/specs/validate.py

Each ten specs are: five datasets (three of them with SQL), a pipeline, two models, an endpoint, a batch run; ten in a file.
"""

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

SIZES = (200, 1_000, 10_000)
ENVIRONMENT = "apiVersion: mlx/v1\nkind: Environment\nmetadata: {name: local}\nspec:\n  variables: {depth: 6}\n"
IN_A_PROCESS = """
import sys, time
started = time.perf_counter()
from pathlib import Path
from mlx_specs.validate import check
loaded, problems = check(Path(sys.argv[1]), "local")
assert loaded.graph is not None and not problems, problems[:3]
print(len(loaded.graph.objects), time.perf_counter() - started)
"""
HEAD = "apiVersion: mlx/v1\nkind: {kind}\nmetadata:\n  name: {name}\n  owner: team-{number}\nspec:\n"
SOURCE = """  source: {{type: csv, path: data/{number}.csv}}
  timeline: [booking, departure, arrival]
  eventTime: day
  keys: [flight]
  columns:
    flight: {{type: integer, availableAt: booking}}
    day: {{type: timestamp, availableAt: booking}}
    carrier: {{type: string, availableAt: booking, description: "The airline."}}
    dep_delay: {{type: float, availableAt: departure}}
    late: {{type: boolean, availableAt: arrival}}
"""
JOINED = """  inputs: [left-{number}, right-{number}]
  eventTime: day
  keys: [flight]
  prepare:
    - sql: |
        select l.flight, l.day, l.carrier, r.dep_delay + {number} as waiting, l.late
        from left_{number} l join right_{number} r on l.flight = r.flight
    - missing: {{columns: [waiting], strategy: median}}
"""
DERIVED = "  inputs: [{of}-{number}]\n  keys: [flight]\n  prepare:\n    - sql: select * from {of}_{number} where flight > {number}\n"
MODEL = """  task: classification
  pipeline: pipeline-{number}
  data: joined-{number}
  target: late
  predictAt: departure
  features: [carrier, waiting]
  algorithm: sklearn.ensemble.HistGradientBoostingClassifier
  parameters:
    max_depth: ${{var.depth}}
    learning_rate: 0.1
  success:
    - {{metric: roc_auc, atLeast: 0.6, tolerance: 0.005}}
"""
TEN = (
    ("Dataset", "left", SOURCE),
    ("Dataset", "right", SOURCE),
    ("Dataset", "joined", JOINED),
    ("Dataset", "recent", DERIVED.replace("{of}", "joined")),
    ("Dataset", "latest", DERIVED.replace("{of}", "recent")),
    ("Pipeline", "pipeline", "  entry: mlx_pipelines.tabular:pipeline\n  arguments: {{folds: 3}}\n"),
    ("Model", "delay", MODEL),
    ("Model", "other", MODEL),
    ("Inference", "api", "  mode: realtime\n  model: delay-{number}@champion\n  realtime: {{timeout: 10s}}\n"),
    ("Inference", "nightly", "  mode: batch\n  model: delay-{number}@champion\n  batch: {{input: latest-{number}, columns: [late]}}\n"),
)


def main() -> None:
    print("| specs | files | validate, s | µs a spec | whole process, s |")
    print("|---:|---:|---:|---:|---:|")
    for size in SIZES:
        with TemporaryDirectory() as folder:
            write(Path(folder), size)
            inside, whole = min(measure(Path(folder)) for _ in range(3))
            print(f"| {size:,} | {size // 10:,} | {inside:.2f} | {inside / size * 1e6:.0f} | {whole:.2f} |")


def write(folder: Path, size: int) -> None:
    (folder / "specs").mkdir()
    (folder / "stacks").mkdir()
    (folder / "stacks/local.yaml").write_text(ENVIRONMENT)
    for number in range(size // 10):
        texts = [HEAD.format(kind=kind, name=f"{name}-{number}", number=number) + text.format(number=number) for kind, name, text in TEN]
        (folder / f"specs/{number}.yaml").write_text("---\n".join(texts))


def measure(folder: Path) -> tuple[float, float]:
    """Seconds within the process, imports included, and seconds of the whole process."""
    started = time.perf_counter()
    answer = subprocess.run([sys.executable, "-c", IN_A_PROCESS, str(folder)], check=True, capture_output=True, text=True).stdout
    whole = time.perf_counter() - started
    return float(answer.split()[1]), whole


if __name__ == "__main__":
    main()
