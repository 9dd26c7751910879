"""The CLI in this process: what it exits with and prints."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny_workspace import tiny_workspace

from mlx_cli.addressed import About, remember
from mlx_cli.main import run


@dataclass(frozen=True)
class Outcome:
    """What a command line came to."""

    code: int
    out: str
    err: str


Mlx = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def no_target() -> None:
    """Hints name the environment of the verb that ran last in this process: here none has."""
    remember(About())


@pytest.fixture
def mlx(capsys: pytest.CaptureFixture[str]) -> Mlx:
    """``mlx("plan", "-C", folder)``"""

    def call(*arguments: str | Path) -> Outcome:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return call


@pytest.fixture
def workspace(tmp_path: Path, mlx: Mlx) -> Path:
    """An empty workspace."""
    folder = tmp_path / "work"
    assert mlx("init", folder).code == 0
    return folder


@pytest.fixture(scope="module")
def new_tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, shared by the tests of a file."""
    return tiny_workspace(tmp_path_factory.mktemp("shared") / "tiny")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A workspace of five objects, nothing applied."""
    return tiny_workspace(tmp_path / "tiny")
