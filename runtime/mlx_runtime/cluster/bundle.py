"""The workspace's own files on a cluster: from the bundle that the last apply left in the environment's storage."""

import zipfile
from pathlib import Path

from mlx_runtime.cluster.run import Run
from mlx_runtime.cluster.storage import Storage
from mlx_runtime.errors import RuntimeFailure
from mlx_runtime.prepare.databases import resolved, sqlite_file
from mlx_runtime.prepare.errors import PrepareError
from mlx_runtime.prepare.files import locate
from mlx_specs.dataset import DatasetSpec, Source, SqlSource


def bundle_key(environment: str) -> str:
    """Where an apply leaves it."""
    return f"workspaces/{environment}/current.zip"


def lay_source(spec: DatasetSpec, storage: Storage, run: Run) -> None:
    """Unpacks the bundle into the workspace where the source is one of its files; ``RuntimeFailure`` where it is not in there."""
    if spec.source is None or not _is_of_workspace(spec.source, run.workspace):
        return
    key = bundle_key(run.environment)
    archive = run.workspace.with_suffix(".zip")
    if not storage.fetch(key, archive):
        raise RuntimeFailure(f"its source is a file of the workspace, and {storage.where(key)} is not there", hint="mlx apply leaves the workspace there")
    try:
        with zipfile.ZipFile(archive) as bundle:
            bundle.extractall(run.workspace)
    except zipfile.BadZipFile as error:
        raise RuntimeFailure(f"{storage.where(key)} is no zip file: {error}", hint="mlx apply writes it again") from error
    archive.unlink()
    try:
        _find(spec.source, run.workspace)
    except PrepareError as error:
        raise RuntimeFailure(f"{error}, as {storage.where(key)} has it", hint="mlx apply bundles the workspace again") from error


def _is_of_workspace(source: Source, workspace: Path) -> bool:
    if isinstance(source, SqlSource):
        return resolved(source.url, workspace).startswith("sqlite:")
    return source.package is None


def _find(source: Source, workspace: Path) -> None:
    if isinstance(source, SqlSource):
        sqlite_file(resolved(source.url, workspace), workspace)
    else:
        locate(source, workspace)
