"""Scores a prepared dataset: Parquet in, one committed folder of predictions out.

The work is done in a process of its own, so that the Inference's memory and threads bound it and no model's code runs
inside the CLI. The folder is named by what it is made of: the same version and the same rows are scored once.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlx_runtime.errors import RuntimeFailure
from mlx_specs.inference_resources import BatchPredictionsInputs, BatchPredictionsOutputs


class BatchError(RuntimeFailure):
    """The dataset cannot be scored by this version."""


def score_dataset(inputs: BatchPredictionsInputs, workspace: Path, report: Callable[[str], None]) -> BatchPredictionsOutputs:
    """Scores all rows of the input with the version; returns at once when that was done before.

    ``HOME/predictions/NAME/DIGEST`` then holds predictions.parquet (keys, carried columns, predictions, model_version,
    model_fingerprint), rejected.parquet (rows that the model cannot score, with the reason) and manifest.json.
    """
    process = _spawn(inputs, workspace)
    try:
        answer = _follow(process, report)
    except BaseException:  # broad, to raise it again: also when the apply is interrupted, no process is left that writes
        process.kill()
        raise
    finally:
        process.wait()
    if "outputs" in answer:
        return BatchPredictionsOutputs.model_validate(answer["outputs"])
    raise BatchError(answer["error"], hint=answer.get("hint", "raise compute.memory of the Inference if it was killed for want of memory"))


def _spawn(inputs: BatchPredictionsInputs, workspace: Path) -> subprocess.Popen[str]:
    threads = str(inputs.cpu or 1)
    environment = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "mlx_runtime.batch.process"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        cwd=workspace, env=environment, start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(json.dumps(inputs.wire()))
    process.stdin.close()
    return process


def _follow(process: subprocess.Popen[str], report: Callable[[str], None]) -> dict[str, Any]:
    """The process writes a JSON object a line: progress, and last of all outputs or an error; other lines are a library's."""
    assert process.stdout is not None
    answer = dict[str, Any]()
    last_line = ""
    for line in process.stdout:
        message = _message(line)
        if "report" in message:
            report(message["report"])
        answer, last_line = message if "outputs" in message or "error" in message else answer, line.strip() or last_line
    return answer or {"error": f"the batch run died: {last_line}"}


def _message(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
