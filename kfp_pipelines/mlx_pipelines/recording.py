"""What is recorded in MLflow of a version that a pipeline has packaged.

Enters: the artifact's folder and what the run kept. Leaves: one run and one version; repeating it changes nothing.
"""

import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path, PurePosixPath

from mlx_pipelines.contract import PLOTS, VERDICT
from mlx_pipelines.leaderboard import LEADERBOARD, Attempt, Leaderboard, read_leaderboard
from mlx_pipelines.networks import CHECKPOINTS, EPOCHS
from mlx_pipelines.registry import InnerRun, Registered, Run, register
from mlx_runtime.artifact import digest_of, verify
from mlx_specs.artifact import ModelFile
from mlx_specs.resources import About, Version

LIBRARIES = ("scikit-learn", "numpy", "scipy", "pandas", "pyarrow", "skl2onnx", "onnxruntime", "torch", "mlx-iac")
"""Provenance: they are in no fingerprint."""


def record_version(
    workspace: Path, home: str, model: str, fingerprint: str, *, artifact: str, run_folder: Path, package: str,
    params: Mapping[str, str], provenance: Mapping[str, str], about: About,
) -> Registered:  # fmt: skip
    """Registers the artifact under its fingerprint, with the metrics that stand in it."""
    digest = digest_of(workspace / artifact)
    described = verify(workspace / artifact, digest)
    tags = {**provenance, **_libraries(), **_engine(described), "mlx.fingerprint": fingerprint, "mlx.environment": PurePosixPath(home).name}
    board = read_leaderboard(run_folder)
    params = params if board is None else {**params, **_params(board.best)}
    told = {**tags, **_verdict(run_folder), **about.labels, "owner": about.owner}
    run = Run(params, described.metrics, told, _files(workspace, artifact, run_folder), _inner(board), _epochs(run_folder))
    version = Version(fingerprint=fingerprint, artifact=artifact, artifact_digest=digest)
    return register(workspace, home, model, version, run, {**tags, "mlx.package": package}, about)


def _engine(described: ModelFile) -> dict[str, str]:
    return {"mlx.engine": described.engine, **({"mlx.engine_reason": described.reason} if described.reason else {})}


def _params(attempt: Attempt) -> dict[str, str]:
    return {"algorithm": attempt.algorithm, **{name: str(value) for name, value in attempt.parameters.items()}}


def _inner(board: Leaderboard | None) -> tuple[InnerRun, ...]:
    """A run for each that was tried, the best first."""
    if board is None:
        return ()
    return tuple(
        InnerRun(
            attempt.name,
            _params(attempt),
            {} if attempt.value is None else {f"validation_{board.metric}": attempt.value, "seconds": attempt.seconds},
            {"mlx.rank": str(rank), **({"mlx.failed": attempt.reason} if attempt.reason else {})},
            failed=attempt.value is None,
        )
        for rank, attempt in enumerate(board.attempts, 1)
    )


def _epochs(run_folder: Path) -> tuple[Mapping[str, float], ...]:
    path = run_folder / CHECKPOINTS / EPOCHS
    return tuple(json.loads(path.read_text())) if path.is_file() else ()


def _libraries() -> dict[str, str]:
    """Those that are installed."""
    found: dict[str, str] = {}
    for name in LIBRARIES:
        try:
            found[f"mlx.library.{name}"] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _verdict(run_folder: Path) -> dict[str, str]:
    """What the gate said at the time; a user's pipeline may have no gate."""
    path = run_folder / VERDICT
    if not path.is_file():
        return {}
    verdict = json.loads(path.read_text())
    return {"mlx.gate": "passed" if verdict["passed"] else "; ".join(verdict["reasons"])}


def _files(workspace: Path, artifact: str, run_folder: Path) -> dict[Path, str]:
    """The packaged model, and the plots and the leaderboard where there are some."""
    plots, board = run_folder / PLOTS, run_folder / LEADERBOARD
    return {workspace / artifact: "model", **({plots: "plots"} if plots.is_dir() else {}), **({board: ""} if board.is_file() else {})}
