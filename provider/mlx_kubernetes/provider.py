"""The Pulumi face: ``kubernetes:GROUP/VERSION:KIND`` resources with the ids, inputs and state keys of Pulumi's own provider.

State holds the live object without what changes by itself, and ``__inputs``, ``__initialApiVersion`` and ``__fieldManager``.
A plan asks the cluster by dry run, so that it finds by itself what somebody changed by hand.
"""

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import (
    CheckFailure,
    CheckRequest,
    CheckResponse,
    ConfigureRequest,
    ConfigureResponse,
    CreateRequest,
    CreateResponse,
    DeleteRequest,
    DiffRequest,
    DiffResponse,
    GetSchemaRequest,
    GetSchemaResponse,
    PropertyDiff,
    PropertyDiffKind,
    ReadRequest,
    ReadResponse,
    UpdateRequest,
    UpdateResponse,
)

from mlx_engine.provider_codec import UNKNOWN, BlockingProvider, InitFailed, Secret, UpdateWithInputs, decode, encode
from mlx_engine.providers import ProviderLog
from mlx_kubernetes import apply, deletion
from mlx_kubernetes.apply import Cluster, Planned
from mlx_kubernetes.client import Client
from mlx_kubernetes.connection import connection
from mlx_kubernetes.discovery import Discovery
from mlx_kubernetes.errors import KubernetesError, NotYet
from mlx_kubernetes.kinds import kind_of
from mlx_kubernetes.listing import Listing
from mlx_kubernetes.objects import Object, Path, called, comparable, differences, identity, shown, tidied
from mlx_kubernetes.package import PACKAGE, VERSION
from mlx_kubernetes.waiting import until_ready

MANAGER_LENGTH = 128
"""Of a field manager's name, at most."""
CONSENT = "mlx.dev/replace"
"""The annotation that allows a replacement that loses data."""
OURS = ("__inputs", "__initialApiVersion", "__fieldManager")


