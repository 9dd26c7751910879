"""The registry in a pod: MLflow's server, and artifacts in the environment's storage.

On a laptop there is none: the registry is a file of the workspace. ``MLX_REGISTRY`` is set for steps on a cluster only; MLflow's own
variable would be set on many laptops, too.
"""

import os
from dataclasses import dataclass
from pathlib import PurePosixPath

from mlx_specs import layout

REGISTRY, STORAGE, NAMESPACE = "MLX_REGISTRY", "MLX_STORAGE", "MLX_NAMESPACE"


@dataclass(frozen=True)
class RegistryServer:
    """Where it is."""

    url: str
    storage: str
    namespace: str

    def stored(self, home: str, artifact: str) -> str:
        """``.mlx/dev/models/delay/FINGERPRINT`` as an address that everybody can read."""
        return layout.stored(self.storage, PurePosixPath(artifact).relative_to(home).as_posix())


def registry_server() -> RegistryServer | None:
    """None on a laptop."""
    url = os.environ.get(REGISTRY, "")
    return RegistryServer(url, os.environ[STORAGE], os.environ[NAMESPACE]) if url else None


def registered_name(namespace: str, model: str) -> str:
    """``delays-dev.delay``: one server is there for all environments of a cluster, and a namespace belongs to one of them."""
    return f"{namespace}.{model}"
