"""The SDK's resource monitor and engine as objects in this process: its requests become goals, resources become its answers."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import engine_pb2, provider_pb2, resource_pb2

from mlx_engine import urns
from mlx_engine.embedded.deployment import Deployment
from mlx_engine.embedded.goal import Goal, goal_of
from mlx_engine.embedded.packages import Packages
from mlx_engine.embedded.plugin import ProviderError
from mlx_engine.host import EngineError, Event, EventKind, Stack, Unsupported
from mlx_engine.state.resource import Resource
from mlx_engine.values import UNSEEN, Values
from mlx_engine.wire import from_struct, to_struct

FEATURES = [
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
]
"""What the SDK may use; for what is not here it raises an error of its own, which ``unsupported_by_sdk`` recognises."""

GET_RESOURCE = "pulumi:pulumi:getResource"
_SEVERITIES = {engine_pb2.INFO: "info", engine_pb2.WARNING: "warning", engine_pb2.ERROR: "error"}


class Monitor:
    """Method names and messages are those of Pulumi's ``ResourceMonitor`` service."""

    def __init__(self, stack: Stack, deployment: Deployment, packages: Packages, *, parallel: int, dry_run: bool) -> None:
        self._stack = stack
        self._deployment = deployment
        self._packages = packages
        self._parallel = parallel
        self._dry_run = dry_run
        self._registered: dict[str, Resource] = {}

    def GetDeploymentInfo(self, _request: Empty) -> resource_pb2.DeploymentInfo:
        return resource_pb2.DeploymentInfo(
            project=self._stack.project,
            stack=self._stack.name,
            organization="organization",
            config=self._stack.config,
            configSecretKeys=sorted(self._stack.secret_config),
            dryRun=self._dry_run,
            parallel=self._parallel,
            supportedFeatures=FEATURES,
        )

    def RegisterResource(self, request: resource_pb2.RegisterResourceRequest) -> resource_pb2.RegisterResourceResponse:
        goal = self._refusing(lambda: goal_of(request, self._stack, self._registered.get(request.parent)))
        resource = self._remember(self._deployment.register(goal))
        identity = "" if resource.id in UNSEEN and not urns.is_provider(resource.type) else resource.id
        return resource_pb2.RegisterResourceResponse(urn=resource.urn, id=identity, object=to_struct(_declarable(resource.outputs)))

    def RegisterResourceOutputs(self, request: resource_pb2.RegisterResourceOutputsRequest) -> Empty:
        self._deployment.register_outputs(request.urn, from_struct(request.outputs))
        return Empty()

    def ReadResource(self, request: resource_pb2.ReadResourceRequest) -> resource_pb2.ReadResourceResponse:
        wanted = Resource(
            urn=urns.make_urn(self._stack.name, self._stack.project, request.parent, request.type, request.name),
            type=request.type,
            custom=True,
            id=request.id,
            inputs=from_struct(request.properties),
            parent=request.parent,
            provider=request.provider,
            dependencies=sorted(request.dependencies),
            external=True,
            additional_secret_outputs=list(request.additionalSecretOutputs),
        )
        resource = self._remember(self._deployment.read(Goal(wanted, request.version)))
        return resource_pb2.ReadResourceResponse(urn=resource.urn, properties=to_struct(resource.outputs))

    def Invoke(self, request: resource_pb2.ResourceInvokeRequest) -> resource_pb2.ResourceInvokeResponse:
        if request.tok == GET_RESOURCE:
            return self._known_resource(from_struct(request.args)["urn"])
        reference = request.provider or self._deployment.default_provider(urns.package_of(request.tok), request.version)
        plugin = self._packages.plugin(reference)
        if not plugin.known:
            return resource_pb2.ResourceInvokeResponse(unknown=True)
        try:
            answer = plugin.invoke(request.tok, from_struct(request.args))
        except ProviderError as error:
            raise EngineError(f"{request.tok}: {error}") from error
        return _invoked(getattr(answer, "return"), answer.failures)

    def Call(self, request: resource_pb2.ResourceCallRequest) -> Any:
        return self._refuse(f"the method call {request.tok}")

    def RegisterPackage(self, request: resource_pb2.RegisterPackageRequest) -> Any:
        return self._refuse(f"the parameterised package {request.name}")

    def SignalAndWaitForShutdown(self, _request: Empty) -> Empty:
        return Empty()

    def _remember(self, resource: Resource) -> Resource:
        self._registered[resource.urn] = resource
        return resource

    def _known_resource(self, urn: str) -> resource_pb2.ResourceInvokeResponse:
        resource = self._registered.get(urn)
        if resource is None:
            raise EngineError(f"{urn} is referred to, and was not registered before")
        return _invoked(to_struct({"urn": urn, "id": resource.id, "state": resource.outputs}), ())

    def _refusing(self, read: Any) -> Goal:
        try:
            return read()
        except Unsupported as refusal:
            self._deployment.stop(refusal)
            raise

    def _refuse(self, what: str) -> Any:
        refusal = Unsupported(f"{what} needs the pulumi CLI", hint="set host: pulumi")
        self._deployment.stop(refusal)
        raise refusal


class Engine:
    """What the SDK logs to."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def Log(self, request: engine_pb2.LogRequest) -> Empty:
        severity = _SEVERITIES.get(request.severity)
        if severity:
            event = Event(EventKind.LOG, urn=request.urn, message=request.message, severity=severity, ephemeral=request.ephemeral)
            self._deployment.tell(event)
        return Empty()


def _declarable(outputs: Values) -> Values:
    """Without what providers keep for themselves, often the whole object once more: the SDK would take it apart for nothing."""
    return {key: value for key, value in outputs.items() if not key.startswith("__")}


def _invoked(values: Any, failures: Sequence[provider_pb2.CheckFailure]) -> resource_pb2.ResourceInvokeResponse:
    result: dict[str, Any] = {"return": values, "failures": failures}
    return resource_pb2.ResourceInvokeResponse(**result)
