"""The workspace as one file beside its state, so that an apply in the cluster runs what the last apply ran.

Enters: an opened workspace. Leaves: ``.mlx/bundles/PROJECT/ENVIRONMENT/DIGEST.zip`` in the state backend, and ``current`` that names it.
The same files give the same bytes. Code of mlx itself is in the image.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from mlx_engine.host import EngineError
from mlx_engine.state.blobs import Blobs, open_blobs
from mlx_runtime.cluster.bundle import bundle_key
from mlx_runtime.cluster.storage import open_storage
from mlx_runtime.errors import RuntimeFailure
from mlx_specs.dataset import Dataset
from mlx_specs.environment import KubernetesTarget
from mlx_specs.graph import Graph
from mlx_stacks.errors import UserError
from mlx_stacks.workspace import Workspace
from mlx_stacks.workspace_files import workspace_files

FOLDERS = ("specs", "stacks", "kfp_pipelines", "feature_repo", "machines")
WRITTEN = (1980, 1, 1, 0, 0, 0)
"""The time of every file: another one would be another digest."""
LARGEST = 100_000_000
"""Bytes; data belongs into storage."""


def keep_bundle(workspace: Workspace) -> str | None:
    """Its digest; None where the state is a folder of this machine, which no pod can read."""
    blobs = open_blobs(workspace.stack.state)
    if not blobs.shared:
        return None
    data = bundle(workspace.root, workspace.graph)
    digest = hashlib.sha256(data).hexdigest()
    folder = _folder(workspace.project, workspace.name)
    if blobs.read(f"{folder}/{digest}.zip") is None:
        blobs.write(f"{folder}/{digest}.zip", data)
    blobs.write(f"{folder}/current", digest.encode())
    return digest


def keep_sources(workspace: Workspace) -> None:
    """The same in the environment's storage, before anything that reads it is started; nothing where no dataset is made of the workspace's files."""
    target = workspace.environment.spec.target
    if not isinstance(target, KubernetesTarget) or next(_data(workspace.root, workspace.graph), None) is None:
        return
    try:
        open_storage(target.storage).write(bundle_key(workspace.name), bundle(workspace.root, workspace.graph))
    except RuntimeFailure as error:
        raise UserError(f"datasets are made of files of the workspace, which pods read from the storage: {error}", hint=error.hint) from error


def fetch_bundle(blobs: Blobs, project: str, environment: str, to: Path) -> str:
    """Unpacks the current bundle into an empty folder; raises ``EngineError`` where there is none, or it is damaged."""
    folder = _folder(project, environment)
    named = blobs.read(f"{folder}/current")
    if named is None:
        raise EngineError(f"{blobs.where(folder)}: there is no bundle of environment {environment}", hint=f"mlx apply --env {environment} leaves one")
    digest = named.data.decode()
    found = blobs.read(f"{folder}/{digest}.zip")
    if found is None or hashlib.sha256(found.data).hexdigest() != digest:
        raise EngineError(f"{blobs.where(f'{folder}/{digest}.zip')}: the bundle is gone or damaged", hint=f"mlx apply --env {environment} leaves a new one")
    with zipfile.ZipFile(io.BytesIO(found.data)) as packed:
        packed.extractall(to)
    return digest


def bundle(root: Path, graph: Graph) -> bytes:
    """The bytes; raises ``EngineError`` where they would be too many."""
    names = sorted({*_files(root), *_data(root, graph)})
    if (size := sum((root / name).stat().st_size for name in names)) > LARGEST:
        raise EngineError(f"the workspace has {size // 1_000_000} MB: too much for a bundle", hint="keep data in object storage, and name it by its URL")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in names:
            packed.writestr(zipfile.ZipInfo(name, WRITTEN), (root / name).read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _files(root: Path) -> Iterator[str]:
    yield "Pulumi.yaml"
    for folder in FOLDERS:
        for path in (root / folder).rglob("*"):
            relative = path.relative_to(root)
            if path.is_file() and not any(part.startswith((".", "mlx_", "__pycache__")) for part in relative.parts):
                yield relative.as_posix()


def _data(root: Path, graph: Graph) -> Iterator[str]:
    """Files of the workspace that datasets read."""
    for node in graph.objects:
        if isinstance(node.object, Dataset):
            yield from (path.relative_to(root).as_posix() for path in workspace_files(node.object, root))


def _folder(project: str, environment: str) -> str:
    return f".mlx/bundles/{project}/{environment}"
