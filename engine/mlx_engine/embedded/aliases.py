"""Resources that stand in state under another urn than the program gives them now: under which, and what state makes of it.

``renamed`` maps the urn of now to the one before. A child of a renamed parent is renamed without saying so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pulumi.runtime.proto.alias_pb2 import Alias

from mlx_engine import urns
from mlx_engine.embedded.goal import Goal
from mlx_engine.host import Stack
from mlx_engine.state.resource import Resource


def former_urns(goal: Goal, renamed: Mapping[str, str], stack: Stack) -> list[str]:
    """Every urn that the resource may have had, in the order in which they are looked for."""
    wanted = goal.wanted
    own = [_spelled(alias, wanted, renamed, stack) for alias in goal.aliases]
    parent_before = renamed.get(wanted.parent)
    if parent_before is None:
        return own
    return [*own, *(_below(parent_before, wanted.parent, urn, stack) for urn in (wanted.urn, *own))]


def with_names_of_now(resources: Sequence[Resource], renamed: Mapping[str, str]) -> Sequence[Resource]:
    """The same resources, in state's order, everything that was renamed under its new urn."""
    if not renamed:
        return resources
    names = {before: now for now, before in renamed.items()}
    for resource in resources:
        parent = names.get(resource.parent, "")
        if parent and urns.type_of(parent) != urns.STACK_TYPE:
            names.setdefault(resource.urn, urns.make_child_urn(parent, resource.type, resource.name))
    return [_renamed(resource, names) for resource in resources]


def _spelled(alias: Alias, wanted: Resource, renamed: Mapping[str, str], stack: Stack) -> str:
    if alias.urn:
        return alias.urn
    spec = alias.spec
    parent = "" if spec.noParent else renamed.get(spec.parentUrn, spec.parentUrn) or wanted.parent
    return urns.make_urn(spec.stack or stack.name, spec.project or stack.project, parent, spec.type or wanted.type, spec.name or wanted.name)


def _below(parent_before: str, parent: str, urn: str, stack: Stack) -> str:
    """What ``urn`` was below its parent of before: a name that begins with the parent's began with the parent's of then."""
    name, above = urns.name_of(urn), urns.name_of(parent)
    name_before = urns.name_of(parent_before) + name.removeprefix(above) if name.startswith(above) else name
    return urns.make_urn(stack.name, stack.project, parent_before, urns.type_of(urn), name_before)


def _renamed(resource: Resource, names: Mapping[str, str]) -> Resource:
    if names.keys().isdisjoint((resource.urn, *resource.needs)):
        return resource
    server = urns.provider_urn(resource.provider)
    return replace(
        resource,
        urn=names.get(resource.urn, resource.urn),
        parent=names.get(resource.parent, resource.parent),
        provider=f"{names.get(server, server)}::{urns.provider_id(resource.provider)}" if server else "",
        dependencies=[names.get(urn, urn) for urn in resource.dependencies],
        property_dependencies={key: [names.get(urn, urn) for urn in below] for key, below in resource.property_dependencies.items()},
        deleted_with=names.get(resource.deleted_with, resource.deleted_with),
    )
