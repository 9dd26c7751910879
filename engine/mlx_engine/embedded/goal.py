"""What the program asks for: one registered resource, out of the SDK's request; what this host cannot do is refused here, by name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from pulumi.runtime.proto import resource_pb2 as pb
from pulumi.runtime.proto.alias_pb2 import Alias

from mlx_engine import urns
from mlx_engine.host import Stack, Unsupported
from mlx_engine.state.resource import Resource
from mlx_engine.values import Values, refuse_unsupported
from mlx_engine.wire import from_struct

_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)")


@dataclass(frozen=True)
class Goal:
    wanted: Resource
    """As it would stand in state: its inputs not checked yet, its outputs not known."""
    version: str = ""
    delete_first: bool | None = None
    aliases: Sequence[Alias] = ()
    """As the SDK sends them: a urn, or what was different."""


def goal_of(request: pb.RegisterResourceRequest, stack: Stack, parent: Resource | None) -> Goal:
    """Raises ``Unsupported`` for what only the pulumi CLI does. ``parent`` is the registered one, whose options are inherited."""
    _refuse(request)
    inputs: Values = from_struct(request.object)
    refuse_unsupported(inputs, f"{request.type} {request.name!r}")
    if urns.is_provider(request.type) and request.version:
        inputs = {"__internal": Values(), **inputs, "version": request.version}
    wanted = Resource(
        urn=urns.make_urn(stack.name, stack.project, request.parent, request.type, request.name),
        type=request.type,
        custom=request.custom,
        inputs=inputs,
        parent=request.parent,
        provider=request.provider,
        dependencies=sorted(request.dependencies),
        property_dependencies={key: sorted(below.urns) for key, below in sorted(request.propertyDependencies.items())},
        protect=request.protect,
        additional_secret_outputs=list(request.additionalSecretOutputs),
        import_id=request.importId,
        ignore_changes=list(request.ignoreChanges),
        replace_on_changes=list(request.replaceOnChanges),
        retain_on_delete=request.retainOnDelete,
        deleted_with=request.deletedWith,
        custom_timeouts=_timeouts(request.customTimeouts),
    )
    delete_first = request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None
    aliases: Sequence[Alias] = cast("Any", request).aliases
    return Goal(_inheriting(wanted, parent, request), request.version, delete_first, list(aliases))


def _inheriting(wanted: Resource, parent: Resource | None, request: pb.RegisterResourceRequest) -> Resource:
    """What a resource does not say itself it takes from its parent, as Pulumi's engine has it; providers are inherited by the SDK."""
    if parent is None:
        return wanted
    return replace(
        wanted,
        protect=wanted.protect if request.HasField("protect") else parent.protect,
        retain_on_delete=wanted.retain_on_delete if request.HasField("retainOnDelete") else parent.retain_on_delete,
        deleted_with=wanted.deleted_with or parent.deleted_with,
    )


def _refuse(request: Any) -> None:
    """``request`` is a RegisterResourceRequest; some of its fields have no types."""
    asked: dict[str, Any] = {
        "a remote component": request.remote,
        "a parameterised package": request.packageRef,
        "the option replaceWith": list(request.replace_with),
        "the option replacementTrigger": request.HasField("replacement_trigger"),
        "the option transforms": len(request.transforms),
        "the option stateMigrations": len(request.state_migrations),
        "the option hooks": request.HasField("hooks") and request.hooks.ListFields(),
        "the option hideDiffs": list(request.hideDiffs),
        "the option envVarMappings": dict(request.envVarMappings),
        "a plugin download URL": request.pluginDownloadURL,
        "a dynamic provider": urns.package_of(request.type) == "pulumi-python",
    }
    found = next((what for what, given in asked.items() if given), None)
    if found:
        raise Unsupported(f"{request.type} {request.name!r}: {found} needs the pulumi CLI", hint="set host: pulumi, or leave it out")


def _timeouts(timeouts: pb.RegisterResourceRequest.CustomTimeouts) -> dict[str, float]:
    texts = {"create": timeouts.create, "update": timeouts.update, "delete": timeouts.delete}
    return {operation: seconds(text) for operation, text in texts.items() if text}


def seconds(duration: str) -> float:
    """``1h30m``, ``20s``, ``500ms``: as Go writes durations."""
    return sum(float(amount) * _UNIT_SECONDS[unit] for amount, unit in _DURATION.findall(duration))
