"""What an environment on a cluster could release: the champions of its registry, as one of its applies asked for them.

Its state says what was asked for, the registry what came of it, its storage has the bytes: they are fetched into the environment's folder.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from mlx_components.model import ALIAS
from mlx_pipelines.contract import HELD_OUT
from mlx_pipelines.registered import DATA_DIGEST, Registered
from mlx_pipelines.registry_rest import run_of, versions_of
from mlx_pipelines.registry_server import registered_name
from mlx_runtime.artifact import verify
from mlx_runtime.cluster.datasets import definition_key, read_prepared
from mlx_specs import layout
from mlx_specs.artifact import ModelFile
from mlx_specs.digests import digest
from mlx_specs.environment import KubernetesTarget
from mlx_specs.feature_store import FeatureStore
from mlx_specs.kinds import KINDS, AnyObject
from mlx_specs.model import Model
from mlx_specs.pipeline_resources import SubmittedRun
from mlx_specs.release import DataPin, ModelPin, PipelinePin, ReleasedRun, definition_digest
from mlx_stacks.found import CODE_DIGEST, PIPELINE_VERSION, SUBMITTED, WRITTEN, asking
from mlx_stacks.recorded import Values, recorded_on_cluster, said_by_components
from mlx_stacks.release_parts import Collected, native_modules, released_run, unknown_origin
from mlx_stacks.release_storage import fetch_model, reaching, storage_of
from mlx_stacks.releases import sha256
from mlx_stacks.workspace import Workspace


@dataclass(frozen=True)
class Asked:
    """A model as one apply asked for it."""

    written: dict[str, Any]
    submitted: SubmittedRun
    ir: bytes
    """Of the version of its pipeline that ran."""

    @property
    def ir_digest(self) -> str:
        """As compiled pipelines are named."""
        return digest(self.ir.decode())


def collect(workspace: Workspace, states: Iterable[Values]) -> Collected:
    """Pins, definitions, runs and files; ``states`` are the present one and earlier ones, the newest first. Raises ``UserError``."""
    made = _Champions(workspace, states)
    present = next(made.states())
    for id, said in sorted(said_by_components(present).items()):
        kind, _, name = id.partition("/")
        match kind:
            case "Model":
                made.model(name)
            case "Pipeline" if WRITTEN in said:
                made.pipeline(name, said, present)
            case "FeatureStore" if WRITTEN in said:
                made.feature_store(name, said)
            case _:
                pass
    return made.collected


class _Champions:
    """Collects object by object; earlier states are read only as far as they are needed."""

    def __init__(self, workspace: Workspace, states: Iterable[Values]) -> None:
        target = workspace.environment.spec.target
        assert isinstance(target, KubernetesTarget)
        self._workspace, self._root, self._home, self._target = workspace, workspace.root, workspace.layout.home, target
        self._more, self._known = iter(states), list[Values]()
        self.collected = Collected()

    def states(self) -> Iterator[Values]:
        """The present one first; an earlier one is read when it is asked for."""
        yield from self._known
        for state in self._more:
            self._known.append(state)
            yield state

    def model(self, name: str) -> None:
        """The version that the alias points to."""
        made = self.collected
        with asking(self._workspace):
            known = versions_of(self._target.mlflow, registered_name(self._target.namespace, name))
        registered = next((one for one in known if ALIAS in one.aliases), None)
        if registered is None:
            made.hold(name)
            return
        if known[-1] is not registered:
            made.notes.append(f"Model/{name}: version {known[-1].version} is a challenger; version {registered.version} is its champion")
        asked, version = self._asked_for(name, registered), registered.reference()
        fetch_model(self._root, self._workspace.environment, name, version.fingerprint, version.artifact_digest)
        with reaching(f"Model/{name}: "):
            described = verify(self._root / layout.artifact(self._home, name, version.fingerprint), version.artifact_digest)
        model = KINDS["Model"].model_validate(asked.written, by_alias=True)
        assert isinstance(model, Model)
        made.definitions[f"Model/{name}"] = model
        made.models[name] = self._pin(model, asked, registered, described)
        made.runs[name] = self._run(asked, registered)
        self._keep(model.spec.pipeline, asked.ir)

    def _asked_for(self, name: str, registered: Registered) -> Asked:
        for state in self.states():
            said = said_by_components(state).get(f"Model/{name}", {})
            submitted = SubmittedRun.model_validate_json(said[SUBMITTED]) if SUBMITTED in said else None
            if submitted is not None and registered.is_of(submitted.version.fingerprint):
                return Asked(json.loads(said[WRITTEN]), submitted, _compiled(state, said[PIPELINE_VERSION]))
        raise unknown_origin(name, registered.version, self._workspace.name)

    def _pin(self, model: Model, asked: Asked, registered: Registered, described: ModelFile) -> ModelPin:
        version, name = asked.submitted.version, model.metadata.name
        held_out = self._root / layout.run(self._home, name, registered.fingerprint) / HELD_OUT
        return ModelPin(
            fingerprint=registered.fingerprint,
            artifact_digest=registered.reference().artifact_digest,
            definition=definition_digest(asked.written),
            engine=described.engine,
            data=DataPin(name=version.data.name, digest=registered.tags[DATA_DIGEST], rows=self._rows(asked, registered)),
            pipeline=model.spec.pipeline,
            ir_digest=asked.ir_digest,
            code_digest=version.code_digest,
            modules=native_modules(model, version, described.engine, registered.version, self._workspace),
            held_out=sha256(held_out) if held_out.is_file() else None,
            metrics={key: float(f"{value:.6g}") for key, value in described.metrics.items()},
        )

    def _rows(self, asked: Asked, registered: Registered) -> int | None:
        """A join takes no row away and adds none; None where the definition has come to other rows since."""
        data, storage = asked.submitted.version.data, storage_of(self._workspace.environment)
        assert storage is not None
        with reaching():
            prepared = read_prepared(storage, definition_key(data.name, data.digest))
        same = prepared is not None and prepared.content_digest == registered.tags[DATA_DIGEST]
        return prepared.rows if prepared is not None and same else None

    def _run(self, asked: Asked, registered: Registered) -> ReleasedRun:
        with asking(self._workspace):
            run = run_of(self._target.mlflow, registered.run_id)
        return released_run(registered, run, asked.submitted.version.data.event_time)

    def pipeline(self, name: str, said: Values, state: Values) -> None:
        """As it is applied."""
        written, ir = json.loads(said[WRITTEN]), _compiled(state, said[PIPELINE_VERSION])
        self.collected.definitions[f"Pipeline/{name}"] = _object(written)
        pin = PipelinePin(definition=definition_digest(written), ir_digest=digest(ir.decode()), code_digest=said[CODE_DIGEST])
        self.collected.pipelines[name] = pin
        self._keep(name, ir)

    def _keep(self, pipeline: str, ir: bytes) -> None:
        path = layout.pipeline(self._home, pipeline, digest(ir.decode()))
        (self._root / path).parent.mkdir(parents=True, exist_ok=True)
        (self._root / path).write_bytes(ir)
        self.collected.parts[f"pipelines/{pipeline}/{path.name}"] = self._root / path

    def feature_store(self, name: str, said: Values) -> None:
        """As it is applied."""
        store = _object(json.loads(said[WRITTEN]))
        assert isinstance(store, FeatureStore)
        self.collected.store(store, [view.function for view in store.spec.on_demand_views.values()], said[CODE_DIGEST], self._workspace)


def _object(written: Mapping[str, Any]) -> AnyObject:
    return KINDS[written["kind"]].model_validate(written, by_alias=True)


def _compiled(state: Values, version: str) -> bytes:
    """A PipelineVersion's own pipeline, as YAML: the same value is the same bytes."""
    found = next(objects["PipelineVersion", version] for objects in recorded_on_cluster(state).values() if ("PipelineVersion", version) in objects)
    return yaml.safe_dump(found["spec"]["pipelineSpec"], sort_keys=True).encode()
