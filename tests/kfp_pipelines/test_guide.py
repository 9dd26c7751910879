"""The guide's code, taken from the guide: it must run as it is printed."""

import re
from pathlib import Path

import pytest

from mlx_pipelines.code import code_digest
from mlx_pipelines.compile import compile_pipeline
from mlx_pipelines.registry import client
from mlx_pipelines.train_version import repackage, train_version
from mlx_specs.base import plain
from mlx_specs.model import Model
from mlx_specs.model_resources import ModelVersionInputs, fingerprint
from mlx_specs.pipeline import Pipeline
from mlx_specs.resources import PreparedData
from mlx_stacks.check import check_workspace

from .conftest import write_flights

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "pipelines.md"
HOME = ".mlx/local"
ENVIRONMENT = "kind: Environment\nmetadata: {name: local}\nspec: {target: {type: local}}\n"
DATASET = """kind: Dataset
metadata: {name: flights}
spec:
  source: {type: parquet, path: rows.parquet}
  keys: [flight]
  eventTime: when
"""


@pytest.fixture
def guided(workspace: Path) -> Path:
    """The files that the guide names, with the code that it prints below their names, and its Pipeline with its Model."""
    text = GUIDE.read_text()
    for name, code in re.findall(r"^`([\w/]+\.py)`:\n\n```python\n(.*?)^```$", text, flags=re.M | re.S):
        (workspace / name).parent.mkdir(exist_ok=True)
        (workspace / name).write_text(code)
    (objects,) = re.findall(r"^```yaml\n(kind: Pipeline\nmetadata: {name: contest}\n.*?)^```$", text, flags=re.M | re.S)
    write_specs(workspace, [DATASET, *objects.split("---\n")])
    write_flights(workspace / "rows.parquet", rows=300)
    return workspace


def write_specs(workspace: Path, objects: list[str]) -> None:
    for folder, texts in (("specs", objects), ("stacks", [ENVIRONMENT])):
        (workspace / folder).mkdir()
        (workspace / folder / "local.yaml").write_text("---\n".join(f"apiVersion: mlx/v1\n{text}" for text in texts))


def model_inputs(workspace: Path) -> ModelVersionInputs:
    """What the guide's Model becomes, once its data is prepared and its pipeline compiled."""
    loaded, problems = check_workspace(workspace, "local")
    assert problems == ()
    assert loaded.graph is not None
    objects = {node.id: node.object for node in loaded.graph.objects}
    pipeline, model = objects["Pipeline/contest"], objects["Model/late"]
    assert isinstance(pipeline, Pipeline)
    assert isinstance(model, Model)
    entry, arguments = pipeline.spec.entry, pipeline.spec.arguments
    ir = compile_pipeline(entry, arguments, workspace, workspace / HOME / "pipelines" / "contest").path
    data = PreparedData(name="flights", digest="d" * 64, path="rows.parquet", event_time="when")
    inputs = ModelVersionInputs(
        model="late", home=HOME, data=data, entry=entry, arguments=arguments, code_digest=code_digest(entry, workspace, model.spec.algorithm),
        ir=ir.relative_to(workspace).as_posix(), success=[plain(item) for item in model.spec.success], split=plain(model.spec.split),
        **model.spec.model_dump(include={"task", "target", "features", "algorithm", "parameters", "seed", "package"}),
    )  # fmt: skip
    return inputs.model_copy(update={"fingerprint": fingerprint(inputs)})


@pytest.mark.usefixtures("importable")
def test_the_guides_pipeline_trains_and_packages_and_its_test_passes(guided: Path, tmp_path: Path) -> None:
    inputs = model_inputs(guided)
    assert inputs.algorithm is None
    outputs = train_version(inputs, guided, lambda line: None)
    assert (outputs.version, outputs.engine) == ("1", "onnx")
    assert outputs.metrics["accuracy"] > 0.7
    assert "algorithm" not in client(guided, HOME).get_run(outputs.run_id).data.params
    assert repackage(inputs.model_copy(update={"package": "native"}), outputs, guided, lambda line: None).engine == "native"
    names: dict[str, object] = {}
    exec((guided / "tests" / "test_contest.py").read_text(), names)
    names["test_a_step_is_chosen_where_a_line_cannot_help"](tmp_path)  # type: ignore[operator]
