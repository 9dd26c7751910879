"""The gates of a promotion: each model's success criteria, and the comparison with what the target serves now.

Both are scored now, by the one scorer, on the candidate's held-out rows; a number that was stored is never compared with. Reads only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from mlx_pipelines.errors import PipelineError
from mlx_specs import layout
from mlx_specs.release import ReleaseFile
from mlx_specs.resources import Version
from mlx_stacks.errors import UserError


@dataclass(frozen=True)
class Gate:
    """The verdict on one model."""

    model: str
    passed: bool
    figures: tuple[str, ...]
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        """``Model/delay: roc_auc 0.71 is below 0.75``"""
        return f"Model/{self.model}: {'; '.join(self.figures if self.passed else self.reasons)}"


def judge_model(root: Path, release: ReleaseFile, model: str, home: str, present: Version | None) -> Gate:
    """The verdict on a released version whose bytes stand in ``home``, against the version that the target serves."""
    from mlx_pipelines.gate import judge_version

    candidate = release.version(model, layout.artifact(home, model, release.pins.models[model].fingerprint).as_posix())
    success = _success(release, model)
    try:
        verdict = judge_version(home, model, candidate, present, success, root)
    except PipelineError as error:
        raise UserError(f"Model/{model}: {error}", hint=error.hint or "mlx refresh, then mlx apply, in the environment that it is promoted from") from error
    compared = {comparison.metric: comparison for comparison in verdict.comparisons}
    version = present.version if present else ""
    figures = [_figure(criterion, verdict.metrics, compared.get(str(criterion["metric"])), version) for criterion in success]
    return Gate(model, verdict.passed, tuple(figures) or ("no criteria: every version passes",), verdict.reasons)


def _success(release: ReleaseFile, model: str) -> list[Mapping[str, Any]]:
    spec = next(value["spec"] for value in release.objects if (value["kind"], value["metadata"]["name"]) == ("Model", model))
    return cast("list[Mapping[str, Any]]", spec.get("success", []))


def _figure(criterion: Mapping[str, Any], metrics: Mapping[str, float], comparison: Any, version: str) -> str:
    """``roc_auc 0.992, at least 0.95; 0.003 above version 1 (95 % interval -0.001 to 0.01 worse), allowed 0.01``"""
    metric = str(criterion["metric"])
    value = metrics.get(metric)
    said = [f"{metric} {value:.4g}" if value is not None else metric]
    said += [f"{words} {criterion[key]:g}" for key, words in (("atLeast", "at least"), ("atMost", "at most")) if criterion.get(key) is not None]
    if comparison is not None:
        interval = f"95 % interval {comparison.low:.3g} to {comparison.high:.3g}"
        said.append(f"worse than version {version} by {comparison.worse:.3g} ({interval}), allowed {comparison.tolerance:g}")
    return ", ".join(said)
