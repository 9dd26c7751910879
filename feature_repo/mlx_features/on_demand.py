"""On-demand views: the user's plain function on one row's values, called the same way in training and in serving.

Columns of inputs enter, columns of features leave; the function sees None where there is no value.
"""

import importlib
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from mlx_features.errors import FeatureError
from mlx_features.repository import CODE
from mlx_specs.feature_resources import OnDemandDefinition

Function = Callable[..., Any]


def load(view: OnDemandDefinition, workspace: Path) -> Function:
    """The function at a view's import path (``plane_features:age``) in the workspace's feature_repo/, in the view's own folder, or among installed packages."""
    function = view.function
    module_name, _, name = function.replace(":", ".").rpartition(".")
    try:
        found = getattr(_module(module_name, (workspace / (view.folder or CODE)).resolve()), name, None)
    except Exception as error:
        raise FeatureError(f"{function} cannot be imported: {_said(error)}", hint=f"correct {CODE}/{module_name.replace('.', '/')}.py") from error
    if not callable(found):
        raise FeatureError(f"{function}: module '{module_name}' has no function '{name}'", hint="correct the import path, or write the function")
    return found


def call(definition: OnDemandDefinition, function: Function, columns: Mapping[str, Sequence[Any]], rows: int) -> dict[str, list[Any]]:
    """The view's features, a list each; a row's None, and what the function leaves out, become the view's default."""
    names = input_names(definition)
    absent = [name for name in names if name not in columns]
    if absent:
        raise FeatureError(f"on-demand view '{definition.name}' needs '{absent[0]}', which is not there", hint="bring it with the rows")
    inputs = [columns[name] for name in names]
    found: dict[str, list[Any]] = {field.name: [] for field in definition.features}
    for row in range(rows):
        values = {name: _given(column[row]) for name, column in zip(names, inputs, strict=True)}
        result = _called(definition, function, values)
        for field in definition.features:
            found[field.name].append(_typed(definition, field.name, field.type, result.get(field.name)))
    return found


def input_names(definition: OnDemandDefinition) -> list[str]:
    """The names of the function's parameters: the features that it reads, then the request's columns."""
    return [*(name for names in definition.views.values() for name in names), *(field.name for field in definition.request)]


def _module(name: str, folder: Path) -> Any:
    """Import a module; one of the same name that another workspace brought into this process gives way."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    file = folder / f"{name.replace('.', '/')}.py"
    known = sys.modules.get(name)
    if file.is_file() and known is not None and Path(known.__file__ or "").resolve() != file:
        del sys.modules[name]
        sys.path.remove(str(folder))
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    return importlib.import_module(name)


def _called(definition: OnDemandDefinition, function: Function, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the function returns for one row, by feature."""
    try:
        result = function(**values)
    except Exception as error:
        shown = ", ".join(f"{name}={value!r}" for name, value in values.items())
        raise FeatureError(
            f"on-demand view '{definition.name}': {definition.function}({shown}) failed: {_said(error)}", hint="None is what it gets where there is no value"
        ) from error
    names = [field.name for field in definition.features]
    if not isinstance(result, Mapping):
        if len(names) == 1:
            return {names[0]: result}
        raise FeatureError(
            f"on-demand view '{definition.name}': {definition.function} returned {result!r}", hint=f"return a dict of its features: {', '.join(names)}"
        )
    unknown = [str(name) for name in result if name not in names]
    if unknown:
        raise FeatureError(f"on-demand view '{definition.name}' returned '{unknown[0]}', which is none of its features", hint=f"it has: {', '.join(names)}")
    return result


def _typed(definition: OnDemandDefinition, name: str, type: str, value: Any) -> Any:
    """A returned value in its feature's type; None and NaN are the default."""
    plain = _given(value)
    if plain is None:
        plain = definition.defaults.get(name)
        if plain is None:
            return None
    try:
        return READ[type](plain)
    except (TypeError, ValueError, OverflowError):
        raise FeatureError(
            f"on-demand view '{definition.name}': feature '{name}' is {plain!r}, which is no {type}", hint="correct the function, or the type of the feature"
        ) from None


def _given(value: Any) -> Any:
    """A plain Python value; NaN is no value."""
    plain = value.item() if hasattr(value, "item") else value
    return None if isinstance(plain, float) and math.isnan(plain) else plain


def _integer(value: Any) -> int:
    if isinstance(value, bool | str) or int(value) != value:
        raise TypeError(value)
    return int(value)


def _float(value: Any) -> float:
    if isinstance(value, bool | str):
        raise TypeError(value)
    return float(value)


def _exactly(*types: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, types):
            raise TypeError(value)
        return value

    return read


def moment(value: Any) -> datetime:
    """A moment in UTC, in whole seconds as Feast keeps it; text is ISO 8601."""
    read = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(read, datetime):
        raise TypeError(value)
    return (read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)).replace(microsecond=0)


def day(value: Any) -> date:
    """A date; text is ISO 8601."""
    read = date.fromisoformat(value) if isinstance(value, str) else value
    if isinstance(read, datetime) or not isinstance(read, date):
        raise TypeError(value)
    return read


READ: Mapping[str, Callable[[Any], Any]] = {
    "string": _exactly(str),
    "integer": _integer,
    "float": _float,
    "boolean": _exactly(bool),
    "timestamp": moment,
    "date": day,
}
"""How a value is taken as one of a dataset's types."""


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
