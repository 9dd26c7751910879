"""What a run leaves beside its artifact, so that packaging and judging again need no training.

RUN_FOLDER holds estimator.pickle, held_out.parquet, metrics.json, plots/ and kept.json, which has the sha256 of the
estimator: a pickle is opened only when it is the one that this run has written.
"""

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlx_pipelines.contract import ESTIMATOR, HELD_OUT, METRICS, PLOTS
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.rows import labels, read

KEPT = "kept.json"


def keep(run_folder: Path, estimator: Path, held_out: Path, report: Path) -> None:
    """Copies the steps' outputs under their names; kept.json comes last and makes it whole."""
    run_folder.mkdir(parents=True, exist_ok=True)
    (run_folder / KEPT).unlink(missing_ok=True)
    shutil.copyfile(estimator, run_folder / ESTIMATOR)
    shutil.copyfile(held_out, run_folder / HELD_OUT)
    shutil.copyfile(report / METRICS, run_folder / METRICS)
    shutil.copytree(report / PLOTS, run_folder / PLOTS, dirs_exist_ok=True)
    (run_folder / KEPT).write_text(json.dumps({"schemaVersion": 1, "estimator": _sha256(run_folder / ESTIMATOR)}) + "\n")


def is_kept(run_folder: Path) -> bool:
    """Whether the run left a whole set."""
    return (run_folder / KEPT).is_file()


def package_kept(
    run_folder: Path, *, model: str, fingerprint: str, task: str, target: str, features: list[str], format: Any, folder: Path, report: Callable[[str], None]
) -> str:
    """Packages the estimator of a run; returns the artifact's digest."""
    from mlx_runtime.package import PackageError, package

    rows = read(run_folder / HELD_OUT)
    try:
        return package(
            estimator=_load_estimator(run_folder),
            data=rows.select(features),
            labels=labels(rows, target, task).tolist(),
            model=model,
            fingerprint=fingerprint,
            task=task,
            target=target,
            format=format,
            folder=folder,
            metrics=json.loads((run_folder / METRICS).read_text()),
            report=report,
        )
    except PackageError as error:
        raise PipelineError(str(error), hint=error.hint) from error


def _load_estimator(run_folder: Path) -> Any:
    path = run_folder / ESTIMATOR
    expected = json.loads((run_folder / KEPT).read_text())["estimator"]
    if _sha256(path) != expected:
        raise PipelineError(f"{path} is not the estimator that this run has written", hint=f"remove {run_folder}; the next apply trains again")
    return pickle.loads(path.read_bytes())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
