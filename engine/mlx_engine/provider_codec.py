"""For providers written in Python: property values to plain dicts and back, and what every one of our providers must do.

The SDK's own values are unfit to compare (an unknown arrives as a string, ``Computed`` raises on ``==``), so a provider
decodes what it is asked and encodes what it answers:

    inputs = decode(request.properties)      # plain JSON; unknown is UNKNOWN; secrets are unwrapped
    return CreateResponse(resource_id="a", properties=encode({"size": 3}))
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pulumi.provider.experimental.property_value import Computed, PropertyValue, ResourceReference
from pulumi.provider.experimental.provider import ConfigureRequest, ConfigureResponse, DiffRequest, DiffResponse, Provider, UpdateRequest

from mlx_engine.host import UNKNOWN
from mlx_engine.values import RESOURCE_SIGNATURE, SECRET_SIGNATURE, SIGNATURE, signature

__all__ = ["UNKNOWN", "BlockingProvider", "DiffWithInputs", "InitFailed", "Secret", "UpdateWithInputs", "decode", "encode"]


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
    """A provider whose create, read, update and delete may block: each runs on a thread of its own.

    Check, diff and configure run on the host's loop, must be quick, and may be called while an operation runs. ``cancel``
    is called from another thread.
    """

    async def configure(self, request: ConfigureRequest) -> ConfigureResponse:
        return ConfigureResponse(accept_secrets=True, supports_preview=True, accept_resources=False, accept_outputs=False)

    async def diff_config(self, request: DiffRequest) -> DiffResponse:
        return DiffResponse(changes=False)  # left out, the pulumi CLI fails


def decode(properties: Mapping[str, PropertyValue]) -> dict[str, Any]:
    """Plain JSON: whole numbers are ``int``, an unknown is ``UNKNOWN``, a secret is its value, a reference its id."""
    return {key: _plain(value) for key, value in properties.items()}


def encode(values: Mapping[str, Any]) -> dict[str, PropertyValue]:
    """The inverse; ``Secret(...)`` marks a secret. What was secret in the request stays secret without it."""
    return {key: encode_value(value) for key, value in values.items()}


def encode_value(value: Any) -> PropertyValue:
    if isinstance(value, Secret):
        return encode_value(value.value).with_secret(True)
    if isinstance(value, Mapping):
        return _encode_mapping(cast("Mapping[str, Any]", value))
    if isinstance(value, (list, tuple)):
        return PropertyValue([encode_value(item) for item in cast("Sequence[Any]", value)])
    if isinstance(value, int) and not isinstance(value, bool):
        return PropertyValue(float(value))
    return value if isinstance(value, PropertyValue) else PropertyValue(value)


def wire_value(value: PropertyValue) -> Any:
    """The value as it crosses the wire, secrets and references marked."""
    inner = value.value
    if isinstance(inner, (tuple, list)):
        plain: Any = [wire_value(item) for item in cast("Sequence[PropertyValue]", inner)]
    elif isinstance(inner, Mapping):
        plain = {key: wire_value(item) for key, item in inner.items()}
    else:
        plain = _wire_leaf(inner)
    return {SIGNATURE: SECRET_SIGNATURE, "value": plain} if value.is_secret else plain


def _encode_mapping(value: Mapping[str, Any]) -> PropertyValue:
    mark = signature(dict(value))
    if mark == SECRET_SIGNATURE:
        return encode_value(value.get("value")).with_secret(True)
    if mark == RESOURCE_SIGNATURE:
        identity = encode_value(value["id"]) if value.get("id") is not None else None
        return PropertyValue(ResourceReference(value["urn"], identity, value.get("packageVersion")))
    return PropertyValue(encode(value))


def _wire_leaf(inner: Any) -> Any:
    if isinstance(inner, Computed):
        return UNKNOWN
    if isinstance(inner, ResourceReference):
        identity = wire_value(inner.resource_id) if inner.resource_id is not None else None
        marked = {SIGNATURE: RESOURCE_SIGNATURE, "urn": inner.urn, "id": identity, "packageVersion": inner.package_version}
        return {key: item for key, item in marked.items() if item is not None}
    return whole(inner)


def _plain(value: PropertyValue) -> Any:
    inner = value.value
    if isinstance(inner, (tuple, list)):
        return [_plain(item) for item in cast("Sequence[PropertyValue]", inner)]
    if isinstance(inner, Mapping):
        return decode(inner)
    if isinstance(inner, ResourceReference):
        return _plain(inner.resource_id) if inner.resource_id is not None else inner.urn
    return UNKNOWN if isinstance(inner, Computed) else whole(inner)


def whole(value: Any) -> Any:
    """Numbers cross the wire as doubles; a whole one is an int again, as JSON would write it."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value
