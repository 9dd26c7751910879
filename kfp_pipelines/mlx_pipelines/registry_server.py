"""The registry in a pod: MLflow's server, and artifacts in the environment's storage.

On a laptop there is none: the registry is a file of the workspace. ``MLX_REGISTRY`` is set for steps on a cluster only; MLflow's own
variable would be set on many laptops, too.
"""

import os
from dataclasses import dataclass
from pathlib import PurePosixPath

REGISTRY, STORAGE = "MLX_REGISTRY", "MLX_STORAGE"


@dataclass(frozen=True)
class RegistryServer:
    """Where it is."""

    url: str
    storage: str

    def stored(self, home: str, artifact: str) -> str:
        """``.mlx/dev/models/delay/FINGERPRINT`` as an address that everybody can read."""
        place, _, query = self.storage.partition("?")
        return f"{place}/{PurePosixPath(artifact).relative_to(home)}" + (f"?{query}" if query else "")


def registry_server() -> RegistryServer | None:
    """None on a laptop."""
    url = os.environ.get(REGISTRY, "")
    return RegistryServer(url, os.environ[STORAGE]) if url else None
