"""The workspace's modules that a pipeline, its models and their on-demand features reach, as text that travels with the pipeline's version to a cluster.

The same files give the same text. What is installed is in the image.
"""

import base64
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlx_pipelines.code import FOLDER, OWN_PACKAGE, Source, reached
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.feature_code import FOLDER as FEATURE_FOLDER
from mlx_pipelines.feature_code import function_files

WRITTEN = (1980, 1, 1, 0, 0, 0)
"""The time of every file: another one would be another text."""
LARGEST = 96 * 1024
"""Characters: the kernel takes 128 KiB in one variable, and every step of a version carries it."""


def packed(entry: str, workspace: Path, algorithms: Sequence[str], functions: Sequence[str] = ()) -> str:
    """A zip file in base64, empty where there is nothing of the workspace's; raises ``PipelineError`` where it is too large."""
    folder = workspace / FOLDER
    own = [source.path for source, _ in reached(entry, workspace, *algorithms) if _is_the_workspaces(source, folder)]
    modules = {*own, *(above for path in own for above in _packages(path, folder))}
    text = _zipped({path.relative_to(workspace).as_posix(): path for path in modules} | _feature_files(functions, workspace, FEATURE_FOLDER))
    if len(text) > LARGEST:
        size = f"{len(text) // 1024} KiB packed: a version on a cluster carries {LARGEST // 1024} KiB"
        raise PipelineError(
            f"the modules of {FOLDER}/ that {entry} and its models import have {size}",
            hint="install the large ones in the pipelines image (target.images.pipelines), and import them from there",
        )
    return text


def packed_functions(functions: Sequence[str], workspace: Path, folder: str = FEATURE_FOLDER) -> str:
    """The same of the modules that on-demand views reach, which a release keeps in another ``folder``; raises ``PipelineError`` where one is not there."""
    return _zipped(_feature_files(functions, workspace, folder))


def _feature_files(functions: Sequence[str], workspace: Path, folder: str) -> dict[str, Path]:
    """By the places that they have in feature_repo/."""
    paths = function_files(functions, workspace, folder) if functions else []
    return {f"{FEATURE_FOLDER}/{path.as_posix()}": workspace / folder / path for path in paths}


def _zipped(files: Mapping[str, Path]) -> str:
    if not files:
        return ""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, path in sorted(files.items()):
            made.writestr(zipfile.ZipInfo(name, WRITTEN), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return base64.b64encode(buffer.getvalue()).decode()


def _is_the_workspaces(source: Source, folder: Path) -> bool:
    return source.path.is_relative_to(folder) and source.module.split(".")[0] != OWN_PACKAGE


def _packages(path: Path, folder: Path) -> list[Path]:
    """What is run before a module of a package is."""
    above = (each / "__init__.py" for each in path.parents if each != folder and each.is_relative_to(folder))
    return [each for each in above if each.is_file()]
