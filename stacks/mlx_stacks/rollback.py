"""Rollback: the lock of an earlier release whose bytes are kept, verified before it is written. The apply is a step of its own.

Asked again, it does nothing more: a rollback that was killed is finished, not undone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlx_engine.state.files import files_of
from mlx_engine.state.lock import locked
from mlx_specs.lock_file import lock_path, read_lock, write_lock
from mlx_specs.release import Lock, make_lock
from mlx_stacks.errors import Blocked, UserError
from mlx_stacks.promote import provenance_now
from mlx_stacks.release_difference import Change, differences_of
from mlx_stacks.release_history import AppliedRelease, applied_releases
from mlx_stacks.release_storage import verified
from mlx_stacks.workspace import Workspace

Report = Callable[[str], None]
SHORTEST = 6
"""Letters of a digest that name a release; fewer figures are a number in the history."""


@dataclass(frozen=True)
class Rollback:
    """What a rollback would do; without changes the lock says it already."""

    environment: str
    old: Lock
    to: AppliedRelease
    lock: Lock
    """What would be written."""
    changes: tuple[Change, ...]


def plan_rollback(workspace: Workspace, to: str | None = None) -> Rollback:
    """The release before the present one, or the one that is named by its digest or its number in the history; its bytes are verified."""
    if workspace.environment.spec.models != "pinned":
        hint = "set the specs back and apply: a version that was trained before is found again by its fingerprint, and nothing is trained"
        raise UserError(f"environment {workspace.name!r} follows its registry: it has no lock to roll back", hint=hint)
    old = _lock(workspace)
    releases = applied_releases(workspace)
    chosen = _named(to, releases, workspace) if to is not None else _previous(old, releases, workspace)
    found = verified(workspace.root, workspace.environment, chosen.digest)
    changes = differences_of(workspace.root, workspace.layout.home, old, found)
    gates = {name: list(figures) for name, figures in chosen.gates.items()}
    lock = old if chosen.digest == old.release else make_lock(found.pins, provenance_now(chosen.source, chosen.serial, gates, old.release))
    return Rollback(workspace.name, old, chosen, lock, changes)


def rollback(planned: Rollback, workspace: Workspace, report: Report, *, lock_timeout: float = 0.0) -> None:
    """Writes the lock, under the environment's state lock."""
    if planned.lock == planned.old:
        return
    with locked(files_of(workspace.stack), lock_timeout, report):
        if _lock(workspace) != planned.old:
            raise Blocked(f"{lock_path(workspace.name)} was changed by somebody else in between", hint="roll back again, and look at the difference again")
        write_lock(workspace.root, workspace.name, planned.lock)
    report(f"{lock_path(workspace.name)} is written")


def _lock(workspace: Workspace) -> Lock:
    lock = read_lock(workspace.root, workspace.name)
    if isinstance(lock, list):
        raise UserError(f"{lock_path(workspace.name)} cannot be used", diagnostics=lock)
    if lock is None:
        raise UserError(f"nothing was ever released to {workspace.name}", hint=f"mlx promote --to {workspace.name}")
    return lock


def _previous(old: Lock, releases: Sequence[AppliedRelease], workspace: Workspace) -> AppliedRelease:
    """A lock that a rollback wrote is finished first: going back again would otherwise undo it."""
    done = [release for release in releases if release.digest == old.release]
    if old.rolled_back_from is not None and done:
        return done[-1]
    earlier = [release for release in releases if release.digest != old.release]
    if not earlier:
        raise Blocked(f"{workspace.name} has run no other release than {old.release[:12]}", hint=f"mlx history --env {workspace.name} lists them")
    return earlier[-1]


def _named(to: str, releases: Sequence[AppliedRelease], workspace: Workspace) -> AppliedRelease:
    if to.isdecimal() and len(to) < SHORTEST:
        found = [release for release in releases if release.number == int(to)]
    else:
        found = [release for release in releases if len(to) >= SHORTEST and release.digest.startswith(to)]
    digests = {release.digest for release in found}
    if len(digests) == 1:
        return found[-1]
    known = ", ".join(f"{release.number} ({release.digest[:12]})" for release in releases)
    what = "several releases begin with" if digests else f"{workspace.name} has run no release"
    raise UserError(f"{what} {to!r}", hint=f"it ran {known}" if known else f"nothing was applied to {workspace.name} yet")
