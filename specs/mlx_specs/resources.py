"""Inputs and outputs of the resources of our own provider: what components declare and the provider does.

Everything is JSON: camelCase in Pulumi's state, frozen pydantic models on both sides. A path is relative to the
workspace. A field that may be unknown in a preview is typed as its plain value; the provider's codec replaces an unknown
by ``UNKNOWN`` (see mlx_engine) before it looks.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator
from pydantic.alias_generators import to_camel

PACKAGE = "mlx"
PROVIDER_VERSION = "0.1.0"
"""The package of our resources and the version of its plugin: the program asks for it, the provider answers with it."""


UNKNOWN_DIGEST = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""A value that is not known before something is applied, as Pulumi's SDK writes it (mlx_engine.host.UNKNOWN)."""


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


Parameters = Annotated[dict[str, Any], BeforeValidator(_parsed), PlainSerializer(_text, return_type=str)]
"""Travels as JSON text: a number in Pulumi's state is a double, and max_features=1 is not max_features=1.0."""
ParameterList = Annotated[list[dict[str, Any]], BeforeValidator(_parsed), PlainSerializer(_text, return_type=str)]
"""Several of them, as JSON text for the same reason."""


class Wire(BaseModel):
    """Base of what crosses between program and provider; tolerant of what an older version stored."""

    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel, populate_by_name=True)

    def wire(self) -> dict[str, Any]:
        """The camelCase JSON value."""
        return self.model_dump(mode="json", by_alias=True)


class About(Wire):
    """Who the object is, for what a person or another tool sees of the running thing."""

    description: str = ""
    owner: str = ""
    labels: dict[str, str] = Field(default_factory=dict)


class ColumnAbout(Wire):
    """What a dataset says of a column besides its type."""

    description: str = ""
    available_at: str = ""


class DatasetAbout(About):
    """Also what its columns mean and when they are known; none of it decides which rows come out."""

    timeline: list[str] = Field(default_factory=list)
    columns: dict[str, ColumnAbout] = Field(default_factory=dict[str, ColumnAbout])


class ColumnType(Wire):
    """A column as it is in a prepared dataset."""

    name: str
    type: str
    """string, integer, float, boolean, timestamp or date"""


class PreparedDatasetInputs(Wire):
    """``mlx:index:PreparedDataset``: create prepares the rows, update prepares them again; id = the dataset's name."""

    name: str
    home: str
    """The environment's folder, such as .mlx/local."""
    definition: dict[str, Any]
    """The DatasetSpec as people write it, without schedule and column descriptions."""
    inputs: dict[str, str] = Field(default_factory=dict)
    """Content digest of each dataset that it reads, by name."""
    about: DatasetAbout = DatasetAbout()
    source_digest: str = ""
    """Filled in by check: sha256 of the source's bytes, or of the watermark's value."""


class PreparedDatasetOutputs(PreparedDatasetInputs):
    """The folder HOME/datasets/NAME/CONTENT_DIGEST holds data.parquet, rejected.parquet and manifest.json."""

    content_digest: str = ""
    path: str = ""
    """data.parquet, relative to the workspace."""
    rows: int = 0
    rejected: int = 0
    columns: list[ColumnType] = Field(default_factory=list[ColumnType])
    warnings: list[str] = Field(default_factory=list)


class CompiledPipelineInputs(Wire):
    """``mlx:index:CompiledPipeline``: create compiles to KFP IR; id = the pipeline's name."""

    name: str
    home: str
    entry: str
    arguments: Parameters = Field(default_factory=dict)
    about: About = About()
    code_digest: str = ""
    """Filled in by check: sha256 of the normalised syntax trees of the pipeline's module and the workspace modules it imports."""


class CompiledPipelineOutputs(CompiledPipelineInputs):
    """HOME/pipelines/NAME/IR_DIGEST.yaml."""

    ir_digest: str = ""
    path: str = ""
    steps: list[str] = Field(default_factory=list)


class PreparedData(Wire):
    """A prepared dataset as a model or a batch run reads it."""

    name: str
    digest: str
    path: str
    keys: list[str] = Field(default_factory=list)
    event_time: str | None = None


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


