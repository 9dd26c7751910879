"""What `mlx status` adds to a model whose last training failed: the state tells only of those that succeeded. Reads only."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mlx_engine.host import Update
from mlx_provider.training_failure import TrainingFailure, find_failure
from mlx_stacks.workspace import Workspace, open_host

if TYPE_CHECKING:
    from mlx_stacks.status import ObjectStatus


def with_last_training(workspace: Workspace, known: "ObjectStatus") -> "ObjectStatus":
    """The status as it is, or that of a model whose last training failed and is still to be made good."""
    kind, name = known.id.split("/")
    failure = find_failure(workspace.layout.home, name, workspace.root) if kind == "Model" else None
    if failure is None or _made_good(failure, open_host(workspace).history()):
        return known
    where = f" in step {failure.step}" if failure.step else ""
    serves = known.fields.get("champion")
    standing = f"version {serves} stays champion; " if serves else ""
    detail = f"training failed at {failure.at:%Y-%m-%d %H:%M:%SZ}{where}: {failure.cause}; {standing}mlx logs {name}"
    return replace(known, status="TrainingFailed", detail=detail, fields={**known.fields, "failure": failure.wire()})


def _made_good(failure: TrainingFailure, updates: Sequence[Update]) -> bool:
    """An apply that was started later and succeeded left nothing to train: what failed was taken back. History has whole seconds."""
    return any(update.kind == "update" and update.result == "succeeded" and update.start >= int(failure.at.timestamp()) for update in updates)
