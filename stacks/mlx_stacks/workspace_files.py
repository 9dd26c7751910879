"""Files of the workspace that datasets are made of: on a cluster they go where pods can read them, and their content is in the definition."""

from pathlib import Path

from mlx_runtime.prepare.databases import sqlite_files
from mlx_runtime.prepare.errors import PrepareError
from mlx_runtime.prepare.files import locate
from mlx_specs.dataset import Dataset, SqlSource
from mlx_stacks.errors import UserError


def workspace_files(dataset: Dataset, root: Path) -> list[Path]:
    """None of a source that is elsewhere; raises ``UserError`` where one is not there."""
    source = dataset.spec.source
    try:
        match source:
            case None:
                found: list[Path] = []
            case SqlSource():
                found = (sqlite_files(source, root) or []) if isinstance(source.url, str) and source.url.startswith("sqlite:") else []
            case _:
                found = locate(source, root) if source.package is None else []
    except PrepareError as error:
        raise UserError(f"Dataset/{dataset.metadata.name}: {error}", hint=error.hint) from error
    outside = [path for path in found if not path.resolve().is_relative_to(root.resolve())]
    if outside:
        raise UserError(f"Dataset/{dataset.metadata.name}: {outside[0]} is not in the workspace", hint="no pod sees other files of this machine")
    return found
