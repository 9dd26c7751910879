"""What a batch resource says of predictions that stay: they name the version that made them, whatever is asked for now."""

from pathlib import Path

from mlx_provider.batch_predictions import BatchPredictions
from mlx_specs.inference_resources import BatchPredictionsInputs, BatchPredictionsOutputs
from mlx_specs.resources import PreparedData, Version

ONE = Version(fingerprint="f1", version="1", artifact="a1", artifact_digest="d1")
TWO = Version(fingerprint="f2", version="2", artifact="a2", artifact_digest="d2")


def asked(version: Version, trigger: str) -> dict:
    rows = PreparedData(name="d", digest="x", path="d.parquet")
    return BatchPredictionsInputs(name="b", home=".mlx/local", model="m", alias="champion", version=version, input=rows, trigger=trigger).wire()


def scored(version: Version, trigger: str) -> dict:
    inputs = BatchPredictionsInputs.model_validate(asked(version, trigger))
    return BatchPredictionsOutputs(**dict(inputs), path="p.parquet", rows=3, status="Done").wire()


def no_report(line: str) -> None:
    raise AssertionError(f"nothing is scored, but: {line}")


def test_a_manual_batch_goes_on_naming_the_version_that_scored_it(tmp_path: Path) -> None:
    batch, old = BatchPredictions(), scored(ONE, "manual")
    outputs = batch.update("b", asked(ONE, "manual"), old, asked(TWO, "manual"), tmp_path, no_report)
    assert (outputs["version"], outputs["path"]) == (ONE.wire(), "p.parquet")
    assert batch.planned(asked(TWO, "manual"), old)["version"] == ONE.wire()


def test_turning_it_to_apply_later_plans_to_score_with_the_present_version(tmp_path: Path) -> None:
    batch = BatchPredictions()
    kept = batch.update("b", asked(ONE, "manual"), scored(ONE, "manual"), asked(TWO, "manual"), tmp_path, no_report)
    assert "path" not in batch.planned(asked(TWO, "apply"), kept)
