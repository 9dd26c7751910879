"""What starting ``mlx`` costs, in multiples of an empty Python process: ``python benchmarks/cli/startup.py``."""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The reference workspace, which `mlx validate` reads."""
RUNS = 15
BAR = 13.0
"""``mlx --help`` may cost this many empty processes."""
MLX = str(Path(sys.executable).with_name("mlx"))
COMMANDS: dict[str, list[str]] = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "python -c 'import typer'": [sys.executable, "-c", "import typer"],
    "mlx --help": [MLX, "--help"],
    "mlx plan --help": [MLX, "plan", "--help"],
    "mlx --version": [MLX, "--version"],
    "mlx validate": [MLX, "validate"],
}


def main() -> int:
    """Prints the table; exits 1 when the bar is not reached."""
    for command in COMMANDS.values():  # warm: files in the page cache, bytecode written where that is allowed
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    best = measure()
    floor = best["python -c pass"]
    print(f"| command | best of {RUNS}, ms | × `python -c pass` |\n|---|---:|---:|")
    for name, seconds in best.items():
        print(f"| `{name}` | {seconds * 1000:.0f} | {seconds / floor:.1f} |")
    return 0 if best["mlx --help"] / floor <= BAR else 1


def measure() -> dict[str, float]:
    """The best time of each command; they take turns, so that a busy moment hits all of them."""
    best = dict.fromkeys(COMMANDS, float("inf"))
    for _ in range(RUNS):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
            best[name] = min(best[name], time.perf_counter() - began)
    return best


if __name__ == "__main__":
    sys.exit(main())
