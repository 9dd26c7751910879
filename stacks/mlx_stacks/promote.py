"""Promotion: pins from the source's state -> the difference with the target's lock -> gates -> bytes copied and verified -> the lock.

Enters: two environments of one workspace. Leaves: ``stacks/TARGET.lock.yaml`` and the bytes that it pins. Nothing is trained, the
source is only read, and an apply of the target is a step of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mlx_engine.state.files import files_of
from mlx_engine.state.lock import locked, user_and_host
from mlx_specs import layout
from mlx_specs.lock_file import lock_path, read_lock, write_lock
from mlx_specs.release import Lock, Provenance, ReleaseFile, make_lock
from mlx_specs.release_resources import ReleasedModelOutputs, ReleaseInputs
from mlx_specs.resources import Version
from mlx_stacks.errors import Blocked, UserError
from mlx_stacks.release_copy import bring_model
from mlx_stacks.release_difference import Change, differences_of
from mlx_stacks.release_gates import Gate, judge_model
from mlx_stacks.release_merge import merged, taken_from
from mlx_stacks.release_source import Source, present_release, recorded, source_of
from mlx_stacks.release_storage import fetch_model, fetch_release, send_release, storage_of, verified
from mlx_stacks.releases import ReleaseError, read_release, write_release
from mlx_stacks.workspace import Workspace, open_host

Report = Callable[[str], None]


@dataclass(frozen=True)
class Proposal:
    """What a promotion would do."""

    source: str
    target: str
    serial: str
    """Of the source's state."""
    old: Lock | None
    release: ReleaseFile
    """The release that the target would be pinned to."""
    changes: tuple[Change, ...]
    homes: Mapping[str, str]
    """Where the bytes of each pinned model are now."""
    parts: Mapping[str, Path]
    """Files of the release's folder by their names in it."""
    notes: tuple[str, ...] = ()
    whole: bool = False
    """The target has all the bytes of this release."""

    @property
    def due(self) -> bool:
        """Whether there is anything to do: pins that differ, or bytes that are lost."""
        return bool(self.changes) or (self.old is not None and not self.whole)

    @property
    def digest(self) -> str:
        """The release's name."""
        return self.release.pins.digest


@dataclass(frozen=True)
class Promoted:
    """What a promotion has written."""

    release: str
    lock: str
    copied: tuple[str, ...]
    kept: tuple[str, ...]
    """Models whose bytes were there already."""


def propose(source: Workspace, target: Workspace, only: Sequence[str] = ()) -> Proposal:
    """What a promotion from one environment to the other would change; raises ``UserError`` or ``Blocked`` where it cannot be."""
    _check(source, target)
    old, there = _lock(target), source_of(source)
    if old is not None:
        fetch_release(target.root, target.environment, old.release)
    taken = taken_from(there, only)
    kept = _kept(target, old) if only or there.held else Source(target.name, target.layout.home, "")
    carried = [name for name in kept.release.pins.models if name not in taken and (only or name in there.held)]
    release, parts = merged(there, kept, taken, carried, whole=not only)
    homes = {name: (there if name in taken else kept).home for name in release.pins.models}
    changes = differences_of(source.root, target.layout.home, old, release)
    whole = _is_whole(target, release.pins.digest)
    return Proposal(source.name, target.name, there.serial, old, release, changes, homes, parts, there.notes, whole)


def judge(proposal: Proposal, target: Workspace) -> tuple[Gate, ...]:
    """The verdict on each model that would change, against the version that the target serves now."""
    models = [change.name for change in proposal.changes if change.kind == "Model" and change.action != "delete"]
    present = {name: version for name, version in _present(target).items() if name in models}
    for name, version in present.items():
        fetch_model(target.root, target.environment, name, version.fingerprint, version.artifact_digest)
    return tuple(judge_model(target.root, proposal.release, name, proposal.homes[name], present.get(name)) for name in models)


def promote(proposal: Proposal, gates: Sequence[Gate], target: Workspace, report: Report, *, lock_timeout: float = 0.0) -> Promoted:
    """Copies and verifies the bytes, then writes the lock; all under the target's state lock. What is there already is not copied again."""
    failed = [gate for gate in gates if not gate.passed]
    if failed:
        raise Blocked(f"not promoted to {target.name}: {'; '.join(map(str, failed))}", hint="nothing was written")
    with locked(files_of(target.stack), lock_timeout, report):
        if _lock(target) != proposal.old:
            raise Blocked(f"{lock_path(target.name)} was changed by another promotion in between", hint="promote again, and look at the difference again")
        return _carry_out(proposal, gates, target, report)


