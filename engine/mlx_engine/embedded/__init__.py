"""The embedded host: Pulumi programs run in this process, without the pulumi CLI."""

from collections.abc import Mapping

from mlx_engine.embedded.host import EmbeddedHost
from mlx_engine.host import Host, Options, Stack
from mlx_engine.providers import ProviderFactory

__all__ = ["embedded_host"]


def embedded_host(stack: Stack, options: Options, providers: Mapping[str, ProviderFactory]) -> Host:
    """``providers`` serve their packages in this process; other packages run as ``pulumi-resource-NAME`` executables.

    The SDK is not read before a verb is called.
    """
    return EmbeddedHost(stack, options, providers)
