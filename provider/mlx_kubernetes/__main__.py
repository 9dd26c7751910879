"""The executable pulumi-resource-kubernetes: the same provider for the real pulumi CLI."""

from mlx_engine.serve import serve
from mlx_kubernetes.package import PACKAGE, VERSION
from mlx_kubernetes.provider import KubernetesProvider


def main() -> None:
    """Serves until the engine that started it ends."""
    serve(KubernetesProvider, PACKAGE, VERSION)


if __name__ == "__main__":
    main()
