"""What a target refuses: for every field in a row of the table an object that sets it, and nothing else that is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from field_paths import changed_at, every_field, plain_path

from mlx_specs.support import TABLE, Row

COMPUTE = {"cpu": 2, "memory": "2Gi", "gpu": 1, "nodes": 2, "pool": "gpu"}
PERFORMANCE: Mapping[str, Any] = {"metric": "rmse", "atLeast": 0.0, "atMost": 9.0, "labels": {"dataset": "rows", "key": ["id"], "delay": "1d"}}
VALUES: Mapping[str, tuple[Any, ...]] = {
    "Environment.spec.state.passphrase.kubernetes.name": ("n",),
    "Environment.spec.state.passphrase.kubernetes.key": ("k",),
    "Dataset.spec.schedule": ("0 3 * * *",),
    **{f"Dataset.spec.compute.{name}": (value,) for name, value in COMPUTE.items()},
    "Dataset.spec.source[sql].url[secret].kubernetes.name": ("n",),
    "Dataset.spec.source[sql].url[secret].kubernetes.key": ("k",),
    "FeatureStore.spec.onlineStore.type": ("redis", "postgres"),
    "FeatureStore.spec.onlineStore.connection.name": ("n",),
    "FeatureStore.spec.onlineStore.connection.key": ("k",),
    "FeatureStore.spec.offlineStore.type": ("spark",),
    "FeatureStore.spec.materialization.schedule": ("0 3 * * *",),
    "Pipeline.spec.steps": ({"train": {"compute": {}}},),
    "Pipeline.spec.steps.*.compute.cpu": (2,),
    "Pipeline.spec.steps.*.compute.memory": ("2Gi",),
    "Pipeline.spec.steps.*.compute.gpu": (1,),
    "Pipeline.spec.steps.*.compute.nodes": (2,),
    "Pipeline.spec.steps.*.compute.pool": ("gpu",),
    "Model.spec.task": ("timeSeries", "text", "vision"),
    "Model.spec.retraining.schedule": ("0 3 * * *",),
    "Model.spec.compute.nodes": (2,),
    "Model.spec.compute.pool": ("gpu",),
    "Inference.spec.scaling.min": (0,),
    "Inference.spec.scaling.max": (2,),
    "Inference.spec.compute.gpu": (1,),
    "Inference.spec.compute.nodes": (2,),
    "Inference.spec.compute.pool": ("gpu",),
    "Inference.spec.batch.schedule": ("0 3 * * *",),
    "Monitor.spec.schedule": ("0 3 * * *",),
    **{f"Monitor.spec.compute.{name}": (value,) for name, value in COMPUTE.items()},
    "Monitor.spec.action": ("retrain",),
    **{f"Monitor.spec.performance.{name}": (value,) for name, value in PERFORMANCE.items() if name != "labels"},
    **{f"Monitor.spec.performance.labels.{name}": (value,) for name, value in PERFORMANCE["labels"].items()},
}
"""The values that are refused, for each path that a row of the table covers."""


@dataclass(frozen=True)
class Refusal:
    """A field, a value that is refused, and the row that says why."""

    path: str
    value: Any
    row: Row


def refused_paths() -> dict[str, Row]:
    """Each path that a ``refused`` row covers, and the row."""
    rows = refusing_here()
    return {field.path: row for field in every_field() for row in rows if _covers(row, field.path)}


def refusing_here() -> list[Row]:
    """The rows that concern this machine; those of a cluster stand in a recorded diagnosis (tests/specs/bad/unsupported_on_a_cluster)."""
    return [row for row in TABLE if row.verdict == "refused" and row.target != "kubernetes"]


def refusals() -> list[Refusal]:
    """Every value of the table above."""
    rows = refused_paths()
    return [Refusal(path, value, rows[path]) for path, values in VALUES.items() for value in values]


def with_refused(one: Refusal, base: Mapping[str, Any]) -> dict[str, Any]:
    """An object that says it."""
    if ".onlineStore." in one.path:
        store = {"type": one.value if one.path.endswith(".type") else "redis", "connection": {"name": "n", "key": "k"}}
        return changed_at(base, "FeatureStore.spec.onlineStore", store)
    if ".kubernetes." in one.path:
        return changed_at(base, one.path.partition(".kubernetes.")[0].removesuffix("[secret]"), {"kubernetes": {"name": "n", "key": "k"}})
    if ".steps.*." in one.path:
        return changed_at(base, "Pipeline.spec.steps", {"train": {"compute": {one.path.rpartition(".")[2]: one.value}}})
    if ".performance." in one.path:
        return changed_at(base, "Monitor.spec.performance", PERFORMANCE)
    if ".scaling." in one.path:
        return changed_at(base, "Inference.spec.scaling", {"min": 1, "max": 1, one.path.rpartition(".")[2]: one.value})
    return changed_at(base, one.path, one.value)


def _covers(row: Row, path: str) -> bool:
    plain = plain_path(path)
    return path.startswith(f"{row.kind}.") and (plain == row.field or plain.startswith(f"{row.field}."))
