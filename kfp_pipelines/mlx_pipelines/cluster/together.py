"""A model that is trained on several nodes: every process runs the whole pipeline in a workspace of its own, and the networks in it train together.

All do the same with the same rows, so all come to the same place where they share the work. What the first process leaves is the run's;
the others' registry and folders are scratch. Source: torchrun, whose variables say who is there.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

from mlx_pipelines.cluster.complete import complete_version
from mlx_pipelines.cluster.known import Known, is_settled, settle
from mlx_pipelines.cluster.step import CODE, Shared
from mlx_pipelines.compile import compile_pipeline, pipeline_parameters, read_ir
from mlx_pipelines.contract import arguments_for, offered, refuse_what_is_ignored
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.network_share import LIMIT, SHARED
from mlx_pipelines.registry_rest import versions_of
from mlx_pipelines.registry_server import NAMESPACE, REGISTRY, registered_name
from mlx_pipelines.run import run_pipeline
from mlx_runtime.cluster.code import lay_code
from mlx_runtime.cluster.run import Run, variable
from mlx_runtime.cluster.storage import Storage, open_storage
from mlx_specs import layout
from mlx_specs.pipeline_resources import SubmittedRun

Report = Callable[[str], None]
RUN_VARIABLE, RUN_ID_VARIABLE = "MLX_RUN", "MLX_RUN_ID"
"""The SubmittedRun as JSON, and what this run is told apart by from others of the same definition."""
JOB = "the TrainJob"
PAUSE = 2


def train_together(workspace: Path, report: Report) -> None:
    """One process of them; raises ``PipelineError`` and ``RuntimeFailure``."""
    first = os.environ.get("RANK", "0") == "0"
    submitted, storage = SubmittedRun.model_validate_json(variable(RUN_VARIABLE, JOB)), open_storage(variable("MLX_STORAGE", JOB))
    lay_code(os.environ.get(CODE, ""), workspace)
    known = _settled(submitted, storage, Run(variable("MLX_ENV", JOB), workspace, report), first=first)
    shared = Shared(known, storage, workspace, lambda _: True)
    shared.lay()
    os.environ[SHARED] = "1"
    mlflow = variable("MLFLOW_TRACKING_URI", JOB)
    is_trained = any(one.fingerprint == known.fingerprint for one in versions_of(mlflow, registered_name(variable(NAMESPACE, JOB), known.version.model)))
    if first:
        os.environ[REGISTRY] = mlflow
    if is_trained:
        report("a version has this fingerprint: nothing is trained")
    else:
        _train(known, shared, workspace, report, first=first)
    if first:
        complete_version(known.version, workspace, report)


def _train(known: Known, shared: Shared, workspace: Path, report: Report, *, first: bool) -> None:
    well = False
    try:
        _run(known, workspace, report if first else _silent)
        well = True
    finally:
        if first:
            shared.send(well=well)


def _settled(submitted: SubmittedRun, storage: Storage, run: Run, *, first: bool) -> Known:
    """The first settles what is learned from; the others wait for it."""
    run_id, waited = variable(RUN_ID_VARIABLE, JOB), 0
    while not first and not is_settled(submitted, run_id, storage):
        if waited >= LIMIT.total_seconds():
            raise PipelineError(f"the first process has not begun within {waited} s", hint="its pod's log says why: mlx logs")
        time.sleep(PAUSE)
        waited += PAUSE
    return settle(submitted, run_id, storage, run)


def _run(known: Known, workspace: Path, report: Report) -> None:
    version = known.version
    compiled = compile_pipeline(version.entry, version.arguments, workspace, workspace / "compiled").path
    parameters = pipeline_parameters(read_ir(compiled))
    refuse_what_is_ignored(version, parameters)
    arguments = arguments_for(parameters, offered(version, version.features or []), version.arguments)
    folder = workspace / layout.run(version.home, version.model, version.fingerprint)
    run_pipeline(compiled, arguments, folder, workspace=workspace, threads=version.cpu, gpus=version.gpu, report=report)


def _silent(line: str) -> None:
    """The first one tells it."""
