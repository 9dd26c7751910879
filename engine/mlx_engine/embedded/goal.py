"""What the program asks for: one registered resource, out of the SDK's request; what this host cannot do is refused here, by name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pulumi.runtime.proto import resource_pb2 as pb

from mlx_engine import urns
from mlx_engine.host import Unsupported
from mlx_engine.state.resource import Resource
from mlx_engine.values import Values, refuse_unsupported
from mlx_engine.wire import from_struct

_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)")


@dataclass(frozen=True)
class Goal:
    type: str
    name: str
    custom: bool
    inputs: Values
    parent: str = ""
    provider: str = ""
    version: str = ""
    dependencies: Sequence[str] = field(default_factory=list[str])
    property_dependencies: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    protect: bool = False
    retain_on_delete: bool = False
    delete_first: bool | None = None
    ignore_changes: Sequence[str] = field(default_factory=list[str])
    replace_on_changes: Sequence[str] = field(default_factory=list[str])
    additional_secret_outputs: Sequence[str] = field(default_factory=list[str])
    deleted_with: str = ""
    custom_timeouts: Mapping[str, float] = field(default_factory=dict[str, float])

    def resource(self, urn: str, old: Resource | None) -> Resource:
        """The resource as it would stand in state, its inputs not checked yet and its outputs not known."""
        return Resource(
            urn=urn,
            type=self.type,
            custom=self.custom,
            inputs=self.inputs,
            parent=self.parent,
            provider=self.provider,
            dependencies=self.dependencies,
            property_dependencies=self.property_dependencies,
            protect=self.protect,
            additional_secret_outputs=self.additional_secret_outputs,
            ignore_changes=self.ignore_changes,
            replace_on_changes=self.replace_on_changes,
            retain_on_delete=self.retain_on_delete,
            deleted_with=self.deleted_with,
            custom_timeouts=self.custom_timeouts,
            created=old.created if old else "",
            modified=old.modified if old else "",
        )


def goal_of(request: pb.RegisterResourceRequest) -> Goal:
    """Raises ``Unsupported`` for what only the pulumi CLI does."""
    _refuse(request)
    inputs: Values = from_struct(request.object)
    refuse_unsupported(inputs, f"{request.type} {request.name!r}")
    if urns.is_provider(request.type) and request.version:
        inputs = {"__internal": Values(), **inputs, "version": request.version}
    return Goal(
        type=request.type,
        name=request.name,
        custom=request.custom,
        inputs=inputs,
        parent=request.parent,
        provider=request.provider,
        version=request.version,
        dependencies=sorted(request.dependencies),
        property_dependencies={key: sorted(below.urns) for key, below in sorted(request.propertyDependencies.items())},
        protect=request.protect,
        retain_on_delete=request.retainOnDelete,
        delete_first=request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
        ignore_changes=list(request.ignoreChanges),
        replace_on_changes=list(request.replaceOnChanges),
        additional_secret_outputs=list(request.additionalSecretOutputs),
        deleted_with=request.deletedWith,
        custom_timeouts=_timeouts(request.customTimeouts),
    )


def _refuse(request: Any) -> None:
    """``request`` is a RegisterResourceRequest; some of its fields have no types."""
    asked: dict[str, Any] = {
        "a remote component": request.remote,
        "a parameterised package": request.packageRef,
        "the option import": request.importId,
        "the option aliases": len(request.aliases) + len(request.aliasURNs),
        "the option replaceWith": list(request.replace_with),
        "the option replacementTrigger": request.HasField("replacement_trigger"),
        "the option transforms": len(request.transforms),
        "the option stateMigrations": len(request.state_migrations),
        "the option hooks": request.HasField("hooks") and request.hooks.ListFields(),
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