class ModelVersionInputs(Wire):
    """``mlx:index:ModelVersion``: create trains; id = the fingerprint. Delete removes neither version nor run.

    Everything down to ``libraries`` is in the fingerprint; what follows is not.
    """

    model: str
    task: str
    entry: str
    arguments: Parameters = Field(default_factory=dict)
    code_digest: str = ""
    """Filled in by check, as CompiledPipelineInputs.code_digest."""
    data: PreparedData
    target: str
    features: list[str] | None = None
    split: dict[str, Any]
    algorithm: str | None = None
    parameters: Parameters = Field(default_factory=dict)
    candidates: ParameterList = Field(default_factory=list[dict[str, Any]])
    """name, algorithm and parameters of each."""
    search: Parameters = Field(default_factory=dict)
    """As in the spec; empty: nothing is searched."""
    judged_by: str = ""
    """The metric that chooses among candidates and trials; empty where there is nothing to choose from."""
    seed: int = 0
    predict_at: str | None = None
    libraries: dict[str, str] = Field(default_factory=dict)
    """Filled in by check with retrainOn: dependencies; else empty."""

    home: str
    ir: str
    """Path of the compiled pipeline."""
    success: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    package: Literal["auto", "onnx", "native"] = "auto"
    retrain_on: list[str] = Field(default_factory=list)
    cpu: int | None = None
    memory: str | None = None
    gpu: int | None = None
    about: About = About()
    fingerprint: str = ""
    """Filled in by check when everything it is made of is known."""

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The import paths of all that may be fitted."""
        own = (self.algorithm,) if self.algorithm else ()
        return (*own, *(str(candidate["algorithm"]) for candidate in self.candidates))

    @property
    def fits(self) -> int:
        """How often a training fits: every candidate, every trial, and then the best."""
        return len(self.candidates) + int(self.search.get("trials", 0)) + 1


class ModelVersionOutputs(ModelVersionInputs):
    """The artifact stands in HOME/models/MODEL/FINGERPRINT/; the version in MLflow under the model's name."""

    version: str = ""
    run_id: str = ""
    artifact: str = ""
    artifact_digest: str = ""
    engine: str = ""
    """onnx or native, with the reason in the artifact's model.json."""
    metrics: dict[str, float] = Field(default_factory=dict)


class Version(Wire):
    """A model version as an alias or an endpoint refers to it; empty: there is none yet."""

    fingerprint: str = ""
    version: str = ""
    artifact: str = ""
    artifact_digest: str = ""

    @model_validator(mode="before")
    @classmethod
    def _unknown_as_a_whole(cls, value: Any) -> Any:
        """A version that a preview cannot know is one value; each of its parts is unknown then."""
        return dict.fromkeys(("fingerprint", "version", "artifact", "artifactDigest"), UNKNOWN_DIGEST) if value == UNKNOWN_DIGEST else value

    @classmethod
    def registered(cls, version: str, tags: Mapping[str, str]) -> "Version":
        """One in the registry, by the tags that mlx has put on it."""
        known = {name: tags.get(f"mlx.{name}", "") for name in ("fingerprint", "artifact", "artifact_digest")}
        return cls(version=version, **known)

    @property
    def exists(self) -> bool:
        """Whether there is a version at all."""
        return self.artifact_digest != ""


class ChampionInputs(Wire):
    """``mlx:index:Champion``: judges a candidate and moves the registry's alias; id = MODEL@ALIAS."""

    model: str
    alias: str = "champion"
    home: str
    candidate: Version
    success: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    about: About = About()


class ChampionOutputs(ChampionInputs):
    """``current`` is what the alias points to now; ``passed`` and ``reasons`` are the verdict on the candidate."""

    current: Version = Version()
    decided: str = ""
    """The version that the alias was left on when it was last decided; another in the registry means that somebody moved it."""
    passed: bool = False
    reasons: list[str] = Field(default_factory=list)


class ReleasedModelInputs(Wire):
    """``mlx:index:ReleasedModel``: create registers a released version and points the alias to it; id = MODEL@ALIAS. Nothing is trained."""

    model: str
    alias: str = "champion"
    home: str
    fingerprint: str
    artifact_digest: str
    """The bytes stand in HOME/models/MODEL/FINGERPRINT; they are verified before they are registered."""
    source: str
    """The environment that it was promoted from."""
    run: Parameters = Field(default_factory=dict)
    """A ReleasedRun as JSON text: what was recorded of the training."""
    about: About = About()
    version: str = ""
    """Filled in by check: its number in this environment's registry, or the next one."""


class ReleasedModelOutputs(ReleasedModelInputs):
    """``current`` is what the alias points to now; ``decided`` what it was left on: others mean that somebody moved it."""

    current: Version = Version()
    decided: str = ""
    run_id: str = ""
    engine: str = ""
    metrics: dict[str, float] = Field(default_factory=dict)


class ReleaseInputs(Wire):
    """``mlx:index:Release``: what a pinned environment runs, so that its history can tell; id = the digest. Bytes are never deleted."""

    environment: str
    home: str
    digest: str
    pins: dict[str, Any]
    source: str
    serial: str = ""
    by: str = ""
    at: str = ""
    rolled_back_from: str = ""
    gates: dict[str, list[str]] = Field(default_factory=dict)


class ModelServerInputs(Wire):
    """``mlx:index:ModelServer``: a server process that outlives the CLI; id = the endpoint's name."""

    name: str
    home: str
    model: str
    alias: str
    version: Version
    """Empty: the server waits for its first model and answers 503 with the reason."""
    port: int | None = None
    timeout: int = 30
    """Seconds."""
    max_rows: int = 10_000
    cpu: int | None = None
    memory: str | None = None
    features: FeatureLookup | None = None
    """Where the features come from that a request does not carry; None: requests carry them all."""
    log: bool = False
    """Whether its predictions are logged: a Monitor watches it."""
    about: About = About()


