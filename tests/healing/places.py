"""The workspaces whose updates are disturbed: made, applied and destroyed once; their .mlx is kept as it was then."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from forks import in_child
from scenes import ProgramScene, Scene, WorkspaceScene, stop_servers
from shops_workspace import shops_workspace
from sklearn_workspaces import diabetes_model, objects, tumour_model, write_breast_cancer, write_diabetes
from tiny_workspace import tiny_workspace
from workspaces import make_workspace

PROGRAMS = ("plain", "components", "replaced", "delete-first", "removed", "relations", "references", "unknowns")
UPDATES = ("first", "changed", "destroyed", "refreshed")


@dataclass(frozen=True)
class Place:
    """A workspace, and its .mlx after it was applied and after it was destroyed; no server runs in them."""

    name: str
    project: str
    root: Path
    applied: Path
    destroyed: Path
    specs: str
    changed: str


def program_scenes(programs: Sequence[str]) -> list[Scene]:
    return [ProgramScene(program, update) for program in programs for update in UPDATES]


def place_scenes(place: Place, *, trained: bool = False) -> list[Scene]:
    """Its updates; ``trained``: also the one that begins with nothing, so that the pipeline runs."""
    befores = {"first": place.destroyed, "changed": place.applied, "destroyed": place.applied, "refreshed": place.applied}
    updates = {**befores, **({"trained": None} if trained else {})}
    return [
        WorkspaceScene(place.name, update, place.project, before, place.changed if update == "changed" else place.specs) for update, before in updates.items()
    ]


def make_place(name: str, folder: Path) -> Place:
    """Writes it, applies it, destroys it."""
    root = folder / name
    project = MAKERS[name](root)
    specs = (root / "specs/objects.yaml").read_text()
    place = Place(name, project, root, folder / f"{name}-applied", folder / f"{name}-destroyed", specs, _changed(specs))
    _run(root, "apply", "--yes")
    stop_servers(root)
    shutil.copytree(root / ".mlx", place.applied, symlinks=True)
    _run(root, "destroy", "--yes")
    shutil.copytree(root / ".mlx", place.destroyed, symlinks=True)
    return place


def _tiny(root: Path) -> str:
    tiny_workspace(root)
    (root / "specs/tiny.yaml").rename(root / "specs/objects.yaml")
    return "tiny"


def _diabetes(root: Path) -> str:
    make_workspace(root, "diabetes", objects("patients", "data/diabetes.csv", diabetes_model()))
    write_diabetes(root)
    return "diabetes"


def _breast_cancer(root: Path) -> str:
    make_workspace(root, "tumours", objects("tumours", "data/tumours.csv", tumour_model()))
    write_breast_cancer(root)
    return "tumours"


def _shops(root: Path) -> str:
    shops_workspace(root)
    return "shops"


def _flights(root: Path) -> str:
    """The reference workspace as `mlx init` gives it, its specs in one file."""
    root.parent.mkdir(parents=True, exist_ok=True)
    _run(root.parent, "init", root.name, "--template", "flights")
    specs = sorted((root / "specs").glob("*.yaml"))
    text = "---\n".join(path.read_text() for path in specs)
    for path in specs:
        path.unlink()
    (root / "specs/objects.yaml").write_text(text)
    return "flights"


MAKERS: dict[str, Callable[[Path], str]] = {
    "tiny": _tiny,
    "diabetes": _diabetes,
    "breast-cancer": _breast_cancer,
    "shops": _shops,
    "flights": _flights,
}


def _changed(specs: str) -> str:
    """Judged by a lower bar, served with another limit, scored under another name; nothing is trained."""
    declared = list(yaml.safe_load_all(specs))
    for item in declared:
        _change(item)
    return yaml.safe_dump_all(declared, sort_keys=False)


def _change(item: dict[str, Any]) -> None:
    spec = item["spec"]
    if item["kind"] == "Model":
        bar = spec["success"][0]
        name = "atLeast" if "atLeast" in bar else "atMost"
        bar[name] += -0.05 if name == "atLeast" else 0.05
    if spec.get("mode") == "batch":
        item["metadata"]["name"] += "-again"
    if spec.get("mode") == "realtime":
        item["metadata"]["owner"] = "risk"


def _run(root: Path, *arguments: str) -> None:
    def work() -> int:
        from mlx_cli.main import run

        return run(["-C", str(root), *arguments])

    log = root / "log"
    assert in_child(work, log) == 0, log.read_text()


def load_heavy_libraries() -> None:
    """What every apply of a workspace imports; before the first fork, as no thread may run then."""
    import mlflow.sklearn
    import mlflow.store.model_registry.sqlalchemy_store
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
    import onnxruntime  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    import mlx_cli.commands.apply  # noqa: F401
    import mlx_provider.provider  # noqa: F401
    import mlx_stacks.apply  # noqa: F401
