"""FeatureStore: entities, feature views and services; what Feast serves offline and online."""

from typing import Annotated, Literal

from pydantic import Field

from mlx_specs.base import Column, Cron, Duration, Name, Object, Strict
from mlx_specs.dataset import ColumnType


class Entity(Strict):
    """What features are about."""

    join_keys: list[Column] = Field(min_length=1, description="The columns that identify it.")
    description: str = Field(default="", description="What it is.")


class FeatureView(Strict):
    """Features of one source with a time."""

    entities: list[Name] = Field(min_length=1, description="The entities that its rows are about.")
    source: Name = Field(description="The Dataset that holds the rows; its event time orders them.")
    features: dict[Column, ColumnType] = Field(min_length=1, description="The features and their types.")
    ttl: Duration | None = Field(default=None, description="How long a value is good for.")
    online: bool = Field(default=True, description="Whether it is served online.")
    defaults: dict[Column, str | int | float | bool] = Field(default_factory=dict, description="What to use where no row is found.")


class FeatureService(Strict):
    """The features that a model uses."""

    views: dict[Name, list[Column]] = Field(min_length=1, description="The features taken from each view; an empty list means all.")


class OnlineStore(Strict):
    """Where features are read at request time."""

    type: Literal["sqlite", "redis", "postgres"] = Field(default="sqlite", description="The store.")


class OfflineStore(Strict):
    """Where features are joined for training."""

    type: Literal["duckdb", "spark"] = Field(default="duckdb", description="The store.")


class Materialization(Strict):
    """When the online store is brought up to date."""

    schedule: Annotated[Cron | None, Field(description="A cron line in UTC.")] = None


class FeatureStoreSpec(Strict):
    """What a feature store is made of."""

    entities: dict[Name, Entity] = Field(default_factory=dict, description="Entities by name.")
    feature_views: dict[Name, FeatureView] = Field(default_factory=dict, description="Feature views by name.")
    feature_services: dict[Name, FeatureService] = Field(default_factory=dict, description="Feature services by name.")
    online_store: OnlineStore = Field(default=OnlineStore(), description="Where features are read at request time.")
    offline_store: OfflineStore = Field(default=OfflineStore(), description="Where features are joined for training.")
    materialization: Materialization = Field(default=Materialization(), description="When the online store is brought up to date.")


class FeatureStore(Object):
    """A feature store."""

    kind: Literal["FeatureStore"] = Field(default="FeatureStore", description="A feature store.")
    spec: FeatureStoreSpec = Field(description="Entities, views, services, stores.")
