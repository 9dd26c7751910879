"""The Pulumi face of our resources: one table of types, plain dicts inside, property values outside."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from pulumi.provider.experimental.provider import (
    CheckFailure,
    CheckRequest,
    CheckResponse,
    CreateRequest,
    CreateResponse,
    DeleteRequest,
    DiffRequest,
    DiffResponse,
    GetSchemaRequest,
    GetSchemaResponse,
    ReadRequest,
    ReadResponse,
    UpdateRequest,
    UpdateResponse,
)

from mlx_engine.provider_codec import BlockingProvider, DiffWithInputs, UpdateWithInputs, decode, encode
from mlx_engine.providers import ProviderLog
from mlx_provider.batch_predictions import BatchPredictions
from mlx_provider.champion import Champion
from mlx_provider.compiled_pipeline import CompiledPipeline
from mlx_provider.dataset import PreparedDataset
from mlx_provider.declared import Declared
from mlx_provider.feature_registry import FeatureRegistry
from mlx_provider.joined_dataset import JoinedDataset
from mlx_provider.model_server import ModelServer, find_server
from mlx_provider.model_version import ModelVersion
from mlx_provider.online_features import OnlineFeatures
from mlx_provider.protocol import CheckError, Created, Report, Resource, ResourceError, Values
from mlx_provider.recurring_run import RecurringRun
from mlx_provider.release import Release
from mlx_provider.released_model import ReleasedModel
from mlx_provider.training_run import TrainingRun
from mlx_specs.resources import PACKAGE, PROVIDER_VERSION

RESOURCES: Mapping[str, Resource] = {
    "mlx:index:PreparedDataset": PreparedDataset(),
    "mlx:index:FeatureRegistry": FeatureRegistry(),
    "mlx:index:OnlineFeatures": OnlineFeatures(),
    "mlx:index:JoinedDataset": JoinedDataset(),
    "mlx:index:CompiledPipeline": CompiledPipeline(),
    "mlx:index:ModelVersion": ModelVersion(),
    "mlx:index:TrainingRun": TrainingRun(),
    "mlx:index:RecurringRun": RecurringRun(),
    "mlx:index:Champion": Champion(),
    "mlx:index:Release": Release(),
    "mlx:index:ReleasedModel": ReleasedModel(),
    "mlx:index:ModelServer": ModelServer(),
    "mlx:index:BatchPredictions": BatchPredictions(),
    "mlx:index:Declared": Declared(),
}
LEAVES_A_PROCESS: Mapping[str, Callable[[Values, Path], Created | None]] = {"mlx:index:ModelServer": find_server}
"""What an interrupted create may have left running: looked up by its inputs. Every other create is simply done again."""


class MlxProvider(BlockingProvider):
    """Serves every type in ``RESOURCES`` for one workspace."""

    def __init__(self, workspace: Path, log: ProviderLog) -> None:
        self.workspace = workspace
        self.log = log

    async def get_schema(self, request: GetSchemaRequest) -> GetSchemaResponse:
        """Names and types; the program's resources are hand-written."""
        return GetSchemaResponse(json.dumps({"name": PACKAGE, "version": PROVIDER_VERSION, "resources": {token: {} for token in RESOURCES}}))

    async def check(self, request: CheckRequest) -> CheckResponse:
        """Completes the inputs, or says which one is wrong."""
        try:
            inputs = self._resource(request.urn).check(decode(request.new_inputs), self.workspace)
        except CheckError as error:
            return CheckResponse(inputs=request.new_inputs, failures=[CheckFailure(error.field, str(error))])
        return CheckResponse(inputs=encode(inputs))

    async def diff(self, request: DiffRequest) -> DiffResponse:
        """Which inputs differ, and which of them need a new object."""
        assert isinstance(request, DiffWithInputs)
        old_inputs, old_outputs = decode(request.old_inputs), decode(request.old_state)
        difference = self._resource(request.urn).diff(old_inputs, old_outputs, decode(request.new_inputs), self.workspace)
        changed = [key for key in difference.changed if key not in request.ignore_changes]
        return DiffResponse(changes=bool(changed), diffs=changed, replaces=[key for key in difference.replaces if key in changed])

    async def create(self, request: CreateRequest) -> CreateResponse:
        """Makes it, or in a preview says what is known of it."""
        resource, inputs = self._resource(request.urn), decode(request.properties)
        if request.preview:
            return CreateResponse(resource_id="", properties=encode(resource.planned(inputs, None)))
        created = resource.create(inputs, self.workspace, self._report(request.urn))
        return CreateResponse(resource_id=created.id, properties=encode(created.outputs))

    async def read(self, request: ReadRequest) -> ReadResponse:
        """What there is now; an empty answer when it is gone. Without a state, what an interrupted create left behind."""
        inputs, state = decode(request.inputs), decode(request.properties)
        if state:
            outputs = self._resource(request.urn).read(request.resource_id, inputs, state, self.workspace)
            found = Created(request.resource_id, outputs) if outputs is not None else None
        else:
            look_up = LEAVES_A_PROCESS.get(_token(request.urn))
            found = look_up(inputs, self.workspace) if look_up else None
        if found is None:
            return ReadResponse(resource_id="", properties={}, inputs={})
        return ReadResponse(resource_id=found.id, properties=encode(found.outputs), inputs=request.inputs)

    async def update(self, request: UpdateRequest) -> UpdateResponse:
        """Changes it, or in a preview says what would be known."""
        assert isinstance(request, UpdateWithInputs)
        resource, inputs, old = self._resource(request.urn), decode(request.news), decode(request.olds)
        if request.preview:
            return UpdateResponse(properties=encode(resource.planned(inputs, old)))
        report = self._report(request.urn)
        outputs = resource.update(request.resource_id, decode(request.old_inputs), old, inputs, self.workspace, report)
        return UpdateResponse(properties=encode(outputs))

    async def delete(self, request: DeleteRequest) -> None:
        """Removes it."""
        state = decode(request.properties)
        self._resource(request.urn).delete(request.resource_id, state, state, self.workspace)

    async def cancel(self) -> None:
        """Gives up what takes long: a training or a join starts again with the next apply."""
        from mlx_features.shared import cancel_workers
        from mlx_pipelines.run import interrupt_runs

        cancel_workers()
        interrupt_runs()

    def _resource(self, urn: str) -> Resource:
        token = _token(urn)
        if token not in RESOURCES:
            raise ResourceError(f"unknown resource type {token!r}", hint=f"this provider is {PACKAGE} {PROVIDER_VERSION}; the program asks for another")
        return RESOURCES[token]

    def _report(self, urn: str) -> Report:
        return lambda line: self.log(urn, line, True)


def _token(urn: str) -> str:
    return urn.split("::")[-2].split("$")[-1]
