"""A training that fails leaves word of it, and `mlx status` passes it on until an apply makes it good."""

from pathlib import Path

import pytest

from mlx_engine.host import Event
from mlx_pipelines.errors import PipelineError, StepFailed
from mlx_provider.model_version import ModelVersion
from mlx_provider.protocol import ResourceError
from mlx_provider.training_failure import TrainingFailure, find_failure, forget_failure, record_failure
from mlx_specs.model_resources import ModelVersionInputs
from mlx_specs.resources import PreparedData

ASKED = ModelVersionInputs(
    model="delay", task="classification", entry="e:p", data=PreparedData(name="d", digest="x", path="p"), target="late", features=["a"], split={},
    algorithm="a.B", home=".mlx/local", ir="none.yaml", fingerprint="f" * 64,
)  # fmt: skip


def unheard(event: Event) -> None:
    """Nobody watches."""


def found(workspace: Path) -> TrainingFailure:
    failure = find_failure(ASKED.home, ASKED.model, workspace)
    assert failure is not None
    return failure


def test_a_step_that_failed_is_kept_with_its_first_line_and_the_next_failure_replaces_it(tmp_path: Path) -> None:
    assert find_failure(ASKED.home, ASKED.model, tmp_path) is None
    record_failure(ASKED, StepFailed("train", "ValueError: bad\nmore of it", log=tmp_path / "run.log"), tmp_path)
    first = found(tmp_path)
    assert (first.step, first.cause, first.fingerprint) == ("train", "ValueError: bad", "f" * 64)
    record_failure(ASKED, PipelineError("interrupted: the run was given up"), tmp_path)
    assert (found(tmp_path).step, found(tmp_path).cause) == ("", "interrupted: the run was given up")
    forget_failure(ASKED, tmp_path)
    forget_failure(ASKED, tmp_path)
    assert find_failure(ASKED.home, ASKED.model, tmp_path) is None


def test_a_training_that_cannot_start_is_recorded_and_raised(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r"model 'delay': the compiled pipeline none\.yaml is not there"):
        ModelVersion().create(ASKED.wire(), tmp_path, lambda line: None)
    assert found(tmp_path).cause == "the compiled pipeline none.yaml is not there"
