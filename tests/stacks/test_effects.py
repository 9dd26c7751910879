"""What a step means: one row a case, the words as people read them."""

import pytest

from mlx_engine.host import UNKNOWN, Op, Step
from mlx_stacks.effects import Effect, meaning, strongest


def step(type: str, op: Op, *changed: str, **inputs: object) -> Step:
    return Step(op, f"urn:pulumi:local::p::mlx:index:{type}::x", f"mlx:index:{type}", "x", custom=True, changed=changed, new_inputs=inputs)


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        (step("PreparedDataset", Op.CREATE), (Effect.REPLACE_DATA, "prepare")),
        (step("PreparedDataset", Op.UPDATE, "definition.prepare[0].sql"), (Effect.REPLACE_DATA, "prepare again")),
        (step("PreparedDataset", Op.UPDATE, "about.owner"), (Effect.METADATA, "metadata only")),
        (step("CompiledPipeline", Op.UPDATE, "codeDigest"), (Effect.REDEPLOY, "compile")),
        (step("ModelVersion", Op.CREATE), (Effect.RETRAIN, "train")),
        (step("ModelVersion", Op.REPLACE, "parameters", "fingerprint", fingerprint="abc"), (Effect.RETRAIN, "retrain")),
        (step("ModelVersion", Op.REPLACE, "data.digest", "fingerprint", fingerprint=UNKNOWN), (Effect.RETRAIN, "retrain unless the data comes out equal")),
        (step("ModelVersion", Op.UPDATE, "package"), (Effect.REDEPLOY, "package again, no retrain")),
        (step("ModelVersion", Op.UPDATE, "about.owner"), (Effect.METADATA, "metadata only, no retrain")),
        (step("Champion", Op.UPDATE, "success[0].atLeast"), (Effect.METADATA, "judge the gates, no retrain")),
        (step("Champion", Op.UPDATE, "current"), (Effect.REDEPLOY, "the alias was moved by hand: put back")),
        (step("ModelServer", Op.UPDATE, "version.version", version={"version": UNKNOWN}), (Effect.REDEPLOY, "switch if the new version passes, no restart")),
        (step("ModelServer", Op.UPDATE, "port"), (Effect.REDEPLOY, "restart the endpoint")),
        (step("ModelServer", Op.UPDATE, "timeout"), (Effect.METADATA, "reconfigure, no restart")),
        (step("ModelServer", Op.UPDATE, "pid"), (Effect.REDEPLOY, "the server is not running: start it again")),
        (step("BatchPredictions", Op.UPDATE, "input.digest"), (Effect.REDEPLOY, "score again")),
        (step("BatchPredictions", Op.UPDATE, "version.version", trigger="manual"), (Effect.METADATA, "waits for mlx run")),
        (step("Declared", Op.UPDATE, "spec.dataDrift.threshold"), (Effect.METADATA, "no retrain, no restart")),
    ],
)
def test_a_step_means(done: Step, expected: tuple[Effect, str]) -> None:
    assert meaning(done) == expected


def test_the_strongest_meaning_speaks_for_an_object() -> None:
    meanings = [(Effect.METADATA, "judge"), (Effect.RETRAIN, "retrain"), (Effect.REDEPLOY, "switch")]
    assert strongest(meanings) == (Effect.RETRAIN, "retrain")
    assert strongest([]) is None
