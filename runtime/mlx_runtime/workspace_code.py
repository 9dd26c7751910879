"""Makes the workspace's own modules importable: a native model may be made of them."""

import sys
from pathlib import Path

CODE = "kfp_pipelines"


def make_importable(workspace: Path) -> None:
    """Appends the workspace's kfp_pipelines/ to this process's import path, after everything that is installed."""
    folder = str((workspace / CODE).resolve())
    if folder not in sys.path:
        sys.path.append(folder)
