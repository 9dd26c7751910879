"""Finds the version of a model that is asked for, and exports it.

Enters: ``MODEL``, ``MODEL@ALIAS`` or ``MODEL@VERSION``. Leaves: a folder; or a PipelineError that says which versions there are.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlx_pipelines.errors import PipelineError
from mlx_pipelines.registry_reads import Registered, versions
from mlx_specs.diagnostics import there_are

if TYPE_CHECKING:
    from mlx_runtime.export import Exported

CHAMPION = "champion"


@dataclass(frozen=True)
class Asked:
    """A model and which of its versions."""

    model: str
    which: str = CHAMPION
    """An alias, or a version's number."""

    @property
    def is_number(self) -> bool:
        """Whether a number was asked for."""
        return self.which.isdecimal()


def read_asked(text: str) -> Asked:
    """``delay``, ``delay@champion``, ``delay@3``."""
    model, _, which = text.partition("@")
    return Asked(model, which or CHAMPION)


def export_version(workspace: Path, home: str, asked: Asked, folder: Path) -> tuple[Registered, "Exported"]:
    """Writes the version to the folder as ONNX; ``ExportError`` where it is not ONNX."""
    from mlx_runtime.export import export_onnx

    found = find_asked(workspace, home, asked)
    reference = found.reference()
    return found, export_onnx(workspace / reference.artifact, reference.artifact_digest, found.version, folder)


def find_asked(workspace: Path, home: str, asked: Asked) -> Registered:
    """The version in the registry."""
    known = versions(workspace, home, asked.model)
    found = next((each for each in known if (each.version == asked.which if asked.is_number else asked.which in each.aliases)), None)
    if found is not None:
        return found
    if not known:
        raise PipelineError(f"model '{asked.model}' has no version yet", hint="mlx apply trains it")
    what = f"version {asked.which}" if asked.is_number else f"version with the alias '{asked.which}'"
    numbers = [f"{each.version} ({', '.join(each.aliases)})" if each.aliases else each.version for each in known]
    raise PipelineError(f"model '{asked.model}' has no {what}", hint=f"{there_are(numbers)}: mlx export {asked.model}@{known[-1].version}")
