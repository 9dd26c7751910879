"""What an environment could release: its champions with all that belongs to them, from its state. Reads only.

An environment that follows releases what its aliases point to; a pinned one its present release, as it is.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from mlx_engine.state.checkpoint import serial
from mlx_engine.state.files import files_of
from mlx_pipelines.contract import HELD_OUT
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.feature_code import FOLDER as FEATURE_REPO
from mlx_pipelines.feature_code import function_files, functions_digest
from mlx_pipelines.registry_reads import Registered, find_fingerprint, find_run
from mlx_specs import layout
from mlx_specs.base import Object, plain
from mlx_specs.kinds import KINDS, AnyObject
from mlx_specs.model import Model
from mlx_specs.release import DataPin, FeatureStorePin, ModelPin, Pins, PipelinePin, ReleasedRun, ReleaseFile, definition_digest
from mlx_specs.resources import ChampionOutputs, CompiledPipelineOutputs, FeatureRegistryOutputs, ModelVersionOutputs, ReleaseInputs, Version
from mlx_stacks.changes import COMPONENTS, RESOURCES
from mlx_stacks.errors import UserError
from mlx_stacks.released_code import model_code
from mlx_stacks.releases import CODE, MANIFEST, RELEASE_FILE, objects_of, read_release, sha256
from mlx_stacks.workspace import Workspace, open_host

OWN_TAGS = ("mlx.fingerprint", "mlx.artifact", "mlx.artifact_digest")
"""Of a registered version: each registry writes its own."""


@dataclass(frozen=True)
class Source:
    """What an environment could release, and where its bytes are."""

    environment: str
    home: str
    serial: str
    release: ReleaseFile = field(default_factory=ReleaseFile)
    parts: Mapping[str, Path] = field(default_factory=dict[str, Path])
    """Files of the release's folder by their names in it."""
    held: tuple[str, ...] = ()
    """Models that are there and have no champion: whoever has a version of them keeps it."""
    notes: tuple[str, ...] = ()
    """What is not released: challengers, models without a champion."""


@dataclass(frozen=True)
class Recorded:
    """One object in state: its spec as it was applied, and its resources' outputs by type."""

    value: Mapping[str, Any]
    resources: Mapping[str, Mapping[str, Any]]


def source_of(workspace: Workspace) -> Source:
    """What the environment could release now."""
    deployment = cast("Mapping[str, Any]", open_host(workspace).export_state()["deployment"])
    home, state = workspace.layout.home, serial(deployment)
    objects = recorded(deployment)
    if workspace.environment.spec.models == "pinned":
        return _from_release(workspace, objects, state)
    made = _Followed(workspace, objects)
    for id in sorted(objects):
        made.add(id)
    return Source(workspace.name, home, state, made.file(), made.parts, tuple(made.held), tuple(made.notes))


def recorded(deployment: Mapping[str, Any]) -> dict[str, Recorded]:
    """Every object of a state by KIND/NAME."""
    items = cast("list[dict[str, Any]]", deployment.get("resources") or [])
    ids = {item["urn"]: f"{item['type'].removeprefix(COMPONENTS)}/{item['urn'].split('::')[-1]}" for item in items if item["type"].startswith(COMPONENTS)}
    values: dict[str, Mapping[str, Any]] = {ids[item["urn"]]: item.get("inputs", {}) for item in items if item["urn"] in ids}
    children: dict[str, dict[str, Mapping[str, Any]]] = {id: {} for id in values}
    for item in items:
        if item["type"].startswith(RESOURCES) and item.get("parent") in ids and not item.get("delete"):
            children[ids[item["parent"]]][item["type"].removeprefix(RESOURCES)] = item.get("outputs", {})
    return {id: Recorded(value, children[id]) for id, value in values.items()}


def present_release(objects: Mapping[str, Recorded]) -> ReleaseInputs | None:
    """The release that a state runs."""
    found = [item.resources["Release"] for item in objects.values() if "Release" in item.resources]
    return ReleaseInputs.model_validate(found[0]) if found else None


def _from_release(workspace: Workspace, objects: Mapping[str, Recorded], state: str) -> Source:
    applied, home = present_release(objects), workspace.layout.home
    if applied is None:
        return Source(workspace.name, home, state)
    release, folder = read_release(workspace.root, home, applied.digest), workspace.root / layout.release(home, applied.digest)
    own = (RELEASE_FILE, MANIFEST)
    parts = {name: path for path in sorted(folder.rglob("*")) if path.is_file() and (name := path.relative_to(folder).as_posix()) not in own}
    return Source(workspace.name, home, state, release, parts)


