"""What Feast calls for an on-demand view: columns of Python values in, columns of features out.

Feast finds this module by the text that it keeps in its registry; see ``feast_objects``.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlx_features import on_demand
from mlx_features.on_demand import READ, call, input_names
from mlx_specs.feature_resources import OnDemandDefinition
from mlx_specs.layout import find_workspace


def columns(definition: str, inputs: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """The view's features; its inputs have the defaults of the views that they come from, as in training and serving."""
    known = json.loads(definition)
    view, types, defaults = OnDemandDefinition.model_validate(known["view"]), known["types"], known["defaults"]
    types |= {field.name: field.type for field in view.request}
    given = {name: [_value(value, types[name], defaults.get(name)) for value in inputs[name]] for name in input_names(view)}
    rows = len(next(iter(given.values()), []))
    return call(view, on_demand.load(view, find_workspace(Path.cwd()) or Path.cwd()), given, rows)


def _value(value: Any, type: str, default: Any) -> Any:
    """A value as Feast has it, in the words of a dataset: Feast's moments are numbers or without a zone, its dates are moments."""
    plain = value.item() if hasattr(value, "item") else value
    if plain is None or plain != plain:
        return None if default is None else READ[type](default)
    if type in ("timestamp", "date"):
        moment = datetime.fromtimestamp(plain, UTC) if isinstance(plain, int | float) else plain
        return moment.date() if type == "date" and isinstance(moment, datetime) else moment
    return int(plain) if type == "integer" else plain
