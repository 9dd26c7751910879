"""The whole-process time of `mlx plan` without changes, on either host; and what of it is `import pulumi`.

    python benchmarks/cli/plan.py [COUNT ...]

Every object is a component and a resource, so 50 objects are 100 resources in state. The objects are declarations, which
cost next to nothing themselves. Best of three; the pulumi CLI's column is empty where it is not on PATH.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COUNTS = (50, 200, 1_000)
ENVIRONMENT = "apiVersion: mlx/v1\nkind: Environment\nmetadata: {name: local}\n"
OBJECT = """apiVersion: mlx/v1
kind: Notebook
metadata: {{name: notebook-{number}}}
spec: {{idleStop: 1h}}
"""


def main() -> None:
    """Prints the table."""
    counts = [int(argument) for argument in sys.argv[1:]] or COUNTS
    has_cli = shutil.which("pulumi") is not None
    nothing, sdk = best([sys.executable, "-c", "pass"]), best([sys.executable, "-c", "import pulumi"])
    print(f"python -c pass {nothing:.2f} s, import pulumi {sdk:.2f} s\n")
    print("| objects | mlx plan | ÷ import pulumi | with the pulumi CLI as host | times faster |\n|---:|---:|---:|---:|---:|")
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            row(Path(folder), count, sdk, has_cli=has_cli)


def row(folder: Path, count: int, sdk: float, *, has_cli: bool) -> None:
    """Applies a workspace of so many objects and times its plan."""
    for name in ("specs", "stacks"):
        (folder / name).mkdir()
    (folder / "Pulumi.yaml").write_text("name: bench\nruntime: python\n")
    (folder / "stacks/local.yaml").write_text(ENVIRONMENT)
    (folder / "specs/objects.yaml").write_text("---\n".join(OBJECT.format(number=number) for number in range(count)))
    mlx = [sys.executable, "-m", "mlx_cli"]
    subprocess.run([*mlx, "apply", "--yes", "-C", str(folder)], check=True, capture_output=True)
    ours = best([*mlx, "plan", "-C", str(folder)])
    theirs = best([*mlx, "plan", "-C", str(folder)], MLX_HOST="pulumi") if has_cli else None
    told = f"{theirs:.2f} s | {theirs / ours:.1f}" if theirs else "|"
    print(f"| {count:,} | {ours:.2f} s | {ours / sdk:.1f} | {told} |", flush=True)


def best(command: list[str], **variables: str) -> float:
    """Seconds of the quickest of three runs; the first one writes bytecode."""
    environment = {**os.environ, **variables}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    times: list[float] = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=environment)
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()