class _Followed:
    """Collects the pins of an environment that follows its registry, object by object."""

    def __init__(self, workspace: Workspace, objects: Mapping[str, Recorded]) -> None:
        self.workspace, self.root, self.home = workspace, workspace.root, workspace.layout.home
        self.objects = objects
        self.models: dict[str, ModelPin] = {}
        self.pipelines: dict[str, PipelinePin] = {}
        self.stores: dict[str, FeatureStorePin] = {}
        self.definitions: dict[str, Object] = {}
        self.runs: dict[str, ReleasedRun] = {}
        self.parts: dict[str, Path] = {}
        self.held: list[str] = []
        self.notes: list[str] = []

    def file(self) -> ReleaseFile:
        """The release of what was collected; a pipeline goes with the models that it trained."""
        used = {pin.pipeline for pin in self.models.values()}
        pipelines = {name: pin for name, pin in self.pipelines.items() if name in used}
        pins = Pins(models=self.models, pipelines=pipelines, feature_stores=self.stores)
        objects = [plain(made) for id, made in sorted(self.definitions.items()) if id in pins.definitions]
        return ReleaseFile(pins=pins, objects=objects, runs=self.runs)

    def add(self, id: str) -> None:
        """Takes what can be released of an object."""
        kind, _, name = id.partition("/")
        match kind:
            case "Model":
                self._model(id, name)
            case "Pipeline":
                self._pipeline(id, name)
            case "FeatureStore":
                self._feature_store(id, name)
            case _:
                pass

    def _model(self, id: str, name: str) -> None:
        verdict = self.objects[id].resources.get("Champion")
        champion = ChampionOutputs.model_validate(verdict) if verdict else None
        if champion is None or not champion.current.exists:
            self.held.append(name)
            self.notes.append(f"{id} has no champion: nothing of it is promoted")
            return
        if not champion.passed:
            standing = f"version {champion.current.version} is its champion"
            self.notes.append(f"{id}: version {champion.candidate.version} is a challenger ({'; '.join(champion.reasons)}); {standing}")
        objects, version = self._trained(id, champion.current)
        model = _as_trained(objects[id], version)
        registered = find_fingerprint(self.root, self.home, name, version.fingerprint)
        if registered is None:
            raise UserError(f"{id}: version {version.version} is not in the registry of {self.workspace.name} any more", hint=_put_right(self.workspace))
        self.definitions[id] = model
        self.models[name] = self._pin(model, version, champion.current)
        self.runs[name] = self._run(version, registered)
        self.parts[f"pipelines/{self.models[name].pipeline}/{Path(version.ir).name}"] = self.root / version.ir

    def _trained(self, id: str, current: Version) -> tuple[Mapping[str, Recorded], ModelVersionOutputs]:
        """The state in which the champion was the version that the specs asked for: the present one, or one from its history."""
        for objects in (self.objects, *_history(self.workspace)):
            resources: Mapping[str, Mapping[str, Any]] = objects[id].resources if id in objects else {}
            version = ModelVersionOutputs.model_validate(resources["ModelVersion"]) if "ModelVersion" in resources else None
            if version is not None and version.fingerprint == current.fingerprint and version.artifact_digest:
                return objects, version
        hint = f"let a new version pass its gates: mlx apply --env {self.workspace.name}"
        raise UserError(f"{id}: the history of {self.workspace.name} does not tell what its champion, version {current.version}, was made of", hint=hint)

    def _modules(self, model: Model, version: ModelVersionOutputs) -> str | None:
        """Of a native model; what is released must be what it was trained with."""
        if version.engine != "native":
            return None
        try:
            trained, own = model_code(model.spec, version.entry, self.root)
        except PipelineError as error:
            raise UserError(f"Model/{version.model}: {error}", hint=error.hint) from error
        if own and trained != version.code_digest:
            hint = f"mlx apply --env {self.workspace.name}, so that a version is trained with it; then promote again"
            raise UserError(f"Model/{version.model} runs natively, and its code changed since version {version.version} was trained", hint=hint)
        return own or None

    def _pin(self, model: Model, version: ModelVersionOutputs, current: Version) -> ModelPin:
        held_out = self.root / layout.run(self.home, version.model, version.fingerprint) / HELD_OUT
        return ModelPin(
            fingerprint=version.fingerprint,
            artifact_digest=current.artifact_digest,
            definition=definition_digest(plain(model)),
            engine=version.engine,
            data=DataPin(name=version.data.name, digest=version.data.digest, rows=_rows(self.root / version.data.path)),
            pipeline=model.spec.pipeline,
            ir_digest=Path(version.ir).stem,
            code_digest=version.code_digest,
            modules=self._modules(model, version),
            held_out=sha256(held_out) if held_out.is_file() else None,
            metrics={name: float(f"{value:.6g}") for name, value in version.metrics.items()},
        )

    def _run(self, version: ModelVersionOutputs, registered: Registered) -> ReleasedRun:
        run = find_run(self.root, self.home, registered.run_id)
        tags = {key: value for key, value in registered.tags.items() if key not in OWN_TAGS}
        return ReleasedRun(
            run_id=registered.run_id,
            version=registered.version,
            params=run.params,
            metrics=run.metrics,
            tags=run.tags,
            version_tags=tags,
            event_time=version.data.event_time or "",
        )

    def _pipeline(self, id: str, name: str) -> None:
        resources = self.objects[id].resources
        if "CompiledPipeline" in resources:
            compiled = CompiledPipelineOutputs.model_validate(resources["CompiledPipeline"])
            made = _object(self.objects[id].value, "Pipeline", {"arguments": compiled.arguments})
            self.definitions[id] = made
            self.pipelines[name] = PipelinePin(definition=definition_digest(plain(made)), ir_digest=compiled.ir_digest, code_digest=compiled.code_digest)
            self.parts[f"pipelines/{name}/{Path(compiled.path).name}"] = self.root / compiled.path

    def _feature_store(self, id: str, name: str) -> None:
        resources = self.objects[id].resources
        if "FeatureRegistry" not in resources:
            return
        registry = FeatureRegistryOutputs.model_validate(resources["FeatureRegistry"])
        made = _store_as_applied(self.objects[id], registry)
        functions = [view.function for view in registry.definitions.on_demand]
        self._check_code(id, functions, registry)
        self.definitions[id] = made
        self.stores[name] = FeatureStorePin(definition=definition_digest(plain(made)), code_digest=registry.code_digest or None)
        for path in function_files(functions, self.root):
            self.parts[f"{CODE}/{name}/{path.as_posix()}"] = self.root / FEATURE_REPO / path

    def _check_code(self, id: str, functions: Sequence[str], registry: FeatureRegistryOutputs) -> None:
        """The code that is released is the code that was applied."""
        try:
            same = functions_digest(functions, self.root) == registry.code_digest
        except PipelineError as error:
            raise UserError(f"{id}: {error}", hint=error.hint) from error
        if not same:
            hint = f"mlx apply --env {self.workspace.name}; then promote again"
            raise UserError(f"{id}: the code of its on-demand functions changed since {self.workspace.name} was applied", hint=hint)


