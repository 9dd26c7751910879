"""What is said about a workspace offline, beyond its specs: algorithms, parameters, the source of pipelines."""

import subprocess
import sys
from pathlib import Path

import pytest

from mlx_specs.diagnostics import Diagnostic
from mlx_stacks.check import check_workspace

REPOSITORY = Path(__file__).parents[2]
SPECS = """apiVersion: mlx/v1
kind: Dataset
metadata: {name: flights}
spec:
  source: {type: csv, path: flights.csv}
  keys: [flight]
  columns:
    flight: {type: integer}
    carrier: {type: string}
    late: {type: boolean}
---
apiVersion: mlx/v1
kind: Pipeline
metadata: {name: tabular}
spec: {entry: mlx_pipelines.tabular:pipeline}
---
apiVersion: mlx/v1
kind: Model
metadata: {name: delay}
spec:
  task: classification
  pipeline: tabular
  data: flights
  target: late
  algorithm: sklearn.tree.DecisionTreeClassifier
  parameters:
    max_depth: ${var.depth}
"""
PLACES = {line.strip().partition(":")[0]: number for number, line in enumerate(SPECS.splitlines(), 1)}
TAKES = (
    "it takes ccp_alpha, class_weight, criterion, max_depth, max_features, max_leaf_nodes, "
    "min_impurity_decrease, min_samples_leaf, min_samples_split, min_weight_fraction_leaf, monotonic_cst, random_state, splitter"
)


@pytest.fixture(autouse=True)
def data(tmp_path: Path) -> None:
    (tmp_path / "flights.csv").write_text("flight,carrier,late\n1,AA,true\n")


def problems(root: Path, specs: str, environment: str = "") -> tuple[Diagnostic, ...]:
    for folder in ("specs", "stacks"):
        (root / folder).mkdir(exist_ok=True)
    (root / "specs" / "specs.yaml").write_text(specs)
    text = "apiVersion: mlx/v1\nkind: Environment\nmetadata: {name: local}\nspec:\n  variables: {depth: 6}\n"
    (root / "stacks" / "local.yaml").write_text(text + environment)
    return check_workspace(root, "local")[1]


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
    steps.write_text("def pipeline(parameters: str): ...\n")
    assert problems(tmp_path, specs) == ()
    steps.write_text("from mlx_pipelines.steps.train import train\n\ndef pipeline(parameters: str): ...\n")
    assert [problem.code for problem in problems(tmp_path, specs)] == ["parameter"]


def test_checking_the_reference_workspace_finds_nothing_and_imports_nothing_heavy() -> None:
    program = (
        "import sys; from pathlib import Path; from mlx_stacks.check import check_workspace\n"
        "print(check_workspace(Path(sys.argv[1]), 'local')[1], [name for name in ('pulumi', 'sklearn', 'numpy', 'kfp') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program, REPOSITORY], capture_output=True, text=True, check=True).stdout == "() []\n"
