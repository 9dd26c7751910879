"""What people changed in an object that its resources have not reached yet, in the words of its spec.

A component takes its new spec into state before its resources follow, so after an interrupted or failed apply only the inputs
of the resources still tell what they were made of. Enters: steps of resources. Leaves: changes of fields.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from mlx_engine.host import Step
from mlx_stacks.changes import FieldChange, ObjectSteps, differences, field_changes

ABOUT = {"about.description": "metadata.description", "about.owner": "metadata.owner", "about.labels": "metadata.labels"}
COMPUTE = {"cpu": "compute.cpu", "memory": "compute.memory"}
MODEL_FIELDS = ("task", "target", "features", "split", "algorithm", "parameters", "candidates", "search", "seed", "predictAt", "package", "retrainOn")
JSON_TEXT = ("parameters", "arguments", "candidates", "search")
"""Inputs that travel as JSON text."""
SECONDS = ("timeout",)
"""Inputs that are seconds, and that people write with the unit."""

FIELDS: Mapping[str, Mapping[str, str]] = {
    "mlx:index:PreparedDataset": {**ABOUT, "definition": "", "about.timeline": "timeline", "about.columns": "columns"},
    "mlx:index:FeatureRegistry": {**ABOUT, "onlineStore": "onlineStore.type", "offlineStore": "offlineStore.type"},
    "mlx:index:OnlineFeatures": {**ABOUT, **{name: f"materialization.{name}" for name in ("trigger", "mode")}},
    "mlx:index:JoinedDataset": ABOUT,
    "mlx:index:CompiledPipeline": {**ABOUT, "entry": "entry", "arguments": "arguments"},
    "mlx:index:ModelVersion": {**ABOUT, **COMPUTE, "gpu": "compute.gpu", **{name: name for name in MODEL_FIELDS}, "data.name": "data"},
    "mlx:index:TrainingRun": ABOUT,
    "mlx:index:RecurringRun": {**ABOUT, "schedule": "retraining.schedule"},
    "mlx:index:Champion": {**ABOUT, "success": "success"},
    "mlx:index:Release": {"digest": "release", "source": "promotedFrom"},
    "mlx:index:ReleasedModel": ABOUT,
    "mlx:index:ModelServer": {
        **ABOUT, **COMPUTE, "model": "model", "port": "realtime.port", "timeout": "realtime.timeout", "maxRows": "realtime.maxRows",
    },
    "mlx:index:BatchPredictions": {
        **ABOUT, **COMPUTE, "model": "model", "input.name": "batch.input", "trigger": "batch.trigger", "columns": "batch.columns",
    },
    "mlx:index:Declared": {**ABOUT, "spec": ""},
}  # fmt: skip
"""Input of a resource -> the field of the object's spec that it is made of ('': it holds the spec). What others decide has no row."""


def changed_fields(item: ObjectSteps) -> tuple[FieldChange, ...]:
    """What is different from what the object's resources were made of, sorted by path."""
    spoken = field_changes(item.component)
    behind = {change.path: change for step in item.children for change in _behind(step)}
    told = [_since(change, behind.get(change.path)) for change in spoken]
    more = [change for change in behind.values() if not any(_overlap(change.path, other.path) for other in spoken)]
    return tuple(sorted((*told, *more), key=lambda change: change.path))


def _behind(step: Step) -> Iterator[FieldChange]:
    if not step.old_inputs or not step.new_inputs:
        return
    for name, path in FIELDS.get(step.type, {}).items():
        yield from differences(_field(step.old_inputs, name), _field(step.new_inputs, name), path)


def _field(inputs: Mapping[str, Any], name: str) -> Any:
    """An input as people write it."""
    value: Any = inputs
    for key in name.split("."):
        value = cast("Mapping[str, Any]", value).get(key) if isinstance(value, Mapping) else None
    if name in JSON_TEXT and isinstance(value, str):
        return json.loads(value)
    return f"{value:g}s" if name in SECONDS and value is not None else value


def _since(spoken: FieldChange, behind: FieldChange | None) -> FieldChange:
    """8 -> 9 after an apply of 6 -> 8 that failed is 6 -> 9."""
    return behind if behind and spoken.old is not None and behind.new == spoken.new else spoken


def _overlap(one: str, other: str) -> bool:
    """Whether two paths are the same, or one lies within the other."""
    return any(longer == shorter or longer.startswith((f"{shorter}.", f"{shorter}[")) for longer, shorter in ((one, other), (other, one)))
