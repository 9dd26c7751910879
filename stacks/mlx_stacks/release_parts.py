"""What a release is put together from, wherever its models were trained: pins, definitions, runs and files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlx_pipelines.errors import PipelineError
from mlx_pipelines.feature_code import FOLDER as FEATURE_REPO
from mlx_pipelines.feature_code import function_files, functions_digest
from mlx_pipelines.registered import RecordedRun, Registered
from mlx_specs.base import Object, plain
from mlx_specs.feature_store import FeatureStore
from mlx_specs.model import Model
from mlx_specs.model_resources import ModelVersionInputs
from mlx_specs.release import FeatureStorePin, ModelPin, Pins, PipelinePin, ReleasedRun, ReleaseFile, definition_digest
from mlx_stacks.errors import UserError
from mlx_stacks.released_code import model_code
from mlx_stacks.releases import CODE
from mlx_stacks.workspace import Workspace

OWN_TAGS = ("mlx.fingerprint", "mlx.artifact", "mlx.artifact_digest")
"""Of a registered version: each registry writes its own."""


@dataclass
class Collected:
    """Filled object by object."""

    models: dict[str, ModelPin] = field(default_factory=dict[str, ModelPin])
    pipelines: dict[str, PipelinePin] = field(default_factory=dict[str, PipelinePin])
    stores: dict[str, FeatureStorePin] = field(default_factory=dict[str, FeatureStorePin])
    definitions: dict[str, Object] = field(default_factory=dict[str, Object])
    """By KIND/NAME."""
    runs: dict[str, ReleasedRun] = field(default_factory=dict[str, ReleasedRun])
    parts: dict[str, Path] = field(default_factory=dict[str, Path])
    """Files of the release's folder by their names in it."""
    held: list[str] = field(default_factory=list[str])
    """Models that are there and have no champion."""
    notes: list[str] = field(default_factory=list[str])

    def file(self) -> ReleaseFile:
        """The release of what was collected; a pipeline goes with the models that it trained."""
        used = {pin.pipeline for pin in self.models.values()}
        pipelines = {name: pin for name, pin in self.pipelines.items() if name in used}
        pins = Pins(models=self.models, pipelines=pipelines, feature_stores=self.stores)
        objects = [plain(made) for id, made in sorted(self.definitions.items()) if id in pins.definitions]
        return ReleaseFile(pins=pins, objects=objects, runs=self.runs)

    def hold(self, name: str) -> None:
        """A model without a champion."""
        self.held.append(name)
        self.notes.append(f"Model/{name} has no champion: nothing of it is promoted")

    def store(self, made: FeatureStore, functions: Sequence[str], applied: str, workspace: Workspace) -> None:
        """With the code of its on-demand functions, which must be what was applied; raises ``UserError``."""
        name = made.metadata.name
        try:
            same = functions_digest(functions, workspace.root) == applied
        except PipelineError as error:
            raise UserError(f"FeatureStore/{name}: {error}", hint=error.hint) from error
        if not same:
            hint = f"mlx apply --env {workspace.name}; then promote again"
            raise UserError(f"FeatureStore/{name}: the code of its on-demand functions changed since {workspace.name} was applied", hint=hint)
        self.definitions[f"FeatureStore/{name}"] = made
        self.stores[name] = FeatureStorePin(definition=definition_digest(plain(made)), code_digest=applied or None)
        for path in function_files(functions, workspace.root):
            self.parts[f"{CODE}/{name}/{path.as_posix()}"] = workspace.root / FEATURE_REPO / path


def native_modules(model: Model, version: ModelVersionInputs, engine: str, number: str, workspace: Workspace) -> str | None:
    """The workspace's modules that a native model imports; what is released must be what version ``number`` was trained with."""
    if engine != "native":
        return None
    name = model.metadata.name
    try:
        trained, own = model_code(model.spec, version.entry, workspace.root)
    except PipelineError as error:
        raise UserError(f"Model/{name}: {error}", hint=error.hint) from error
    if own and trained != version.code_digest:
        hint = f"mlx apply --env {workspace.name}, so that a version is trained with it; then promote again"
        raise UserError(f"Model/{name} runs natively, and its code changed since version {number} was trained", hint=hint)
    return own or None


def released_run(registered: Registered, run: RecordedRun, event_time: str | None) -> ReleasedRun:
    """What was recorded of a version's training; ``event_time`` is the column with a row's moment."""
    return ReleasedRun(
        run_id=registered.run_id,
        version=registered.version,
        params=run.params,
        metrics=run.metrics,
        tags=run.tags,
        version_tags={key: value for key, value in registered.tags.items() if key not in OWN_TAGS},
        event_time=event_time or "",
    )


def unknown_origin(model: str, number: str, environment: str) -> UserError:
    """No state that is kept has asked for the champion."""
    message = f"Model/{model}: the history of {environment} does not tell what its champion, version {number}, was made of"
    return UserError(message, hint=f"let a new version pass its gates: mlx apply --env {environment}")
