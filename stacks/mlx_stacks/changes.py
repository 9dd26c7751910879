"""From the engine's steps to what changed in each object: which fields, which of its resources, and why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from mlx_engine.host import UNKNOWN, Op, Step
from mlx_specs.resources import PACKAGE

COMPONENTS = f"{PACKAGE}:components:"
RESOURCES = f"{PACKAGE}:index:"


@dataclass(frozen=True)
class FieldChange:
    """One field of a spec, as people write it."""

    path: str
    old: Any
    new: Any


@dataclass(frozen=True)
class ObjectSteps:
    """One object: the step of its component, and those of its resources that are not SAME."""

    id: str
    component: Step
    children: tuple[Step, ...]


def by_object(steps: Sequence[Step]) -> tuple[ObjectSteps, ...]:
    """Groups steps by the object they belong to, in the order in which objects were declared."""
    components = {step.urn: step for step in steps if step.type.startswith(COMPONENTS)}
    children: dict[str, list[Step]] = {urn: [] for urn in components}
    for step in steps:
        if is_resource(step.type) and step.parent in children and step.op is not Op.SAME:
            children[step.parent].append(step)
    return tuple(ObjectSteps(object_id(step), step, _merged(children[urn])) for urn, step in components.items())


def is_resource(type: str) -> bool:
    """Whether it is something that exists outside of the program: ours, a Kubernetes object, a cloud's resource."""
    return not type.startswith((COMPONENTS, "pulumi:"))


def object_id(component: Step) -> str:
    """``Model/delay``"""
    return f"{component.type.removeprefix(COMPONENTS)}/{component.name}"


def id_of_urn(urn: str) -> str:
    """``Model/delay`` for a component's urn or that of one of its resources; '' for anything else."""
    for part in urn.split("::")[-2].split("$") if "::" in urn else ():
        if part.startswith(COMPONENTS):
            name = urn.split("::")[-1]
            return f"{part.removeprefix(COMPONENTS)}/{name.split('@')[0].split('/')[0]}"
    return ""


def field_changes(component: Step) -> tuple[FieldChange, ...]:
    """What people changed in the object, as paths within its spec; metadata under ``metadata.``."""
    old, new = component.old_inputs, component.new_inputs
    spec = differences(old.get("spec", {}), new.get("spec", {}), "")
    metadata = differences(old.get("metadata", {}), new.get("metadata", {}), "metadata")
    return tuple(sorted((*spec, *metadata), key=lambda change: change.path))


def differences(old: Any, new: Any, path: str) -> Iterator[FieldChange]:
    """What differs between two values, as paths below ``path``."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        before, after = cast("Mapping[str, Any]", old), cast("Mapping[str, Any]", new)
        for key in sorted(before.keys() | after.keys()):
            yield from differences(before.get(key), after.get(key), f"{path}.{key}" if path else key)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _differing_items(cast("list[Any]", old), cast("list[Any]", new), path)
    elif old != new:
        yield FieldChange(path, old, new)


def has_unknown(value: Any) -> bool:
    """Whether a part of a value is not known before something is applied."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in cast("Mapping[str, Any]", value).values())
    if isinstance(value, list | tuple):
        return any(has_unknown(item) for item in cast("Sequence[Any]", value))
    return value == UNKNOWN


def _merged(steps: Sequence[Step]) -> tuple[Step, ...]:
    """A replacement is several steps of one resource; the one named REPLACE, or else the first, speaks for them."""
    chosen: dict[str, Step] = {}
    for step in steps:
        if step.urn not in chosen or step.op is Op.REPLACE:
            chosen[step.urn] = step
    return tuple(chosen.values())


def _differing_items(old: list[Any], new: list[Any], path: str) -> Iterator[FieldChange]:
    """Item by item; in lists of different lengths, what both begin and end with is left out before, so that an insertion is one item."""
    first, last = _shared_ends(old, new) if len(old) != len(new) else (0, 0)
    before, after = old[first : len(old) - last], new[first : len(new) - last]
    for index in range(max(len(before), len(after))):
        at = f"{path}[{first + index}]"
        if index >= len(before):
            yield FieldChange(at, None, after[index])
        elif index >= len(after):
            yield FieldChange(at, before[index], None)
        else:
            yield from differences(before[index], after[index], at)


def _shared_ends(old: list[Any], new: list[Any]) -> tuple[int, int]:
    """How many items both lists begin with, and how many of the rest they end with."""
    room = min(len(old), len(new))
    first = next((index for index in range(room) if old[index] != new[index]), room)
    last = next((index for index in range(room - first) if old[-1 - index] != new[-1 - index]), room - first)
    return first, last


def field_changes_of(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """What differs between two property maps."""
    return tuple(differences(old, new, ""))
