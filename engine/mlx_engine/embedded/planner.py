"""Decides what becomes of each resource, as Pulumi's step generator does: check, compare, then one of same, update, replace, create.

Called for one resource at a time. It asks providers (check, diff) and reads state; it changes nothing.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from mlx_engine import paths, urns
from mlx_engine.embedded.actions import Action
from mlx_engine.embedded.aliases import former_urns
from mlx_engine.embedded.goal import Goal
from mlx_engine.embedded.journal import Journal
from mlx_engine.embedded.packages import Packages
from mlx_engine.embedded.plugin import NO_DIFFERENCE, Difference, ProviderError, with_replace_paths, with_secret_outputs
from mlx_engine.host import UNKNOWN, EngineError, Op, Protected, Refused, Stack
from mlx_engine.state.resource import Resource
from mlx_engine.values import Values, differing_paths

INIT_ERROR_PATH = "#initerror"


@dataclass(frozen=True)
class Ahead:
    """What a provider said before the resource was decided."""

    old: Resource
    wanted: Resource
    new: Resource
    difference: Difference


class Planner:
    """What it knows of a run: what stood in state, what was met, what was replaced or deleted on the way."""

    def __init__(self, stack: Stack, olds: Sequence[Resource], packages: Packages, journal: Journal) -> None:
        self.recreate: dict[str, Sequence[str]] = {}
        """Urns that were deleted because something they depend on is replaced -> the paths that force it."""
        self._stack = stack
        self._in_order = [old for old in olds if not old.delete]
        self._olds = {old.urn: old for old in self._in_order}
        self._packages = packages
        self._journal = journal
        self._claimed: dict[str, str] = {}
        """Urn, of now or in state -> the urn of now of the resource that has claimed it."""
        self._renamed: dict[str, str] = {}
        """Urn of now -> urn in state, where an alias led to it."""
        self._met: set[str] = set()
        self._replaced: set[str] = set()
        self._ahead: dict[str, Ahead] = {}

    def look_ahead(self, goal: Goal) -> None:
        """Asks the provider already, for a resource that is known and of the same provider: many at once, before each is decided."""
        wanted, old = goal.wanted, self._olds.get(goal.wanted.urn)
        if old is None or old.external or not wanted.custom or urns.is_provider(wanted.type) or wanted.provider != old.provider or wanted.import_id:
            return
        with suppress(Exception):  # it fails again where it is decided, and is told there
            new = self._checked(wanted, old)
            plugin = self._packages.plugin(self._serving(old))
            self._ahead[wanted.urn] = Ahead(old, wanted, new, plugin.diff(old, new.inputs, new.ignore_changes))

    def plan(self, goal: Goal) -> list[Action]:
        """The actions that make the goal so, in order; the last but REPLACE yields the new resource."""
        old = self._meet(goal)
        if old and old.urn in self.recreate:
            return self._plan_recreation(goal, old)
        if _is_import(goal.wanted, old):
            return self._plan_import(goal, old)
        if old is None or old.external:
            new = self._checked(goal.wanted, None)
            return self._replacement(old, new, _compared(old, new), delete_first=False) if old else [Action(Op.CREATE, None, new)]
        return self._plan_known(goal, old)

    def plan_read(self, goal: Goal) -> list[Action]:
        new, old = goal.wanted, self._meet(goal)
        if old is None or old.external or old.id == new.id:
            return [Action(Op.READ, old, new)]
        self._replaced.add(new.urn)
        return [Action(Op.READ_REPLACEMENT, old, new), Action(Op.REPLACE, old, new, _compared(old, new))]

    def found(self, urn: str) -> Resource | None:
        """What stood in state for the resource that has this urn now."""
        return self._olds.get(self._renamed.get(urn, urn))

    def _meet(self, goal: Goal) -> Resource | None:
        """What stands in state for the goal, under its urn or one it had before; each can be claimed once."""
        now = goal.wanted.urn
        before = next((urn for urn in (now, *former_urns(goal, self._renamed, self._stack)) if urn in self._olds), now)
        for urn in dict.fromkeys((now, before)):
            other = self._claimed.setdefault(urn, now)
            if other != now or now in self._met:
                what = f"two resources have the urn {urn}" if other == now else f"{other} has claimed {urn} already"
                raise EngineError(f"{goal.wanted.name}: {what}", hint="give one of the two another name, or take the alias away")
        self._met.add(now)
        if before != now:
            self._renamed[now] = before
            self._journal.rename(before, now)
        return self._olds.get(before)

    def _plan_known(self, goal: Goal, old: Resource) -> list[Action]:
        new = self._checked(goal.wanted, old)
        difference = self._difference(old, new)
        if difference.replaces or old.pending_replacement:
            return self._plan_replacement(goal, old, new, difference)
        if difference.changed or old.init_errors:
            return [Action(Op.UPDATE, old, new, difference)]
        kept = replace(new, id=old.id, outputs=old.outputs, created=old.created, modified=old.modified)
        return [Action(Op.SAME, old, with_secret_outputs(kept))]

    def _plan_recreation(self, goal: Goal, old: Resource) -> list[Action]:
        self._replaced.add(goal.wanted.urn)
        new = self._checked(goal.wanted, None)
        difference = _compared(old, new, *self.recreate.pop(old.urn))
        return [Action(Op.REPLACE, old, new, difference), Action(Op.CREATE_REPLACEMENT, old, new, difference, delete_first=True)]

    def _plan_import(self, goal: Goal, old: Resource | None) -> list[Action]:
        """Takes the object over as it is, then makes of it what the program says."""
        found = self._imported(goal.wanted)
        first = [Action(Op.IMPORT, None, found)]
        if old:
            first = [Action(Op.IMPORT_REPLACEMENT, old, found), Action(Op.REPLACE, old, found, _compared(old, found))]
        return first + [action for action in self._plan_known(goal, found) if action.op is not Op.SAME]

    def _imported(self, wanted: Resource) -> Resource:
        live = self._packages.plugin(wanted.provider).read(replace(wanted, id=wanted.import_id, inputs={}))
        if not live.id:
            raise ProviderError(f"there is no {wanted.type} with the id {wanted.import_id!r} to import")
        if live.inputs is None:
            raise ProviderError(f"its provider does not say what the inputs of {wanted.import_id!r} are, so it cannot be imported")
        return replace(live.recorded(wanted), inputs=live.inputs)

    def _plan_replacement(self, goal: Goal, old: Resource, new: Resource, difference: Difference) -> list[Action]:
        why = ", ".join(difference.replaces) or "its state"
        if old.protect and new.protect:
            raise Protected(f"{old.name} is protected, and {why} would replace it", hint="remove protect from it in the program first, and apply that")
        if new.import_id:
            hint = "give it the inputs of the imported object, or remove import from the program to have it replaced"
            raise Refused(f"{old.name} was imported, and {why} would replace it", hint=hint)
        self._replaced.add(new.urn)
        fresh = self._checked(goal.wanted, None)
        delete_first = difference.delete_first if goal.delete_first is None else goal.delete_first
        first = self._delete_dependents(old) if delete_first else []
        return first + self._replacement(old, fresh, difference, delete_first=delete_first or old.pending_replacement)

    def _replacement(self, old: Resource, new: Resource, difference: Difference, *, delete_first: bool) -> list[Action]:
        create = Action(Op.CREATE_REPLACEMENT, old, new, difference, delete_first)
        show = Action(Op.REPLACE, old, new, difference, delete_first)
        if not delete_first:
            return [create, show]
        delete = [] if old.pending_replacement else [Action(Op.DELETE_REPLACED, old, delete_first=delete_first)]
        return [*delete, show, create]

    def _delete_dependents(self, root: Resource) -> list[Action]:
        """What must go before ``root`` goes, because it would be replaced by what becomes of ``root``; the last first."""
        gone = {root.urn}
        found: list[Action] = []
        for old in self._dependents_of(root):
            difference = self._consequence(old, gone)
            if difference is None or old.urn in self.recreate:
                continue
            if old.protect:
                raise Protected(f"{old.name} is protected, and replacing {root.name} would replace it", hint="remove protect from it first")
            gone.add(old.urn)
            self.recreate[old.urn] = difference.replaces
            found.append(Action(Op.DELETE_REPLACED, old, delete_first=True))
        return found[::-1]

    def _dependents_of(self, root: Resource) -> list[Resource]:
        """Everything below ``root`` in state that the program has not registered again, in state's order."""
        reached = {root.urn}
        below: list[Resource] = []
        for old in self._in_order:
            if old is not root and reached.intersection(old.needs):
                reached.add(old.urn)
                if old.urn not in self._claimed:
                    below.append(old)
        return below

    def _consequence(self, old: Resource, gone: set[str]) -> Difference | None:
        """Why ``old`` would be replaced when ``gone`` is; None when it would not."""
        if not old.custom or old.external:
            return None
        if urns.provider_urn(old.provider) in gone or old.deleted_with in gone:
            return Difference(True)
        touched = {key for key, below in old.property_dependencies.items() if gone.intersection(below)}
        if not touched.intersection(old.inputs):
            return None
        guess = {key: UNKNOWN if key in touched else value for key, value in old.inputs.items()}
        difference = self._compare(old, replace(old, inputs=guess))
        return difference if difference.replaces else None

    def _checked(self, new: Resource, old: Resource | None) -> Resource:
        """``new`` with the inputs that its provider makes of them."""
        if not new.custom:
            return new
        known = self._ahead.get(new.urn)
        if known and known.wanted is new and known.old is old:
            return known.new
        inputs, before = new.inputs, old.inputs if old else {}
        for path in new.ignore_changes if old else ():
            inputs = paths.reset(paths.parse(path), before, inputs)
        if urns.is_provider(new.type):
            return replace(new, inputs=self._checked_config(new, before, inputs))
        seed = hashlib.sha256(f"{new.urn} {old.id if old else ''}".encode()).digest()
        return replace(new, inputs=self._packages.plugin(new.provider).check(new.urn, before, inputs, seed))

    def _checked_config(self, new: Resource, before: Values, inputs: Values) -> Values:
        own = {key: inputs[key] for key in ("__internal", "version") if key in inputs}
        plugin = self._packages.candidate(new.urn, inputs.get("version", ""))
        return {**own, **plugin.check_config(new.urn, _configured(before), _configured(inputs)), **own}

    def _difference(self, old: Resource, new: Resource) -> Difference:
        if new.deleted_with in self._replaced:
            return _compared(old, new, "deletedWith")
        if self._provider_changed(old, new):
            return _compared(old, new, "provider")
        if not new.custom:
            differing = differing_paths(old.inputs, new.inputs)
            return Difference(bool(differing), differing)
        return self._compare(replace(old, urn=new.urn, type=new.type), new)

    def _compare(self, old: Resource, new: Resource) -> Difference:
        if urns.is_provider(old.type):
            difference = self._packages.candidate(old.urn, new.inputs.get("version", "")).diff_config(old, new.inputs)
        else:
            known = self._ahead.get(new.urn)
            seen = known.difference if known and known.new is new else None
            difference = seen or self._packages.plugin(self._serving(old)).diff(old, new.inputs, new.ignore_changes)
        if not difference.changed and not old.init_errors:
            return NO_DIFFERENCE if not difference.replaces else difference
        patterns = [paths.parse(path) for path in new.replace_on_changes]
        changed = [*difference.paths, *([INIT_ERROR_PATH] if old.init_errors else [])]
        forced = [path for path in changed if any(paths.contains(pattern, paths.parse(path)) for pattern in patterns)]
        return with_replace_paths(difference, forced)

    def _serving(self, old: Resource) -> str:
        """The reference of the provider that serves ``old`` now: its own, or what its provider has become."""
        current = self._now(urns.provider_urn(old.provider))
        return f"{current.urn}::{current.id}" if current else old.provider

    def _now(self, urn: str) -> Resource | None:
        """What has become of a resource that stood in state under this urn."""
        return self._journal.current(self._claimed.get(urn, urn))

    def _provider_changed(self, old: Resource, new: Resource) -> bool:
        if old.provider == new.provider:
            return False
        if not old.provider or not new.provider:
            return True
        before, after = self._olds.get(urns.provider_urn(old.provider)), self._journal.current(urns.provider_urn(new.provider))
        if before is None or after is None:
            return True
        if self._renamed.get(after.urn) == before.urn:
            return False
        return bool(self._packages.plugin(new.provider).diff_config(before, after.inputs).replaces)


def _compared(old: Resource, new: Resource, *replaces: str) -> Difference:
    """What differs where it is not the provider that decides."""
    return Difference(True, differing_paths(old.inputs, new.inputs), replaces)


def _is_import(wanted: Resource, old: Resource | None) -> bool:
    return wanted.custom and bool(wanted.import_id) and (old is None or old.external or wanted.import_id != (old.import_id or old.id))


def _configured(inputs: Values) -> Values:
    return {key: value for key, value in inputs.items() if key not in ("__internal", "version")}
