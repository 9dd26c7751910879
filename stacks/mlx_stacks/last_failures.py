"""What the last update failed at, object by object: state and history tell that it failed, this tells at what. Gone with the next that succeeds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from mlx_specs import layout
from mlx_stacks.changes import id_of_urn
from mlx_stacks.object_status import ObjectStatus
from mlx_stacks.workspace import Workspace

HINT = "\n  hint: "


@dataclass(frozen=True)
class Failure:
    """One resource that failed, and what its provider said to do about it."""

    id: str
    urn: str
    message: str
    hint: str = ""
    at: str = ""
    """ISO 8601; '' for one that is seen right now."""


def failures_of(messages: Mapping[str, str], at: str = "") -> tuple[Failure, ...]:
    """The engine's messages by urn, each with its object; what belongs to no object is left out."""
    return tuple(_failure(urn, message, at) for urn, message in messages.items() if id_of_urn(urn))


def record_failures(workspace: Workspace, messages: Mapping[str, str]) -> None:
    """Writes them, instead of earlier ones. A disk that cannot be written to must not hide the failure itself."""
    path = workspace.root / layout.last_failures(workspace.layout.home)
    content = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "failures": dict(messages)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1) + "\n")
    except OSError:
        return


def forget_failures(workspace: Workspace) -> None:
    """An update succeeded."""
    (workspace.root / layout.last_failures(workspace.layout.home)).unlink(missing_ok=True)


def last_failures(workspace: Workspace) -> tuple[Failure, ...]:
    """What the last update failed at; empty when it succeeded."""
    try:
        found: dict[str, Any] = json.loads((workspace.root / layout.last_failures(workspace.layout.home)).read_text())
        return failures_of(found["failures"], found["at"])
    except (FileNotFoundError, ValueError, KeyError):  # the file of a kill in the middle of writing tells nothing
        return ()


def with_last_failures(workspace: Workspace, known: Sequence[ObjectStatus]) -> tuple[ObjectStatus, ...]:
    """What is well goes on as it was applied before: that the last update failed at it, its own status does not tell."""
    failed = {failure.id for failure in last_failures(workspace)}
    return tuple(_told(item) if item.id in failed and item.is_well else item for item in known)


def _told(item: ObjectStatus) -> ObjectStatus:
    failed = f"the last apply failed at it: mlx why {item.id}"
    return replace(item, detail=f"{item.detail}; {failed}" if item.detail else failed)


def _failure(urn: str, message: str, at: str) -> Failure:
    what, _, hint = message.partition(HINT)
    return Failure(id_of_urn(urn), urn, what, hint.replace(HINT, "; "), at)
