"""What a host needs to know of a provider that is written in Python: how to make one, and how it tells of its progress."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a host is made before the SDK is read
    from pulumi.provider.experimental.provider import Provider

ProviderLog = Callable[[str, str, bool], None]
"""``log(urn or '', message, ephemeral)``: progress of a provider, which the host turns into LOG events."""

ProviderFactory = Callable[[ProviderLog], "Provider"]
"""Makes one provider. A host makes one for each provider resource (each configuration) of a run."""