def provenance_now(source: str, serial: str, gates: Mapping[str, list[str]], rolled_back_from: str | None = None) -> Provenance:
    """Who does it, and when."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    by = "@".join(user_and_host())
    return Provenance(promoted_from=source, serial=serial, by=by, at=at, rolled_back_from=rolled_back_from, gates=dict(gates))


def _carry_out(proposal: Proposal, gates: Sequence[Gate], target: Workspace, report: Report) -> Promoted:
    root, home = target.root, target.layout.home
    copied: list[str] = []
    for name, pin in proposal.release.pins.models.items():
        if bring_model(target, proposal.homes[name], name, pin):
            copied.append(name)
        report(f"Model/{name}: {pin.fingerprint[:12]} {'copied' if name in copied else 'is there'} and verified")
    write_release(root, home, proposal.release, proposal.parts)
    send_release(root, target.environment, proposal.digest)
    storage = storage_of(target.environment)
    kept_in = storage.where(f"releases/{proposal.digest}") if storage is not None else layout.release(home, proposal.digest)
    report(f"release {proposal.digest[:12]}: definitions and compiled pipelines are kept in {kept_in}")
    kept = tuple(name for name in proposal.release.pins.models if name not in copied)
    if proposal.old is not None and not proposal.changes:
        return Promoted(proposal.digest, lock_path(target.name), tuple(copied), kept)
    passed = {gate.model: list(gate.figures) for gate in gates}
    earlier = proposal.old.gates if proposal.old else {}
    judged = {name: passed.get(name, earlier.get(name, [])) for name in proposal.release.pins.models}
    lock = make_lock(proposal.release.pins, provenance_now(proposal.source, proposal.serial, judged))
    path = write_lock(root, target.name, lock)
    report(f"{path.relative_to(root)} is written")
    return Promoted(lock.release, path.relative_to(root).as_posix(), tuple(copied), kept)


def _check(source: Workspace, target: Workspace) -> None:
    spec = target.environment.spec
    if source.name == target.name:
        raise UserError(f"{source.name!r} cannot be promoted to itself", hint="name two environments: --from and --to")
    if spec.models != "pinned":
        hint = f"write models: pinned in stacks/{target.name}.yaml; in {target.name}, mlx apply makes the versions"
        raise UserError(f"environment {target.name!r} follows its registry: nothing is promoted to it", hint=hint)
    if spec.promoted_from is not None and spec.promoted_from != source.name:
        hint = f"mlx promote --from {spec.promoted_from} --to {target.name}; promotedFrom in stacks/{target.name}.yaml says so"
        raise Blocked(f"environment {target.name!r} is promoted from {spec.promoted_from!r}, not from {source.name!r}", hint=hint)


def _lock(target: Workspace) -> Lock | None:
    lock = read_lock(target.root, target.name)
    if isinstance(lock, list):
        raise UserError(f"{lock_path(target.name)} cannot be used", diagnostics=lock)
    return lock


def _kept(target: Workspace, old: Lock | None) -> Source:
    """What stays of the target's own release where only some models are promoted."""
    home = target.layout.home
    if old is None:
        return Source(target.name, home, "")
    folder = target.root / layout.release(home, old.release)
    parts = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return Source(target.name, home, "", read_release(target.root, home, old.release), parts)


def _is_whole(target: Workspace, digest: str) -> bool:
    try:
        verified(target.root, target.environment, digest)
    except ReleaseError:
        return False
    return True


def _present(target: Workspace) -> Mapping[str, Version]:
    """What the target serves now, by model, with its bytes' place on this machine."""
    objects = recorded(open_host(target).export_state()["deployment"])
    if target.environment.spec.target.type == "kubernetes":
        return _present_on_cluster(target, present_release(objects))
    found = [ReleasedModelOutputs.model_validate(item.resources["ReleasedModel"]) for item in objects.values() if "ReleasedModel" in item.resources]
    return {each.model: each.current for each in found}


def _present_on_cluster(target: Workspace, applied: ReleaseInputs | None) -> Mapping[str, Version]:
    """Of the release that was applied last."""
    if applied is None:
        return {}
    root, home = target.root, target.layout.home
    fetch_release(root, target.environment, applied.digest)
    file = read_release(root, home, applied.digest)
    return {name: file.version(name, layout.artifact(home, name, pin.fingerprint).as_posix()) for name, pin in file.pins.models.items()}
