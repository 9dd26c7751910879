"""The judgement: each column of a window beside the same column of the reference rows that came with the version."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from mlx_runtime.columns import missing, to_columns
from mlx_runtime.monitor import MonitorError
from mlx_runtime.monitor.distances import binned, distance, measurable
from mlx_runtime.monitor.report import BinShare, ColumnDrift
from mlx_runtime.monitor.rows import Rows
from mlx_runtime.scorer import Scorer, load
from mlx_runtime.signature import ScoreError
from mlx_specs.artifact import REFERENCE_FILE
from mlx_specs.monitor import DataDrift, MonitorSpec, PredictionDrift
from mlx_specs.resources import Version

NEW_VALUES = 5
WHY_NOT = "it compares numbers, and these are texts"


class Judged:
    """What became of each column."""

    def __init__(self) -> None:
        self.data: list[ColumnDrift] = []
        self.predictions: list[ColumnDrift] = []
        self.not_measured: dict[str, str] = {}
        self.reference_rows = 0


def judge(spec: MonitorSpec, version: Version, artifact: Path, inputs: Rows, outputs: Rows) -> Judged:
    """Compares what was scored, and what was said, with the version's reference. Raises ``MonitorError`` or ``ArtifactError``."""
    judged, scorer = Judged(), load(artifact, version.artifact_digest)
    reference = _reference(artifact, version)
    judged.reference_rows = reference.num_rows
    if spec.data_drift is not None:
        known, kinds = to_columns(reference), {tensor.name: tensor.type for tensor in scorer.model.inputs}
        columns = spec.data_drift.columns
        judged.data = list(_compared(spec.data_drift, columns or list(known), known, kinds, inputs, judged, asked=bool(columns)))
    if spec.prediction_drift is not None:
        said = to_columns(_predicted(scorer, reference))
        kinds = {tensor.name: tensor.type for tensor in scorer.model.outputs}
        judged.predictions = list(_compared(spec.prediction_drift, list(said), said, kinds, outputs, judged, asked=False))
    return judged


def _reference(artifact: Path, version: Version) -> pyarrow.Table:
    path = artifact / REFERENCE_FILE
    if not path.is_file():
        reason = f"version {version.version} has no reference rows: it was packaged before mlx kept any"
        raise MonitorError(reason, hint="train it anew (a change of its seed is enough), or package it again")
    return parquet.read_table(path)


def _compared(
    drift: DataDrift | PredictionDrift,
    columns: Sequence[str],
    known: Mapping[str, NDArray],
    kinds: Mapping[str, str],
    rows: Rows,
    judged: Judged,
    *,
    asked: bool,
) -> Iterator[ColumnDrift]:
    for name in columns:
        before = known[name]
        if not measurable(drift.method, before.dtype.type):
            if asked:
                raise MonitorError(f"{drift.method} cannot compare column '{name}': {WHY_NOT}", hint="take method: psi, or take it out of the columns")
            judged.not_measured[name] = WHY_NOT
            continue
        now = rows.column(name)
        yield ColumnDrift(
            column=name, method=drift.method, distance=distance(drift.method, before, now), threshold=drift.threshold,
            missing_before=float(missing(before).mean()), missing=float(missing(now).mean()), new_values=_new(before, now),
            bins=_bins(before, now, kinds.get(name, "")),
        )  # fmt: skip


def _bins(before: NDArray, now: NDArray, kind: str) -> list[BinShare]:
    found = binned(before, now)
    shares = zip(found.labels, found.before / found.before.sum(), found.now / found.now.sum(), strict=True)
    return [BinShare(bin=_label(label, kind), before=float(one), now=float(other)) for label, one, other in shares]


def _label(label: str | tuple[float, float], kind: str) -> str:
    if isinstance(label, str):
        return label
    low, high = label
    if low == high:
        return _spelled(low, kind)
    if math.isinf(low):
        return "any" if math.isinf(high) else f"below {_spelled(high, kind)}"
    return f"{_spelled(low, kind)} or more" if math.isinf(high) else f"{_spelled(low, kind)} to {_spelled(high, kind)}"


def _spelled(value: float, kind: str) -> str:
    if kind in ("timestamp", "date"):
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d" if kind == "date" else "%Y-%m-%d %H:%MZ")
    return str(bool(value)).lower() if kind == "boolean" else f"{value:.6g}"


def _new(before: NDArray, now: NDArray) -> list[str]:
    if before.dtype != np.object_:
        return []
    seen = set(before.tolist())
    return [value for value, _ in Counter(value for value in now.tolist() if value is not None and value not in seen).most_common(NEW_VALUES)]


def _predicted(scorer: Scorer, reference: pyarrow.Table) -> pyarrow.Table:
    """Without rows that the signature refuses: a batch rejects those, too."""
    try:
        return scorer.score_table(reference)
    except ScoreError as error:
        if not error.rows:
            raise MonitorError(f"the version cannot score its own reference rows: {error}") from error
        return _predicted(scorer, reference.filter(pyarrow.array(~np.isin(np.arange(reference.num_rows), error.rows))))
