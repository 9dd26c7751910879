"""For providers written in Python: property values to plain dicts and back, and what every one of our providers must do.

The SDK's own values are unfit to compare (an unknown arrives as a string, ``Computed`` raises on ``==``), so a provider
decodes what it is asked and encodes what it answers:

    inputs = decode(request.properties)      # plain JSON; unknown is UNKNOWN; secrets are unwrapped
    return CreateResponse(resource_id="a", properties=encode({"size": 3}))
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pulumi.provider.experimental.property_value import Computed, PropertyValue, ResourceReference
from pulumi.provider.experimental.provider import ConfigureRequest, ConfigureResponse, DiffRequest, DiffResponse, Provider, UpdateRequest

from mlx_engine.host import UNKNOWN
from mlx_engine.values import RESOURCE_SIGNATURE, SECRET_SIGNATURE, SIGNATURE, Values, make_secret, signature

__all__ = ["UNKNOWN", "BlockingProvider", "DiffWithInputs", "InitFailed", "Secret", "UpdateWithInputs", "decode", "encode"]


class Properties(Mapping[str, PropertyValue]):
    """Properties as they cross the wire: read when they are first looked at; the SDK's value of one is made when that one is.

    Made of all, and taken apart again, they would cost more than what most providers do with them.
    """

    def __init__(self, read: Callable[[], Values]) -> None:
        self._read = read
        self._wire: Values | None = None

    @property
    def wire(self) -> Values:
        if self._wire is None:
            self._wire = self._read()
        return self._wire

    def __getitem__(self, key: str) -> PropertyValue:
        return _property_value(self.wire[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self.wire)

    def __len__(self) -> int:
        return len(self.wire)


@dataclass(frozen=True)
class Secret:
    """Marks an output of a provider as secret: ``encode({"token": Secret(token)})``."""

    value: Any


class InitFailed(Exception):
    """Raised by create or update: the object exists under ``resource_id``, but did not become ready.

    It is recorded with the reasons; the next update tries again.
    """

    def __init__(self, resource_id: str, properties: Mapping[str, Any], reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.resource_id = resource_id
        self.properties = dict(properties)
        self.reasons = list(reasons)


class DiffWithInputs(DiffRequest):
    """What ``Provider.diff`` is given: the SDK's request and, as ``old_inputs``, the inputs that were last applied."""

    old_inputs: dict[str, PropertyValue]


class UpdateWithInputs(UpdateRequest):
    """What ``Provider.update`` is given: the SDK's request and, as ``old_inputs``, the inputs that were last applied."""

    old_inputs: dict[str, PropertyValue]


class BlockingProvider(Provider):
    """A provider whose methods may block: those in ``threaded`` run several at once, each on a thread of its own.

    They await nothing but each other: no event loop runs there. The others run on the host's loop, must be quick, and may be
    called while one of those runs. ``cancel`` is called from another thread.
    """

    threaded: frozenset[str] = frozenset({"create", "read", "update", "delete"})

    async def configure(self, request: ConfigureRequest) -> ConfigureResponse:
        return ConfigureResponse(accept_secrets=True, supports_preview=True, accept_resources=False, accept_outputs=False)

    async def diff_config(self, request: DiffRequest) -> DiffResponse:
        return DiffResponse(changes=False)  # left out, the pulumi CLI fails


def decode(properties: Mapping[str, PropertyValue]) -> dict[str, Any]:
    """Plain JSON: whole numbers are ``int``, an unknown is ``UNKNOWN``, a secret is its value, a reference its id."""
    return {key: _plain(value) for key, value in wire_values(properties).items()}


def encode(values: Mapping[str, Any]) -> dict[str, PropertyValue]:
    """The inverse; ``Secret(...)`` marks a secret. What was secret in the request stays secret without it."""
    wire = {key: _wired(value) for key, value in values.items()}
    return as_dict(Properties(lambda: wire))


def as_dict(properties: Properties) -> dict[str, PropertyValue]:
    """What the SDK's annotations call them; it takes any mapping."""
    return cast("dict[str, PropertyValue]", properties)


def wire_values(properties: Mapping[str, PropertyValue]) -> Values:
    """The properties as they cross the wire, secrets and references marked."""
    return properties.wire if isinstance(properties, Properties) else {key: wire_value(value) for key, value in properties.items()}


def _wired(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, Properties):
        return value.wire
    if isinstance(value, Mapping):
        mapping = {key: _wired(item) for key, item in cast("Mapping[str, Any]", value).items()}
        return _complete(mapping) if signature(mapping) == RESOURCE_SIGNATURE else mapping
    if isinstance(value, (list, tuple)):
        return [_wired(item) for item in cast("Sequence[Any]", value)]
    if isinstance(value, Secret):
        return make_secret(_wired(value.value))
    return wire_value(value) if isinstance(value, PropertyValue) else _wire_leaf(value)


def wire_value(value: PropertyValue) -> Any:
    inner = value.value
    if isinstance(inner, (tuple, list)):
        plain: Any = [wire_value(item) for item in cast("Sequence[PropertyValue]", inner)]
    elif isinstance(inner, Mapping):
        plain = {key: wire_value(item) for key, item in inner.items()}
    else:
        plain = _wire_leaf(inner)
    return {SIGNATURE: SECRET_SIGNATURE, "value": plain} if value.is_secret else plain


def _wire_leaf(inner: Any) -> Any:
    if isinstance(inner, Computed):
        return UNKNOWN
    if isinstance(inner, ResourceReference):
        identity = wire_value(inner.resource_id) if inner.resource_id is not None else None
        return _complete({SIGNATURE: RESOURCE_SIGNATURE, "urn": inner.urn, "id": identity, "packageVersion": inner.package_version})
    return whole(inner)


def _complete(reference: Values) -> Values:
    return {key: item for key, item in reference.items() if item is not None}


def _property_value(wire: Any) -> PropertyValue:
    if isinstance(wire, dict):
        return _property_mapping(cast("Values", wire))
    if isinstance(wire, list):
        return PropertyValue([_property_value(item) for item in cast("list[Any]", wire)])
    return PropertyValue(float(wire) if isinstance(wire, int) and not isinstance(wire, bool) else wire)


def _property_mapping(wire: Values) -> PropertyValue:
    mark = signature(wire)
    if mark == SECRET_SIGNATURE:
        return _property_value(wire.get("value")).with_secret(True)
    if mark == RESOURCE_SIGNATURE:
        identity = _property_value(wire["id"]) if wire.get("id") is not None else None
        return PropertyValue(ResourceReference(wire["urn"], identity, wire.get("packageVersion")))
    return PropertyValue({key: _property_value(item) for key, item in wire.items()})


def _plain(wire: Any) -> Any:
    if isinstance(wire, list):
        return [_plain(item) for item in cast("list[Any]", wire)]
    if not isinstance(wire, dict):
        return wire
    mapping = cast("Values", wire)
    mark = signature(mapping)
    if mark == SECRET_SIGNATURE:
        return _plain(mapping.get("value"))
    if mark == RESOURCE_SIGNATURE:
        return mapping["urn"] if mapping.get("id") is None else _plain(mapping["id"])
    return {key: _plain(item) for key, item in mapping.items()}


def whole(value: Any) -> Any:
    """Numbers cross the wire as doubles; a whole one is an int again, as JSON would write it."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value
