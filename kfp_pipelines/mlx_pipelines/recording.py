"""What is recorded in MLflow of a version that a pipeline has packaged.

Enters: the artifact's folder and what the run kept. Leaves: one run and one version; repeating it changes nothing.
"""

import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path, PurePosixPath

from mlx_pipelines.contract import PLOTS, VERDICT
from mlx_pipelines.registry import Registered, Run, register
from mlx_runtime.artifact import digest_of, verify
from mlx_specs.artifact import ModelFile
from mlx_specs.resources import About, Version

LIBRARIES = ("scikit-learn", "numpy", "scipy", "pandas", "pyarrow", "skl2onnx", "onnxruntime", "mlx-iac")
"""Provenance: they are in no fingerprint."""


def record_version(
    workspace: Path, home: str, model: str, fingerprint: str, *, artifact: str, run_folder: Path, package: str,
    params: Mapping[str, str], provenance: Mapping[str, str], about: About,
) -> Registered:  # fmt: skip
    """Registers the artifact under its fingerprint, with the metrics that stand in it."""
    digest = digest_of(workspace / artifact)
    described = verify(workspace / artifact, digest)
    tags = {**provenance, **_libraries(), **_engine(described), "mlx.fingerprint": fingerprint, "mlx.environment": PurePosixPath(home).name}
    run = Run(params, described.metrics, {**tags, **_verdict(run_folder), **about.labels, "owner": about.owner}, _files(workspace, artifact, run_folder))
    version = Version(fingerprint=fingerprint, artifact=artifact, artifact_digest=digest)
    return register(workspace, home, model, version, run, {**tags, "mlx.package": package}, about)


def _engine(described: ModelFile) -> dict[str, str]:
    return {"mlx.engine": described.engine, **({"mlx.engine_reason": described.reason} if described.reason else {})}


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
    """The packaged model, and the plots where there are some."""
    plots = run_folder / PLOTS
    return {workspace / artifact: "model", **({plots: "plots"} if plots.is_dir() else {})}
