"""Runs a compiled pipeline on this machine and tells how it goes.

Enters: an IR file, its arguments, a folder. Leaves: FOLDER/run.log, which people read, FOLDER/kfp.log with all that was
printed, FOLDER/steps/ with each step's outputs and FOLDER/manifest.json; or StepFailed. No process outlives the call, nor the caller's death by kill -9.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlx_pipelines.compile import IR, read_ir, step_names
from mlx_pipelines.errors import PipelineError, StepFailed
from mlx_pipelines.failure import step_failure
from mlx_pipelines.process import environment, gpus_here, remove_tree
from mlx_pipelines.refusals import tasks
from mlx_specs.capacity import number_of

Report = Callable[[str], None]
LOG = "run.log"
"""The steps with their own lines and seconds."""
RAW = "kfp.log"
"""All that was printed, KFP's lines, too."""
METADATA_ONLY = ("system.Metrics", "system.ClassificationMetrics", "system.SlicedClassificationMetrics")
"""Artifacts that are allowed to have no file."""


_running: set[subprocess.Popen[str]] = set()
_interrupted: set[int] = set()
"""Process ids of runs that were given up."""


@dataclass(frozen=True)
class StepRun:
    """One step that ended well."""

    name: str
    seconds: float


@dataclass(frozen=True)
class RunOutputs:
    """``outputs`` are the pipeline function's own: parameter values, and ``{"path", "metadata"}`` of artifacts."""

    steps: tuple[StepRun, ...]
    outputs: dict[str, Any]
    folder: Path
    log: Path


def run_pipeline(
    ir: Path,
    arguments: Mapping[str, Any],
    folder: Path,
    *,
    workspace: Path,
    threads: int | None = None,
    memory: str | None = None,
    gpus: int | None = None,
    report: Report,
) -> RunOutputs:
    """Runs all steps one after the other; ``memory`` limits the data segment of each, ``threads`` their numerical libraries, ``gpus`` must be there."""
    if gpus and gpus_here() < gpus:
        has = f"this machine has {gpus_here() or 'no NVIDIA GPU'}"
        raise PipelineError(f"compute.gpu asks for {gpus}: {has}", hint="take compute.gpu out and it trains on the CPU, or apply where there is one")
    pipeline = read_ir(ir)
    started = datetime.now(UTC)
    _clear(folder)
    with _runner(ir, arguments, folder, memory, workspace, environment(workspace, threads, gpus)) as process:
        steps, outputs = _follow(process, pipeline, folder, memory, report)
    _check_written(pipeline, folder)
    _write_manifest(pipeline, ir, arguments, folder, started, steps, outputs)
    return RunOutputs(steps, outputs, folder, folder / LOG)


def interrupt_runs() -> None:
    """Gives up every run of this process, from any thread: each raises PipelineError where it was called."""
    for process in list(_running):
        _interrupted.add(process.pid)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _clear(folder: Path) -> None:
    """What an earlier attempt left; other things in the folder stay."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "steps", ignore_errors=True)
    (folder / "steps").mkdir(exist_ok=True)
    (folder / "manifest.json").unlink(missing_ok=True)


@contextlib.contextmanager
def _runner(
    ir: Path, arguments: Mapping[str, Any], folder: Path, memory: str | None, workspace: Path, given: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    # KFP leaves a folder in TMPDIR for each step. Not below the run's folder: a socket's path may have 108 characters.
    temporary = tempfile.mkdtemp(prefix="mlx-run-")
    variables = {**given, "TMPDIR": temporary}
    command = [sys.executable, "-m", "mlx_pipelines.local_runner"]
    (folder / LOG).write_text("")
    with (folder / RAW).open("w") as log:
        process = subprocess.Popen(
            command, cwd=workspace, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )
    _running.add(process)
    try:
        assert process.stdin is not None
        process.stdin.write(json.dumps(_request(ir, arguments, folder, memory, temporary)) + "\n")
        process.stdin.flush()
        yield process
    finally:
        _running.discard(process)
        _end(process)
        _point_to_raw(folder, workspace)
        remove_tree(temporary)


def _request(ir: Path, arguments: Mapping[str, Any], folder: Path, memory: str | None, temporary: str) -> dict[str, Any]:
    return {
        "ir": str(ir.resolve()),
        "arguments": dict(arguments),
        "temporary": temporary,
        "root": str((folder / "steps").resolve()),
        "log": str((folder / LOG).resolve()),
        "memory": int(number_of(memory)) if memory else None,
    }


def _end(process: subprocess.Popen[str]) -> None:
    """The whole group, also after the runner itself has ended: a step may have left children."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
    process.wait()


