"""Feature definitions as Feast's own objects: what our apply registers and what a definitions.py hands to `feast plan`.

Both must be equal in every field that Feast compares, so both come from here. Imports Feast.
"""

import ast
import inspect
import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from feast import Entity, FeatureService, FeatureView, Field, FileSource, Project, PushSource, RequestSource
from feast.data_source import DataSource
from feast.field import Field as FeastField
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.protos.feast.core.Registry_pb2 import Registry
from feast.transformation.python_transformation import PythonTransformation
from feast.types import Bool, Float64, Int64, PrimitiveFeastType, String, UnixTimestamp
from feast.value_type import ValueType

from mlx_features import on_demand
from mlx_features.on_demand import Function
from mlx_features.repository import REGISTRY, feast_name, source_path
from mlx_specs.feature_resources import EntityDefinition, FeatureDefinitions, FeatureField, OnDemandDefinition, ServiceDefinition, ViewDefinition
from mlx_specs.resources import About

TYPES: Mapping[str, PrimitiveFeastType] = {
    "string": String, "integer": Int64, "float": Float64, "boolean": Bool, "timestamp": UnixTimestamp,
    "date": UnixTimestamp,  # Feast has no dates: midnight in UTC
}  # fmt: skip
KEY_TYPES: Mapping[str, ValueType] = {"string": ValueType.STRING, "integer": ValueType.INT64}


@dataclass(frozen=True)
class FeastObjects:
    """Everything that a feature store is made of."""

    project: Project
    sources: list[DataSource]
    requests: list[RequestSource]
    """Feast's apply registers them by itself, and removes them the next time unless it is given them."""
    entities: list[Entity]
    views: list[FeatureView]
    on_demand: list[OnDemandFeatureView]
    services: list[FeatureService]

    def by_name(self) -> dict[str, Any]:
        """Each under a name of its own: for the globals of a definitions.py, where Feast looks for them; it finds the views' sources itself."""
        kinds: Mapping[str, Sequence[Any]] = {
            "request": self.requests, "entity": self.entities, "view": self.views, "on_demand": self.on_demand, "service": self.services,
        }  # fmt: skip
        return {"project": self.project, **{f"{kind}_{one.name}": one for kind, objects in kinds.items() for one in objects}}


def feast_objects(store: str, definitions: FeatureDefinitions, folder: Path, workspace: Path, about: About | None = None) -> FeastObjects:
    """The objects of a store whose folder (HOME/features/STORE) is given; raises FeatureError for a function that is not there."""
    entities = _entities(definitions)
    views = {view.name: _view(view, entities, folder) for view in definitions.views}
    _keep_intervals(views.values(), folder)
    computed = {one.name: _on_demand(one, definitions, views, workspace) for one in definitions.on_demand}
    known: Mapping[str, FeatureView | OnDemandFeatureView] = {**views, **computed}
    described = about or About()
    return FeastObjects(
        project=Project(name=feast_name(store), description=described.description, owner=described.owner, tags=dict(described.labels)),
        sources=[source for view in views.values() for source in (view.batch_source, view.stream_source) if source is not None],
        requests=[source for view in computed.values() for source in view.source_request_sources.values()],
        entities=list(entities.values()),
        views=list(views.values()),
        on_demand=list(computed.values()),
        services=[_service(service, known) for service in definitions.services],
    )


def _entities(definitions: FeatureDefinitions) -> dict[str, Entity]:
    found: dict[str, EntityDefinition] = {entity.name: entity for view in definitions.views for entity in view.entities}
    return {
        name: Entity(name=feast_name(name), join_keys=[one.join_key], value_type=KEY_TYPES[one.type], description=one.description)
        for name, one in sorted(found.items())
    }


def _source(view: ViewDefinition, folder: Path) -> DataSource:
    name = feast_name(view.name)
    rows = FileSource(
        name=f"{name}_source",
        path=str(source_path(folder, view.source)),
        timestamp_field=view.event_time,
        created_timestamp_column=view.created_time if view.created_time and view.created_time != view.event_time else "",
        description=f"Dataset/{view.source}",
    )
    return PushSource(name=f"{name}_push", batch_source=rows) if view.push else rows


