"""The parameters of algorithms, from source; scikit-learn itself, imported, is the measure of what is right."""

import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn.utils import all_estimators

from mlx_pipelines.signature import Missing, find_missing, parameter_names

Write = Callable[[str, str], Path]


def test_what_is_read_of_scikit_learn_is_what_it_accepts(tmp_path: Path) -> None:
    algorithms = {f"{made.__module__}.{name}": made for name, made in all_estimators() if made.__module__.startswith("sklearn.")}
    read = {algorithm: parameter_names(algorithm, tmp_path) for algorithm in algorithms}
    told = {algorithm: names for algorithm, names in read.items() if names is not None}
    assert told == {algorithm: frozenset(inspect.signature(algorithms[algorithm]).parameters) for algorithm in told}
    assert len(told) > 0.9 * len(algorithms)
    assert [algorithm for algorithm in algorithms if find_missing(algorithm, tmp_path)] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def make(max_depth, /, rate=0.1, *steps, seed=0): ...", {"rate", "seed"}),
        ("def make(rate, **more): ...", None),
        ("import functools\n@functools.cache\ndef make(rate): ...", None),
        ("class make:\n    def __init__(self, rate, *, depth=3): ...", {"rate", "depth"}),
        ("class make:\n    def __new__(cls, rate): ...", None),
        ("class make: ...", set()),
        ("class Base:\n    def __init__(self, depth): ...\nclass make(Base): ...", {"depth"}),
        ("from shared import Base\nclass make(Base): ...", {"shared"}),
        ("import shared as s\nclass make(s.Base): ...", {"shared"}),
        ("from shared import Base as make", {"shared"}),
        ("import shared\nmake = shared.Base", {"shared"}),
        ("from abc import ABC\nfrom shared import Mixin, Base\nclass make(Mixin, ABC, Base): ...", {"shared"}),
        ("from shared import Lower, Base\nclass make(Lower, Base): ...", None),
        ("from nowhere import Base\nclass make(Base): ...", None),
        ("from sklearn.dummy import DummyRegressor\nclass make(DummyRegressor): ...", {"strategy", "constant", "quantile"}),
        ("try:\n    from shared import Base as make\nexcept ImportError:\n    make = None", None),
        ("from shared import make", None),
        ("from mine import make", None),
        ("class make(make): ...", None),
        ("def make(", None),
    ],
)
def test_a_module_of_the_workspace_is_read_the_same_way(workspace: Path, write_module: Write, text: str, expected: set[str] | None) -> None:
    write_module("mine", text)
    write_module("shared", "class Mixin: ...\nclass Base:\n    def __init__(self, shared): ...\nclass Lower(Base): ...\n")
    assert parameter_names("mine.make", workspace) == expected
    assert parameter_names("mine:make", workspace) == expected


def test_re_exports_of_a_package_are_followed(workspace: Path) -> None:
    package = workspace / "kfp_pipelines" / "forest"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("from .inner import Tree\n")
    (package / "inner" / "__init__.py").write_text("from ._tree import Oak as Tree\n")
    (package / "inner" / "_tree.py").write_text("from ..base import Plant\nclass Oak(Plant): ...\n")
    (package / "base.py").write_text("class Plant:\n    def __init__(self, height): ...\n")
    assert parameter_names("forest.Tree", workspace) == {"height"}


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        ("sklearn.ensemble.HistGradientBoostingClasifier", "sklearn.ensemble has no 'HistGradientBoostingClasifier'"),
        ("sklearn.ensembl.RandomForestClassifier", "sklearn has no module 'ensembl'"),
        ("mine.mak", "mine has no 'mak'"),
        ("mine.more.make", "mine is a module, it has no module 'more'"),
    ],
)
def test_what_certainly_does_not_exist_is_missing(workspace: Path, write_module: Write, algorithm: str, message: str) -> None:
    write_module("mine", "def make(): ...\n")
    missing = find_missing(algorithm, workspace)
    assert isinstance(missing, Missing)
    assert missing.message == message


@pytest.mark.parametrize(
    "text", ["def __getattr__(name): ...", "globals()['make'] = 1", "from shared import *", "def make(", "if 1:\n    make = 1", "import make"]
)
def test_what_may_exist_is_not_missing(workspace: Path, write_module: Write, text: str) -> None:
    write_module("mine", text)
    assert find_missing("mine.make", workspace) is None


@pytest.mark.parametrize("algorithm", ["no_such_package.Tree", "sys.Tree", "math.Tree"])
def test_of_what_is_not_installed_or_compiled_nothing_is_said(tmp_path: Path, algorithm: str) -> None:
    assert (find_missing(algorithm, tmp_path), parameter_names(algorithm, tmp_path)) == (None, None)


def test_a_changed_module_is_read_again(workspace: Path, write_module: Write) -> None:
    write_module("mine", "def make(a): ...\n")
    assert parameter_names("mine.make", workspace) == {"a"}
    write_module("mine", "def make(a, longer): ...\n")
    assert parameter_names("mine.make", workspace) == {"a", "longer"}


def test_nothing_is_imported(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from mlx_pipelines.signature import find_missing, parameter_names\n"
        "for find in (find_missing, parameter_names): find('sklearn.svm.SVC', Path())\n"
        "print([name for name in ('sklearn', 'numpy', 'kfp', 'pulumi') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "[]\n"
