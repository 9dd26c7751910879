"""Inference: an endpoint, a batch run, or a declared stream."""

from collections.abc import Mapping
from typing import Any, assert_never

from mlx_components.dataset import DatasetComponent
from mlx_components.declared import declare
from mlx_components.feature_store import FeatureStoreComponent
from mlx_components.model import ModelComponent
from mlx_components.release import ReleasedModelComponent
from mlx_components.resource import MlxComponent, MlxResource
from mlx_specs.base import seconds
from mlx_specs.inference import Batch, Inference, Realtime
from mlx_specs.inference_resources import BatchPredictionsInputs, ModelServerInputs
from mlx_specs.resources import PreparedData, Version

SERVER_OUTPUTS = ("url", "boundPort", "pid", "status")
BATCH_OUTPUTS = ("path", "rows", "status")


class InferenceComponent(MlxComponent):
    """Serves the champion of ``model``; where no such model is declared, it waits. ``features`` is the store that has its feature service.

    An endpoint that is ``watched`` logs its predictions.
    """

    def __init__(
        self,
        inference: Inference,
        *,
        home: str,
        model: ModelComponent | ReleasedModelComponent | None,
        datasets: Mapping[str, DatasetComponent],
        features: FeatureStoreComponent | None = None,
        requested: str | None = None,
        deferral: str | None = None,
        watched: bool = False,
    ) -> None:
        super().__init__(inference, "Inference")
        self.home = home
        self.features = features
        self.event_time = model.event_time if model else ""
        self.version: Any = model.champion if model else Version().wire()
        match inference.spec.mode:
            case _ if deferral:
                declare(self, inference, "Inference", deferral)
            case "realtime":
                self._serve(inference, inference.spec.realtime or Realtime(), watched)
            case "batch":
                assert inference.spec.batch is not None
                self._score(inference, inference.spec.batch, datasets[inference.spec.batch.input], requested)
            case "stream":
                raise AssertionError("a stream is deferred on every target that has no engine for it")
            case mode:
                assert_never(mode)

    def _serve(self, inference: Inference, settings: Realtime, watched: bool) -> None:
        declared = ModelServerInputs(
            **self._common(inference), port=settings.port, timeout=seconds(settings.timeout), max_rows=settings.max_rows, log=watched
        ).wire()
        service = inference.spec.features
        lookup = self.features.lookup(service, self.event_time) if self.features is not None and service is not None else None
        inputs = {**declared, "version": self.version, "features": lookup}
        server = MlxResource("ModelServer", inference.metadata.name, inputs, SERVER_OUTPUTS, self.child())
        self.register_outputs({"url": server.output("url"), "status": server.output("status")})

    def _score(self, inference: Inference, settings: Batch, data: DatasetComponent, requested: str | None) -> None:
        declared = BatchPredictionsInputs(
            **self._common(inference),
            input=PreparedData(name=settings.input, digest="", path=""),
            columns=list(settings.columns),
            trigger=settings.trigger,
            requested=requested or "",
        ).wire()
        # What the last `mlx run` asked for stays in state until the next one asks again.
        kept = [] if requested else ["requested"]
        inputs = {**declared, "version": self.version, "input": self._input(inference, data)}
        batch = MlxResource("BatchPredictions", inference.metadata.name, inputs, BATCH_OUTPUTS, self.child(ignore_changes=kept))
        self.register_outputs({"path": batch.output("path"), "rows": batch.output("rows"), "status": batch.output("status")})

    def _input(self, inference: Inference, data: DatasetComponent) -> dict[str, Any]:
        """The rows to score, with features where the inference names a service."""
        service = inference.spec.features
        if self.features is None or service is None:
            return data.prepared
        return self.features.join(self, "inference", inference.metadata.name, service, data)

    def _common(self, inference: Inference) -> dict[str, Any]:
        """What a server and a batch run are told alike; the version is an output, and comes later."""
        model, alias = inference.spec.model.split("@")
        compute = inference.spec.compute
        return {
            "name": inference.metadata.name, "home": self.home, "model": model, "alias": alias, "version": Version(),
            "cpu": compute.cpu if compute else None, "memory": compute.memory if compute else None, "about": self.about,
        }  # fmt: skip
