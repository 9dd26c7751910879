"""The bytes under which Feast's online stores keep an entity's rows: version 3 of Feast's key_encoding_utils.py, by hand."""

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlx_features.errors import FeatureError
from mlx_specs.feature_resources import EntityDefinition

STRING, INT64 = 2, 4
"""Feast's numbers of the types of join keys."""


def prefix(entities: Sequence[EntityDefinition]) -> bytes:
    """How all keys of a view begin: the names of its join keys, sorted."""
    names = [entity.join_key.encode() for entity in in_key_order(entities)]
    return struct.pack("<I", len(names)) + b"".join(struct.pack("<II", STRING, len(name)) + name for name in names)


def in_key_order(entities: Sequence[EntityDefinition]) -> list[EntityDefinition]:
    """As they stand in a key."""
    return sorted(entities, key=lambda entity: entity.join_key)


def rest(key: bytes, start: int, count: int) -> bytes:
    """What follows ``count`` values from ``start`` on: Redis has the project's name behind a key, without a mark between them."""
    for _ in range(count):
        if len(key) < start + 8:
            return b""
        start += 8 + struct.unpack_from("<I", key, start + 4)[0]
    return key[start:]


def encoded(entity: EntityDefinition, values: Sequence[Any]) -> list[bytes | None]:
    """The part of the key that each value is; None for a missing value."""
    encode = ENCODERS[entity.type]
    try:
        return [None if value is None or value != value else encode(value) for value in values]
    except (TypeError, ValueError, struct.error):
        raise FeatureError(f"join key '{entity.join_key}' holds a value that is no {entity.type}", hint="send it in the type of the entity") from None


def _string(value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError(value)
    data = value.encode()
    return struct.pack("<II", STRING, len(data)) + data


def _integer(value: Any) -> bytes:
    if isinstance(value, str | bool) or int(value) != value:
        raise TypeError(value)
    return struct.pack("<IIq", INT64, 8, int(value))


ENCODERS: Mapping[str, Callable[[Any], bytes]] = {"string": _string, "integer": _integer}
