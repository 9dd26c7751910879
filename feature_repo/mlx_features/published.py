"""A registry for others than the machine that made it: its sources lie where everybody reads them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlx_features.feast_protos import registry_message

FILE = "feast.core.DataSource.FileOptions"


def with_paths(data: bytes, paths: Mapping[Path, str]) -> bytes:
    """The registry file with the paths of its sources replaced, wherever they stand: views and services repeat them."""
    registry = registry_message().FromString(data)
    named = {str(path): place for path, place in paths.items()}
    for message in _within(registry):
        if message.DESCRIPTOR.full_name == FILE:
            message.uri = named.get(message.uri, message.uri)
    return registry.SerializeToString()


def _within(message: Any) -> Iterator[Any]:
    """The message and all messages that stand in it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        is_map = field.message_type.GetOptions().map_entry
        values = value.values() if is_map else value if field.is_repeated else [value]
        for each in values:
            if hasattr(each, "ListFields"):
                yield from _within(each)
