"""One resource as it stands in state. Frozen: a change is a new value; two that look alike are still two (identity counts)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

from mlx_engine import urns
from mlx_engine.values import Values


@dataclass(frozen=True, eq=False)
class Resource:
    urn: str
    type: str
    custom: bool
    id: str = ""
    inputs: Values = field(default_factory=dict[str, Any])
    outputs: Values = field(default_factory=dict[str, Any])
    parent: str = ""
    provider: str = ""
    """``URN::ID`` of the provider resource."""
    dependencies: Sequence[str] = field(default_factory=list[str])
    property_dependencies: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    protect: bool = False
    external: bool = False
    """Read, not managed: never deleted."""
    delete: bool = False
    """Replaced by another of the same urn, and still to be deleted."""
    pending_replacement: bool = False
    """Deleted, and to be created again."""
    init_errors: Sequence[str] = field(default_factory=list[str])
    additional_secret_outputs: Sequence[str] = field(default_factory=list[str])
    import_id: str = ""
    """What the program named to take an existing object over; it may be spelled differently from the id."""
    ignore_changes: Sequence[str] = field(default_factory=list[str])
    replace_on_changes: Sequence[str] = field(default_factory=list[str])
    retain_on_delete: bool = False
    deleted_with: str = ""
    custom_timeouts: Mapping[str, float] = field(default_factory=dict[str, float])
    created: str = ""
    modified: str = ""
    rest: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields of state that this host does not know: carried over."""

    @property
    def name(self) -> str:
        return urns.name_of(self.urn)

    @cached_property
    def needs(self) -> frozenset[str]:
        """The urns of everything that must exist before this one and go after it."""
        own = filter(None, (self.parent, urns.provider_urn(self.provider), self.deleted_with))
        return frozenset((*own, *self.dependencies, *chain.from_iterable(self.property_dependencies.values())))


STATE_KEYS = {
    "urn": "urn",
    "custom": "custom",
    "delete": "delete",
    "id": "id",
    "type": "type",
    "inputs": "inputs",
    "outputs": "outputs",
    "parent": "parent",
    "protect": "protect",
    "external": "external",
    "dependencies": "dependencies",
    "init_errors": "initErrors",
    "provider": "provider",
    "property_dependencies": "propertyDependencies",
    "pending_replacement": "pendingReplacement",
    "additional_secret_outputs": "additionalSecretOutputs",
    "custom_timeouts": "customTimeouts",
    "import_id": "importID",
    "retain_on_delete": "retainOnDelete",
    "deleted_with": "deletedWith",
    "created": "created",
    "modified": "modified",
    "ignore_changes": "ignoreChanges",
    "replace_on_changes": "replaceOnChanges",
}
"""Attribute -> key in state, in the order in which Pulumi writes them."""

_ALWAYS = {"urn", "custom", "type"}
_DROPPED = {"sourcePosition", "stackTrace"}


def from_state(entry: Mapping[str, Any]) -> Resource:
    """``entry`` as JSON gave it, secrets already decrypted."""
    known = {name: entry[key] for name, key in STATE_KEYS.items() if key in entry}
    rest = {key: value for key, value in entry.items() if key not in STATE_KEYS.values() and key not in _DROPPED}
    return Resource(**known, rest=rest)


def to_state(resource: Resource) -> dict[str, Any]:
    entry = {key: getattr(resource, name) for name, key in STATE_KEYS.items()}
    kept = {key: value for key, value in entry.items() if value or key in _ALWAYS}
    return kept | dict(resource.rest)