class KubernetesProvider(BlockingProvider):
    """One cluster, as its configuration says; connected when it is first needed."""

    threaded = BlockingProvider.threaded | {"check", "diff"}

    def __init__(self, log: ProviderLog) -> None:
        self._log = log
        self._settings: dict[str, str] = {}
        self._is_to_be_made = False
        """In a preview: the cluster itself is made by the same program, so nobody can be asked."""
        self._connected: Cluster | None = None
        self._turn = threading.Lock()
        self._cancelled = threading.Event()

    async def get_schema(self, request: GetSchemaRequest) -> GetSchemaResponse:
        """The SDK's own types are used."""
        return GetSchemaResponse(f'{{"name": "{PACKAGE}", "version": "{VERSION}"}}')

    async def check_config(self, request: CheckRequest) -> CheckResponse:
        return CheckResponse(inputs=request.new_inputs)

    async def configure(self, request: ConfigureRequest) -> ConfigureResponse:
        """``kubeconfig`` (a path or its text), ``context``, ``namespace``."""
        given = {**{key.rpartition(":")[2]: value for key, value in request.variables.items()}, **decode(request.args)}
        self._is_to_be_made = given.get("kubeconfig") == UNKNOWN
        self._settings = {key: str(given[key]) for key in ("kubeconfig", "context", "namespace") if given.get(key) not in (None, UNKNOWN)}
        return await super().configure(request)

    async def check(self, request: CheckRequest) -> CheckResponse:
        """A kind that is served, and a name: nothing is named by chance."""
        inputs = decode(request.new_inputs)
        try:
            kind_of(str(inputs.get("apiVersion")), str(inputs.get("kind")))
        except KubernetesError as error:
            return CheckResponse(inputs=request.new_inputs, failures=[CheckFailure("kind", str(error))])
        if not (inputs.get("metadata") or {}).get("name"):
            return CheckResponse(inputs=request.new_inputs, failures=[CheckFailure("metadata.name", "is required: objects are found again by their names")])
        return CheckResponse(inputs=request.new_inputs)

    async def diff(self, request: DiffRequest) -> DiffResponse:
        return self._differences(request)

    async def create(self, request: CreateRequest) -> CreateResponse:
        """Makes it and waits until it is ready; in a preview, says what the server would make of it."""
        inputs = decode(request.properties)
        if request.preview:
            return CreateResponse(resource_id="", properties=self._foreseen(request.urn, inputs))
        cluster, tidy = self._cluster(request.urn, {}), self._tidied(inputs)
        made = apply.create(cluster, tidy)
        return CreateResponse(resource_id=identity(made), properties=self._ready(request.urn, cluster, tidy, made, request.properties, request.timeout))

    async def read(self, request: ReadRequest) -> ReadResponse:
        """What there is now; by its inputs alone, only what has the label of their owner."""
        inputs, state = decode(request.inputs), decode(request.properties)
        asked = inputs or state.get("__inputs") or _addressed(request.urn, request.resource_id)
        tidy, cluster = self._tidied(asked), self._cluster(request.urn, state)
        try:
            there = apply.live(cluster, tidy)
        except NotYet:
            there = None
        if there is None or (not state and inputs and not request.resource_id and not apply.is_ours(asked, there)):
            return ReadResponse(resource_id="", properties={}, inputs={})
        if state and self._is_as_applied(cluster, tidy, state, there):
            return ReadResponse(resource_id=identity(there), properties=request.properties, inputs=request.inputs)
        given = request.inputs or encode(comparable(there))  # imported: all that is not the server's
        return ReadResponse(resource_id=identity(there), properties=_state(there, given, cluster), inputs=given)

    def _is_as_applied(self, cluster: Cluster, tidy: Object, state: Mapping[str, Any], there: Object) -> bool:
        """Whether nothing of ours differs: what controllers add, such as a volume's name, is no drift."""
        return comparable(there) == comparable(_live_part(state)) or apply.plan(cluster, tidy).verdict == "same"

    async def update(self, request: UpdateRequest) -> UpdateResponse:
        """Changes it, or makes it again where somebody deleted it; then waits until it is ready."""
        assert isinstance(request, UpdateWithInputs)
        inputs, state = decode(request.news), decode(request.olds)
        if request.preview:
            return UpdateResponse(properties=self._foreseen(request.urn, inputs, state))
        cluster, tidy = self._cluster(request.urn, state), self._tidied(inputs)
        there = apply.live(cluster, tidy)
        made = apply.change(cluster, tidy, there, request.ignore_changes) if there else apply.create(cluster, tidy)
        return UpdateResponse(properties=self._ready(request.urn, cluster, tidy, made, request.news, request.timeout))

    async def delete(self, request: DeleteRequest) -> None:
        state = decode(request.properties)
        tidy = self._tidied(state.get("__inputs") or _addressed(request.urn, request.resource_id))
        deletion.delete(self._cluster(request.urn, state), tidy, state, request.timeout, self._report(request.urn), self._cancelled)

    async def cancel(self) -> None:
        """Nothing is waited for any more."""
        self._cancelled.set()

    def _differences(self, request: DiffRequest) -> DiffResponse:
        state, inputs = decode(request.old_state), decode(request.new_inputs)
        if _holds_unknown(inputs) or self._is_to_be_made:
            return _answer(tuple(differences(_old_inputs(request), inputs)), PropertyDiffKind.UPDATE)
        tidy = self._tidied(inputs)
        if identity(tidy) != request.resource_id or _group(inputs) != _group(_live_part(state)) or inputs.get("kind") != state.get("kind"):
            moved = tuple(path for path in differences(_live_part(state), tidy) if path in (("kind",), ("apiVersion",)) or path[:1] == ("metadata",))
            return _answer(moved or (("metadata", "name"),), PropertyDiffKind.UPDATE_REPLACE)
        planned = apply.plan(self._cluster(request.urn, state), tidy, request.ignore_changes)
        return self._told(planned, request, inputs, tidy)

    def _told(self, planned: Planned, request: DiffRequest, inputs: Object, tidy: Object) -> DiffResponse:
        match planned.verdict:
            case "same":
                return DiffResponse(changes=False)
            case "update":
                return _answer(planned.changed, PropertyDiffKind.UPDATE)
            case "create":
                return _answer((("metadata", "uid"),), PropertyDiffKind.ADD)
            case "replace":
                _refuse_loss(tidy)
                return _answer(planned.changed, PropertyDiffKind.UPDATE_REPLACE, delete_first=True)
            case "unchecked":
                return _answer(tuple(differences(_old_inputs(request), inputs)), PropertyDiffKind.UPDATE)

    def _foreseen(self, urn: str, inputs: Object, state: Mapping[str, Any] | None = None) -> dict[str, PropertyValue]:
        """What is known of it before it is made; what cannot be checked yet is said."""
        if _holds_unknown(inputs):
            return encode(inputs)
        if self._is_to_be_made:
            self._log(urn, "cannot be checked yet: its cluster is not there", False)
            return encode(inputs)
        tidy = self._tidied(inputs)
        cluster = self._cluster(urn, state or {})
        planned = apply.plan_new(cluster, tidy) if state is None else apply.plan(cluster, tidy)
        if planned.verdict == "unchecked":
            self._log(urn, f"cannot be checked yet: {planned.reason}", False)
        return encode({**inputs, **(comparable(planned.result) if planned.result else {})})

    def _ready(self, urn: str, cluster: Cluster, tidy: Object, made: Object, given: Mapping[str, PropertyValue], timeout: float) -> dict[str, PropertyValue]:
        try:
            waited = until_ready(cluster, tidy, made, timeout, self._report(urn), self._cancelled)
        except KubernetesError as error:  # it is there, whatever became of the waiting: state must know it
            raise InitFailed(identity(made), _state(made, given, cluster), [f"{called(tidy)}: {error}"]) from error
        state = _state(waited.live, given, cluster)
        if waited.reason:
            raise InitFailed(identity(waited.live), state, [f"{called(tidy)} is not ready: {waited.reason}"])
        return state

    def _cluster(self, urn: str, state: Mapping[str, Any]) -> Cluster:
        return replace(self._connection(), manager=str(state.get("__fieldManager") or _manager(urn)))

    def _connection(self) -> Cluster:
        with self._turn:
            if self._connected is None:
                settings = self._settings
                client = Client(connection(settings.get("kubeconfig", ""), settings.get("context", ""), settings.get("namespace", "")))
                self._connected = Cluster(client, Discovery(client), Listing(client))
            return self._connected

    def _tidied(self, inputs: Mapping[str, Any]) -> Object:
        """With the namespace that it stands in."""
        cluster = self._connection()
        given = str((inputs.get("metadata") or {}).get("namespace") or "")
        if given:
            return tidied(inputs, given)
        try:
            namespaced = cluster.discovery.resource(str(inputs["apiVersion"]), str(inputs["kind"])).namespaced
        except NotYet:
            namespaced = False
        return tidied(inputs, cluster.client.connection.namespace if namespaced else "")

    def _report(self, urn: str) -> Any:
        return lambda line: self._log(urn, line, True)


