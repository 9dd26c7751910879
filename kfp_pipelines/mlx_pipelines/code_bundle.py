"""The workspace's modules that a pipeline, its models and their on-demand features reach, as text that travels with the pipeline's version to a cluster.

The same files give the same text. What is installed is in the image.
"""

import base64
import io
import zipfile
from collections.abc import Sequence
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
    features = [workspace / FEATURE_FOLDER / path for path in function_files(functions, workspace)] if functions else []
    paths = sorted({*own, *features, *(above for path in own for above in _packages(path, folder))})
    if not paths:
        return ""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for path in paths:
            made.writestr(zipfile.ZipInfo(path.relative_to(workspace).as_posix(), WRITTEN), path.read_bytes(), zipfile.ZIP_DEFLATED)
    text = base64.b64encode(buffer.getvalue()).decode()
    if len(text) > LARGEST:
        size = f"{len(text) // 1024} KiB packed: a version on a cluster carries {LARGEST // 1024} KiB"
        raise PipelineError(
            f"the modules of {FOLDER}/ that {entry} and its models import have {size}",
            hint="install the large ones in the pipelines image (target.images.pipelines), and import them from there",
        )
    return text


def _is_the_workspaces(source: Source, folder: Path) -> bool:
    return source.path.is_relative_to(folder) and source.module.split(".")[0] != OWN_PACKAGE


def _packages(path: Path, folder: Path) -> list[Path]:
    """What is run before a module of a package is."""
    above = (each / "__init__.py" for each in path.parents if each != folder and each.is_relative_to(folder))
    return [each for each in above if each.is_file()]
