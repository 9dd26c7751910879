"""A Python provider behind Pulumi's provider protocol, with a codec that keeps unknowns, secrets, references and old inputs.

The embedded host calls it in process; ``serve`` serves it over gRPC. Exceptions come out as they are.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import pulumi.provider.experimental.provider as sdk
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.proto import provider_pb2 as pb

from mlx_engine.provider_codec import BlockingProvider, DiffWithInputs, Properties, UpdateWithInputs, as_dict, wire_values
from mlx_engine.values import keep_secret
from mlx_engine.wire import from_struct, to_struct

T = TypeVar("T")

BLOCKING_THREADS = 64
"""How many operations of blocking providers can run at once; the host's own limit is lower."""

_KINDS = {
    sdk.PropertyDiffKind.ADD: pb.PropertyDiff.ADD,
    sdk.PropertyDiffKind.ADD_REPLACE: pb.PropertyDiff.ADD_REPLACE,
    sdk.PropertyDiffKind.DELETE: pb.PropertyDiff.DELETE,
    sdk.PropertyDiffKind.DELETE_REPLACE: pb.PropertyDiff.DELETE_REPLACE,
    sdk.PropertyDiffKind.UPDATE: pb.PropertyDiff.UPDATE,
    sdk.PropertyDiffKind.UPDATE_REPLACE: pb.PropertyDiff.UPDATE_REPLACE,
}


class ProviderCalls:
    """One provider's methods under the protocol's names, messages in and out."""

    def __init__(self, provider: sdk.Provider) -> None:
        self.provider = provider

    async def CheckConfig(self, request: pb.CheckRequest, context: Any) -> pb.CheckResponse:
        asked = _check_request(request)
        return _checked(request, asked, await self.provider.check_config(asked))

    async def Check(self, request: pb.CheckRequest, context: Any) -> pb.CheckResponse:
        asked = _check_request(request)
        return _checked(request, asked, await self._work("check", self.provider.check(asked)))

    async def DiffConfig(self, request: pb.DiffRequest, context: Any) -> pb.DiffResponse:
        return _differed(await self.provider.diff_config(_diff_request(request)))

    async def Diff(self, request: pb.DiffRequest, context: Any) -> pb.DiffResponse:
        return _differed(await self._work("diff", self.provider.diff(_diff_request(request))))

    async def Configure(self, request: pb.ConfigureRequest, context: Any) -> pb.ConfigureResponse:
        asked = sdk.ConfigureRequest(dict(request.variables), _decoded(request.args), request.acceptSecrets, request.acceptResources)
        answer = await self.provider.configure(asked)
        return pb.ConfigureResponse(
            acceptSecrets=answer.accept_secrets,
            acceptResources=answer.accept_resources,
            acceptOutputs=False,  # output values would reach the SDK's codec, which drops what it does not know
            supportsPreview=answer.supports_preview,
        )

    async def Invoke(self, request: pb.InvokeRequest, context: Any) -> pb.InvokeResponse:
        answer = await self.provider.invoke(sdk.InvokeRequest(request.tok, _decoded(request.args)))
        result: dict[str, Any] = {"return": _encoded(answer.return_value or {}), "failures": _failures(answer.failures)}
        return pb.InvokeResponse(**result)

    async def Create(self, request: pb.CreateRequest, context: Any) -> pb.CreateResponse:
        asked = sdk.CreateRequest(request.urn, _decoded(request.properties), request.timeout, request.preview)
        answer = await self._work("create", self.provider.create(asked))
        return pb.CreateResponse(id=answer.resource_id or "", properties=_encoded(answer.properties, asked.properties))

    async def Read(self, request: pb.ReadRequest, context: Any) -> pb.ReadResponse:
        asked = sdk.ReadRequest(request.urn, request.id, _decoded(request.properties), _decoded(request.inputs))
        answer = await self._work("read", self.provider.read(asked))
        return pb.ReadResponse(
            id=answer.resource_id or "",
            properties=_encoded(answer.properties, asked.inputs, asked.properties),
            inputs=_encoded(answer.inputs, asked.inputs),
        )

    async def Update(self, request: pb.UpdateRequest, context: Any) -> pb.UpdateResponse:
        olds, news = _decoded(request.olds), _decoded(request.news)
        ignored = list(request.ignoreChanges)
        asked = UpdateWithInputs(request.urn, request.id, olds, news, request.timeout, ignored, request.preview)
        asked.old_inputs = _decoded(request.old_inputs)
        answer = await self._work("update", self.provider.update(asked))
        return pb.UpdateResponse(properties=_encoded(answer.properties, news))

    async def Delete(self, request: pb.DeleteRequest, context: Any) -> Any:
        asked = sdk.DeleteRequest(request.urn, request.id, _decoded(request.properties), request.timeout)
        await self._work("delete", self.provider.delete(asked))
        return Empty()

    async def Cancel(self, request: Empty, context: Any) -> Any:
        await self.provider.cancel()
        return Empty()

    def is_threaded(self, method: str) -> bool:
        """Whether calls of ``Create``, ``Diff`` and so on run on threads of their own."""
        return isinstance(self.provider, BlockingProvider) and method.lower() in self.provider.threaded

    async def _work(self, method: str, operation: Coroutine[Any, Any, T]) -> T:
        return await asyncio.to_thread(to_its_end, operation) if self.is_threaded(method) else await operation


