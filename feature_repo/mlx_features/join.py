"""Rows with a service's features as of each row's moment: Feast's point-in-time join, then defaults and on-demand functions.

The prepared rows enter; HOME/joined/NAME/CONTENT_DIGEST leaves, with the rows in the same number and order. Imports Feast; runs
in the worker.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pyarrow
import pyarrow.compute
import pyarrow.parquet
from feast import FeatureStore

from mlx_features import on_demand, repository
from mlx_features.content import ARROW
from mlx_features.errors import FeatureError
from mlx_features.joined_folder import Joined, write_joined
from mlx_features.on_demand import READ
from mlx_features.repository import feast_name
from mlx_features.store import link_sources, locked, open_store
from mlx_specs.dataset import ColumnType
from mlx_specs.feature_resources import JoinedDatasetInputs, JoinedDatasetOutputs, OnDemandDefinition, ServiceDefinition, ViewDefinition

Report = Callable[[str], None]
MOMENT, PLACE = "event_timestamp", "mlx_place"
"""What Feast is given besides the keys: the moment of a row, and its place."""
PART = 50_000
"""Rows for which on-demand functions are called at a time: their values are Python objects meanwhile."""
TYPES: Mapping[pyarrow.DataType, Any] = {pyarrow.int64(): pd.Int64Dtype()}
"""pandas makes floats of integers among which one is missing."""


def join(inputs: JoinedDatasetInputs, workspace: Path, report: Report) -> JoinedDatasetOutputs:
    """Idempotent: the same content is the same folder."""
    folder = repository.folder(workspace, inputs.home, inputs.store)
    rows, (service,) = _read(inputs, workspace), inputs.definitions.services
    types = _types_of(rows) | _types(inputs, service)
    _refuse_clashes(rows, service, inputs)
    with locked(folder, shared=True):
        link_sources(folder, inputs.sources, workspace)
        _refuse_lacking(inputs, workspace)
        found = _features(open_store(folder), inputs, rows)
    report(f"joined {len(inputs.definitions.views)} feature views to {rows.num_rows:,} rows")
    coverage = {name: _covered(column) for name, column in found.items()}
    complete = {name: _with_default(column, name, inputs.definitions.views) for name, column in found.items()}
    computed = _computed(inputs, workspace, rows, complete, coverage)
    taken = {name: {**complete, **computed}[(view, name)] for view, names in service.views.items() for name in names}
    table = pyarrow.table({**{name: rows.column(name) for name in rows.column_names}, **taken})
    shares = {name: coverage[(view, name)] for view, names in service.views.items() for name in names}
    written = write_joined(Joined(inputs, types, table, shares), workspace)
    report(f"wrote {rows.num_rows:,} rows with {len(taken)} features, content {written.content_digest[:12]}")
    return written


Features = dict[tuple[str, str], pyarrow.ChunkedArray]
"""By view and feature."""


def _read(inputs: JoinedDatasetInputs, workspace: Path) -> pyarrow.Table:
    data = inputs.data
    if not (workspace / data.path).is_file():
        raise FeatureError(f"Dataset/{data.name} is not prepared: {data.path} is missing", hint="mlx refresh, then apply again")
    rows = pyarrow.parquet.read_table(workspace / data.path)
    keys = [entity.join_key for view in inputs.definitions.views for entity in view.entities]
    request = [field.name for view in inputs.definitions.on_demand for field in view.request]
    absent = [name for name in (*keys, *request, data.event_time or "") if name not in rows.column_names]
    if absent:
        raise FeatureError(
            f"Dataset/{data.name} has no column {absent[0]!r}, which the features need" if absent[0] else f"Dataset/{data.name} has no event time",
            hint="join keys, request columns and eventTime must be columns of the rows",
        )
    return rows


def _types_of(rows: pyarrow.Table) -> dict[str, ColumnType]:
    return {name: _type(name, field.type) for name, field in zip(rows.column_names, rows.schema, strict=True)}


def _type(name: str, type: pyarrow.DataType) -> ColumnType:
    for known, arrow in ARROW.items():
        if arrow == type:
            return known
    raise FeatureError(f"column '{name}' is of type {type}, which no dataset has", hint=f"datasets have: {', '.join(get_args(ColumnType))}")


def _types(inputs: JoinedDatasetInputs, service: ServiceDefinition) -> dict[str, ColumnType]:
    """Of the service's features, in its order."""
    definitions = inputs.definitions
    known: dict[tuple[str, str], Any] = {(view.name, one.name): one.type for view in (*definitions.views, *definitions.on_demand) for one in view.features}
    return {name: known[(view, name)] for view, names in service.views.items() for name in names}


def _refuse_clashes(rows: pyarrow.Table, service: ServiceDefinition, inputs: JoinedDatasetInputs) -> None:
    seen = set(rows.column_names)
    for view, names in service.views.items():
        for name in names:
            if name in seen:
                raise FeatureError(
                    f"feature '{name}' of view '{view}' is also a column of Dataset/{inputs.data.name}, or a feature of another view",
                    hint="rename one of them, or leave it out of the service",
                )
            seen.add(name)


