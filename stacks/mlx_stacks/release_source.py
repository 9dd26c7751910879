"""What an environment could release: its champions with all that belongs to them, from its state; on a cluster its registry tells them, too.

An environment that follows releases what its aliases point to; a pinned one its present release, as it is. Nothing of it is changed.
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from mlx_engine.state.checkpoint import serial
from mlx_engine.state.files import files_of
from mlx_pipelines.contract import HELD_OUT
from mlx_pipelines.registry_reads import Registered, find_fingerprint, find_run
from mlx_specs import layout
from mlx_specs.base import plain
from mlx_specs.feature_resources import FeatureRegistryOutputs
from mlx_specs.feature_store import FeatureStore
from mlx_specs.kinds import KINDS, AnyObject
from mlx_specs.model import Model
from mlx_specs.model_resources import ChampionOutputs, ModelVersionOutputs
from mlx_specs.pipeline_resources import CompiledPipelineOutputs
from mlx_specs.release import DataPin, ModelPin, PipelinePin, ReleasedRun, ReleaseFile, definition_digest
from mlx_specs.release_resources import ReleaseInputs
from mlx_specs.resources import Version
from mlx_stacks.changes import COMPONENTS, RESOURCES
from mlx_stacks.errors import UserError
from mlx_stacks.release_from_cluster import collect
from mlx_stacks.release_parts import Collected, native_modules, released_run, unknown_origin
from mlx_stacks.release_storage import fetch_model, fetch_release
from mlx_stacks.releases import MANIFEST, RELEASE_FILE, objects_of, read_release, sha256
from mlx_stacks.workspace import Workspace, open_host


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
    if workspace.environment.spec.target.type == "kubernetes":
        found = collect(workspace, itertools.chain((deployment,), _history(workspace)))
    else:
        made = _Followed(workspace, objects)
        for id in sorted(objects):
            made.add(id)
        found = made.found
    return Source(workspace.name, home, state, found.file(), found.parts, tuple(found.held), tuple(found.notes))


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
        return Source(workspace.name, home, state, notes=(_nothing_released(workspace),))
    fetch_release(workspace.root, workspace.environment, applied.digest)
    release, folder = read_release(workspace.root, home, applied.digest), workspace.root / layout.release(home, applied.digest)
    for name, pin in release.pins.models.items():
        fetch_model(workspace.root, workspace.environment, name, pin.fingerprint, pin.artifact_digest)
    own = (RELEASE_FILE, MANIFEST)
    parts = {name: path for path in sorted(folder.rglob("*")) if path.is_file() and (name := path.relative_to(folder).as_posix()) not in own}
    return Source(workspace.name, home, state, release, parts)


def _nothing_released(workspace: Workspace) -> str:
    source, name = workspace.environment.spec.promoted_from, workspace.name
    return f"it is pinned, and runs no release yet: mlx promote {'' if source else '--from ENVIRONMENT '}--to {name}, then mlx apply --env {name}"


class _Followed:
    """Collects the pins of an environment that follows its registry, object by object."""

    def __init__(self, workspace: Workspace, objects: Mapping[str, Recorded]) -> None:
        self.workspace, self.root, self.home = workspace, workspace.root, workspace.layout.home
        self.objects = objects
        self.found = Collected()

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
            self.found.hold(name)
            return
        if not champion.passed:
            standing = f"version {champion.current.version} is its champion"
            self.found.notes.append(f"{id}: version {champion.candidate.version} is a challenger ({'; '.join(champion.reasons)}); {standing}")
        objects, version = self._trained(id, champion.current)
        model = _as_trained(objects[id], version)
        registered = find_fingerprint(self.root, self.home, name, version.fingerprint)
        if registered is None:
            raise UserError(f"{id}: version {version.version} is not in the registry of {self.workspace.name} any more", hint=_put_right(self.workspace))
        self.found.definitions[id] = model
        self.found.models[name] = self._pin(model, version, champion.current)
        self.found.runs[name] = self._run(version, registered)
        self.found.parts[f"pipelines/{self.found.models[name].pipeline}/{Path(version.ir).name}"] = self.root / version.ir

    def _trained(self, id: str, current: Version) -> tuple[Mapping[str, Recorded], ModelVersionOutputs]:
        """The state in which the champion was the version that the specs asked for: the present one, or one from its history."""
        for objects in itertools.chain((self.objects,), map(recorded, _history(self.workspace))):
            resources: Mapping[str, Mapping[str, Any]] = objects[id].resources if id in objects else {}
            version = ModelVersionOutputs.model_validate(resources["ModelVersion"]) if "ModelVersion" in resources else None
            if version is not None and version.fingerprint == current.fingerprint and version.artifact_digest:
                return objects, version
        raise unknown_origin(id.partition("/")[2], current.version, self.workspace.name)

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
            modules=native_modules(model, version, version.engine, version.version, self.workspace),
            held_out=sha256(held_out) if held_out.is_file() else None,
            metrics={name: float(f"{value:.6g}") for name, value in version.metrics.items()},
        )

    def _run(self, version: ModelVersionOutputs, registered: Registered) -> ReleasedRun:
        run = find_run(self.root, self.home, registered.run_id)
        return released_run(registered, run, version.data.event_time)

    def _pipeline(self, id: str, name: str) -> None:
        resources = self.objects[id].resources
        if "CompiledPipeline" in resources:
            compiled = CompiledPipelineOutputs.model_validate(resources["CompiledPipeline"])
            made = _object(self.objects[id].value, "Pipeline", {"arguments": compiled.arguments})
            self.found.definitions[id] = made
            self.found.pipelines[name] = PipelinePin(definition=definition_digest(plain(made)), ir_digest=compiled.ir_digest, code_digest=compiled.code_digest)
            self.found.parts[f"pipelines/{name}/{Path(compiled.path).name}"] = self.root / compiled.path

    def _feature_store(self, id: str, name: str) -> None:
        resources = self.objects[id].resources
        if "FeatureRegistry" not in resources:
            return
        registry = FeatureRegistryOutputs.model_validate(resources["FeatureRegistry"])
        made = _store_as_applied(self.objects[id], registry)
        functions = [view.function for view in registry.definitions.on_demand]
        self.found.store(made, functions, registry.code_digest, self.workspace)


def _store_as_applied(recorded: Recorded, registry: FeatureRegistryOutputs) -> FeatureStore:
    """The FeatureStore's spec; defaults are taken from where they travel as JSON text."""
    spec = cast("dict[str, Any]", json.loads(json.dumps(recorded.value["spec"])))
    defaults = {view.name: view.defaults for view in (*registry.definitions.views, *registry.definitions.on_demand)}
    for view in (view for kind in ("featureViews", "onDemandViews") for view in spec.get(kind, {}).items()):
        if "defaults" in view[1]:
            view[1]["defaults"] = defaults[view[0]]
    made = _object({**recorded.value, "spec": spec}, "FeatureStore", {})
    assert isinstance(made, FeatureStore)
    return made


