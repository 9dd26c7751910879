"""A second valid value for a field, made from its type and its first value."""

from typing import Any, Literal, get_args, get_origin

from field_paths import REMOVED, FieldPath

from mlx_specs.base import Cron, Duration, Quantity
from mlx_specs.shapes import unfold

TEXTS: dict[Any, tuple[str, str]] = {Duration: ("3h", "4d"), Quantity: ("3Gi", "5Gi"), Cron: ("0 3 * * *", "30 4 * * 1")}
"""Two values of each type of text that has a form of its own."""


def second_value(field: FieldPath, first: Any) -> Any:
    """Another value than ``first``, which is REMOVED where the field is left out."""
    candidates = [value for value in _candidates(field, first) if value != first]
    return candidates[0]


def _candidates(field: FieldPath, first: Any) -> list[Any]:
    formed = [texts for form, texts in TEXTS.items() if _is(field.annotation, form)]
    if formed:
        return list(formed[0])
    (branch, *_) = unfold(field.annotation)
    if get_origin(branch.type) is Literal:
        return list(get_args(branch.type))
    if get_origin(branch.type) is list:
        return [[*first[1:]] if first is not REMOVED and len(first) > 1 else [*(first if first is not REMOVED else []), "another"]]
    if get_origin(branch.type) is dict:
        return [{**(first if first is not REMOVED else {}), "another": next(iter(first.values()), "value") if first is not REMOVED else "value"}]
    return {bool: [True, False], int: [2, 3], float: [0.25, 0.5], str: ["another", "yet-another"]}[branch.type]


def _is(annotation: Any, form: Any) -> bool:
    return annotation == form or form in get_args(annotation)
