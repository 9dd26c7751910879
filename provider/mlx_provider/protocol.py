"""What one resource type of our provider must do, in plain dicts; no pulumi here.

Inputs and outputs are JSON in camelCase (mlx_specs.*_resources). In a preview a value may be ``UNKNOWN``. Every create is
idempotent: asked again after a kill, it finds what it made by its name or digest and adopts it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

Values = Mapping[str, Any]
Report = Callable[[str], None]
"""Progress, a line at a time."""


@dataclass(frozen=True)
class Difference:
    """What an update would change; empty: nothing."""

    changed: tuple[str, ...] = ()
    """Names of inputs that differ, sorted."""
    replaces: tuple[str, ...] = ()
    """Those of them that need a new object."""


@dataclass(frozen=True)
class Created:
    """A new object."""

    id: str
    outputs: Values = field(default_factory=dict)


class ResourceError(Exception):
    """The world did not allow it: what is wrong, and ``hint`` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.args[0]}\n  hint: {self.hint}" if self.hint else str(self.args[0])


class CheckError(ResourceError):
    """An input is wrong; ``field`` names it."""

    def __init__(self, message: str, *, field: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.field = field


class Resource(Protocol):
    """One resource type. ``workspace`` is the folder that holds Pulumi.yaml."""

    def check(self, inputs: Values, workspace: Path) -> Values:
        """The inputs completed by what only the workspace knows (digests of files and code); reads, never writes."""
        ...

    def diff(self, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path) -> Difference:
        """What differs; may look at the running thing, must be quick."""
        ...

    def planned(self, inputs: Values, old_outputs: Values | None) -> Values:
        """The outputs that are known before anything is done; what is not known is left out."""
        ...

    def create(self, inputs: Values, workspace: Path, report: Report) -> Created: ...

    def read(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> Values | None:
        """What there is now; None when it is gone."""
        ...

    def update(self, id: str, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path, report: Report) -> Values: ...

    def delete(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> None:
        """Deleting what is gone succeeds."""
        ...


def changed_inputs(old: Values, new: Values, *, ignoring: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The names of top-level inputs whose values differ, sorted."""
    return tuple(sorted(key for key in old.keys() | new.keys() if key not in ignoring and old.get(key) != new.get(key)))
