"""Whatever a test leaves running in a workspace is ended by destroying it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from workspaces import Make, UserWorkspace, make_workspace


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """``make(name, specs)`` is a workspace that is destroyed at the end of the module."""
    made: list[UserWorkspace] = []

    def new(name: str, specs: list[dict], environment: dict | None = None) -> UserWorkspace:
        made.append(make_workspace(tmp_path_factory.mktemp(name), name, specs, environment))
        return made[-1]

    yield new
    for workspace in made:
        if (workspace.root / ".mlx").is_dir():
            workspace.mlx("destroy", "--yes")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The framework's own repository, which is the reference workspace."""
    return Path(__file__).parents[2]
