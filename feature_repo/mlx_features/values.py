"""Values as Feast stores them online: each a protobuf message ``Value`` with one field set, decoded by hand.

Parsing 3,000 messages by protobuf costs more than reading them; the bytes are a tag, then the value (Value.proto).
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

NO_TIME = -(1 << 63)
"""What Feast writes for a moment that is missing."""
Decode = Callable[[bytes], Any]
DOUBLE = struct.Struct("<xd")
NULL = b"\x98\x01\x00"
"""null_val = 19, varint 0; mostly a null is an empty message."""
SECONDS = b"\x08"
"""The tag of a Timestamp's field 1."""


def decoder(type: str) -> Decode:
    """What turns a message of this type into a Python value."""
    return DECODERS[type]


def decoded(decode: Decode, message: bytes | None) -> Any:
    """The value of a message; None where it is missing, empty or null."""
    return None if not message or message == NULL else decode(message)


@dataclass(frozen=True)
class Layout:
    """The features of an entity in the order in which a store yields them, and how each is read."""

    names: tuple[str, ...]
    decoders: tuple[Decode, ...]

    def decode(self, text: str) -> dict[str, Any]:
        """Messages in hexadecimal, parted by blanks, as values by name; an empty one, a null and NaN are None.

        Where all are doubles they are read at once: null messages are shorter, so that the length says it.
        """
        if self.all_doubles is not None and len(text) == self.text_size:
            values = self.all_doubles.unpack(bytes.fromhex(text))
            return {name: value if value == value else None for name, value in zip(self.names, values, strict=True)}
        messages = [bytes.fromhex(part) for part in text.split(" ")]
        return {name: decoded(decode, message) for name, decode, message in zip(self.names, self.decoders, messages, strict=True)}

    @cached_property
    def all_doubles(self) -> struct.Struct | None:
        """The messages one after the other, where all are doubles."""
        return struct.Struct("<" + "xd" * len(self.names)) if all(decode is _float for decode in self.decoders) else None

    @cached_property
    def text_size(self) -> int:
        """The length of the text where every message is a double."""
        return len(self.names) * (2 * DOUBLE.size + 1) - 1


def _float(message: bytes) -> float | None:
    value = DOUBLE.unpack(message)[0]
    return value if value == value else None


def _string(message: bytes) -> str:
    return message[_varint(message, 1)[1] :].decode()


def _integer(message: bytes) -> int:
    value = _varint(message, 1)[0]
    return value - (1 << 64) if value >> 63 else value


def _boolean(message: bytes) -> bool:
    return message[1] == 1


def _timestamp(message: bytes) -> datetime | None:
    seconds = _integer(message)
    return None if seconds == NO_TIME else datetime.fromtimestamp(seconds, UTC)


def _date(message: bytes) -> date | None:
    moment = _timestamp(message)
    return None if moment is None else moment.date()


def seconds(message: bytes) -> int:
    """Of a protobuf ``Timestamp``: its first field, which is left out where it is 0."""
    return _integer(message) if message[:1] == SECONDS else 0


def nothing(_: bytes) -> None:
    """For what nobody asked for."""


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """The number that starts there, and where it ends."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


DECODERS: Mapping[str, Decode] = {
    "string": _string,
    "integer": _integer,
    "float": _float,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "date": _date,
}