def _as_trained(recorded: Recorded, version: ModelVersionOutputs) -> Model:
    """The Model's spec; what travels as JSON text is taken from there, for a number in state is a double."""
    written = cast("Mapping[str, Any]", recorded.value["spec"])
    made = _object(recorded.value, "Model", {"parameters": version.parameters} if "parameters" in written else {})
    assert isinstance(made, Model)
    return made


def _object(value: Mapping[str, Any], kind: str, more: Mapping[str, Any]) -> AnyObject:
    written = {"apiVersion": "mlx/v1", "kind": kind, "metadata": value["metadata"], "spec": {**value["spec"], **more}}
    return KINDS[kind].model_validate(written, by_alias=True, by_name=False)


def _history(workspace: Workspace) -> Iterator[Mapping[str, Any]]:
    """Earlier deployments, the newest first."""
    files = files_of(workspace.stack)
    for key in reversed(files.blobs.keys(files.history, ".checkpoint.json")):
        blob = files.blobs.read(key)
        if blob is not None:
            yield json.loads(blob.data).get("checkpoint", {}).get("latest") or {}


def _rows(path: Path) -> int | None:
    """From Parquet's footer; None where the rows are gone."""
    from mlx_pipelines.rows import count

    return count(path) if path.is_file() else None


def _put_right(workspace: Workspace) -> str:
    return f"mlx refresh --env {workspace.name}, then mlx apply --env {workspace.name}"


__all__ = ["Recorded", "Source", "objects_of", "present_release", "recorded", "source_of"]
