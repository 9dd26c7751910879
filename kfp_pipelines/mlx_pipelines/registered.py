"""What is known of a version in the registry, and of its model."""

from dataclasses import dataclass

from mlx_specs.resources import Version


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

    def reference(self) -> Version:
        """As an alias or an endpoint refers to it."""
        return Version.registered(self.version, self.tags)


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model's own record."""

    description: str
    tags: dict[str, str]
