"""What a killed run left open is closed before anything else: no question is asked, and nothing a provider did is lost.

A run that was killed leaves operations that were started and are not known to have ended. For each the provider is asked:
- creating: ``Read`` without an id and with the inputs looks the object up by its mark. Found: it is taken into state. Not
  found: it is created in the ordinary way, if the program still declares it. A provider that has no ``Read`` is asked to
  ``Create`` again, which adopts what is there.
- updating, deleting: ``Read`` by id. Gone: it leaves state. There: it is recorded as it is, and the run goes on from that.
"""

from collections.abc import Sequence
from dataclasses import replace

from mlx_engine.embedded.packages import Packages
from mlx_engine.embedded.plugin import Live, ProviderError, Unimplemented
from mlx_engine.embedded.refresh import compared
from mlx_engine.host import EngineError, Event, EventKind, OnEvent, Op
from mlx_engine.state.checkpoint import Operation, Snapshot, touched
from mlx_engine.state.resource import Resource


def heal(snapshot: Snapshot, packages: Packages, on_event: OnEvent, *, dry_run: bool) -> Snapshot:
    """The snapshot without pending operations."""
    resources = list(snapshot.resources)
    for operation in snapshot.pending:
        resources, found = _healed(operation, resources, packages, dry_run=dry_run)
        message = f"healed: {operation.type} was interrupted; {found}"
        on_event(Event(EventKind.LOG, urn=operation.resource.urn, message=message))
    return replace(snapshot, resources=resources, pending=[])


def _healed(operation: Operation, resources: list[Resource], packages: Packages, *, dry_run: bool) -> tuple[list[Resource], str]:
    match operation.type:
        case "creating":
            return _heal_created(operation.resource, resources, packages, dry_run=dry_run)
        case "updating" | "deleting":
            return _heal_touched(operation.resource, resources, packages)
        case _:
            return resources, "nothing was changed by it"


def _heal_created(pending: Resource, resources: list[Resource], packages: Packages, *, dry_run: bool) -> tuple[list[Resource], str]:
    live = _look_up(pending, packages, dry_run=dry_run)
    if not live.id:
        return resources, "no object was found, it is created again where the program declares it"
    if any(known.urn == pending.urn and known.id == live.id for known in resources):
        return resources, f"{live.id} is the object that state knows already"
    found = touched(replace(pending, id=live.id, inputs=live.inputs or pending.inputs, outputs=live.outputs))
    return _with_found(found, resources), f"{live.id} was created, and is taken over"


def _with_found(found: Resource, resources: Sequence[Resource]) -> list[Resource]:
    """``found`` before what it replaces, which is condemned, or gone if it was deleted first; else at the end."""
    at = next((at for at, known in enumerate(resources) if known.urn == found.urn), len(resources))
    later = [known for known in resources[at:] if not (known.urn == found.urn and known.pending_replacement)]
    return [*resources[:at], found, *[_condemned(known) if known.urn == found.urn else known for known in later]]


def _look_up(pending: Resource, packages: Packages, *, dry_run: bool) -> Live:
    plugin = packages.plugin(pending.provider)
    try:
        return plugin.read(pending, by_inputs=True)
    except Unimplemented:
        return Live("", {}) if dry_run else plugin.create(pending)
    except ProviderError as error:
        hint = "run it again when the provider can be reached: nothing was changed"
        raise EngineError(f"{pending.name}: its creation was interrupted, and it cannot be looked up: {error}", hint=hint) from error


def _heal_touched(pending: Resource, resources: list[Resource], packages: Packages) -> tuple[list[Resource], str]:
    known = next((known for known in resources if known.urn == pending.urn and known.id == pending.id), None)
    if known is None:
        return resources, "state does not know it any more"
    try:
        action = compared(known, packages.plugin(known.provider).read(known))
    except ProviderError as error:
        return resources, f"it could not be read ({error}), state is left as it is"
    if action.op is Op.DELETE:
        return _without(known, resources), "the object is gone"
    return [action.new if resource is known and action.new else resource for resource in resources], f"{known.id} was read"


def _without(gone: Resource, resources: Sequence[Resource]) -> list[Resource]:
    """What others need is kept as about to be created again; what nothing needs goes."""
    needed = any(gone.urn in other.needs for other in resources if other is not gone)
    stand_in = [replace(gone, pending_replacement=True)] if needed and not gone.delete else []
    return [kept for resource in resources for kept in (stand_in if resource is gone else [resource])]


def _condemned(known: Resource) -> Resource:
    return known if known.delete else replace(known, delete=True)