def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """The result of work that blocks: it needs no event loop, so none is made for it."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    work.close()
    raise RuntimeError("a method in `threaded` may block, and cannot wait on an event loop: leave it out there, or block")


def _check_request(request: pb.CheckRequest) -> sdk.CheckRequest:
    return sdk.CheckRequest(request.urn, _decoded(request.olds), _decoded(request.news), request.randomSeed)


def _checked(request: pb.CheckRequest, asked: sdk.CheckRequest, answer: sdk.CheckResponse) -> pb.CheckResponse:
    unchanged = answer.inputs is asked.new_inputs
    return pb.CheckResponse(inputs=request.news if unchanged else _encoded(answer.inputs or {}, asked.new_inputs), failures=_failures(answer.failures))


def _diff_request(request: pb.DiffRequest) -> DiffWithInputs:
    asked = DiffWithInputs(request.urn, request.id, _decoded(request.olds), _decoded(request.news), list(request.ignoreChanges))
    asked.old_inputs = _decoded(request.old_inputs)
    return asked


def _differed(answer: sdk.DiffResponse) -> pb.DiffResponse:
    changes = {None: pb.DiffResponse.DIFF_UNKNOWN, True: pb.DiffResponse.DIFF_SOME, False: pb.DiffResponse.DIFF_NONE}[answer.changes]
    return pb.DiffResponse(
        replaces=answer.replaces,
        stables=answer.stables,
        deleteBeforeReplace=answer.delete_before_replace,
        changes=changes,
        diffs=answer.diffs,
        detailedDiff={key: pb.PropertyDiff(kind=_KINDS[diff.kind], inputDiff=diff.input_diff) for key, diff in answer.detailed_diff.items()},
        hasDetailedDiff=bool(answer.detailed_diff),
    )


def _failures(failures: list[sdk.CheckFailure] | None) -> list[pb.CheckFailure]:
    return [pb.CheckFailure(property=failure.property, reason=failure.reason) for failure in failures or ()]


def _decoded(struct: Struct) -> dict[str, PropertyValue]:
    return as_dict(Properties(lambda: from_struct(struct)))


def _encoded(answer: Mapping[str, PropertyValue], *asked: Mapping[str, PropertyValue]) -> Struct:
    values = wire_values(answer)
    for known in asked:
        values = keep_secret(values, wire_values(known))
    return to_struct(values)
