"""The reference pipeline as a whole, twice: KFP, scikit-learn, ONNX Runtime and MLflow for real; steps alone are tested beside."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from mlx_pipelines.code import code_digest, code_parts
from mlx_pipelines.compile import compile_pipeline
from mlx_pipelines.errors import StepFailed
from mlx_pipelines.gate import judge_version
from mlx_pipelines.registry import client, set_alias, versions
from mlx_pipelines.train_version import repackage, train_version
from mlx_runtime.scorer import load
from mlx_specs.model_resources import ModelVersionInputs, ModelVersionOutputs, fingerprint
from mlx_specs.resources import About, PreparedData, Version

from .conftest import flights, write_flights

HOME = ".mlx/local"
ENTRY = "mlx_pipelines.tabular:pipeline"
SUCCESS = [{"metric": "roc_auc", "atLeast": 0.7, "tolerance": 0.02}, {"metric": "brier", "atMost": 0.25}]


GUESS = """
def guess():
    from sklearn.dummy import DummyClassifier
    return DummyClassifier(strategy="prior")
"""


@dataclass(frozen=True)
class Trained:
    """A workspace with one version, and what was reported meanwhile."""

    workspace: Path
    inputs: ModelVersionInputs
    outputs: ModelVersionOutputs
    lines: list[str]


def asked(workspace: Path, ir: Path, **changed: object) -> ModelVersionInputs:
    inputs = ModelVersionInputs(
        model="delay", task="classification", entry=ENTRY, code_digest=code_digest(ENTRY, workspace), target="late", seed=7, home=HOME, success=SUCCESS,
        data=PreparedData(name="flights", digest="d" * 64, path="rows.parquet", keys=["flight"], event_time="when"),
        features=["wind", "carrier", "weekday"], split={"by": "time", "test": 0.25}, algorithm="sklearn.ensemble.HistGradientBoostingClassifier",
        parameters={"max_depth": 3, "max_iter": 20}, ir=ir.relative_to(workspace).as_posix(),
        about=About(description="Late?", owner="team", labels={"tier": "gold"}),
    ).model_copy(update=changed)  # fmt: skip
    return inputs.model_copy(update={"fingerprint": fingerprint(inputs)})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    workspace = tmp_path_factory.mktemp("trained")
    (workspace / "kfp_pipelines").mkdir()
    write_flights(workspace / "rows.parquet")
    ir = compile_pipeline(ENTRY, {}, workspace, workspace / HOME / "pipelines" / "tabular").path
    inputs, lines = asked(workspace, ir), list[str]()
    return Trained(workspace, inputs, train_version(inputs, workspace, lines.append), lines)


def test_a_version_is_trained_packaged_judged_and_registered(trained: Trained) -> None:
    steps = ["ingest", "validate", "split", "train", "evaluate", "package", "gate", "register"]
    assert [line for line in trained.lines if line.endswith("...")] == [f"step {place}/8 {step} ..." for place, step in enumerate(steps, 1)]
    out = trained.outputs
    assert (out.version, out.engine, out.artifact) == ("1", "onnx", f"{HOME}/models/delay/{out.fingerprint}")
    assert trained.lines[-1] == f"version 1: brier {out.metrics['brier']:.3f}, roc_auc {out.metrics['roc_auc']:.3f}"
    assert out.metrics["roc_auc"] > 0.85
    assert [version.reference() for version in versions(trained.workspace, HOME, "delay")] == [
        Version(fingerprint=out.fingerprint, version="1", artifact=out.artifact, artifact_digest=out.artifact_digest)
    ]


def test_the_artifact_scores_held_out_rows(trained: Trained) -> None:
    scorer = load(trained.workspace / trained.outputs.artifact, trained.outputs.artifact_digest)
    predictions = scorer.score_table(flights(600).select(["wind", "carrier", "weekday"]))
    assert predictions.column_names == ["label", "probability_false", "probability_true"]


def test_mlflow_holds_parameters_metrics_tags_plots_and_the_artifact(trained: Trained) -> None:
    mlflow = client(trained.workspace, HOME)
    run = mlflow.get_run(trained.outputs.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == pytest.approx(trained.outputs.metrics)
    assert run.data.params | {"max_depth": "3", "max_iter": "20", "seed": "7", "target": "late"} == run.data.params
    wanted = {"mlx.fingerprint": trained.inputs.fingerprint, "mlx.data_digest": "d" * 64, "mlx.environment": "local", "mlx.gate": "passed", "tier": "gold"}
    assert run.data.tags | wanted == run.data.tags
    assert "mlx.library.scikit-learn" in run.data.tags
    plots = sorted(file.path for file in mlflow.list_artifacts(run.info.run_id, "plots"))
    assert plots == [f"plots/{name}.png" for name in ("calibration", "confusion", "importance", "precision_recall", "roc")]
    assert sorted(file.path for file in mlflow.list_artifacts(run.info.run_id, "model")) == [
        "model/manifest.json",
        "model/model.json",
        "model/model.onnx",
        "model/reference.parquet",
    ]
    model = mlflow.get_registered_model("delay")
    assert (model.description, model.tags["owner"]) == ("Late?", "team")


def test_the_run_leaves_the_held_out_rows_and_the_digests_of_the_code_that_trained(trained: Trained) -> None:
    folder = trained.workspace / HOME / "runs" / "delay" / trained.inputs.fingerprint
    assert parquet.read_table(folder / "held_out.parquet")["flight"].to_pylist() == list(range(450, 600))
    assert json.loads((folder / "code.json").read_text()) == code_parts(ENTRY, trained.workspace, trained.inputs.algorithm)
    assert json.loads((folder / "verdict.json").read_text())["passed"] is True


def test_the_same_fingerprint_trains_nothing(trained: Trained) -> None:
    lines: list[str] = []
    assert train_version(trained.inputs, trained.workspace, lines.append) == trained.outputs
    assert lines == ["version 1 has this fingerprint: nothing is trained"]


def test_an_artifact_that_was_corrupted_is_packaged_again_without_training(trained: Trained) -> None:
    artifact = trained.workspace / trained.outputs.artifact
    (artifact / "model.onnx").write_bytes(b"corrupted")
    lines: list[str] = []
    assert train_version(trained.inputs, trained.workspace, lines.append) == trained.outputs
    assert [line.split(":")[0] for line in lines] == ["packaged as ONNX"]


def test_another_format_is_packaged_without_training(trained: Trained) -> None:
    native = trained.inputs.model_copy(update={"package": "native"})
    again = repackage(native, trained.outputs, trained.workspace, lambda line: None)
    assert (again.version, again.run_id, again.engine) == ("1", trained.outputs.run_id, "native")
    assert again.artifact_digest != trained.outputs.artifact_digest
    assert repackage(trained.inputs, again, trained.workspace, lambda line: None) == trained.outputs


def test_a_version_is_judged_again_when_only_the_criteria_change(trained: Trained) -> None:
    candidate = versions(trained.workspace, HOME, "delay")[0].reference()
    good = judge_version(HOME, "delay", candidate, None, SUCCESS, trained.workspace)
    assert (good.passed, good.reasons, good.metrics) == (True, (), pytest.approx(trained.outputs.metrics))
    bad = judge_version(HOME, "delay", candidate, None, [{"metric": "roc_auc", "atLeast": 1.0}], trained.workspace)
    assert (bad.passed, bad.reasons) == (False, (f"roc_auc {bad.metrics['roc_auc']:.3g} is below 1",))


def test_a_champion_that_needs_another_column_is_not_compared_with_and_the_bars_decide(trained: Trained) -> None:
    candidate = versions(trained.workspace, HOME, "delay")[0].reference()
    folder = trained.workspace / HOME / "models" / "delay" / "old"
    shutil.copytree(trained.workspace / candidate.artifact, folder, dirs_exist_ok=True)
    rival = candidate.model_copy(update={"fingerprint": "old", "version": "0", "artifact": f"{HOME}/models/delay/old", "artifact_digest": "0" * 64})
    verdict = judge_version(HOME, "delay", candidate, rival, SUCCESS, trained.workspace)
    assert verdict.passed
    assert [reason.split(":")[0] for reason in verdict.reasons] == ["not compared with champion version 0"]


def test_a_worse_version_is_registered_and_stays_challenger_and_a_workspace_factory_is_an_algorithm(trained: Trained) -> None:
    set_alias(trained.workspace, HOME, "delay", "champion", "1")
    (trained.workspace / "kfp_pipelines" / "own.py").write_text(GUESS)
    worse = asked(trained.workspace, trained.workspace / trained.inputs.ir, algorithm="own:guess", parameters={})
    outputs = train_version(worse, trained.workspace, lambda line: None)
    verdict = json.loads((trained.workspace / HOME / "runs" / "delay" / worse.fingerprint / "verdict.json").read_text())
    assert (outputs.version, verdict["passed"]) == ("2", False)
    assert [reason.split(" is ")[0] for reason in verdict["reasons"]] == ["roc_auc 0.5", "roc_auc"]
    assert "champion version 1; allowed 0.02" in verdict["reasons"][1]


def test_a_wrong_parameter_is_one_clear_message_with_a_hint(trained: Trained) -> None:
    wrong = asked(trained.workspace, trained.workspace / trained.inputs.ir, parameters={"max_deph": 3})
    with pytest.raises(StepFailed) as caught:
        train_version(wrong, trained.workspace, lambda line: None)
    assert str(caught.value) == "step 'train' failed: sklearn.ensemble.HistGradientBoostingClassifier has no parameter 'max_deph'"
    assert caught.value.hint == "did you mean 'max_depth'?"


def test_a_regression_on_all_columns_with_a_random_split(trained: Trained) -> None:
    inputs = asked(
        trained.workspace, trained.workspace / trained.inputs.ir, model="minutes", task="regression", target="minutes", features=None, split={"by": "random"},
        algorithm="sklearn.linear_model.Ridge", parameters={"alpha": 0.5}, success=[{"metric": "r2", "atLeast": 0.5}],
    )  # fmt: skip
    outputs = train_version(inputs, trained.workspace, lambda line: None)
    model = load(trained.workspace / outputs.artifact, outputs.artifact_digest).model
    assert ([tensor.name for tensor in model.inputs], [tensor.name for tensor in model.outputs]) == (["wind", "carrier", "weekday", "late"], ["prediction"])
    assert outputs.metrics["r2"] > 0.8
    run = client(trained.workspace, HOME)
    assert sorted(file.path for file in run.list_artifacts(outputs.run_id, "plots")) == [
        f"plots/{name}.png" for name in ("error_by_quantile", "importance", "predicted_actual", "residuals")
    ]
