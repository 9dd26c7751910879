"""The guide's code, taken from the guide: it must run as it is printed."""

import re
from pathlib import Path

import pytest

from mlx_pipelines.code import code_digest
from mlx_pipelines.compile import compile_pipeline
from mlx_pipelines.train_version import repackage, train_version
from mlx_specs.resources import ModelVersionInputs, PreparedData, fingerprint

from .conftest import write_flights

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "pipelines.md"
HOME = ".mlx/local"


@pytest.fixture
def guided(workspace: Path) -> Path:
    """The files that the guide names, with the code that it prints below their names."""
    for name, code in re.findall(r"^`([\w/]+\.py)`:\n\n```python\n(.*?)^```$", GUIDE.read_text(), flags=re.M | re.S):
        (workspace / name).parent.mkdir(exist_ok=True)
        (workspace / name).write_text(code)
    write_flights(workspace / "rows.parquet", rows=300)
    return workspace


@pytest.mark.usefixtures("importable")
def test_the_guides_pipeline_trains_and_packages_and_its_test_passes(guided: Path, tmp_path: Path) -> None:
    entry, arguments = "contest:pipeline", {"folds": 5}
    ir = compile_pipeline(entry, arguments, guided, guided / HOME / "pipelines" / "contest").path
    inputs = ModelVersionInputs(
        model="late", task="classification", entry=entry, arguments=arguments, code_digest=code_digest(entry, guided), target="late", home=HOME,
        data=PreparedData(name="rows", digest="d" * 64, path="rows.parquet", event_time="when"), features=["wind", "weekday"],
        split={"by": "time"}, algorithm="contest:pipeline", success=[{"metric": "accuracy", "atLeast": 0.5}], ir=ir.relative_to(guided).as_posix(),
    )  # fmt: skip
    inputs = inputs.model_copy(update={"fingerprint": fingerprint(inputs)})
    outputs = train_version(inputs, guided, lambda line: None)
    assert (outputs.version, outputs.engine) == ("1", "onnx")
    assert outputs.metrics["accuracy"] > 0.7
    assert repackage(inputs.model_copy(update={"package": "native"}), outputs, guided, lambda line: None).engine == "native"
    names: dict[str, object] = {}
    exec((guided / "tests" / "test_contest.py").read_text(), names)
    names["test_a_step_is_chosen_where_a_line_cannot_help"](tmp_path)  # type: ignore[operator]
