"""Property values to protobuf and back: the only place that looks inside a ``Struct``."""

from collections.abc import Mapping
from typing import Any, cast

from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value

from mlx_engine.provider_codec import whole
from mlx_engine.values import RESOURCE_SIGNATURE, Values, signature


def to_struct(values: Mapping[str, Any]) -> Struct:
    return Struct(fields={key: _to_value(value) for key, value in values.items()})


def from_struct(struct: Struct) -> Values:
    """Keys sorted, as protobuf keeps none of their order; a reference in the full form in which Pulumi stores it."""
    values = {key: _from_value(value) for key, value in sorted(struct.fields.items())}
    return {"packageVersion": "", **values} if signature(values) == RESOURCE_SIGNATURE else values


def _to_value(value: Any) -> Value:
    if isinstance(value, str):
        return Value(string_value=value)
    if isinstance(value, bool):
        return Value(bool_value=value)
    if isinstance(value, (int, float)):
        return Value(number_value=value)
    if isinstance(value, Mapping):
        return Value(struct_value=to_struct(cast("Mapping[str, Any]", value)))
    if isinstance(value, (list, tuple)):
        return Value(list_value=ListValue(values=[_to_value(item) for item in cast("list[Any]", value)]))
    if value is None:
        return Value(null_value=NULL_VALUE)
    raise TypeError(f"a property of type {type(value).__name__} cannot cross the wire")


def _from_value(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            return whole(value.number_value)
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return from_struct(value.struct_value)
        case "list_value":
            return [_from_value(item) for item in value.list_value.values]
        case _:
            return None
