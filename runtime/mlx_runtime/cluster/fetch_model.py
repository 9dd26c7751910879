"""``python -m mlx_runtime.cluster.fetch_model --folder /mnt/models``: lays down the version that an endpoint serves, before its server starts.

It stands where KServe would put its own storage initializer, by its name, so that KServe leaves it: that one has no settings that a
namespace of pod security level `restricted` accepts, and reads neither digests nor every place that ours does.
"""

import argparse
import signal
import sys
from pathlib import Path

from mlx_runtime.cluster.artifacts import fetch_version
from mlx_runtime.cluster.run import KILLED, exit_status, say, variable
from mlx_specs.resources import Version

VERSION = "MLX_VERSION"


def main() -> int:
    """The process; returns its exit status."""
    parser = argparse.ArgumentParser(prog="mlx_runtime.cluster.fetch_model")
    parser.add_argument("--folder", type=Path, required=True)
    folder: Path = parser.parse_args().folder
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(KILLED))
    return exit_status(lambda: _fetch(folder), lambda _error: f"{VERSION} names no version: another version of mlx rendered the InferenceService")


def _fetch(folder: Path) -> None:
    version = Version.model_validate_json(variable(VERSION, "the InferenceService"))
    say(f"fetching version {version.version} from {version.artifact}")
    fetch_version(version, folder)


if __name__ == "__main__":
    sys.exit(main())
