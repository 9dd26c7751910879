"""One configured provider as the rest of this host sees it: wire values in, wire values out, the same in process and over gRPC.

A provider that takes no secrets or references is given none; one that does not preview is not asked to; one whose
configuration is not known yet answers with unknowns. All as the pulumi CLI does it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from pulumi.runtime.proto import provider_pb2 as pb

from mlx_engine import urns
from mlx_engine.state.resource import Resource
from mlx_engine.values import Values, differing_paths, has_unknown, is_secret, keep_secret, make_secret, revealed, without_references
from mlx_engine.wire import from_struct, to_struct

Call = Callable[[str, Message], Any]
"""``call("Create", CreateRequest(...))``. Raises ``ProviderError``, ``Unimplemented`` or ``InitializationFailed``."""


class ProviderError(Exception):
    """A provider refused or failed; the message is its own."""


class Unimplemented(ProviderError):
    """A provider does not have this method."""


class InitializationFailed(ProviderError):
    """The object exists, but did not become ready."""

    def __init__(self, live: "Live") -> None:
        super().__init__("; ".join(live.init_errors))
        self.live = live


@dataclass(frozen=True)
class Live:
    """An object as the provider tells it."""

    id: str
    outputs: Values
    inputs: Values | None = None
    init_errors: Sequence[str] = ()

    def recorded(self, wanted: Resource) -> Resource:
        """``wanted`` as it stands in state now that the object is there."""
        return with_secret_outputs(replace(wanted, id=self.id, outputs=self.outputs, init_errors=list(self.init_errors)))


@dataclass(frozen=True)
class Difference:
    changed: bool
    paths: Sequence[str] = ()
    replaces: Sequence[str] = ()
    """Paths that force a replacement."""
    delete_first: bool = False


NO_DIFFERENCE = Difference(False)


@dataclass
class Plugin:
    """A running provider, and once ``configure`` was called what it can do."""

    package: str
    call: Call
    stop: Callable[[], None]
    dry_run: bool = False
    _abilities: pb.ConfigureResponse = field(default_factory=pb.ConfigureResponse)
    known: bool = True
    """Whether its configuration is: in a preview it may hang on what does not exist yet."""

    def check_config(self, urn: str, olds: Values, news: Values) -> Values:
        request = self._check_request(urn, olds, news)
        request.news.CopyFrom(to_struct(news))
        try:
            answer = self.call("CheckConfig", request)
        except Unimplemented:
            return news
        return _checked(urn, answer, news)

    def diff_config(self, old: Resource, news: Values) -> Difference:
        request = pb.DiffRequest(id=old.id, urn=old.urn, name=old.name, type=old.type)
        request.olds.CopyFrom(to_struct(_public(old.outputs)))
        request.old_inputs.CopyFrom(to_struct(_public(old.inputs)))
        request.news.CopyFrom(to_struct(_public(news)))
        try:
            return _difference(self.call("DiffConfig", request), _public(old.inputs), _public(news))
        except Unimplemented:
            return _compared(_public(old.inputs), _public(news))

    def configure(self, urn: str, identity: str, inputs: Values) -> None:
        args = {key: value for key, value in _public(inputs).items() if key != "version"}
        self.known = not has_unknown(args)
        if self.known:
            variables = {f"{self.package}:config:{key}": _variable(value) for key, value in revealed(args).items()}
            asked = pb.ConfigureRequest(args=to_struct(args), variables=variables, acceptSecrets=True, acceptResources=True)
            asked.sends_old_inputs = asked.sends_old_inputs_to_delete = True
            asked.urn, asked.id, asked.name, asked.type = urn, identity, urns.name_of(urn), urns.qualified_type(urn)
            self._abilities = self.call("Configure", asked)

    def check(self, urn: str, olds: Values, news: Values, seed: bytes) -> Values:
        if not self.known:
            return news
        request = self._check_request(urn, olds, news)
        request.randomSeed = seed
        return _checked(urn, self.call("Check", request), news)

    def diff(self, old: Resource, news: Values, ignored: Sequence[str]) -> Difference:
        if not self.known:
            return _compared(old.inputs, news)
        request = pb.DiffRequest(id=old.id, urn=old.urn, name=old.name, type=old.type, ignoreChanges=ignored)
        request.olds.CopyFrom(self._struct(old.outputs))
        request.old_inputs.CopyFrom(self._struct(old.inputs))
        request.news.CopyFrom(self._struct(news))
        return _difference(self.call("Diff", request), old.inputs, news)

    def create(self, new: Resource) -> Live:
        if self.dry_run and not (self.known and self._abilities.supportsPreview):
            return Live("", dict(new.inputs) if self.known else {})
        request = pb.CreateRequest(urn=new.urn, name=new.name, type=new.type, preview=self.dry_run)
        request.timeout = new.custom_timeouts.get("create", 0)
        request.properties.CopyFrom(self._struct(new.inputs))
        answer = self.call("Create", request)
        return Live(answer.id, keep_secret(from_struct(answer.properties), new.inputs))

    def update(self, old: Resource, new: Resource) -> Live:
        if self.dry_run and not (self.known and self._abilities.supportsPreview):
            return Live(old.id, dict(new.inputs) if self.known else {})
        request = pb.UpdateRequest(id=old.id, urn=new.urn, name=new.name, type=new.type, preview=self.dry_run)
        request.timeout = new.custom_timeouts.get("update", 0)
        request.ignoreChanges.extend(new.ignore_changes)
        request.olds.CopyFrom(self._struct(old.outputs))
        request.old_inputs.CopyFrom(self._struct(old.inputs))
        request.news.CopyFrom(self._struct(new.inputs))
        return Live(old.id, keep_secret(from_struct(self.call("Update", request).properties), new.inputs))

    def delete(self, old: Resource) -> Live:
        request = pb.DeleteRequest(id=old.id, urn=old.urn, name=old.name, type=old.type, timeout=old.custom_timeouts.get("delete", 0))
        request.properties.CopyFrom(self._struct(old.outputs))
        request.old_inputs.CopyFrom(self._struct(old.inputs))
        self.call("Delete", request)
        return Live("", {})

    def read(self, known: Resource, *, by_inputs: bool = False) -> Live:
        """The object as it is now; ``by_inputs`` asks for one whose id was never recorded. An empty id: there is none."""
        if not self.known:
            return Live(known.id, {})
        request = pb.ReadRequest(id="" if by_inputs else known.id, urn=known.urn, name=known.name, type=known.type)
        request.properties.CopyFrom(self._struct({} if by_inputs else known.outputs))
        request.inputs.CopyFrom(self._struct(known.inputs))
        answer = self.call("Read", request)
        inputs = keep_secret(from_struct(answer.inputs), known.inputs) if answer.HasField("inputs") else None
        outputs = keep_secret(keep_secret(from_struct(answer.properties), known.inputs), known.outputs)
        return Live(answer.id, outputs, inputs)

    def invoke(self, token: str, args: Values) -> pb.InvokeResponse:
        return self.call("Invoke", pb.InvokeRequest(tok=token, args=self._struct(args), preview=self.dry_run))

    def cancel(self) -> None:
        self.call("Cancel", Empty())

    def _check_request(self, urn: str, olds: Values, news: Values) -> pb.CheckRequest:
        type_ = urns.type_of(urn)
        return pb.CheckRequest(urn=urn, name=urns.name_of(urn), type=type_, olds=self._struct(olds), news=self._struct(news))

    def _struct(self, values: Values) -> Any:
        visible = values if self._abilities.acceptSecrets else revealed(values)
        return to_struct(visible if self._abilities.acceptResources else without_references(visible))


def with_secret_outputs(resource: Resource) -> Resource:
    """Secret is what the program asks for, and what came in as a secret under the same key."""
    secret = {*resource.additional_secret_outputs, *(key for key, value in resource.inputs.items() if is_secret(value))}
    outputs = {key: make_secret(value) if key in secret else value for key, value in resource.outputs.items()}
    return replace(resource, outputs=outputs) if secret else resource


def with_replace_paths(difference: Difference, forced: Sequence[str]) -> Difference:
    replaces = sorted({*difference.replaces, *forced})
    return Difference(difference.changed, difference.paths, replaces, difference.delete_first)


def _checked(urn: str, answer: pb.CheckResponse, news: Values) -> Values:
    if answer.failures:
        reasons = "; ".join(f"{failure.property}: {failure.reason}" if failure.property else failure.reason for failure in answer.failures)
        raise ProviderError(f"{urns.name_of(urn)} is not valid: {reasons}")
    return keep_secret(from_struct(answer.inputs), news)


def _difference(answer: pb.DiffResponse, olds: Values, news: Values) -> Difference:
    if answer.changes == pb.DiffResponse.DIFF_UNKNOWN and not (answer.replaces or answer.diffs or answer.detailedDiff):
        return _compared(olds, news)
    forcing = {pb.PropertyDiff.ADD_REPLACE, pb.PropertyDiff.DELETE_REPLACE, pb.PropertyDiff.UPDATE_REPLACE}
    replaces = {*answer.replaces, *(path for path, diff in answer.detailedDiff.items() if diff.kind in forcing)}
    paths = sorted(answer.detailedDiff or answer.diffs) or differing_paths(olds, news)
    changed = answer.changes == pb.DiffResponse.DIFF_SOME or (answer.changes == pb.DiffResponse.DIFF_UNKNOWN and bool(paths))
    return Difference(changed, paths, sorted(replaces), answer.deleteBeforeReplace)


def _compared(olds: Values, news: Values) -> Difference:
    paths = differing_paths(olds, news)
    return Difference(bool(paths), paths)


def _public(inputs: Mapping[str, Any]) -> Values:
    return {key: value for key, value in inputs.items() if key != "__internal"}


def _variable(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
