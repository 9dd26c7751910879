"""What is said of one object: a value that every module of the status makes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ObjectStatus:
    """One object: a word for how it is, and figures worth seeing."""

    id: str
    status: str
    detail: str = ""
    fields: Mapping[str, Any] = field(default_factory=lambda: dict[str, Any]())
