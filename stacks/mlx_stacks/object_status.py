"""What is said of one object: a value that every module of the status makes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

WELL = ("Ready", "Done", "Prepared", "Applied", "Preparing", "Running", "Scheduled", "Idle")
"""Words of a status that need nobody."""


@dataclass(frozen=True)
class ObjectStatus:
    """One object: a word for how it is, and figures worth seeing."""

    id: str
    status: str
    detail: str = ""
    fields: Mapping[str, Any] = field(default_factory=lambda: dict[str, Any]())

    @property
    def is_well(self) -> bool:
        """Whether it is as it should be, by itself."""
        return self.status.partition("(")[0] in WELL
