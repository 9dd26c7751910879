"""``python -m mlx_stacks.in_cluster``: an apply in the cluster, of the bundle that the last apply left beside the state.

A Job of the environment runs it when a pipeline has registered a version: it waits for the lock, and completes what waited.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from mlx_engine.host import EngineError
from mlx_engine.state.blobs import open_blobs
from mlx_stacks.bundle import fetch_bundle

PATIENCE = 3600
"""Seconds to wait for an update that is running."""


def main() -> NoReturn:
    """Ends as `mlx apply` does."""
    parser = argparse.ArgumentParser(prog="mlx_stacks.in_cluster")
    for name in ("--backend", "--project", "--environment"):
        parser.add_argument(name, required=True)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mlx-workspace-"))
    try:
        digest = fetch_bundle(open_blobs(asked.backend), asked.project, asked.environment, folder)
    except EngineError as error:
        sys.exit(f"error: {error}")
    sys.stderr.write(f"bundle {digest[:12]} of {asked.project}/{asked.environment}\n")
    os.chdir(folder)
    options = ["--env", asked.environment, "--yes", "--lock-timeout", str(PATIENCE), "--message", "a version was registered"]
    # Not imported: the layers below the CLI know nothing of it.
    os.execv(sys.executable, [sys.executable, "-m", "mlx_cli", "apply", *options])


if __name__ == "__main__":
    main()