def _store_as_applied(recorded: Recorded, registry: FeatureRegistryOutputs) -> AnyObject:
    """The FeatureStore's spec; defaults are taken from where they travel as JSON text."""
    spec = cast("dict[str, Any]", json.loads(json.dumps(recorded.value["spec"])))
    defaults = {view.name: view.defaults for view in (*registry.definitions.views, *registry.definitions.on_demand)}
    for view in (view for kind in ("featureViews", "onDemandViews") for view in spec.get(kind, {}).items()):
        if "defaults" in view[1]:
            view[1]["defaults"] = defaults[view[0]]
    return _object({**recorded.value, "spec": spec}, "FeatureStore", {})


def _as_trained(recorded: Recorded, version: ModelVersionOutputs) -> Model:
    """The Model's spec; what travels as JSON text is taken from there, for a number in state is a double."""
    written = cast("Mapping[str, Any]", recorded.value["spec"])
    made = _object(recorded.value, "Model", {"parameters": version.parameters} if "parameters" in written else {})
    assert isinstance(made, Model)
    return made


def _object(value: Mapping[str, Any], kind: str, more: Mapping[str, Any]) -> AnyObject:
    written = {"apiVersion": "mlx/v1", "kind": kind, "metadata": value["metadata"], "spec": {**value["spec"], **more}}
    return KINDS[kind].model_validate(written, by_alias=True, by_name=False)


def _history(workspace: Workspace) -> Iterator[Mapping[str, Recorded]]:
    """Earlier states, the newest first."""
    files = files_of(workspace.stack)
    for key in reversed(files.blobs.keys(files.history, ".checkpoint.json")):
        blob = files.blobs.read(key)
        if blob is not None:
            yield recorded(json.loads(blob.data).get("checkpoint", {}).get("latest") or {})


def _rows(path: Path) -> int | None:
    """From Parquet's footer; None where the rows are gone."""
    from mlx_pipelines.rows import count

    return count(path) if path.is_file() else None


def _put_right(workspace: Workspace) -> str:
    return f"mlx refresh --env {workspace.name}, then mlx apply --env {workspace.name}"


__all__ = ["Recorded", "Source", "objects_of", "present_release", "recorded", "source_of"]
