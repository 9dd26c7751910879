"""The functions of on-demand views, read and never imported: they are there, and take what the view gives them."""

from pathlib import Path

import pytest
from spec_workspaces import workspace

from mlx_specs.diagnostics import Diagnostic
from mlx_stacks.check import check_workspace

SPECS = """\
apiVersion: mlx/v1
kind: Dataset
metadata: {name: planes}
spec: {source: {type: csv, path: planes.csv}, eventTime: listed}
---
apiVersion: mlx/v1
kind: FeatureStore
metadata: {name: store}
spec:
  entities: {plane: {joinKey: tail}}
  featureViews:
    fleet: {entities: [plane], source: planes, features: {built: integer, seats: integer}}
  onDemandViews:
    age:
      function: planes:age
      inputs: {views: {fleet: [built]}, request: {year: integer}}
      features: {age: integer}
"""


def problems(root: Path, code: str | None, function: str = "planes:age") -> tuple[Diagnostic, ...]:
    """What is said of the view with this code in feature_repo/planes.py."""
    if code is not None:
        (root / "feature_repo").mkdir()
        (root / "feature_repo/planes.py").write_text(code)
    return check_workspace(workspace(root, SPECS.replace("planes:age", function)), "local")[1]


@pytest.mark.parametrize(
    "code",
    [
        "def age(built, year):\n    return year - built\n",
        "def age(year, built, unit='years'):\n    return year - built\n",
        "def age(*, built, year):\n    return year - built\n",
        "def age(**inputs):\n    return inputs['year'] - inputs['built']\n",
        "import functools\n\n@functools.cache\ndef age(x):\n    return x\n",
        "raise RuntimeError('not imported')\n\ndef age(built, year):\n    return year - built\n",
        "age = lambda built, year: year - built\n",
    ],
)
def test_a_function_that_takes_the_inputs_of_its_view_is_no_problem(code: str, tmp_path: Path) -> None:
    assert problems(tmp_path, code) == ()


@pytest.mark.parametrize(
    ("code", "function", "message", "hint"),
    [
        (None, "planes:age", "there is no module 'planes' in feature_repo/", "there is none"),
        ("", "plans:age", "there is no module 'plans' in feature_repo/, did you mean 'planes'?", "there is only planes"),
        ("def aeg(built, year): ...\n", "planes:age", "feature_repo/planes.py has no function 'age', did you mean 'aeg'?", "there is only aeg"),
        (
            "def age(bilt, year): ...\n",
            "planes:age",
            "planes:age has no parameter 'built', an input of this view, did you mean 'bilt'?",
            "the view's inputs are built, year; the function takes bilt, year",
        ),
        (
            "def age(built, year, seats): ...\n",
            "planes:age",
            "planes:age needs 'seats', which is no input of this view",
            "the view's inputs are built, year; the function takes built, seats, year",
        ),
        (
            "def age(built, year, /): ...\n",
            "planes:age",
            "planes:age has no parameter 'built', an input of this view",
            "the view's inputs are built, year; the function takes nothing by name",
        ),
    ],
)
def test_a_function_that_is_not_there_or_takes_something_else_is_named_at_its_place(
    code: str | None, function: str, message: str, hint: str, tmp_path: Path
) -> None:
    (problem,) = problems(tmp_path, code, function)
    assert problem == Diagnostic("error", message, hint, "specs/specs.yaml", 15, 17, f"      function: {function}", "function")


def test_a_module_that_is_no_python_says_where(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "def age(built, year:\n")
    assert problem.message.startswith(f"{tmp_path}/feature_repo/planes.py:1:")
    assert (problem.line, problem.code) == (15, "function")