class ModelServerOutputs(ModelServerInputs):
    """Where it listens and what it serves."""

    url: str = ""
    bound_port: int = 0
    pid: int = 0
    status: str = ""
    """Ready, or WaitingForModel(MODEL@ALIAS)."""


class BatchPredictionsInputs(Wire):
    """``mlx:index:BatchPredictions``: create and update score the input; id = the inference's name."""

    name: str
    home: str
    model: str
    alias: str
    version: Version
    input: PreparedData
    columns: list[str] = Field(default_factory=list)
    trigger: Literal["apply", "manual"] = "apply"
    requested: str = ""
    """The moment of the last `mlx run`; a new one runs again."""
    cpu: int | None = None
    memory: str | None = None
    about: About = About()


class BatchPredictionsOutputs(BatchPredictionsInputs):
    """HOME/predictions/NAME/DIGEST/predictions.parquet, named by version and input digest."""

    path: str = ""
    rows: int = 0
    status: str = ""
    """Done, NotRun(manual), or WaitingForModel(MODEL@ALIAS)."""


class FeatureJoin(Wire):
    """The features of one service that a run on a cluster joins to its rows before it learns from them."""

    store: str
    offline_store: str
    definitions: FeatureDefinitions
    sources: dict[str, PreparedData]
    """By the dataset's name. Their digests are those of definitions."""
    code_digest: str = ""
    """Over the functions of the service's on-demand views."""


class SubmittedRun(Wire):
    """What every step of a run on a cluster is told."""

    version: ModelVersionInputs
    """The digest of its data is that of a definition, for its rows may be under way when the run is submitted."""
    join: FeatureJoin | None = None


class PipelineRun(Wire):
    """What Kubeflow Pipelines is asked to run."""

    api: str
    """The URL of its API server."""
    namespace: str
    pipeline: str
    pipeline_version: str
    """Names; the server's ids are looked up by them."""
    service_account: str
    """That of its steps."""
    submitter: str = "mlx-apply"
    """The service account that asks for it."""
    arguments: Parameters = Field(default_factory=dict)


class ClusterAccess(Wire):
    """How whoever applies reaches the cluster. The next one may come another way: that is no change."""

    kubeconfig: str = ""
    """A path or a text; left out: as kubectl finds it, else the pod's own service account."""
    context: str = ""


class TrainingRunInputs(Wire):
    """``mlx:index:TrainingRun``: create submits a run, once for each fingerprint; id = the fingerprint. Delete keeps the run."""

    model: str
    fingerprint: str
    """Of what the version is asked to be made of: the data by its definition, as its rows may not be there yet."""
    run: PipelineRun
    access: ClusterAccess = ClusterAccess()
    about: About = About()


class TrainingRunOutputs(TrainingRunInputs):
    """Nobody waits for it: ``mlx status`` asks how it goes."""

    run_id: str = ""


class RecurringRunInputs(Wire):
    """``mlx:index:RecurringRun``: trains by a schedule, exactly one at any time; id = the model's name."""

    model: str
    schedule: str
    """Five fields, in UTC."""
    run: PipelineRun
    access: ClusterAccess = ClusterAccess()
    about: About = About()


class RecurringRunOutputs(RecurringRunInputs):
    """The one that is live; those before it are disabled, with their history."""

    recurring_run_id: str = ""


class DeclaredInputs(Wire):
    """``mlx:index:Declared``: a spec of a kind or mode that this target does not run yet; id = KIND/NAME."""

    kind: str
    name: str
    spec: dict[str, Any]
    reason: str
    about: About = About()


NOT_IN_FINGERPRINT = frozenset({"home", "ir", "success", "package", "retrain_on", "cpu", "memory", "gpu", "about", "fingerprint", "model"})
NOT_IN_DATA_FINGERPRINT = frozenset({"name", "path"})


def fingerprint(inputs: ModelVersionInputs) -> str:
    """sha256 over what a model version is made of: code, algorithm, parameters, seed, label, split, features, data.

    ``UNKNOWN_DIGEST`` while a part is not known. The name of the model is not in it (two names may share a version's bytes);
    nor are compute, gates, packaging, paths.
    """
    parts = inputs.model_dump(mode="json", exclude=set(NOT_IN_FINGERPRINT))
    parts["data"] = {key: value for key, value in parts["data"].items() if key not in NOT_IN_DATA_FINGERPRINT}
    return UNKNOWN_DIGEST if _is_unknown(parts) else digest(parts)


def _is_unknown(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_is_unknown(item) for item in cast("dict[str, Any]", value).values())
    if isinstance(value, list):
        return any(_is_unknown(item) for item in cast("list[Any]", value))
    return value == UNKNOWN_DIGEST


OUTSIDE_FINGERPRINT = frozenset(to_camel(name) for name in NOT_IN_FINGERPRINT)
"""The same, as the wire names them."""


def digest(value: Any) -> str:
    """sha256 of the canonical JSON of a value, as 64 hex digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
