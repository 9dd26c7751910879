"""`mlx status` of a model whose last training failed: a real history, and a failure as the provider records it."""

from pathlib import Path

from mlx_engine.host import Event
from mlx_pipelines.errors import StepFailed
from mlx_provider.training_failure import find_failure, record_failure
from mlx_specs.model_resources import ModelVersionInputs
from mlx_specs.resources import PreparedData
from mlx_stacks.apply import apply
from mlx_stacks.last_training import with_last_training
from mlx_stacks.plan import make_plan
from mlx_stacks.status import ObjectStatus
from mlx_stacks.workspace import open_workspace

ASKED = ModelVersionInputs(
    model="delay", task="classification", entry="e:p", data=PreparedData(name="d", digest="x", path="p"), target="late", split={}, home=".mlx/local", ir="i"
)
READY = ObjectStatus("Model/delay", "Ready", "version 1 is champion", {"champion": "1"})


def unheard(event: Event) -> None:
    """Nobody watches."""


def test_a_failure_is_shown_with_step_and_cause_until_a_later_apply_succeeds(tiny: Path) -> None:
    workspace = open_workspace(tiny)
    assert with_last_training(workspace, READY) == READY
    record_failure(ASKED, StepFailed("train", "ValueError: bad", log=tiny / "run.log"), tiny)
    failure = find_failure(ASKED.home, "delay", tiny)
    assert failure is not None
    said = f"training failed at {failure.at:%Y-%m-%d %H:%M:%SZ} in step train: ValueError: bad; version 1 stays champion; mlx logs delay"
    shown = with_last_training(workspace, READY)
    assert (shown.status, shown.detail, shown.fields["failure"]["step"]) == ("TrainingFailed", said, "train")
    other = ObjectStatus("Dataset/delay", "Ready")
    assert with_last_training(workspace, other) == other
    apply(workspace, make_plan(workspace, unheard), unheard)
    assert with_last_training(workspace, READY) == READY
