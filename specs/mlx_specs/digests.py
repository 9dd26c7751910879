"""Digests of values: what decides whether two of them are the same. A value that a preview cannot know has one of its own."""

import hashlib
import json
from typing import Any

UNKNOWN_DIGEST = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""A value that is not known before something is applied, as Pulumi's SDK writes it (mlx_engine.host.UNKNOWN)."""


def digest(value: Any) -> str:
    """sha256 of the canonical JSON of a value, as 64 hex digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
