"""Release: the immutable set of pins of one environment, and the lock file that says which release is wanted.

Pins are digests only; the bytes stand in ``HOME/models``, ``HOME/runs`` and ``HOME/releases/DIGEST``. What people may edit (the
lock) is strict, what we wrote for ourselves (release.json) tolerant.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from mlx_specs.base import Name, Strict, plain
from mlx_specs.digests import digest
from mlx_specs.resources import Version, Wire

LOCK_KIND = "ReleaseLock"
DIGEST_PATTERN = "^[0-9a-f]{64}$"
Digest = Annotated[str, Field(pattern=DIGEST_PATTERN)]


class DataPin(Strict):
    """The rows that a model version learned from."""

    name: Name = Field(description="The Dataset.")
    digest: Digest = Field(description="The content digest of the rows, with the features where a feature service joined some.")
    rows: Annotated[int, Field(ge=0)] | None = Field(default=None, description="How many rows; left out where they are gone.")


class ModelPin(Strict):
    """One model version."""

    fingerprint: Digest = Field(description="What the version was made of: algorithm, data and hyperparameters.")
    artifact_digest: Digest = Field(description="The packaged bytes: sha256 of the artifact's manifest.")
    definition: Digest = Field(description="The Model's spec as it was released.")
    engine: str = Field(description="What runs it: onnx or native.")
    data: DataPin = Field(description="What it learned from.")
    pipeline: Name = Field(description="The Pipeline that trained it.")
    ir_digest: Digest = Field(description="The compiled pipeline that trained it.")
    code_digest: Digest = Field(description="The syntax trees of the code that trained it.")
    modules: Digest | None = Field(default=None, description="The workspace's own modules that a native model imports; left out where it needs none.")
    held_out: Digest | None = Field(default=None, description="The held-out rows that the next candidate is judged on, too.")
    metrics: dict[str, float] = Field(default_factory=dict, description="On the held-out rows, when it was made; only shown, never compared with.")


class PipelinePin(Strict):
    """One compiled pipeline."""

    definition: Digest = Field(description="The Pipeline's spec as it was released.")
    ir_digest: Digest = Field(description="The compiled pipeline.")
    code_digest: Digest = Field(description="The syntax trees of its function and of what it imports.")


class FeatureStorePin(Strict):
    """The definitions of one feature store."""

    definition: Digest = Field(description="The FeatureStore's spec as it was released.")
    code_digest: Digest | None = Field(default=None, description="The code of its on-demand functions; left out where it has none.")


class Pins(Strict):
    """Everything that is pinned; its digest is the release's name, so what a later mlx adds must be left out where it says nothing."""

    models: dict[Name, ModelPin] = Field(default_factory=dict, description="Model versions by the model's name.")
    pipelines: dict[Name, PipelinePin] = Field(default_factory=dict, description="Compiled pipelines by name.")
    feature_stores: dict[Name, FeatureStorePin] = Field(default_factory=dict, description="Feature definitions by the store's name.")

    @property
    def digest(self) -> str:
        """sha256 of the canonical pins."""
        return digest(plain(Pins(models=self.models, pipelines=self.pipelines, feature_stores=self.feature_stores)))

    @property
    def definitions(self) -> Mapping[str, str]:
        """The digest of each released definition by KIND/NAME."""
        kinds = {"Model": self.models, "Pipeline": self.pipelines, "FeatureStore": self.feature_stores}
        return {f"{kind}/{name}": pin.definition for kind, pins in kinds.items() for name, pin in pins.items()}


class Provenance(Strict):
    """How a release came to be wanted."""

    promoted_from: Name = Field(description="The environment that it was promoted from.")
    serial: str = Field(default="", description="The serial of that environment's state.")
    by: str = Field(default="", description="Who promoted it, or rolled back to it.")
    at: str = Field(default="", description="When, in UTC.")
    rolled_back_from: Digest | None = Field(default=None, description="The release that a rollback replaced; left out for a promotion.")
    gates: dict[Name, list[str]] = Field(default_factory=dict, description="The gates that each model passed, with the figures.")


class Lock(Pins, Provenance):
    """``stacks/ENV.lock.yaml``: the release that a pinned environment should run."""

    api_version: Literal["mlx/v1"] = Field(description="The version of these specs: always mlx/v1.")
    kind: Literal["ReleaseLock"] = Field(description="A release lock.")
    release: Digest = Field(description="sha256 of the pins below: the name of the release.")

    @property
    def pins(self) -> Pins:
        """Without what is said of them."""
        return Pins(models=self.models, pipelines=self.pipelines, feature_stores=self.feature_stores)

    @property
    def provenance(self) -> Provenance:
        """Without the pins."""
        return Provenance.model_validate({name: getattr(self, name) for name in Provenance.model_fields}, by_name=True)


def make_lock(pins: Pins, provenance: Provenance) -> Lock:
    """The lock of some pins."""
    written = {**plain(provenance), **plain(pins)}
    return Lock.model_validate({"apiVersion": "mlx/v1", "kind": LOCK_KIND, "release": pins.digest, **written}, by_alias=True)


class ReleasedRun(Wire):
    """What was recorded of a version's training, for the registry of the environment that it is released to."""

    run_id: str
    version: str
    """Both in the registry where it was trained."""
    params: dict[str, str] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)
    version_tags: dict[str, str] = Field(default_factory=dict)
    event_time: str = ""
    """The column with a row's moment, or empty."""


class ReleaseFile(Wire):
    """``HOME/releases/DIGEST/release.json``: the pins, the definitions as they were released, and the runs."""

    schema_version: Literal[1] = 1
    pins: Pins = Pins()
    objects: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    """Model, Pipeline and FeatureStore objects as people write them."""
    runs: dict[str, ReleasedRun] = Field(default_factory=dict[str, ReleasedRun])

    def version(self, model: str, artifact: str) -> Version:
        """A released version, numbered as where it was trained, whose bytes are at ``artifact``."""
        pin = self.pins.models[model]
        return Version(fingerprint=pin.fingerprint, version=self.runs[model].version, artifact=artifact, artifact_digest=pin.artifact_digest)


def definition_digest(written: Mapping[str, Any]) -> str:
    """What a definition says, as it was written down: a later mlx may fill in more defaults. Where it exists is the commit's to say."""
    return digest({key: value for key, value in written.items() if key != "environments"})
