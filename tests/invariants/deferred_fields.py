"""What is declared and not run yet: objects that between them say something in every field, and second values that hold together."""

from collections.abc import Mapping
from typing import Any

from field_paths import FieldPath, every_field, is_set, value_at
from second_values import second_value
from trials import made

DEFERRED_KINDS = ("Notebook",)
STREAM = "Inference.spec.stream."
ABOUT = {"description": "First.", "owner": "us", "labels": {"tier": "1"}}
COMPUTE = {"cpu": 1, "memory": "1Gi", "gpu": 1, "nodes": 1, "pool": "gpu"}
FOLLOWED = {
    "source": "kafka://one:9092/in", "sink": "kafka://one:9092/out", "columns": ["x"], "start": "earliest", "watermark": "10m", "interval": "10s",
    "kafka": {"env": "FIRST"},
}  # fmt: skip
FOLLOW = {"mode": "stream", "model": "base@champion", "stream": FOLLOWED}
WITH_SECRETS = tuple({**FOLLOW, "stream": {**FOLLOWED, "kafka": kafka}} for kafka in ({"file": "first"}, {"kubernetes": {"name": "first", "key": "first"}}))
BASES: Mapping[str, tuple[dict[str, Any], ...]] = {
    "Notebook": ({"image": "jupyter:1", "compute": COMPUTE, "idleStop": "2h", "storage": "10Gi"},),
    "Inference": (FOLLOW, *WITH_SECRETS),
}
"""For each kind objects of which at least one says something at each path."""


def deferred_fields() -> list[FieldPath]:
    """The fields of the kinds, and of the mode, that no target runs yet, but for those that decide which object it is."""
    return [
        field
        for field in every_field()
        if (field.kind in DEFERRED_KINDS or field.path.startswith(STREAM))
        and len(field.values) != 1
        and not field.path.endswith((".metadata.name", ".environments"))
    ]


def first_object(number: int, field: FieldPath) -> dict[str, Any]:
    """An object of its own for the field, which says something there."""
    name = f"trial-{number}"
    for spec in BASES[field.kind]:
        candidate = made(field.kind, name, spec, **ABOUT)
        if is_set(candidate, field.path):
            return candidate
    raise AssertionError(f"no object in BASES says something at {field.path}")


def new_value(field: FieldPath, first: dict[str, Any]) -> Any:
    """The second value."""
    return second_value(field, value_at(first, field.path))
