"""Judges a version by the success criteria, and against the champion, on the rows that the version's run held out.

Both are scored now, by the one scorer, on the same rows: what is judged is what would be served. Nothing is moved here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlx_pipelines.contract import HELD_OUT
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.rows import labels, read
from mlx_runtime.cluster.score import fetch_version
from mlx_runtime.engines import EngineError
from mlx_runtime.errors import RuntimeFailure
from mlx_runtime.judge import Verdict, judge
from mlx_runtime.scorer import ScoreError, Scorer, load
from mlx_runtime.workspace_code import make_importable
from mlx_specs import layout
from mlx_specs.resources import Version

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class Rival:
    """The champion's predictions for the candidate's rows, or why there are none."""

    version: str = ""
    predictions: pyarrow.Table | None = None
    classes: tuple[Any, ...] = ()
    obstacle: str = ""


def judge_version(home: str, model: str, candidate: Version, champion: Version | None, success: Sequence[Mapping[str, Any]], workspace: Path) -> Verdict:
    """The verdict on the candidate.

    A champion that cannot be scored on these rows is not compared with: the bars decide, and a reason says so. Without
    criteria every version passes; without held-out rows, which a user's pipeline need not leave, none passes any.
    """
    if not success:
        return Verdict(True, (), {})
    rows = _held_out(workspace, home, model, candidate)
    if rows is None:
        return Verdict(False, (f"it cannot be judged: its run left no {HELD_OUT} in {layout.run(home, model, candidate.fingerprint)}",), {})
    make_importable(workspace)
    scorer = _open(workspace, candidate)
    compares = any(criterion.get("tolerance") is not None for criterion in success)
    rival = _score_champion(workspace, champion, scorer, rows) if compares and _is_rival(champion, candidate) else Rival()
    verdict = judge(
        success, scorer.model.task, labels(rows, scorer.model.target, scorer.model.task), _score(scorer, rows), rival.predictions,
        classes=scorer.model.classes, champion_classes=rival.classes, champion_version=rival.version,
    )  # fmt: skip
    return replace(verdict, reasons=(*verdict.reasons, rival.obstacle)) if rival.obstacle else verdict


def _held_out(workspace: Path, home: str, model: str, candidate: Version) -> pyarrow.Table | None:
    path = workspace / layout.run(home, model, candidate.fingerprint) / HELD_OUT
    return read(path) if path.is_file() else None


def _open(workspace: Path, version: Version) -> Scorer:
    try:
        return load(_folder(workspace, version), version.artifact_digest)
    except (RuntimeFailure, EngineError) as error:
        raise PipelineError(str(error)) from error


def _folder(workspace: Path, version: Version) -> Path:
    """In a pod the champion's artifact is in the storage."""
    if "://" not in version.artifact:
        return workspace / version.artifact
    folder = workspace / layout.CACHE / "artifacts" / version.artifact_digest
    fetch_version(version, folder)
    return folder


def _is_rival(champion: Version | None, candidate: Version) -> bool:
    return champion is not None and champion.exists and champion.fingerprint != candidate.fingerprint


def _score(scorer: Scorer, rows: pyarrow.Table) -> pyarrow.Table:
    try:
        return scorer.score_table(rows.select([tensor.name for tensor in scorer.model.inputs]))
    except (ScoreError, KeyError) as error:
        raise PipelineError(f"the held-out rows cannot be scored: {error}") from error


def _score_champion(workspace: Path, champion: Version | None, candidate: Scorer, rows: pyarrow.Table) -> Rival:
    assert champion is not None
    try:
        scorer = _open(workspace, champion)
        if (scorer.model.target, scorer.model.task) != (candidate.model.target, candidate.model.task):
            raise PipelineError(f"it predicts {scorer.model.target!r}, this one {candidate.model.target!r}")
        return Rival(champion.version, _score(scorer, rows), tuple(scorer.model.classes))
    except PipelineError as error:
        return Rival(obstacle=f"not compared with champion version {champion.version}: {error}")
