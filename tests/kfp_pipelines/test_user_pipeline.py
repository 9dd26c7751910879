"""Any pipeline is equal: users' own, with other steps and arguments, run through the same door."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mlx_pipelines.code import code_digest
from mlx_pipelines.compile import compile_pipeline
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.gate import judge_version
from mlx_pipelines.registry import client
from mlx_pipelines.train_version import repackage, train_version
from mlx_runtime.scorer import load
from mlx_specs.model_resources import ModelVersionInputs, fingerprint
from mlx_specs.resources import PreparedData, Version

from .conftest import THRESHOLD, write_flights

Write = Callable[[str, str], Path]
HOME = ".mlx/local"

MINE = '''
    """Two steps: learn a threshold on one column, write the artifact. No step of mlx."""
    from kfp import dsl

    @dsl.component(base_image="python:3.11")
    def learn(data: str, target: str, column: str, estimator: dsl.Output[dsl.Model]):
        import joblib
        from own_models import Threshold
        from mlx_pipelines.rows import feature_frame, labels, read
        rows = read(data)
        fitted = Threshold(column).fit(feature_frame(rows, [column]), labels(rows, target, "classification"))
        joblib.dump(fitted, estimator.path)

    @dsl.component(base_image="python:3.11")
    def export(estimator: dsl.Input[dsl.Model], data: str, target: str, column: str, model: str, fingerprint: str, artifact_folder: str):
        import joblib
        from pathlib import Path
        from mlx_pipelines.rows import labels, read
        from mlx_runtime.package import package
        rows = read(data)
        package(
            estimator=joblib.load(estimator.path), data=rows.select([column]), labels=labels(rows, target, "classification").tolist(), model=model,
            fingerprint=fingerprint, task="classification", target=target, format="auto", folder=Path(artifact_folder), metrics={"accuracy": 0.75},
        )

    @dsl.pipeline(name="threshold")
    def pipeline(data: str, target: str, model: str, fingerprint: str, artifact_folder: str, column: str = "weekday"):
        fitted = learn(data=data, target=target, column=column).outputs["estimator"]
        export(estimator=fitted, data=data, target=target, column=column, model=model, fingerprint=fingerprint, artifact_folder=artifact_folder)

    @dsl.pipeline(name="forgetful")
    def forgetful(data: str, target: str):
        learn(data=data, target=target, column="wind")
'''


@pytest.fixture
def mine(workspace: Path, write_module: Write) -> Path:
    write_module("mine", MINE)
    write_module("own_models", THRESHOLD)
    write_flights(workspace / "rows.parquet", rows=120)
    return workspace


def asked(workspace: Path, entry: str, arguments: dict[str, object]) -> ModelVersionInputs:
    ir = compile_pipeline(entry, arguments, workspace, workspace / HOME / "pipelines" / "mine").path
    inputs = ModelVersionInputs(
        model="own", task="classification", entry=entry, arguments=arguments, code_digest=code_digest(entry, workspace), target="late", home=HOME,
        data=PreparedData(name="flights", digest="d" * 64, path="rows.parquet"), split={},
        ir=ir.relative_to(workspace).as_posix(),
    )  # fmt: skip
    return inputs.model_copy(update={"fingerprint": fingerprint(inputs)})


@pytest.mark.usefixtures("importable")
def test_a_users_pipeline_with_other_steps_is_run_registered_and_scored(mine: Path) -> None:
    inputs, lines = asked(mine, "mine:pipeline", {"column": "wind"}), list[str]()
    outputs = train_version(inputs, mine, lines.append)
    assert [line for line in lines if line.endswith("...")] == ["step 1/2 learn ...", "step 2/2 export ..."]
    assert (outputs.version, outputs.engine, outputs.metrics) == ("1", "native", {"accuracy": 0.75})
    assert [tensor.name for tensor in load(mine / outputs.artifact, outputs.artifact_digest).model.inputs] == ["wind"]
    assert client(mine, HOME).get_run(outputs.run_id).data.params["column"] == "wind"
    assert train_version(inputs, mine, lines.append) == outputs
    candidate = Version(fingerprint=inputs.fingerprint, version="1", artifact=outputs.artifact, artifact_digest=outputs.artifact_digest)
    assert judge_version(HOME, "own", candidate, None, [], mine).passed
    judged = judge_version(HOME, "own", candidate, None, [{"metric": "accuracy", "atLeast": 0.5}], mine)
    assert (judged.passed, judged.reasons) == (False, (f"it cannot be judged: its run left no held_out.parquet in {HOME}/runs/own/{inputs.fingerprint}",))
    with pytest.raises(PipelineError, match="version 1 cannot be packaged again: its pipeline kept no estimator"):
        repackage(inputs.model_copy(update={"package": "onnx"}), outputs, mine, lines.append)


def test_a_pipeline_that_leaves_no_model_is_told_what_to_leave(mine: Path) -> None:
    inputs = asked(mine, "mine:forgetful", {})
    with pytest.raises(PipelineError) as caught:
        train_version(inputs, mine, lambda line: None)
    assert str(caught.value) == f"the pipeline mine:forgetful ended without a packaged model in {HOME}/models/own/{inputs.fingerprint}"
    assert "artifact_folder" in caught.value.hint


def test_what_the_model_sets_and_the_pipeline_does_not_take_stops_before_the_first_step(mine: Path) -> None:
    inputs = asked(mine, "mine:pipeline", {"column": "wind"})
    for name, value in {"algorithm": "own_models:Threshold", "parameters": {"depth": 3}, "seed": 1, "package": "native", "features": ["wind"]}.items():
        with pytest.raises(PipelineError) as caught:
            train_version(inputs.model_copy(update={name: value}), mine, lambda line: None)
        assert str(caught.value) == f"mine:pipeline has no parameter '{name}': the Model's '{name}' would be ignored"
    assert not (mine / HOME / "runs").exists()


def test_a_model_without_algorithm_where_the_pipeline_takes_one_is_told(mine: Path) -> None:
    inputs = asked(mine, "mlx_pipelines.tabular:pipeline", {})
    with pytest.raises(PipelineError, match=r"mlx_pipelines\.tabular:pipeline takes 'algorithm', and model 'own' has none"):
        train_version(inputs, mine, lambda line: None)
