"""Model: a version for each fingerprint, and the alias that the best of them carries."""

from typing import Any

from mlx_components.dataset import DatasetComponent
from mlx_components.feature_store import FeatureStoreComponent
from mlx_components.pipeline import PipelineComponent
from mlx_components.resource import MlxComponent, MlxResource
from mlx_pipelines.contract import CHAMPION
from mlx_specs.base import plain
from mlx_specs.model import Model
from mlx_specs.model_resources import ChampionInputs, ModelVersionInputs
from mlx_specs.pipeline import PipelineSpec
from mlx_specs.resources import About, PreparedData, Version

VERSION_OUTPUTS = ("codeDigest", "libraries", "fingerprint", "version", "runId", "artifact", "artifactDigest", "engine", "metrics")
CHAMPION_OUTPUTS = ("current", "decided", "passed", "reasons")
ALIAS = CHAMPION


class ModelComponent(MlxComponent):
    """``champion`` is the version that endpoints serve; empty while no version has passed its gates.

    ``features`` is the store that has the model's feature service.
    """

    def __init__(
        self,
        model: Model,
        *,
        home: str,
        data: DatasetComponent,
        pipeline: PipelineComponent,
        features: FeatureStoreComponent | None = None,
        protect: bool = False,
    ) -> None:
        super().__init__(model, "Model")
        self.event_time: str = data.prepared["eventTime"] or ""
        service = model.spec.feature_service
        rows = features.join(self, "model", model.metadata.name, service, data) if features is not None and service is not None else data.prepared
        self.version = MlxResource("ModelVersion", model.metadata.name, self._version_inputs(model, home, rows, pipeline), VERSION_OUTPUTS, self.child())
        declared = ChampionInputs(
            model=model.metadata.name, alias=ALIAS, home=home, candidate=Version(), success=[plain(item) for item in model.spec.success], about=self.about
        ).wire()
        candidate = {key: self.version.output(key) for key in ("fingerprint", "version", "artifact", "artifactDigest")}
        self.alias = MlxResource(
            "Champion", f"{model.metadata.name}@{ALIAS}", {**declared, "candidate": candidate}, CHAMPION_OUTPUTS, self.child(protect=protect)
        )
        self.champion = self.alias.output("current")
        self.register_outputs({"version": self.version.output("version"), "champion": self.champion, "passed": self.alias.output("passed")})

    def _version_inputs(self, model: Model, home: str, rows: dict[str, Any], pipeline: PipelineComponent) -> dict[str, Any]:
        data = PreparedData(name=model.spec.data, digest="", path="")
        declared = version_inputs(model, pipeline.spec, data, self.about, home=home).wire()
        computed = {"codeDigest": None, "libraries": None, "fingerprint": None}
        return {**declared, **computed, "data": rows, "ir": pipeline.path}


def version_inputs(model: Model, pipeline: PipelineSpec, data: PreparedData, about: About, *, home: str) -> ModelVersionInputs:
    """What a version is made of, as far as the specs say it."""
    spec = model.spec
    return ModelVersionInputs(
        model=model.metadata.name,
        task=spec.task,
        entry=pipeline.entry,
        arguments=pipeline.arguments,
        data=data,
        target=spec.target,
        features=spec.features,
        split=plain(spec.split),
        algorithm=spec.algorithm,
        parameters=spec.parameters,
        candidates=[{"name": each.label, "algorithm": each.algorithm, "parameters": each.parameters} for each in spec.candidates],
        search=plain(spec.search) if spec.search else {},
        judged_by=spec.success[0].metric if spec.candidates or spec.search else "",
        seed=spec.seed,
        predict_at=spec.predict_at,
        home=home,
        ir="",
        success=[plain(item) for item in spec.success],
        package=spec.package,
        retrain_on=list(spec.retrain_on),
        cpu=spec.compute.cpu if spec.compute else None,
        memory=spec.compute.memory if spec.compute else None,
        gpu=spec.compute.gpu if spec.compute else None,
        about=about,
    )
