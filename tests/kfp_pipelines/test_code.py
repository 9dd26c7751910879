from collections.abc import Callable
from pathlib import Path

import pytest

from mlx_pipelines.code import code_digest, code_parts, explain_change
from mlx_pipelines.errors import PipelineError

Write = Callable[[str, str], Path]

PIPELINE = '''
    """Mine."""
    from helpers.rates import rate

    def step(n: int) -> int:
        """Doubles."""
        from deep import constant
        return n * 2 + constant  # why

    def pipeline(n: int):
        step(n=n)
'''


@pytest.fixture
def mine(workspace: Path, write_module: Write) -> Path:
    (workspace / "kfp_pipelines" / "helpers").mkdir()
    write_module("helpers/__init__", "")
    write_module("helpers/rates", "from . import base\ndef rate():\n    return base.FACTOR\n")
    write_module("helpers/base", "FACTOR = 1\n")
    write_module("deep", "constant = 3\n")
    write_module("unrelated", "x = 1\n")
    write_module("mine", PIPELINE)
    return workspace


def test_parts_are_the_functions_of_all_modules_that_are_reached_also_by_imports_inside_functions(mine: Path) -> None:
    assert list(code_parts("mine:pipeline", mine)) == ["deep:", "helpers.base:", "helpers.rates:", "helpers.rates:rate", "mine:", "mine:pipeline", "mine:step"]


def test_a_comment_a_docstring_and_formatting_keep_the_digest(mine: Path, write_module: Write) -> None:
    before = code_digest("mine:pipeline", mine)
    write_module("mine", PIPELINE.replace("# why", "# why indeed").replace("Doubles.", "Twice.").replace("n * 2 + constant", "(n*2)  +  constant"))
    assert code_digest("mine:pipeline", mine) == before


def test_a_changed_constant_changes_the_digest_and_the_function_is_named(mine: Path, write_module: Write) -> None:
    before = code_parts("mine:pipeline", mine)
    write_module("mine", PIPELINE.replace("n * 2", "n * 3"))
    write_module("helpers/base", "FACTOR = 2\n")
    after = code_parts("mine:pipeline", mine)
    assert explain_change(before, after) == ["the module in helpers/base.py changed", "step in mine.py changed"]


def test_a_changed_annotation_changes_the_digest_because_kfp_reads_it(mine: Path, write_module: Write) -> None:
    before = code_digest("mine:pipeline", mine)
    write_module("mine", PIPELINE.replace("def step(n: int)", "def step(n: float)"))
    assert code_digest("mine:pipeline", mine) != before


def test_a_module_that_is_not_reached_does_not_count(mine: Path, write_module: Write) -> None:
    before = code_digest("mine:pipeline", mine)
    write_module("unrelated", "x = 2\n")
    assert code_digest("mine:pipeline", mine) == before


def test_an_algorithm_of_the_workspace_counts_and_one_of_scikit_learn_does_not(mine: Path, write_module: Write) -> None:
    write_module("algorithms", "def make(depth):\n    return depth\n")
    plain = code_parts("mine:pipeline", mine)
    assert code_parts("mine:pipeline", mine, "sklearn.ensemble.RandomForestClassifier") == plain
    assert code_parts("mine:pipeline", mine, "algorithms:make").keys() - plain.keys() == {"algorithms:make"}


def test_the_steps_of_the_reference_pipeline_are_reached_in_a_workspace_without_code(tmp_path: Path) -> None:
    parts = code_parts("mlx_pipelines.tabular:pipeline", tmp_path)
    assert {"mlx_pipelines.tabular:pipeline", "mlx_pipelines.steps.train:train", "mlx_pipelines.algorithm:make_estimator"} <= parts.keys()


def test_of_mlx_itself_only_what_decides_what_is_trained_counts(tmp_path: Path) -> None:
    modules = {part.partition(":")[0] for part in code_parts("mlx_pipelines.tabular:pipeline", tmp_path)}
    steps = {f"mlx_pipelines.steps.{step}" for step in ("ingest", "validate", "split", "train", "evaluate", "package", "gate", "register")}
    fits = {f"mlx_pipelines.{name}" for name in ("algorithm", "choose", "network_estimator", "network_share", "network_training", "networks", "rows", "trials")}
    assert modules == {"mlx_pipelines.steps", "mlx_pipelines.tabular"} | fits | steps


def test_user_code_is_not_executed(workspace: Path, write_module: Write) -> None:
    write_module("explosive", "raise RuntimeError('executed')\ndef pipeline():\n    pass\n")
    assert len(code_digest("explosive:pipeline", workspace)) == 64


@pytest.mark.parametrize(
    ("entry", "message", "hint"),
    [
        ("mone:pipeline", "there is no module 'mone' for the pipeline 'mone:pipeline'", "did you mean 'mine'?"),
        ("mine:pipelines", "mine has no function 'pipelines'", "did you mean mine:pipeline?"),
        ("helpers.base", "'helpers.base' is a module: an entry is MODULE:FUNCTION", "name the function under @dsl.pipeline: helpers.base:FUNCTION"),
        ("mlx_pipelines.tabular", "'mlx_pipelines.tabular' is a module: an entry is MODULE:FUNCTION", "write mlx_pipelines.tabular:pipeline"),
        ("broken:pipeline", "{folder}/broken.py:1:6: '(' was never closed", "def f("),
    ],
)
def test_what_is_wrong_with_an_entry_is_said(mine: Path, write_module: Write, entry: str, message: str, hint: str) -> None:
    write_module("broken", "def f(\n")
    with pytest.raises(PipelineError) as caught:
        code_digest(entry, mine)
    assert (str(caught.value), caught.value.hint) == (message.format(folder=mine / "kfp_pipelines"), hint)