def _point_to_raw(folder: Path, workspace: Path) -> None:
    """The last line, where whoever looks for more will see it; a full disk must not hide why the run failed."""
    raw = folder / RAW
    with contextlib.suppress(OSError), (folder / LOG).open("a", encoding="utf-8") as log:
        log.write(f"all that was printed, KFP's own lines, too: {raw.relative_to(workspace) if raw.is_relative_to(workspace) else raw}\n")


def _follow(process: subprocess.Popen[str], ir: IR, folder: Path, memory: str | None, report: Report) -> tuple[tuple[StepRun, ...], dict[str, Any]]:
    """Turns the runner's events into lines of progress until it ends."""
    progress = _Progress(_total(ir), report)
    assert process.stdout is not None
    for line in process.stdout:
        event: dict[str, Any] = json.loads(line)
        if "outputs" in event:
            return tuple(progress.done), event["outputs"]
        if "error" in event:
            raise _stopped(event, folder, memory)
        if event["state"] == "failed":
            raise step_failure(folder / RAW, event["step"], memory, log=folder / LOG)
        progress.see(event)
    if process.pid in _interrupted:
        raise PipelineError("interrupted: the run was given up", hint="the next mlx apply starts it again")
    raise PipelineError("the process that runs the pipeline ended without a word, most often because memory ran out", hint=f"its output is in {folder / RAW}")


def _stopped(event: Mapping[str, Any], folder: Path, memory: str | None) -> PipelineError:
    """The runner itself failed, between steps."""
    if event["type"] == "MemoryError":
        return PipelineError(f"out of memory before the first step: the limit is {memory}", hint="raise compute.memory")
    return PipelineError(f"the run stopped: {event['type']}: {event['error']}", hint=f"the whole output is in {folder / RAW}")


class _Progress:
    """Counts steps and measures them."""

    def __init__(self, total: int | None, report: Report) -> None:
        self.done: list[StepRun] = []
        self._of = f"/{total}" if total else ""
        self._report = report
        self._started: dict[str, float] = {}
        self._count = 0

    def see(self, event: Mapping[str, Any]) -> None:
        step, at = event["step"], event["at"]
        if event["state"] == "started":
            self._count += 1
            self._started[step] = at
            self._report(f"step {self._count}{self._of} {step} ...")
            return
        seconds = round(at - self._started[step], 2)
        self.done.append(StepRun(step, seconds))
        self._report(f"step {step} done in {seconds:.1f} s")


def _total(ir: IR) -> int | None:
    """Unknown where a loop decides how often a step runs."""
    loops = any("parameterIterator" in task or "artifactIterator" in task for _, task in tasks(ir))
    return None if loops else len(step_names(ir))


def _check_written(ir: IR, folder: Path) -> None:
    """KFP calls a step that never writes its output a success."""
    for component, spec in ir.get("components", {}).items():
        step = component.removeprefix("comp-")
        for name, artifact in spec.get("outputDefinitions", {}).get("artifacts", {}).items():
            ran = [path.parent for path in folder.glob(f"steps/*/{step}/executor_output.json")]
            if ran and artifact["artifactType"].get("schemaTitle") not in METADATA_ONLY and not any((path / name).exists() for path in ran):
                raise StepFailed(step, f"it wrote nothing to its output {name!r}", log=folder / LOG, hint=f"write a file or a folder to {name}.path")


def _write_manifest(
    ir: IR, path: Path, arguments: Mapping[str, Any], folder: Path, started: datetime, steps: tuple[StepRun, ...], outputs: Mapping[str, Any]
) -> None:
    """KFP keeps no record of a run and its inputs."""
    manifest = {
        "schemaVersion": 1,
        "pipeline": ir["pipelineInfo"]["name"],
        "irDigest": path.stem,
        "arguments": dict(arguments),
        "started": started.isoformat(timespec="seconds"),
        "steps": [asdict(step) for step in steps],
        "outputs": dict(outputs),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
