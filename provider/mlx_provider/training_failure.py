"""The last training of a model that failed: written beside its runs, and gone with the next version that is made.

State holds only what succeeded, so that this is all that a later `mlx status` can tell of a failure.
"""

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from mlx_specs import layout
from mlx_specs.model_resources import ModelVersionInputs
from mlx_specs.resources import Wire

if TYPE_CHECKING:
    from mlx_pipelines.errors import PipelineError


class TrainingFailure(Wire):
    """When, at which step ('' between steps), and the first line of the cause."""

    at: datetime
    fingerprint: str
    step: str = ""
    cause: str


def record_failure(asked: ModelVersionInputs, error: "PipelineError", workspace: Path) -> None:
    """Writes it, instead of an earlier one; on a full disk it is not written, for that must not hide the error itself."""
    step, message = getattr(error, "step", ""), getattr(error, "message", "") or str(error)
    failure = TrainingFailure(at=datetime.now(UTC), fingerprint=asked.fingerprint, step=step, cause=message.partition("\n")[0])
    path = workspace / layout.training_failure(asked.home, asked.model)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(failure.wire(), indent=1) + "\n")


def forget_failure(asked: ModelVersionInputs, workspace: Path) -> None:
    """A version was made."""
    (workspace / layout.training_failure(asked.home, asked.model)).unlink(missing_ok=True)


def find_failure(home: str, model: str, workspace: Path) -> TrainingFailure | None:
    """The last one, where no version was made since."""
    try:
        return TrainingFailure.model_validate_json((workspace / layout.training_failure(home, model)).read_bytes())
    except (FileNotFoundError, ValidationError):  # the file of a kill in the middle of writing tells nothing
        return None
