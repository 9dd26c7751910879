"""What is known of a version in the registry, and of its model."""

from dataclasses import dataclass

from mlx_specs.digests import digest
from mlx_specs.resources import Version

DATA_DIGEST = "mlx.data_digest"
"""The tag of a version that says which rows it learned from."""


def version_fingerprint(definition: str, content_digest: str) -> str:
    """On a cluster: of what was asked for, and of the rows that this came to. The same definition over new rows is another version."""
    return digest([definition, content_digest])


@dataclass(frozen=True)
class Registered:
    """One version in the registry."""

    version: str
    run_id: str
    created: int
    """Milliseconds since 1970."""
    tags: dict[str, str]
    aliases: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """What it was made of."""
        return self.tags.get("mlx.fingerprint", "")

    def is_of(self, definition: str) -> bool:
        """Whether a run on a cluster made it that was asked for by this fingerprint of definitions."""
        return self.fingerprint == version_fingerprint(definition, self.tags.get(DATA_DIGEST, ""))

    def reference(self) -> Version:
        """As an alias or an endpoint refers to it."""
        return Version.registered(self.version, self.tags)


@dataclass(frozen=True)
class RecordedRun:
    """One training as MLflow has it."""

    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model's own record."""

    description: str
    tags: dict[str, str]
