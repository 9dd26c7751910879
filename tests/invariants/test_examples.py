"""What holds for every example: a plan writes nothing, after an apply it is empty, a second apply does nothing, and destroy then apply works.

Only whole workspaces can show it. The reference workspace on flights has the same sentences in tests/acceptance.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from end_state import end_state
from shops_workspace import shops_workspace
from sklearn_workspaces import diabetes_model, objects, tumour_model, write_breast_cancer, write_diabetes
from tiny_workspace import tiny_workspace
from workspaces import UserWorkspace, make_workspace

CACHE = ".mlx/cache"
"""Digests of source files by size and time: the only thing that a plan may leave."""
Tree = dict[str, tuple[int, int]]


def tiny(root: Path) -> UserWorkspace:
    return UserWorkspace(tiny_workspace(root))


def shops(root: Path) -> UserWorkspace:
    return UserWorkspace(shops_workspace(root))


def diabetes(root: Path) -> UserWorkspace:
    write_diabetes(root)
    return make_workspace(root, "diabetes", objects("patients", "data/diabetes.csv", diabetes_model()))


def breast_cancer(root: Path) -> UserWorkspace:
    write_breast_cancer(root)
    return make_workspace(root, "tumours", objects("tumours", "data/tumours.csv", tumour_model()))


EXAMPLES: dict[str, tuple[str, Callable[[Path], UserWorkspace]]] = {
    "tiny": ("tiny", tiny),
    "diabetes": ("diabetes", diabetes),
    "breast cancer": ("tumours", breast_cancer),
    "shops": ("shops", shops),
}


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, UserWorkspace]]:
    project, make = EXAMPLES[request.param]
    workspace = make(tmp_path / "workspace")
    yield project, workspace
    workspace.mlx("destroy", "--yes")


@pytest.mark.parametrize("example", EXAMPLES, indirect=True)
def test_plans_write_nothing_and_applies_come_to_rest(example: tuple[str, UserWorkspace]) -> None:
    project, workspace = example
    before = tree(workspace.root)
    planned = set(workspace.plan())
    assert tree(workspace.root) == before
    workspace.mlx("apply", "--yes")
    applied, reached = tree(workspace.root), end_state(workspace.root, project)
    assert set(workspace.status()) == planned
    assert workspace.plan() == {}
    assert workspace.mlx("apply", "--yes").out.startswith("No changes")
    assert tree(workspace.root) == applied
    workspace.mlx("destroy", "--yes")
    workspace.mlx("apply", "--yes")
    assert end_state(workspace.root, project) == reached


def tree(root: Path) -> Tree:
    """Every file and folder with its size and the time of its last change; the log of the server that runs goes on."""
    found = {path.relative_to(root).as_posix(): path.lstat() for path in root.rglob("*")}
    ours = {name: status for name, status in found.items() if not name.startswith(CACHE) and name != ".mlx" and not _serves(name)}
    kept = {name: status for name, status in ours.items() if not _marks_readers(name, status.st_size)}
    stores = {Path(name).parent.as_posix() for name in kept if name.endswith(".db")}
    return {name: (0 if (root / name).is_dir() else status.st_size, 0 if name in stores else status.st_mtime_ns) for name, status in kept.items()}


def _marks_readers(name: str, size: int) -> bool:
    """What SQLite makes beside an online store while somebody reads it, such as the server: no row is in it. The store's folder gets a new time by it."""
    return name.endswith(".db-shm") or (name.endswith(".db-wal") and size == 0)


def _serves(name: str) -> bool:
    return name.startswith(".mlx/local/endpoints" + os.sep)