def _answer(paths: tuple[Path, ...], kind: PropertyDiffKind, *, delete_first: bool = False) -> DiffResponse:
    detailed = {shown(path): PropertyDiff(kind, input_diff=False) for path in paths}
    replaces = list(detailed) if kind is PropertyDiffKind.UPDATE_REPLACE else []
    return DiffResponse(
        changes=bool(detailed), replaces=replaces, delete_before_replace=delete_first, diffs=sorted({str(path[0]) for path in paths}), detailed_diff=detailed
    )


def _state(made: Mapping[str, Any], given: Mapping[str, PropertyValue], cluster: Cluster) -> dict[str, PropertyValue]:
    """What is recorded; secrets stay secret in both places where they stand."""
    kept = {**made, "metadata": {key: value for key, value in made["metadata"].items() if key != "managedFields"}}
    if made.get("kind") == "Secret":
        kept["data"] = Secret(made.get("data") or {})
    return encode({**kept, "__inputs": given, "__initialApiVersion": made["apiVersion"], "__fieldManager": cluster.manager})


def _live_part(state: Mapping[str, Any]) -> Object:
    return {key: value for key, value in state.items() if key not in OURS}


def _old_inputs(request: DiffRequest) -> Object:
    return decode(getattr(request, "old_inputs", {}) or {})


def _holds_unknown(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_unknown, value.values()))
    return any(map(_holds_unknown, value)) if isinstance(value, list) else value == UNKNOWN


def _group(of: Mapping[str, Any]) -> str:
    """Another version of the same group is the same object."""
    return str(of.get("apiVersion", "")).rpartition("/")[0]


def _refuse_loss(tidy: Object) -> None:
    annotations = tidy["metadata"].get("annotations") or {}
    if kind_of(str(tidy["apiVersion"]), str(tidy["kind"])).loses_data and annotations.get(CONSENT) != "true":
        hint = f'allow it by the annotation {CONSENT}: "true", or take the change back'
        raise KubernetesError(f"{called(tidy)} would have to be replaced, and lose its data", hint=hint)


def _addressed(urn: str, id: str) -> Object:
    """From type and id: ``kubernetes:apps/v1:Deployment`` and ``team/api``."""
    _, version, kind = urn.split("::")[-2].split("$")[-1].split(":")
    namespace, _, name = id.rpartition("/")
    return {"apiVersion": version.removeprefix("core/"), "kind": kind, "metadata": {"name": name, **({"namespace": namespace} if namespace else {})}}


def _manager(urn: str) -> str:
    """Of our fields: two stacks with one name would overwrite each other in silence."""
    head, project, *_ = urn.split("::")
    return f"mlx-{project}-{head.removeprefix('urn:pulumi:')}"[:MANAGER_LENGTH]
