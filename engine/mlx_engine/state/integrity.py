"""What must hold of a snapshot before it is written. Each rule reads a resource and what stands before it (after Pulumi's VerifyIntegrity)."""

from collections import Counter
from collections.abc import Sequence

from mlx_engine import urns
from mlx_engine.host import EngineError
from mlx_engine.state.resource import Resource


class BrokenSnapshot(EngineError):
    """A snapshot that must not be written: a bug of this host, or a state that was edited by hand."""


def check_snapshot(resources: Sequence[Resource]) -> None:
    """Raises ``BrokenSnapshot`` naming the first resource that breaks a rule, and the rule."""
    before: set[str] = set()
    providers: set[str] = set()
    for resource in resources:
        if urns.is_provider(resource.type):
            providers.add(f"{resource.urn}::{resource.id}")
        fault = _fault(resource, before, providers)
        if fault:
            raise BrokenSnapshot(f"{resource.urn or 'a resource without urn'} {fault}", hint="restore the .bak file beside the stack's state")
        before.add(resource.urn)
    _check_unique(resources)


def _fault(resource: Resource, before: set[str], providers: set[str]) -> str | None:
    if not resource.urn or not resource.type:
        return "has no urn or no type"
    if resource.id and not resource.custom:
        return "is a component, and has an id"
    if resource.provider and resource.provider not in providers and not resource.pending_replacement:
        return f"refers to the provider {resource.provider}, which does not stand before it"
    if not before.issuperset(resource.needs):
        return f"needs {', '.join(sorted(resource.needs - before))}, which does not stand before it"
    return None


def _check_unique(resources: Sequence[Resource]) -> None:
    live = Counter([resource.urn for resource in resources if not resource.delete])
    twice = next((urn for urn, count in live.most_common(1) if count > 1), None)
    if twice:
        raise BrokenSnapshot(f"{twice} stands twice in the snapshot, and neither is marked for deletion")
