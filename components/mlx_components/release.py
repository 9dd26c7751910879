"""A pinned environment: its release, and Models whose versions were released to it. Nothing is trained and no gate is judged here."""

import pulumi

from mlx_components.resource import MlxComponent, MlxResource
from mlx_specs.base import plain
from mlx_specs.model import Model
from mlx_specs.release import Lock, ModelPin, ReleasedRun
from mlx_specs.release_resources import ReleasedModelInputs, ReleaseInputs
from mlx_specs.resources import PACKAGE

OUTPUTS = ("version", "current", "decided", "runId", "engine", "metrics")


class ReleasedModelComponent(MlxComponent):
    """``champion`` is the released version; ``event_time`` the column with a row's moment."""

    def __init__(self, model: Model, *, home: str, pin: ModelPin, run: ReleasedRun, source: str, protect: bool = False) -> None:
        super().__init__(model, "Model")
        self.event_time: str = run.event_time
        declared = ReleasedModelInputs(
            model=model.metadata.name,
            home=home,
            fingerprint=pin.fingerprint,
            artifact_digest=pin.artifact_digest,
            source=source,
            run=run.wire(),
            about=self.about,
        )
        name = f"{declared.model}@{declared.alias}"
        self.released = MlxResource("ReleasedModel", name, {**declared.wire(), "version": None}, OUTPUTS, self.child(protect=protect))
        self.champion = self.released.output("current")
        self.register_outputs({"version": self.released.output("version"), "champion": self.champion})


class ReleaseComponent(pulumi.ComponentResource):
    """``Release/ENVIRONMENT``: shown in plans like an object that somebody wrote, for the lock is one."""

    def __init__(self, environment: str, *, home: str, lock: Lock) -> None:
        spec = {"release": lock.release, "promotedFrom": lock.promoted_from, "models": {name: pin.fingerprint for name, pin in sorted(lock.models.items())}}
        super().__init__(f"{PACKAGE}:components:Release", environment, {"spec": spec, "metadata": {"name": environment}})
        inputs = ReleaseInputs(
            environment=environment,
            home=home,
            digest=lock.release,
            pins=plain(lock.pins),
            source=lock.promoted_from,
            serial=lock.serial,
            by=lock.by,
            at=lock.at,
            rolled_back_from=lock.rolled_back_from or "",
            gates=lock.gates,
        )
        MlxResource("Release", environment, inputs.wire(), (), pulumi.ResourceOptions(parent=self))
        self.register_outputs({"release": lock.release})
