"""FeatureStore: entities, feature views, on-demand views and services; what Feast serves offline and online."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mlx_specs.base import Column, Cron, Duration, ImportPath, KubernetesSecret, Name, Object, Strict
from mlx_specs.dataset import ColumnType
from mlx_specs.model import Moment

Default = str | int | float | bool


class Entity(Strict):
    """What features are about."""

    join_key: Column = Field(description="The column that identifies it; what needs two (a route) is a view of two entities.")
    type: Literal["string", "integer"] = Field(default="string", description="The type of the join key.")
    description: str = Field(default="", description="What it is.")


class FeatureView(Strict):
    """Features of one source with a time."""

    entities: list[Name] = Field(min_length=1, description="The entities that its rows are about.")
    source: Name = Field(description="The Dataset that holds the rows; its event time says when a row became known.")
    features: dict[Column, ColumnType] = Field(min_length=1, description="The features and their types.")
    created_time: Column | None = Field(default=None, description="The column that orders rows of the same entity and event time: the latest wins.")
    ttl: Duration | None = Field(default=None, description="How long after its event time a value is good for; left out: for ever.")
    online: bool = Field(default=True, description="Whether it is served online.")
    push: bool = Field(default=False, description="Whether rows can also be pushed to the online store (mlx features push).")
    defaults: dict[Column, Default] = Field(
        default_factory=dict, description="What training and serving use where there is no value: no row, one that is too old, or a null."
    )
    description: str = Field(default="", description="What the features say.")
    owner: str = Field(default="", description="Who answers for them.")
    tags: dict[str, str] = Field(default_factory=dict, description="Tags for searching and grouping.")


class OnDemandInputs(Strict):
    """What an on-demand view is computed from."""

    views: dict[Name, list[Column]] = Field(default_factory=dict, description="The features taken from each view; an empty list means all.")
    request: dict[Column, ColumnType] = Field(default_factory=dict, description="Columns that come with the request, or from the rows in training.")


class OnDemandView(Strict):
    """Features that a plain Python function computes from other features and the request."""

    function: ImportPath = Field(
        description="A function in feature_repo/, by import path (plane_features:age). Its parameters are named after its inputs; "
        "it gets one row's values, None where there is none, and returns the feature, or a dict of features."
    )
    inputs: OnDemandInputs = Field(description="What the function is given.")
    features: dict[Column, ColumnType] = Field(min_length=1, description="The features that it returns, and their types.")
    defaults: dict[Column, Default] = Field(default_factory=dict, description="What is used where the function returns None.")
    description: str = Field(default="", description="What the features say.")
    owner: str = Field(default="", description="Who answers for them.")
    tags: dict[str, str] = Field(default_factory=dict, description="Tags for searching and grouping.")


class FeatureService(Strict):
    """The features that a model uses."""

    views: dict[Name, list[Column]] = Field(min_length=1, description="The features taken from each feature view or on-demand view; an empty list means all.")
    description: str = Field(default="", description="What it is for.")
    owner: str = Field(default="", description="Who answers for it.")
    tags: dict[str, str] = Field(default_factory=dict, description="Tags for searching and grouping.")


class OnlineStore(Strict):
    """Where features are read at request time."""

    type: Literal["sqlite", "redis", "postgres"] = Field(default="sqlite", description="The store.")
    connection: KubernetesSecret | None = Field(
        default=None, description="For redis and postgres: the Secret in the environment's namespace that holds Feast's settings of the store, as YAML."
    )

    @model_validator(mode="after")
    def _has_its_connection(self) -> Self:
        if self.type == "sqlite" and self.connection is not None:
            raise ValueError("'connection' belongs to redis and postgres, not to sqlite")
        if self.type != "sqlite" and self.connection is None:
            raise ValueError(f"an online store of type {self.type} needs 'connection': the Secret that holds its settings")
        return self


class OfflineStore(Strict):
    """Where features are joined for training."""

    type: Literal["duckdb", "spark"] = Field(default="duckdb", description="The store.")


class Materialization(Strict):
    """How the online store is brought up to date."""

    trigger: Literal["apply", "manual"] = Field(
        default="apply", description="apply: whenever a view or its data changes; manual: only by mlx features materialize."
    )
    mode: Literal["full", "incremental"] = Field(
        default="full", description="full: all rows again; incremental: only those after the last time, for data that only grows."
    )
    start: Moment | None = Field(default=None, description="Rows before this moment, in UTC, are left out.")
    schedule: Annotated[Cron | None, Field(description="A cron line in UTC.")] = None


class FeatureStoreSpec(Strict):
    """What a feature store is made of."""

    entities: dict[Name, Entity] = Field(default_factory=dict, description="Entities by name.")
    feature_views: dict[Name, FeatureView] = Field(default_factory=dict, description="Feature views by name.")
    on_demand_views: dict[Name, OnDemandView] = Field(default_factory=dict, description="On-demand views by name.")
    feature_services: dict[Name, FeatureService] = Field(default_factory=dict, description="Feature services by name.")
    online_store: OnlineStore = Field(default=OnlineStore(), description="Where features are read at request time.")
    offline_store: OfflineStore = Field(default=OfflineStore(), description="Where features are joined for training.")
    materialization: Materialization = Field(default=Materialization(), description="How the online store is brought up to date.")


class FeatureStore(Object):
    """A feature store."""

    kind: Literal["FeatureStore"] = Field(default="FeatureStore", description="A feature store.")
    spec: FeatureStoreSpec = Field(description="Entities, views, services, stores.")
