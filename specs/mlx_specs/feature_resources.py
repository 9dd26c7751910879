"""Inputs and outputs of features: a store's definitions, its registry, its online views, joined rows and look-ups."""

from typing import Literal

from pydantic import Field

from mlx_specs.resources import About, ColumnType, Parameters, PreparedData, Wire


class FeatureField(Wire):
    """A feature or a key: its name and its type in a dataset's words."""

    name: str
    type: str


class EntityDefinition(Wire):
    """One entity of a feature store."""

    name: str
    join_key: str
    type: str = "string"
    description: str = ""


class ViewDefinition(Wire):
    """One feature view; lists are in the order in which people wrote them."""

    name: str
    source: str
    """The dataset's name."""
    event_time: str
    created_time: str | None = None
    entities: list[EntityDefinition]
    features: list[FeatureField]
    ttl: int = 0
    """Seconds; 0: for ever."""
    online: bool = True
    push: bool = False
    defaults: Parameters = Field(default_factory=dict)
    about: About = About()


class OnDemandDefinition(Wire):
    """One on-demand view."""

    name: str
    function: str
    folder: str = ""
    """Where its module stands, relative to the workspace: in a pinned environment with the release; empty: feature_repo/."""
    views: dict[str, list[str]] = Field(default_factory=dict)
    """The features that it reads of each view; never empty lists."""
    request: list[FeatureField] = Field(default_factory=list[FeatureField])
    features: list[FeatureField]
    defaults: Parameters = Field(default_factory=dict)
    about: About = About()


class ServiceDefinition(Wire):
    """One feature service with the features that it takes, each view's list complete."""

    name: str
    views: dict[str, list[str]]
    about: About = About()


class FeatureDefinitions(Wire):
    """A feature store, or the part of it that one service needs, with the views behind its on-demand views."""

    views: list[ViewDefinition] = Field(default_factory=list[ViewDefinition])
    on_demand: list[OnDemandDefinition] = Field(default_factory=list[OnDemandDefinition])
    services: list[ServiceDefinition] = Field(default_factory=list[ServiceDefinition])


class FeatureRegistryInputs(Wire):
    """``mlx:index:FeatureRegistry``: create and update make Feast's registry hold just these definitions; id = the store's name."""

    name: str
    home: str
    definitions: FeatureDefinitions
    sources: dict[str, PreparedData] = Field(default_factory=dict)
    """The prepared rows behind each dataset that a view reads, by the dataset's name."""
    online_store: str = "sqlite"
    offline_store: str = "duckdb"
    code_digest: str = ""
    """Filled in by check: over the functions of the on-demand views."""
    about: About = About()


class FeatureRegistryOutputs(FeatureRegistryInputs):
    """HOME/features/NAME/ holds feature_store.yaml, registry.db and sources/DATASET.parquet."""

    path: str = ""
    """feature_store.yaml, relative to the workspace."""
    registry_digest: str = ""
    """Over what the registry says, whatever the order and times of writing."""
    applied_digest: str = ""
    """The same as the last apply left it; another digest now means that somebody changed the registry."""


class OnlineFeaturesInputs(Wire):
    """``mlx:index:OnlineFeatures``: create and update materialise the online views; id = the store's name."""

    name: str
    home: str
    definitions: FeatureDefinitions
    """Only the views that are served online."""
    sources: dict[str, PreparedData] = Field(default_factory=dict)
    trigger: Literal["apply", "manual"] = "apply"
    mode: Literal["full", "incremental"] = "full"
    start: str = ""
    """ISO 8601; empty: from the first row."""
    about: About = About()


class OnlineFeaturesOutputs(OnlineFeaturesInputs):
    """HOME/features/NAME/online.db"""

    path: str = ""
    rows: dict[str, int] = Field(default_factory=dict)
    """Keys that the online store holds, by view."""
    latest: dict[str, str] = Field(default_factory=dict)
    """The latest event time of each view, ISO 8601."""
    status: str = ""
    """Materialised, or NotRun(manual)."""


class JoinedDatasetInputs(Wire):
    """``mlx:index:JoinedDataset``: create joins a service's features to rows, as of each row's event time; id = the consumer's name.

    The consumer is a model or a batch inference; its rows keep their order, keys and columns.
    """

    name: str
    home: str
    store: str
    definitions: FeatureDefinitions
    """Of one service."""
    sources: dict[str, PreparedData] = Field(default_factory=dict)
    data: PreparedData
    code_digest: str = ""
    """Filled in by check: over the functions of the service's on-demand views."""
    about: About = About()


class JoinedDatasetOutputs(JoinedDatasetInputs):
    """HOME/joined/NAME/CONTENT_DIGEST/data.parquet: the rows' columns, then the service's features."""

    content_digest: str = ""
    path: str = ""
    rows: int = 0
    columns: list[ColumnType] = Field(default_factory=list[ColumnType])
    coverage: dict[str, float] = Field(default_factory=dict)
    """By feature: the share of rows for which a value was found, before defaults."""


class FeatureLookup(Wire):
    """How a server completes requests from the online store."""

    store: str
    path: str
    """online.db, relative to the workspace."""
    project: str
    definitions: FeatureDefinitions
    """Of one service."""
    event_time: str = ""
    """The column that a request may carry to say which moment a row is about; else it is now."""
    code_digest: str = ""


class FeatureJoin(Wire):
    """The features of one service that a run on a cluster joins to its rows before it learns from them."""

    store: str
    offline_store: str
    definitions: FeatureDefinitions
    sources: dict[str, PreparedData]
    """By the dataset's name. Their digests are those of definitions."""
    code_digest: str = ""
    """Over the functions of the service's on-demand views."""