def _view(view: ViewDefinition, entities: Mapping[str, Entity], folder: Path) -> FeatureView:
    return FeatureView(
        name=feast_name(view.name),
        entities=[entities[one.name] for one in view.entities],
        schema=[*(Field(name=one.join_key, dtype=TYPES[one.type]) for one in view.entities), *_fields(view.features)],
        source=_source(view, folder),
        ttl=timedelta(seconds=view.ttl),
        online=view.online,
        description=view.about.description,
        owner=view.about.owner,
        tags=_tags(view),
    )


def _keep_intervals(views: Iterable[FeatureView], folder: Path) -> None:
    """What Feast has materialised of each view: its plan would take the lack of it for a change."""
    if not (folder / REGISTRY).is_file():
        return
    registry = Registry()
    registry.ParseFromString((folder / REGISTRY).read_bytes())
    known = {one.spec.name: one for one in registry.feature_views}
    for view in views:
        if view.name in known:
            view.materialization_intervals = FeatureView.from_proto(known[view.name]).materialization_intervals


def _fields(features: Sequence[FeatureField]) -> list[FeastField]:
    return [Field(name=one.name, dtype=TYPES[one.type]) for one in features]


def _tags(view: ViewDefinition | OnDemandDefinition) -> dict[str, str]:
    """The view's own, and its defaults: Feast knows none, and whoever looks at the view should."""
    return {**view.about.labels, **{f"default.{name}": json.dumps(value) for name, value in view.defaults.items()}}


def _service(service: ServiceDefinition, known: Mapping[str, FeatureView | OnDemandFeatureView]) -> FeatureService:
    return FeatureService(
        name=feast_name(service.name),
        features=[_taken(known[view], features) for view, features in service.views.items()],
        description=service.about.description,
        owner=service.about.owner,
        tags=dict(service.about.labels),
    )


def _taken(view: Any, features: Sequence[str]) -> Any:
    """A part of a view; Feast's own types say that this gives nothing."""
    return view[list(features)]


def _on_demand(view: OnDemandDefinition, definitions: FeatureDefinitions, views: Mapping[str, FeatureView], workspace: Path) -> OnDemandFeatureView:
    name, features = feast_name(view.name), _fields(view.features)
    transformation: Any = _Declared(*_function(name, view, definitions, on_demand.load(view, workspace)))
    transformation.declared = features
    request = [RequestSource(name=f"{name}_request", schema=_fields(view.request))] if view.request else []
    return OnDemandFeatureView(
        name=name,
        sources=[*(_taken(views[source], features).projection for source, features in view.views.items()), *request],
        schema=features,
        feature_transformation=transformation,
        mode="python",
        description=view.about.description,
        owner=view.about.owner,
        tags=_tags(view),
    )


class _Declared(PythonTransformation):
    """Its features are declared: Feast would call the function with made-up values to see what comes out, and judge by that."""

    declared: list[FeastField]

    def infer_features(self, random_input: dict[str, Any], singleton: bool | None = False) -> list[FeastField]:
        return self.declared

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> "_Declared":
        return self  # nothing of it changes


def _function(name: str, view: OnDemandDefinition, definitions: FeatureDefinitions, function: Function) -> tuple[Any, str]:
    """The function that Feast calls, and its source, which Feast keeps in its registry and runs again when it reads it."""
    inputs = {one.name: one for one in definitions.views}
    types = {field.name: field.type for source in view.views for field in inputs[source].features}
    defaults = {field: value for source, names in view.views.items() for field, value in inputs[source].defaults.items() if field in names}
    computed = view.model_copy(update={"about": About()}).wire()
    body = json.dumps({"view": computed, "types": types, "defaults": defaults}, sort_keys=True)
    text = "\n".join(
        [
            f"def {name}(inputs):",
            "    from mlx_features.feast_functions import columns",
            f"    return columns({body!r}, inputs)",
            "",
            f"# {view.function}, without its comments:",
            *(f"#     {line}" for line in _text(function).splitlines()),
            "",
        ]
    )
    namespace: dict[str, Any] = {"__name__": "__main__"}  # so that it is pickled by value
    exec(compile(text, f"<{name}>", "exec"), namespace)
    return namespace[name], text


def _text(function: Function) -> str:
    """A function's text without comments and docstring, which do not change what it computes."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return getattr(function, "__name__", "")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
