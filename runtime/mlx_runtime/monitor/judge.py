"""The judgement: each column of a window beside the same column of the reference rows that came with the version."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from mlx_runtime.columns import missing, to_columns
from mlx_runtime.monitor import MonitorError
from mlx_runtime.monitor.distances import Binned, binned, distance, measurable
from mlx_runtime.monitor.report import BinShare, ColumnDrift
from mlx_runtime.monitor.rows import Rows
from mlx_runtime.scorer import Scorer, load
from mlx_runtime.signature import ScoreError
from mlx_specs.artifact import REFERENCE_FILE
from mlx_specs.monitor import DataDrift, MonitorSpec, PredictionDrift
from mlx_specs.resources import Version

NEW_VALUES = 5
WHY_NOT = "it compares numbers, and these are texts"


@dataclass(frozen=True)
class Judged:
    """What became of each column."""

    reference_rows: int
    data: list[ColumnDrift]
    predictions: list[ColumnDrift]
    not_measured: dict[str, str]


@dataclass(frozen=True)
class Known:
    """Columns of the reference rows, as a model reads them, and their types in a dataset."""

    columns: Mapping[str, NDArray]
    types: Mapping[str, str]


def judge(spec: MonitorSpec, version: Version, artifact: Path, inputs: Rows, outputs: Rows) -> Judged:
    """Compares what was scored, and what was said, with the version's reference. Raises ``MonitorError`` or ``ArtifactError``."""
    scorer = load(artifact, version.artifact_digest)
    reference = _reference(artifact, version)
    data, predictions = list[ColumnDrift](), list[ColumnDrift]()
    not_measured = dict[str, str]()
    if spec.data_drift is not None:
        known = Known(to_columns(reference), {tensor.name: tensor.type for tensor in scorer.model.inputs})
        chosen = spec.data_drift.columns or _measurable(spec.data_drift.method, known, not_measured)
        data = [_compared(spec.data_drift, name, known, inputs) for name in chosen]
    if spec.prediction_drift is not None:
        known = Known(to_columns(_predicted(scorer, reference)), {tensor.name: tensor.type for tensor in scorer.model.outputs})
        chosen = _measurable(spec.prediction_drift.method, known, not_measured)
        predictions = [_compared(spec.prediction_drift, name, known, outputs) for name in chosen]
    return Judged(reference.num_rows, data, predictions, not_measured)


def _reference(artifact: Path, version: Version) -> pyarrow.Table:
    path = artifact / REFERENCE_FILE
    if not path.is_file():
        reason = f"version {version.version} has no reference rows: it was packaged before mlx kept any"
        raise MonitorError(reason, hint="train it anew (a change of its seed is enough), or package it again")
    return parquet.read_table(path)


def _measurable(method: str, known: Known, left_out: dict[str, str]) -> list[str]:
    """The columns that the method can compare; ``left_out`` is told of the others."""
    names = [name for name, values in known.columns.items() if measurable(method, values.dtype.type)]
    left_out.update(dict.fromkeys(known.columns.keys() - set(names), WHY_NOT))
    return names


def _compared(drift: DataDrift | PredictionDrift, name: str, known: Known, rows: Rows) -> ColumnDrift:
    if name not in known.columns:
        raise MonitorError(f"the version that is served has no input '{name}'", hint=f"it reads {', '.join(known.columns)}")
    before = known.columns[name]
    if not measurable(drift.method, before.dtype.type):
        raise MonitorError(f"{drift.method} cannot compare column '{name}': {WHY_NOT}", hint="take method: psi, or take it out of the columns")
    now = rows.column(name)
    bins = binned(before, now)
    return ColumnDrift(
        column=name, method=drift.method, distance=distance(drift.method, before, now, bins), threshold=drift.threshold,
        missing_before=float(missing(before).mean()), missing=float(missing(now).mean()), new_values=_new(before, now),
        bins=_shares(bins, known.types.get(name, "")),
    )  # fmt: skip


def _shares(found: Binned, kind: str) -> list[BinShare]:
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
