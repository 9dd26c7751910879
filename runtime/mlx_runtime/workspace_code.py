"""Makes the workspace's own modules importable: a native model may be made of them, and on-demand features are."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CODE = "kfp_pipelines"
FEATURE_CODE = "feature_repo"
OURS = "mlx_features"
"""The package that stands in feature_repo/ in our own repository: no code of a user."""


def make_importable(workspace: Path) -> None:
    """Appends the workspace's kfp_pipelines/ to this process's import path, after everything that is installed."""
    folder = str((workspace / CODE).resolve())
    if folder not in sys.path:
        sys.path.append(folder)


@contextmanager
def as_the_files_are_now(workspace: Path) -> Iterator[None]:
    """Within it the modules of feature_repo/ are imported anew; what was imported before stays where something goes wrong.

    Functions that were taken before keep the module that they came from.
    """
    folder = (workspace / FEATURE_CODE).resolve()
    before = {name: module for name, module in list(sys.modules.items()) if _stands_in(module, folder) and name.split(".")[0] != OURS}
    for name in before:
        sys.modules.pop(name, None)
    try:
        yield
    except BaseException:
        sys.modules.update(before)
        raise


def _stands_in(module: object, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and Path(file).is_relative_to(folder)
