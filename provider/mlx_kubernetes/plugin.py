"""The executable ``pulumi-resource-kubernetes`` for the real CLI, written where the CLI is told to look.

It is not installed on PATH: there the CLI would take it before Pulumi's own plugin in every other project of the machine.
"""

import sys
from pathlib import Path

NAME = "pulumi-resource-kubernetes"


def write_plugin(folder: Path) -> Path:
    """The folder, with an executable that runs this package with this interpreter."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / NAME
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mlx_kubernetes "$@"\n')
    script.chmod(0o755)
    return folder
