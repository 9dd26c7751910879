"""The workspaces that several files look at, applied once a file; whatever is left running in one is ended by destroying it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sklearn_workspaces import objects, tumour_model, write_breast_cancer
from workspaces import Adopt, Make, UserWorkspace, make_workspace


@pytest.fixture(scope="module")
def adopt() -> Iterator[Adopt]:
    """``adopt(root)`` is the workspace there, destroyed at the end of the module."""
    adopted: list[UserWorkspace] = []

    def take(root: Path) -> UserWorkspace:
        adopted.append(UserWorkspace(root))
        return adopted[-1]

    yield take
    for workspace in adopted:
        if (workspace.root / ".mlx").is_dir():
            workspace.mlx("destroy", "--yes")


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory, adopt: Adopt) -> Make:
    """``make(name, specs)`` is a workspace that is destroyed at the end of the module."""
    return lambda name, specs, environment=None: adopt(make_workspace(tmp_path_factory.mktemp(name), name, specs, environment).root)


@pytest.fixture(scope="module")
def new_tumours(make: Make) -> Callable[[], UserWorkspace]:
    """``new_tumours()`` is a workspace on 569 tumours with a random forest, an endpoint and a batch; nothing is applied."""

    def new() -> UserWorkspace:
        workspace = make("tumours", objects("tumours", "data/tumours.csv", tumour_model()))
        write_breast_cancer(workspace.root)
        return workspace

    return new


@pytest.fixture(scope="module")
def tumours(new_tumours: Callable[[], UserWorkspace]) -> UserWorkspace:
    """The same, applied."""
    workspace = new_tumours()
    workspace.mlx("apply", "--yes")
    return workspace


@pytest.fixture(scope="session")
def repository() -> Path:
    """The framework's own repository, which is the reference workspace."""
    return Path(__file__).parents[2]
