"""What a step means: one row a case, the words as people read them."""

from pathlib import Path

import pytest

from mlx_engine.host import UNKNOWN, Op, Step
from mlx_specs.model_resources import ModelVersionInputs
from mlx_specs.resources import PreparedData
from mlx_stacks.effects import Effect, meaning, strongest


def step(type: str, op: Op, *changed: str, old: dict[str, object] | None = None, **inputs: object) -> Step:
    urn, token = f"urn:pulumi:local::p::mlx:index:{type}::x", f"mlx:index:{type}"
    return Step(op, urn, token, "x", custom=True, changed=changed, new_inputs=inputs, old_outputs=old or {})


VERSION = ModelVersionInputs(
    model="m", task="regression", entry="e:p", data=PreparedData(name="d", digest="x", path="p"), target="t", split={}, algorithm="a.B", home="h", ir="i",
    fingerprint="abc",
).wire()  # fmt: skip
ONE, TWO = {"version": "1", "artifactDigest": "a"}, {"version": "2", "artifactDigest": "b"}
ROWS, OTHER_ROWS = {"digest": "r"}, {"digest": "s"}
NEXT = dict.fromkeys(("fingerprint", "version", "artifact", "artifactDigest"), UNKNOWN)
SCORED = {"path": "p.parquet", "version": ONE, "input": ROWS, "columns": [], "home": "h", "trigger": "apply"}


def registry(changed: str, **view: object) -> Step:
    """An update of a registry of one view, which has ``view`` now."""
    plain = {"name": "v", "source": "days", "eventTime": "day", "entities": [], "features": []}
    urn, token = "urn:pulumi:local::p::mlx:index:FeatureRegistry::x", "mlx:index:FeatureRegistry"
    old, new = ({"definitions": {"views": [one]}} for one in (plain, {**plain, **view}))
    return Step(Op.UPDATE, urn, token, "x", custom=True, changed=[changed], old_inputs=old, new_inputs=new)


