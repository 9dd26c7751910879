"""``python -m mlx_runtime.cluster VERB /mlx/object.json``: one program of ours in a Job.

Its progress and its error are lines of standard error; the exit status is 1 where it failed, and 2 where it was called wrongly.
"""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from mlx_runtime.cluster.materialize import materialize
from mlx_runtime.cluster.monitor import monitor
from mlx_runtime.cluster.prepare import prepare
from mlx_runtime.cluster.run import KILLED, Run, exit_status, say, variable
from mlx_runtime.cluster.score import score
from mlx_runtime.cluster.stream import stream

Verb = Callable[[str, Run], None]
VERBS: dict[str, Verb] = {"materialize": materialize, "monitor": monitor, "prepare": prepare, "score": score, "stream": stream}


def main(*, spread: bool = False) -> int:
    """The process; returns its exit status. ``spread``: it is the driver of a Spark application."""
    parser = argparse.ArgumentParser(prog="mlx_runtime.cluster")
    parser.add_argument("verb", choices=sorted(VERBS))
    parser.add_argument("object", type=Path, help="what it is to work on, as JSON")
    given = parser.parse_args()
    # As the first process of a container it would otherwise take no notice, and leave what it started behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(KILLED))
    return exit_status(
        lambda: _work(given.verb, given.object, spread=spread),
        lambda error: f"{given.object} is no object of {given.verb}: another version of mlx rendered it ({error.error_count()} errors)",
    )


def _work(verb: str, asked: Path, *, spread: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="mlx-") as scratch:
        workspace = Path(scratch, "workspace")
        workspace.mkdir()
        threads = int(os.environ.get("MLX_THREADS", "1"))
        VERBS[verb](asked.read_text(), Run(variable("MLX_ENV", "the Job"), workspace, say, threads, spread))


if __name__ == "__main__":
    sys.exit(main())
