"""One step of a run in a pod: the workspace that it expects is laid around it, and what it leaves there is sent to the storage."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlx_pipelines.cluster.folders import fetch_run, send_run
from mlx_pipelines.cluster.known import Known, settle
from mlx_pipelines.contract import RUN, RUN_ID
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.process import environment
from mlx_pipelines.registry_server import REGISTRY
from mlx_runtime.cluster.artifacts import fetch_artifact, send_artifact
from mlx_runtime.cluster.code import lay_code
from mlx_runtime.cluster.datasets import fetch_table
from mlx_runtime.cluster.run import Run, variable
from mlx_runtime.cluster.storage import Storage, open_storage
from mlx_runtime.prepare.folder import DATA
from mlx_specs import layout
from mlx_specs.pipeline_resources import SubmittedRun

Report = Callable[[str], None]
CODE = "MLX_CODE"
"""The variable with the workspace's modules: a zip file in base64, which came with the pipeline's version."""
VERSION = "the pipeline's version"
"""What sets a step's variables."""
GRACE = 10
"""Seconds that a step has to end: a spot node leaves thirty in all."""
INPUT = "--executor_input"
"""Before what KFP tells a step, as JSON."""


def run_step(command: Sequence[str], workspace: Path, *, everything: bool, report: Report) -> int:
    """Runs the command in the workspace; returns its exit status. Raises ``PipelineError`` and ``RuntimeFailure``."""
    at = _input(command)
    told: dict[str, Any] = json.loads(command[at])
    parameters: dict[str, Any] = told["inputs"]["parameterValues"]
    submitted = SubmittedRun.model_validate_json(parameters[RUN])
    storage = open_storage(variable("MLX_STORAGE", VERSION))
    lay_code(os.environ.get(CODE, ""), workspace)
    known = settle(submitted, str(parameters[RUN_ID]), storage, Run(variable("MLX_ENV", VERSION), workspace, report))
    told = known.replaced({**told, "inputs": {**told["inputs"], "parameterValues": _own(parameters)}})
    shared = Shared(known, storage, workspace, _wanted(told, everything=everything))
    told["inputs"]["parameterValues"] |= {RUN: json.dumps(known.version.wire(), sort_keys=True)}
    shared.lay()
    code = 1
    try:
        code = _ended([*command[:at], json.dumps(told), *command[at + 1 :]], workspace)
    finally:
        shared.send(well=code == 0)
    return code


def _ended(command: Sequence[str], workspace: Path) -> int:
    """Its exit status; where this process is told to end, so is the command, and what it has kept until then is sent."""
    process = subprocess.Popen(command, cwd=workspace, env=_environment(workspace))
    try:
        return process.wait()
    except SystemExit:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)  # a shell stands between this process and the step's own
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE)
        raise


class Shared:
    """What steps of a run share: the rows, what the run keeps, the packaged model. A step gets what its arguments name."""

    def __init__(self, known: Known, storage: Storage, workspace: Path, wants: Callable[[str], bool]) -> None:
        """``wants`` says whether it gets a folder, by its path in the workspace."""
        version = known.version
        rows = Path(version.data.path).parent
        kept, made = (place(version.home, version.model, version.fingerprint) for place in (layout.run, layout.artifact))
        self._storage, self._key = storage, known.settled.key
        self._rows = workspace / rows if wants(rows.as_posix()) else None
        self._kept = workspace / kept if wants(kept.as_posix()) else None
        self._made = workspace / made if wants(made.as_posix()) else None
        self._kept_there = storage.below(f"runs/{version.model}/{version.fingerprint}")
        self._made_there = storage.below(f"models/{version.model}/{version.fingerprint}")

    def lay(self) -> None:
        """Before the step."""
        if self._rows is not None and not (self._rows / DATA).is_file():
            fetch_table(self._storage, self._key, self._rows)
        if self._kept is not None:
            self._kept.mkdir(parents=True, exist_ok=True)
            fetch_run(self._kept_there, self._kept)
        if self._made is not None:
            fetch_artifact(self._made_there, self._made)

    def send(self, *, well: bool) -> None:
        """After it: what it keeps also where it failed, for a network's training goes on from there."""
        if self._kept is not None:
            send_run(self._kept, self._kept_there)
        if well and self._made is not None:
            send_artifact(self._made, self._made_there)


def _wanted(told: Mapping[str, Any], *, everything: bool) -> Callable[[str], bool]:
    """A step gets what its arguments name; the last one the run's own folders."""
    text = json.dumps(told)
    return lambda path: path in text or (everything and "/datasets/" not in path and "/joined/" not in path)


def _input(command: Sequence[str]) -> int:
    """Where KFP's JSON stands."""
    if INPUT not in command[:-1]:
        raise PipelineError(f"the step's command has no {INPUT}", hint="only steps that are Python functions run around mlx's own image")
    return command.index(INPUT) + 1


def _own(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The step's own: without those that are mlx's."""
    return {name: value for name, value in parameters.items() if name not in (RUN, RUN_ID)}


def _environment(workspace: Path) -> dict[str, str]:
    """As on a laptop, but for a registry that is a server."""
    threads = os.environ.get("MLX_THREADS", "")
    made = {**environment(workspace, int(threads) if threads else None), REGISTRY: variable("MLFLOW_TRACKING_URI", VERSION)}
    made.pop(CODE, None)
    return made
