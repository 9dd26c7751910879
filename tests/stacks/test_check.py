"""What is said about a workspace offline, beyond its specs: algorithms, parameters, the source of pipelines."""

import subprocess
import sys
from pathlib import Path

import pytest
from spec_workspaces import DATASET, DELAY, LOCAL, TABULAR, workspace

from mlx_specs.class_weight import HINT
from mlx_specs.diagnostics import Diagnostic
from mlx_stacks.check import check_workspace

REPOSITORY = Path(__file__).parents[2]
SPECS = "---\n".join((DATASET, TABULAR, DELAY))
PLACES = {line.strip().partition(":")[0]: number for number, line in enumerate(SPECS.splitlines(), 1)}
TAKES = (
    "it takes ccp_alpha, class_weight, criterion, max_depth, max_features, max_leaf_nodes, "
    "min_impurity_decrease, min_samples_leaf, min_samples_split, min_weight_fraction_leaf, monotonic_cst, random_state, splitter"
)


@pytest.fixture(autouse=True)
def data(tmp_path: Path) -> None:
    (tmp_path / "flights.csv").write_text("flight,carrier,late\n1,AA,true\n")


def problems(root: Path, specs: str, environment: str = "") -> tuple[Diagnostic, ...]:
    return check_workspace(workspace(root, specs, local=LOCAL + environment), "local")[1]


def test_accepted_parameters_are_no_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, SPECS) == ()


def test_a_parameter_that_is_not_accepted_is_named_at_its_place_also_with_a_variable(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, SPECS.replace("max_depth:", "max_deph:"))
    assert problem == Diagnostic(
        "error",
        "sklearn.tree.DecisionTreeClassifier has no parameter 'max_deph', did you mean 'max_depth'?",
        TAKES,
        "specs/specs.yaml",
        PLACES["max_depth"],
        5,
        "    max_deph: ${var.depth}",
        "parameter",
    )


@pytest.mark.parametrize("specs", [SPECS, SPECS.replace("  parameters:\n    max_depth: ${var.depth}\n", "  seed: ${var.depth}\n")])
def test_a_parameter_of_an_override_has_its_place_in_the_environment(tmp_path: Path, specs: str) -> None:
    (problem,) = problems(tmp_path, specs, "  overrides:\n    Model/delay: {parameters: {max_deph: 3}}\n")
    assert (problem.file, problem.line, problem.column, problem.code) == ("stacks/local.yaml", 7, 32, "parameter")
    assert problem.source_line[problem.column - 1 :] == "max_deph: 3}}"


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        ("sklearn.tree.DecisionTreeClasifier", "sklearn.tree has no 'DecisionTreeClasifier', did you mean 'DecisionTreeClassifier'?"),
        ("sklearn.tre.DecisionTreeClassifier", "sklearn has no module 'tre', did you mean 'tree'?"),
    ],
)
def test_an_algorithm_that_does_not_exist_is_named_at_its_place(tmp_path: Path, algorithm: str, message: str) -> None:
    (problem,) = problems(tmp_path, SPECS.replace("sklearn.tree.DecisionTreeClassifier", algorithm))
    assert (problem.line, problem.column, problem.code, problem.message) == (PLACES["algorithm"], 14, "algorithm", message)
    assert problem.hint.startswith("it has ")


def test_a_factory_of_the_workspace_is_checked_too(tmp_path: Path) -> None:
    (tmp_path / "kfp_pipelines").mkdir()
    (tmp_path / "kfp_pipelines" / "trees.py").write_text("def small(depth): ...\n\ndef any(**parameters): ...\n")
    (problem,) = problems(tmp_path, SPECS.replace("sklearn.tree.DecisionTreeClassifier", "trees.small"))
    assert (problem.message, problem.hint) == ("trees.small has no parameter 'max_depth', did you mean 'depth'?", "it takes depth")
    assert problems(tmp_path, SPECS.replace("sklearn.tree.DecisionTreeClassifier", "trees.any")) == ()


def test_a_pipeline_that_trains_in_its_own_way_may_take_any_parameter(tmp_path: Path) -> None:
    (tmp_path / "kfp_pipelines").mkdir()
    steps = tmp_path / "kfp_pipelines" / "own.py"
    specs = SPECS.replace("mlx_pipelines.tabular:pipeline", "own:pipeline").replace("max_depth:", "max_deph:")
    steps.write_text(own_pipeline("features: str, algorithm: str, parameters: str"))
    assert problems(tmp_path, specs) == ()
    steps.write_text("from mlx_pipelines.steps.train import train\n" + own_pipeline("features: str, algorithm: str, parameters: str"))
    assert [problem.code for problem in problems(tmp_path, specs)] == ["parameter"]


def test_what_the_model_sets_and_its_pipeline_does_not_take_is_an_error_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "kfp_pipelines").mkdir()
    (tmp_path / "kfp_pipelines" / "own.py").write_text(own_pipeline("features: str, *, parameters: str = ''"))
    (problem,) = problems(tmp_path, SPECS.replace("mlx_pipelines.tabular:pipeline", "own:pipeline"))
    assert problem == Diagnostic(
        "error",
        "own:pipeline has no parameter 'algorithm': the Model's 'algorithm' would be ignored",
        "take it out of the Model, or add the parameter `algorithm: str` to the pipeline's function: mlx gives it by name",
        "specs/specs.yaml",
        PLACES["algorithm"],
        3,
        "  algorithm: sklearn.tree.DecisionTreeClassifier",
        "ignored-field",
    )


