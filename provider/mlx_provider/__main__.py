"""The executable pulumi-resource-mlx: the same provider for the real pulumi CLI."""

from pathlib import Path

from mlx_engine.providers import ProviderLog
from mlx_engine.serve import serve
from mlx_provider.provider import MlxProvider
from mlx_specs.layout import find_workspace
from mlx_specs.resources import PACKAGE, PROVIDER_VERSION


def main() -> None:
    """Serves until the engine that started it ends."""
    serve(_provider, PACKAGE, PROVIDER_VERSION)


def _provider(log: ProviderLog) -> MlxProvider:
    return MlxProvider(find_workspace(Path.cwd()) or Path.cwd(), log)


if __name__ == "__main__":
    main()
