"""What a person does to a stack's state by hand: look, take a protection away, forget. Nothing real is touched.

Deployments as ``Host.export_state`` gives them go in; what goes back by ``Host.import_state`` comes out. Works with every host.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlx_engine import urns
from mlx_engine.host import Host, NotInState, Protected, Refused
from mlx_engine.state.checkpoint import serial
from mlx_engine.state.resource import from_state
from mlx_engine.values import redacted

Entry = Mapping[str, Any]
Edit = Callable[[Sequence[Entry]], Sequence[Entry]]


@dataclass(frozen=True)
class Recorded:
    """A resource as state lists it."""

    urn: str
    type: str
    name: str
    id: str
    protected: bool
    note: str
    """``external``, ``to be deleted``, ``to be created again``, ``not ready``, or nothing."""


def list_resources(host: Host) -> list[Recorded]:
    """In state's order: what is needed before what needs it. Default providers are left out."""
    return [_recorded(entry) for entry in _entries(host) if not urns.is_default_provider(entry["urn"])]


def show_resource(host: Host, wanted: str) -> dict[str, Any]:
    """The entry of one resource, named by its urn or its name; secrets are not shown."""
    return redacted(dict(find_entry(_entries(host), wanted)))


def unprotect(host: Host, wanted: Sequence[str]) -> list[str]:
    """Takes the protection of these away, of all where none is named; returns the urns of those that had one.

    The program still says ``protect`` where it did: take it out there, too, or the next update protects again.
    """
    entries = _entries(host)
    chosen = {find_entry(entries, name)["urn"] for name in wanted} or {entry["urn"] for entry in entries}
    freed = [entry["urn"] for entry in entries if entry["urn"] in chosen and entry.get("protect")]
    _edit(host, lambda current: [{**entry, "protect": False} if entry["urn"] in freed else entry for entry in current])
    return freed


def forget(host: Host, wanted: Sequence[str], *, dependents: bool = False, protected: bool = False) -> list[str]:
    """Takes these out of state and leaves the real things as they are; returns the urns, dependents first.

    Raises ``Refused`` for what others need, unless ``dependents`` go, too, and for what is protected, unless ``protected`` goes.
    """
    entries = _entries(host)
    chosen = [find_entry(entries, name)["urn"] for name in wanted]
    gone = _with_dependents(entries, chosen)
    needing = [urns.name_of(urn) for urn in gone if urn not in chosen]
    if needing and not dependents:
        raise Refused(f"{_names(chosen)}: needed by {', '.join(needing)}", hint="forget these as well, or name them first")
    kept = [urns.name_of(entry["urn"]) for entry in entries if entry["urn"] in gone and entry.get("protect")]
    if kept and not protected:
        raise Protected(f"{', '.join(kept)}: protected", hint="unprotect it first")
    _edit(host, lambda current: [entry for entry in current if entry["urn"] not in gone])
    return gone[::-1]


def find_entry(entries: Sequence[Entry], wanted: str) -> Entry:
    """The one resource with this urn or name; one that is still to be deleted only where there is no other."""
    found = {
        entry["urn"]: entry for entry in sorted(entries, key=lambda entry: not entry.get("delete")) if wanted in (entry["urn"], urns.name_of(entry["urn"]))
    }
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise NotInState(f"{wanted!r} is the name of {len(found)} resources: {', '.join(found)}", hint="name the one by its urn")
    near = difflib.get_close_matches(wanted, [urns.name_of(entry["urn"]) for entry in entries], 1)
    raise NotInState(f"no resource {wanted!r} in state", hint=f"did you mean {near[0]!r}?" if near else "")


def _entries(host: Host) -> Sequence[Entry]:
    return host.export_state()["deployment"].get("resources") or []


def _edit(host: Host, change: Edit) -> None:
    exported = host.export_state()
    deployment = exported["deployment"]
    changed = [_without_false(entry) for entry in change(deployment.get("resources") or [])]
    host.import_state({**exported, "deployment": {**deployment, "resources": changed}}, expected_serial=serial(deployment))


def _recorded(entry: Entry) -> Recorded:
    notes = {"external": "external", "delete": "to be deleted", "pendingReplacement": "to be created again", "initErrors": "not ready"}
    note = next((note for key, note in notes.items() if entry.get(key)), "")
    return Recorded(entry["urn"], entry["type"], urns.name_of(entry["urn"]), entry.get("id", ""), bool(entry.get("protect")), note)


def _with_dependents(entries: Sequence[Entry], chosen: Sequence[str]) -> list[str]:
    """``chosen`` and whatever needs them, in state's order."""
    gone = set(chosen)
    for entry in entries:
        if not gone.isdisjoint(from_state(entry).needs):
            gone.add(entry["urn"])
    return list(dict.fromkeys(entry["urn"] for entry in entries if entry["urn"] in gone))


def _without_false(entry: Entry) -> Entry:
    return {key: value for key, value in entry.items() if key == "custom" or value is not False}


def _names(chosen: Sequence[str]) -> str:
    return ", ".join(map(urns.name_of, chosen))
