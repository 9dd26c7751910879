"""A second valid value for a field, made from its type and its first value."""

from typing import Any, Literal, get_args, get_origin

from field_paths import REMOVED, FieldPath
from pydantic import TypeAdapter, ValidationError

from mlx_specs.shapes import unfold

TEXTS = ("another", "yet-another", "kafka://another:9092/topic", "3h", "4d", "3Gi", "5Gi", "0 3 * * *", "30 4 * * 1")
"""Names, topics, durations, quantities, cron lines: the type says which of them it takes."""


def second_value(field: FieldPath, first: Any) -> Any:
    """Another value than ``first``, which is REMOVED where the field is left out."""
    return next(value for value in _candidates(field, first) if value != first and _is_valid(field, value))


def _candidates(field: FieldPath, first: Any) -> list[Any]:
    (branch, *_) = unfold(field.annotation)
    if get_origin(branch.type) is Literal:
        return list(get_args(branch.type))
    if get_origin(branch.type) is list:
        known = [] if first is REMOVED else list(first)
        return [known[1:]] if len(known) > 1 else [[*known, "another"]]
    if get_origin(branch.type) is dict:
        known = {} if first is REMOVED else dict(first)
        return [{**known, "another": next(iter(known.values()), "value")}]
    return {bool: [True, False], int: [2, 3], float: [0.25, 0.5], str: list(TEXTS)}[branch.type]


def _is_valid(field: FieldPath, value: Any) -> bool:
    try:
        TypeAdapter(field.annotation).validate_python(value)
    except ValidationError:
        return False
    return True