def test_every_field_that_only_the_pipeline_looks_at_is_checked(tmp_path: Path) -> None:
    (tmp_path / "kfp_pipelines").mkdir()
    (tmp_path / "kfp_pipelines" / "own.py").write_text(own_pipeline("data: str"))
    specs = SPECS.replace("mlx_pipelines.tabular:pipeline", "own:pipeline") + "  seed: 0\n  package: auto\n  split: {by: random}\n"
    ignored = [problem.message.partition(":pipeline has no parameter ")[2].partition(":")[0] for problem in problems(tmp_path, specs)]
    assert ignored == ["'features'", "'algorithm'", "'parameters'", "'seed'", "'package'", "'split'"]


def test_a_model_without_algorithm_fits_a_pipeline_that_takes_none_or_has_a_default(tmp_path: Path) -> None:
    (tmp_path / "kfp_pipelines").mkdir()
    specs = SPECS.replace("mlx_pipelines.tabular:pipeline", "own:pipeline").replace("  algorithm: sklearn.tree.DecisionTreeClassifier\n", "")
    for takes in ("features: str, parameters: str", "features: str, parameters: str, algorithm: str = 'sklearn.tree.DecisionTreeClassifier'"):
        (tmp_path / "kfp_pipelines" / "own.py").write_text(own_pipeline(takes))
        assert problems(tmp_path, specs) == ()


def test_a_model_without_algorithm_is_told_that_its_pipeline_needs_one(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, SPECS.replace("  algorithm: sklearn.tree.DecisionTreeClassifier\n", ""))
    assert (problem.line, problem.code, problem.message) == (
        PLACES["task"] - 1, "missing-field", "missing field 'algorithm': mlx_pipelines.tabular:pipeline takes it",
    )  # fmt: skip


@pytest.mark.parametrize("decorators", ["", "@cached\n@dsl.pipeline\n", "@own.pipeline\n"])
def test_a_signature_that_python_alone_could_tell_is_no_problem(tmp_path: Path, decorators: str) -> None:
    (tmp_path / "kfp_pipelines").mkdir()
    (tmp_path / "kfp_pipelines" / "own.py").write_text(own_pipeline("data: str", decorators))
    assert problems(tmp_path, SPECS.replace("mlx_pipelines.tabular:pipeline", "own:pipeline")) == ()


def test_weights_of_labels_that_are_no_text_are_refused_with_another_way(tmp_path: Path) -> None:
    weighted = SPECS.replace("max_depth: ${var.depth}", 'class_weight: {"0": 1, "1": 5}')
    (problem,) = problems(tmp_path, weighted)
    assert (problem.line, problem.code, problem.message) == (PLACES["max_depth"], "parameter", "class_weight: labels of type boolean cannot be keys here")
    assert problem.hint == HINT
    assert problems(tmp_path, weighted.replace("late: {type: boolean}", "late: {type: string}")) == ()


def own_pipeline(takes: str, decorators: str = '@dsl.pipeline(name="own")\n') -> str:
    return f"from kfp import dsl\n\n{decorators}def pipeline({takes}): ...\n"


def test_checking_the_reference_workspace_finds_nothing_and_imports_nothing_heavy() -> None:
    program = (
        "import sys; from pathlib import Path; from mlx_stacks.check import check_workspace\n"
        "print(check_workspace(Path(sys.argv[1]), 'local')[1], [name for name in ('pulumi', 'sklearn', 'numpy', 'kfp') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program, REPOSITORY], capture_output=True, text=True, check=True).stdout == "() []\n"


def test_candidates_and_searched_parameters_are_checked_each_at_its_place(tmp_path: Path) -> None:
    tree, line = "sklearn.tree.DecisionTreeClassifier", "sklearn.linear_model.LogisticRegresion"
    single = "  algorithm: sklearn.tree.DecisionTreeClassifier\n  parameters:\n    max_depth: ${var.depth}\n"
    several = (
        f"  candidates:\n    - {{name: tree, algorithm: {tree}, parameters: {{max_deph: 3}}}}\n    - {{algorithm: {line}}}\n"
        "  search: {candidate: tree, parameters: {max_leaves: {int: [2, 9]}}}\n  success: [{metric: roc_auc, atLeast: 0.5}]\n"
    )
    assert single in SPECS
    found = problems(tmp_path, SPECS.replace(single, several))
    assert [(problem.source_line[problem.column - 1 :].partition(":")[0], problem.message) for problem in found] == [
        ("max_deph", f"{tree} has no parameter 'max_deph', did you mean 'max_depth'?"),
        (line + "}", "sklearn.linear_model has no 'LogisticRegresion', did you mean 'LogisticRegression'?"),
        ("max_leaves", f"{tree} has no parameter 'max_leaves', did you mean 'max_leaf_nodes'?"),
    ]
