"""What the SDK's types call this provider, and how a host makes one: nothing of it is read before that."""

from typing import TYPE_CHECKING

from mlx_engine.providers import ProviderLog

if TYPE_CHECKING:
    from pulumi.provider.experimental.provider import Provider

PACKAGE = "kubernetes"
VERSION = "4.34.2"
"""Of the SDK whose types are served; an engine looks its plugin up by it."""


def make_provider(log: ProviderLog) -> "Provider":
    from mlx_kubernetes.provider import KubernetesProvider

    return KubernetesProvider(log)
