"""The environment and the limits of the processes that compile and run pipelines."""

import os
import re
import shutil
import time
from pathlib import Path

from mlx_pipelines.code import FOLDER
from mlx_pipelines.networks import GPUS

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS", "LOKY_MAX_CPU_COUNT")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def environment(workspace: Path, threads: int | None = None, gpus: int | None = None) -> dict[str, str]:
    """Ours, with the workspace's modules in front; the working directory is left out, for its code is in no digest."""
    path = [str(workspace / FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])]
    fixed = {
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "MPLBACKEND": "Agg",
        # OpenMP's threads spin while they wait; beside other work on the same cores that made training 2 to 3 times slower.
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }
    limited = dict.fromkeys(THREAD_VARIABLES, str(threads)) if threads else {}
    # Without a GPU that it may use a step sees none, whichever library it asks.
    visible = {} if gpus is None else {GPUS: str(gpus), **({"CUDA_VISIBLE_DEVICES": ""} if gpus == 0 else {})}
    return {**os.environ, **fixed, **limited, **visible}


def gpus_here() -> int:
    """How many NVIDIA GPUs this machine has, by its device files: nothing is imported or started."""
    return sum(path.name.removeprefix("nvidia").isdecimal() for path in Path("/dev").glob("nvidia*"))


def remove_tree(folder: str, seconds: float = 10) -> None:
    """Tries until it is gone: what was killed a moment ago may still write there, or another process remove the same."""
    deadline = time.monotonic() + seconds
    while os.path.lexists(folder) and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        if os.path.lexists(folder):
            time.sleep(0.05)


def plain_text(text: str) -> str:
    """Without colours."""
    return ANSI.sub("", text)
