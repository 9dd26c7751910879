"""A golden for each diagnostic: bad specs in ``bad/``, what a user reads about them in ``goldens/``."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mlx_specs.diagnostics import render
from mlx_specs.validate import validate

BAD = Path(__file__).parent / "bad"
CASES = sorted(path for path in BAD.iterdir() if not path.name.endswith(".env.yaml"))
"""NAME.yaml, or NAME.py.txt (formatters would repair .py); NAME.env.yaml is the environment where it matters."""
ENVIRONMENT = "apiVersion: mlx/v1\nkind: Environment\nmetadata: {name: local}\nspec:\n  variables: {max_depth: 6}\n"
OTHER = ENVIRONMENT.replace("local", "prod")


def name_of(case: Path) -> str:
    return case.name.partition(".")[0]


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_bad_specs_are_explained_in_the_words_of_their_user(case: Path, tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "stacks").mkdir()
    shutil.copy(case, tmp_path / "specs" / ("bad.py" if ".py" in case.suffixes else "bad.yaml"))
    environment = BAD / f"{name_of(case)}.env.yaml"
    (tmp_path / "stacks/local.yaml").write_text(environment.read_text() if environment.is_file() else ENVIRONMENT)
    (tmp_path / "stacks/prod.yaml").write_text(OTHER)
    text = "\n".join(render(problem) for problem in validate(tmp_path, "local"))
    assert "pydantic" not in text.lower()
    assert "hunter" not in text
    golden(f"diagnostics/{name_of(case)}.txt", text + "\n")
