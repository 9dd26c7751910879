"""``python3 -m mlx_pipelines.cluster step [--all] -- COMMAND``: one step of a run on a cluster; its exit status is the command's.

``torchrun -m mlx_pipelines.cluster train``: one process of a training on several nodes.

A failure of ours is a line of standard error and exit status 1.
"""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from pydantic import ValidationError

from mlx_pipelines.cluster.step import run_step
from mlx_pipelines.cluster.together import train_together
from mlx_pipelines.errors import PipelineError
from mlx_runtime.cluster.run import KILLED, say
from mlx_runtime.errors import RuntimeFailure


def main() -> int:
    """The process; returns its exit status."""
    parser = argparse.ArgumentParser(prog="mlx_pipelines.cluster", usage="%(prog)s step [--all] -- COMMAND | train")
    parser.add_argument("verb", choices=["step", "train"])
    parser.add_argument("--all", action="store_true", help="lay all folders of the run, whether the step names them or not")
    ours, own = _divided(sys.argv[1:])
    given = parser.parse_args(ours)
    # As the first process of a container it would otherwise take no notice, and leave what it started behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(KILLED))
    try:
        with tempfile.TemporaryDirectory(prefix="mlx-") as scratch:
            if given.verb == "step":
                return run_step(own, Path(scratch), everything=given.all, report=say)
            train_together(Path(scratch), say)
            return 0
    except (PipelineError, RuntimeFailure) as error:
        say(f"error: {error}")
        if error.hint and f"hint: {error.hint}" not in str(error):
            say(f"hint: {error.hint}")
    except ValidationError as error:
        say(f"error: the run's arguments are of another version of mlx ({error.error_count()} errors): apply again, so that it is submitted anew")
    except OSError as error:
        say(f"error: {error.filename or 'a file'}: {error.strerror or error}")
    return 1


def _divided(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Ours, and the step's own command after the first ``--``."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:at], arguments[at + 1 :]


if __name__ == "__main__":
    sys.exit(main())