def batch(op: Op, *changed: str, old: dict[str, object] | None = None, **inputs: object) -> Step:
    return step("BatchPredictions", op, *changed, old=old, **{"trigger": "apply", "version": ONE, "input": ROWS, "columns": [], "home": "h", **inputs})


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        (step("PreparedDataset", Op.CREATE), (Effect.REPLACE_DATA, "prepare")),
        (step("PreparedDataset", Op.UPDATE, "definition.prepare[0].sql"), (Effect.REPLACE_DATA, "prepare again")),
        (step("PreparedDataset", Op.UPDATE, "about.owner"), (Effect.METADATA, "metadata only")),
        (step("FeatureRegistry", Op.CREATE), (Effect.REDEPLOY, "register the features")),
        (registry("definitions.views[0].ttl", ttl=60), (Effect.REDEPLOY, "register again")),
        (registry("definitions.views[0].about.owner", about={"owner": "us"}), (Effect.METADATA, "metadata only, no retrain")),
        (registry("about.owner"), (Effect.METADATA, "metadata only, no retrain")),
        (registry("sources.days.digest"), (Effect.REDEPLOY, "register again")),
        (registry("registryDigest"), (Effect.REDEPLOY, "put the registry back")),
        (step("FeatureRegistry", Op.DELETE), (Effect.REDEPLOY, "registry, online store and sources are removed")),
        (step("OnlineFeatures", Op.CREATE, trigger="apply"), (Effect.REDEPLOY, "materialise")),
        (step("OnlineFeatures", Op.UPDATE, "sources.days.digest", trigger="apply"), (Effect.REDEPLOY, "materialise again")),
        (step("OnlineFeatures", Op.UPDATE, "sources.days.digest", trigger="manual"), (Effect.METADATA, "waits for mlx features materialize")),
        (step("OnlineFeatures", Op.UPDATE, "mode", trigger="apply"), (Effect.METADATA, "metadata only")),
        (step("JoinedDataset", Op.CREATE), (Effect.METADATA, "join the features")),
        (step("JoinedDataset", Op.UPDATE, "codeDigest"), (Effect.METADATA, "join the features again")),
        (step("ModelServer", Op.UPDATE, "features.definitions.views[0].ttl"), (Effect.REDEPLOY, "look features up anew, no restart")),
        (step("CompiledPipeline", Op.UPDATE, "codeDigest"), (Effect.REDEPLOY, "compile")),
        (step("ReleasedModel", Op.CREATE), (Effect.REDEPLOY, "take over the released version, no retrain")),
        (step("ReleasedModel", Op.UPDATE, "fingerprint", "run"), (Effect.REDEPLOY, "switch to the released version, no retrain")),
        (step("ReleasedModel", Op.UPDATE, "current"), (Effect.REDEPLOY, "the registry was changed by hand: put back")),
        (step("ReleasedModel", Op.UPDATE, "about.owner"), (Effect.METADATA, "metadata only")),
        (step("ReleasedModel", Op.DELETE), (Effect.REDEPLOY, "the alias is removed; the released bytes are kept")),
        (step("Release", Op.CREATE), (Effect.METADATA, "record the release")),
        (step("Release", Op.DELETE), (Effect.METADATA, "the released bytes are kept")),
        (step("ModelVersion", Op.CREATE, **VERSION), (Effect.RETRAIN, "train")),
        (step("ModelVersion", Op.CREATE, **{**VERSION, "search": {"trials": 20}, "candidates": [{"name": "c"}]}), (Effect.RETRAIN, "train (22 fits)")),
        (step("ModelVersion", Op.REPLACE, "parameters", "fingerprint", **VERSION), (Effect.RETRAIN, "retrain")),
        (
            step("ModelVersion", Op.REPLACE, "data.digest", "fingerprint", **{**VERSION, "fingerprint": UNKNOWN}),
            (Effect.RETRAIN, "retrain unless the data comes out equal"),
        ),
        (step("ModelVersion", Op.UPDATE, "package"), (Effect.REDEPLOY, "package again, no retrain")),
        (step("ModelVersion", Op.UPDATE, "about.owner"), (Effect.METADATA, "metadata only, no retrain")),
        (step("Champion", Op.UPDATE, "success[0].atLeast"), (Effect.METADATA, "judge the gates, no retrain")),
        (step("Champion", Op.UPDATE, "current"), (Effect.REDEPLOY, "the alias was moved by hand: put back")),
        (step("ModelServer", Op.UPDATE, "version.version", version={"version": UNKNOWN}), (Effect.REDEPLOY, "switch if the new version passes, no restart")),
        (step("ModelServer", Op.UPDATE, "port"), (Effect.REDEPLOY, "restart the endpoint")),
        (step("ModelServer", Op.UPDATE, "timeout"), (Effect.METADATA, "reconfigure, no restart")),
        (step("ModelServer", Op.UPDATE, "pid"), (Effect.REDEPLOY, "the server is not running: start it again")),
        (batch(Op.CREATE), (Effect.REDEPLOY, "score")),
        (batch(Op.CREATE, version=NEXT), (Effect.REDEPLOY, "score")),
        (batch(Op.CREATE, version={}), (Effect.METADATA, "waits for its model")),
        (batch(Op.CREATE, trigger="manual"), (Effect.METADATA, "waits for mlx run")),
        (batch(Op.CREATE, trigger="manual", requested="now"), (Effect.REDEPLOY, "score")),
        (batch(Op.UPDATE, "input.digest", old=SCORED, input=OTHER_ROWS), (Effect.REDEPLOY, "score again")),
        (batch(Op.UPDATE, "input.digest", "version", old=SCORED, input=OTHER_ROWS, version=NEXT), (Effect.REDEPLOY, "score again")),
        (batch(Op.UPDATE, "version", old=SCORED, version=NEXT), (Effect.REDEPLOY, "score again if the new version passes")),
        (batch(Op.UPDATE, "version.version", old=SCORED, version=TWO), (Effect.REDEPLOY, "score again")),
        (batch(Op.UPDATE, "version.version", old=SCORED, version=TWO, trigger="manual"), (Effect.METADATA, "waits for mlx run")),
        (batch(Op.UPDATE, "requested", old=SCORED, version=TWO, trigger="manual", requested="now"), (Effect.REDEPLOY, "score again")),
        (batch(Op.UPDATE, "trigger", old={**SCORED, "trigger": "manual"}), (Effect.METADATA, "the predictions stay")),
        (batch(Op.UPDATE, "cpu", old=SCORED, cpu=2), (Effect.METADATA, "metadata only")),
        (step("Declared", Op.CREATE, kind="Monitor"), (Effect.METADATA, "waits for mlx monitor run")),
        (step("Declared", Op.CREATE, kind="Notebook"), (Effect.METADATA, "no retrain, no restart")),
        (step("Declared", Op.UPDATE, "spec.dataDrift.threshold"), (Effect.METADATA, "no retrain, no restart")),
    ],
)
def test_a_step_means(done: Step, expected: tuple[Effect, str], tmp_path: Path) -> None:
    assert meaning(done, tmp_path) == expected


def test_a_new_monitor_on_a_cluster_looks_by_its_schedule(tmp_path: Path) -> None:
    urn, token = "urn:pulumi:prod::p::kubernetes:batch/v1:CronJob::x", "kubernetes:batch/v1:CronJob"
    asked = {"metadata": {"name": "monitor-watch", "labels": {"mlx.dev/kind": "Monitor"}}}
    assert meaning(Step(Op.CREATE, urn, token, "x", custom=True, new_inputs=asked), tmp_path) == (Effect.REDEPLOY, "look by its schedule")


def test_a_batch_that_is_asked_for_again_keeps_its_predictions_while_they_are_there(tmp_path: Path) -> None:
    again = batch(Op.UPDATE, "requested", old=SCORED, requested="now")
    assert meaning(again, tmp_path) == (Effect.REDEPLOY, "score again")
    (tmp_path / "p.parquet").touch()
    assert meaning(again, tmp_path) == (Effect.METADATA, "scored already: the predictions are kept")


def test_the_strongest_meaning_speaks_for_an_object() -> None:
    meanings = [(Effect.METADATA, "judge"), (Effect.RETRAIN, "retrain"), (Effect.REDEPLOY, "switch")]
    assert strongest(meanings) == (Effect.RETRAIN, "retrain")
    assert strongest([]) is None
