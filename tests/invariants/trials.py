"""A workspace in this process: written, previewed, planned and applied on the embedded host, with real resources."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workspaces import make_workspace

from mlx_engine.host import Event, Result
from mlx_specs.diagnostics import Diagnostic
from mlx_specs.validate import validate
from mlx_stacks.apply import Applied, apply, destroy
from mlx_stacks.changes import COMPONENTS, RESOURCES
from mlx_stacks.plan import Plan, describe, make_plan
from mlx_stacks.program import program
from mlx_stacks.status import status
from mlx_stacks.workspace import Workspace, open_host, open_workspace

Objects = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Trial:
    """A folder, and what is done with the objects in it."""

    root: Path

    def write(self, objects: Objects, environment: Mapping[str, Any] | None = None) -> "Trial":
        """These objects and no others; ``environment`` is the spec of the environment local."""
        make_workspace(self.root, "trial", [dict(one) for one in objects], dict(environment or {}))
        return self

    def file(self, path: str, content: str) -> "Trial":
        """A file of the workspace."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(content)
        return self

    def diagnostics(self) -> list[Diagnostic]:
        """What validate says."""
        return list(validate(self.root, "local"))

    def open(self) -> Workspace:
        """Raises where there are diagnostics."""
        return open_workspace(self.root, "local")

    def preview(self) -> Result:
        """What the engine would do."""
        workspace = self.open()
        return open_host(workspace).preview(program(workspace.graph, workspace.environment, {}, workspace.released), silent)

    def plan(self) -> Plan:
        """What a person would see."""
        return make_plan(self.open(), silent)

    def apply(self) -> Applied:
        """Makes it so."""
        workspace = self.open()
        return apply(workspace, make_plan(workspace, silent), silent)

    def destroy(self) -> None:
        """Removes it all."""
        destroy(self.open(), silent)

    def status(self) -> dict[str, dict[str, Any]]:
        """The fields of each object's status by id, with its word under ``status``."""
        return {one.id: {"status": one.status, **one.fields} for one in status(self.open())}

    def planned(self) -> tuple[dict[str, Mapping[str, Any]], Plan]:
        """The inputs that an apply would record, and the plan."""
        result = self.preview()
        return recorded(result), describe(self.open(), result, {})


def recorded(result: Result) -> dict[str, Mapping[str, Any]]:
    """The new inputs of every resource of ours by ``TYPE NAME``; components, which hold the spec as it is written, do not count."""
    return {f"{step.type.removeprefix(RESOURCES)} {step.name}": step.new_inputs for step in result.steps if step.type.startswith(RESOURCES)}


def objects_of(result: Result) -> set[str]:
    """KIND/NAME of every object that the program declares."""
    return {f"{step.type.removeprefix(COMPONENTS)}/{step.name}" for step in result.steps if step.type.startswith(COMPONENTS)}


def made(kind: str, name: str, spec: Mapping[str, Any], **metadata: Any) -> dict[str, Any]:
    """An object."""
    return {"kind": kind, "metadata": {"name": name, **metadata}, "spec": dict(spec)}


def silent(event: Event) -> None:
    """Nobody watches."""
