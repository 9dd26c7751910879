"""Kafka as Spark names it: a topic's URL and the properties of a client as options of a source or a sink."""

import re
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from mlx_runtime.stream import StreamError
from mlx_specs.diagnostics import listing
from mlx_specs.inference import KAFKA

PROPERTIES = "MLX_KAFKA"
"""The variable with the client's properties, from a Secret."""
CONNECTS_WITHIN = 10.0
"""Seconds."""
MOST_ROWS = 100_000
"""In one micro-batch: the driver has them in memory at once."""


def is_topic(url: str) -> bool:
    """Whether a URL names a topic."""
    return url.startswith(KAFKA)


def reach(url: str) -> None:
    """Raises ``StreamError`` where none of the topic's brokers listens: a client of Kafka asks for minutes before it says so."""
    refused = list[str]()
    for address in urlsplit(url).netloc.split(","):
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), CONNECTS_WITHIN).close()
        except OSError as error:
            refused.append(f"{address}: {error.strerror or error}")
        else:
            return
    raise StreamError(f"no broker of {url} is reached: {listing(refused)}", hint="is the address right, and may pods of this namespace reach it?")


def source_options(url: str, start: str, properties: Mapping[str, str]) -> dict[str, str]:
    """Of ``readStream``."""
    parts = urlsplit(url)
    return {**_client(url, properties), "subscribe": parts.path.strip("/"), "startingOffsets": start, "maxOffsetsPerTrigger": str(MOST_ROWS)}


def sink_options(url: str, properties: Mapping[str, str]) -> dict[str, str]:
    """Of ``write``."""
    return {**_client(url, properties), "topic": urlsplit(url).path.strip("/")}


def read_properties(text: str) -> dict[str, str]:
    """``NAME=VALUE`` a line; '#' and '!' begin a remark, a line that ends with a backslash goes on in the next one.

    Raises ``StreamError`` without showing a value.
    """
    found = dict[str, str]()
    for number, line in enumerate(re.sub(r"\\\r?\n\s*", "", text).splitlines(), start=1):
        if line.strip() and not line.strip().startswith(("#", "!")):
            name, equals, value = line.partition("=")
            if not equals:
                raise StreamError(f"line {number} of the Kafka client's properties has no '='", hint="write NAME=VALUE a line in the Secret of stream.kafka")
            found[name.strip()] = value.strip()
    return found


def _client(url: str, properties: Mapping[str, str]) -> dict[str, str]:
    return {**{f"kafka.{name}": value for name, value in properties.items()}, "kafka.bootstrap.servers": urlsplit(url).netloc}