def _refuse_lacking(inputs: JoinedDatasetInputs, workspace: Path) -> None:
    """Rows of a source that were prepared otherwise than their definition says; DuckDB's words name neither the dataset nor the view."""
    for view in inputs.definitions.views:
        there = pyarrow.parquet.read_schema(workspace / inputs.sources[view.source].path).names
        taken = [*(entity.join_key for entity in view.entities), view.event_time, view.created_time, *(field.name for field in view.features)]
        lacking = [name for name in taken if name is not None and name not in there]
        if lacking:
            raise FeatureError(f"Dataset/{view.source} has no column {lacking[0]!r}, which view '{view.name}' takes", hint=f"it has {', '.join(there)}")


def _features(store: FeatureStore, inputs: JoinedDatasetInputs, rows: pyarrow.Table) -> Features:
    """What Feast finds for each row, before defaults."""
    references = _references(inputs)
    if not references:
        return {}
    found = store.get_historical_features(_entity_rows(inputs, rows), [f"{feast_name(view)}:{name}" for view, name in references], True).to_arrow()
    found = found.sort_by(PLACE)
    if not found.column(PLACE).combine_chunks().equals(pyarrow.array(range(rows.num_rows), pyarrow.int64())):
        raise FeatureError(f"Feast returned {found.num_rows:,} rows for {rows.num_rows:,}", hint="this is a mistake of Feast or of mlx: please report it")
    types = {(view.name, one.name): one.type for view in inputs.definitions.views for one in view.features}
    return {(view, name): _cast(found.column(f"{feast_name(view)}__{name}"), types[(view, name)]) for view, name in references}


def _references(inputs: JoinedDatasetInputs) -> list[tuple[str, str]]:
    """The features of views that the service or its on-demand views need."""
    views = {view.name for view in inputs.definitions.views}
    needs = [service.views for service in inputs.definitions.services] + [one.views for one in inputs.definitions.on_demand]
    return list(dict.fromkeys((view, name) for need in needs for view, names in need.items() if view in views for name in names))


def _entity_rows(inputs: JoinedDatasetInputs, rows: pyarrow.Table) -> pd.DataFrame:
    keys = dict.fromkeys(entity.join_key for view in inputs.definitions.views for entity in view.entities)
    assert inputs.data.event_time is not None
    columns = {
        **{name: rows.column(name) for name in keys},
        MOMENT: rows.column(inputs.data.event_time),
        PLACE: pyarrow.array(range(rows.num_rows), pyarrow.int64()),
    }
    return pyarrow.table(columns).to_pandas(types_mapper=TYPES.get)


def _cast(column: pyarrow.ChunkedArray, type: str) -> pyarrow.ChunkedArray:
    """A feature in its declared type: NaN is no value, and moments have whole seconds, as online."""
    if type == "timestamp":
        column = column.cast(pyarrow.timestamp("s", "UTC"), safe=False)
    elif type == "float":
        column = column.cast(pyarrow.float64())
        column = _call("if_else", _call("is_nan", column), pyarrow.scalar(None, pyarrow.float64()), column)
    return column.cast(ARROW[type])  # type: ignore[index]


def _call(function: str, *arguments: Any) -> Any:
    return pyarrow.compute.call_function(function, list(arguments))


def _covered(column: pyarrow.ChunkedArray) -> float:
    return 1.0 if len(column) == 0 else round(1 - column.null_count / len(column), 6)


def _with_default(column: pyarrow.ChunkedArray, key: tuple[str, str], views: Sequence[ViewDefinition]) -> pyarrow.ChunkedArray:
    (view,) = [one for one in views if one.name == key[0]]
    default = view.defaults.get(key[1])
    (type,) = [one.type for one in view.features if one.name == key[1]]
    return column if default is None else pyarrow.compute.fill_null(column, pyarrow.scalar(READ[type](default), ARROW[type]))  # type: ignore[index]


def _computed(inputs: JoinedDatasetInputs, workspace: Path, rows: pyarrow.Table, known: Features, coverage: dict[tuple[str, str], float]) -> Features:
    """The features of on-demand views, and how often their functions found a value."""
    found: Features = {}
    for view in inputs.definitions.on_demand:
        parts: dict[str, list[pyarrow.Array]] = {field.name: [] for field in view.features}
        for part in _parts(view, inputs, workspace, rows, known):
            for field in view.features:
                parts[field.name].append(pyarrow.array(part[field.name], ARROW[field.type]))  # type: ignore[index]
        for field in view.features:
            column = pyarrow.chunked_array(parts[field.name], ARROW[field.type])  # type: ignore[index]
            coverage[(view.name, field.name)] = _covered(column)
            default = view.defaults.get(field.name)
            filled = column if default is None else pyarrow.compute.fill_null(column, pyarrow.scalar(READ[field.type](default), ARROW[field.type]))  # type: ignore[index]
            found[(view.name, field.name)] = filled
    return found


def _parts(view: OnDemandDefinition, inputs: JoinedDatasetInputs, workspace: Path, rows: pyarrow.Table, known: Features) -> Iterator[dict[str, list[Any]]]:
    """The function's values without defaults, some rows at a time."""
    function, bare = on_demand.load(view, workspace), view.model_copy(update={"defaults": {}})
    columns = {name: known[(source, name)] for source, names in view.views.items() for name in names} | {
        one.name: rows.column(one.name) for one in view.request
    }
    for first in range(0, rows.num_rows, PART):
        count = min(PART, rows.num_rows - first)
        yield on_demand.call(bare, function, {name: column.slice(first, count).to_pylist() for name, column in columns.items()}, count)
