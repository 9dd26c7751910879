"""Decides what becomes of each resource, as Pulumi's step generator does: check, compare, then one of same, update, replace, create.

Called for one resource at a time. It asks providers (check, diff) and reads state; it changes nothing.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from mlx_engine import paths, urns
from mlx_engine.embedded.actions import Action
from mlx_engine.embedded.goal import Goal
from mlx_engine.embedded.packages import Packages
from mlx_engine.embedded.plugin import NO_DIFFERENCE, Difference, with_replace_paths
from mlx_engine.host import UNKNOWN, EngineError, Op, Refused
from mlx_engine.state.resource import Resource
from mlx_engine.values import Values, differing_paths

INIT_ERROR_PATH = "#initerror"


class Planner:
    """What it knows of a run: what stood in state, what was met, what was replaced or deleted on the way."""

    def __init__(self, olds: Sequence[Resource], packages: Packages, find_new: Callable[[str], Resource | None]) -> None:
        self.olds = {old.urn: old for old in olds if not old.delete}
        self.recreate: dict[str, Sequence[str]] = {}
        """Urns that were deleted because something they depend on is replaced -> the paths that force it."""
        self._in_order = [old for old in olds if not old.delete]
        self._packages = packages
        self._find_new = find_new
        self._met: set[str] = set()
        self._replaced: set[str] = set()

    def plan(self, goal: Goal, urn: str) -> list[Action]:
        """The actions that make the goal so, in order; the last but REPLACE yields the new resource."""
        self._meet(urn)
        old = self.olds.get(urn)
        if urn in self.recreate:
            return self._plan_recreation(goal, urn, old)
        new = self._checked(goal, goal.resource(urn, old), old)
        if old is None:
            return [Action(Op.CREATE, None, new)]
        if old.external:
            return self._replacement(old, new, Difference(True), delete_first=False)
        difference = self._difference(goal, old, new)
        if difference.replaces or old.pending_replacement:
            return self._plan_replacement(goal, old, new, difference)
        if difference.changed or old.init_errors:
            return [Action(Op.UPDATE, old, new, difference)]
        return [Action(Op.SAME, old, replace(new, id=old.id, outputs=old.outputs))]

    def plan_read(self, new: Resource) -> list[Action]:
        self._meet(new.urn)
        old = self.olds.get(new.urn)
        if old is None or old.external or old.id == new.id:
            return [Action(Op.READ, old, new)]
        self._replaced.add(new.urn)
        return [Action(Op.READ_REPLACEMENT, old, new), Action(Op.REPLACE, old, new)]

    def _meet(self, urn: str) -> None:
        if urn in self._met:
            hint = "give one of the two another name"
            raise EngineError(f"{urns.name_of(urn)}: two resources have the urn {urn}", hint=hint)
        self._met.add(urn)

    def _plan_recreation(self, goal: Goal, urn: str, old: Resource | None) -> list[Action]:
        assert old is not None
        self._replaced.add(urn)
        new = self._checked(goal, goal.resource(urn, None), None)
        difference = Difference(True, differing_paths(old.inputs, new.inputs), self.recreate.pop(urn))
        return [Action(Op.REPLACE, old, new, difference), Action(Op.CREATE_REPLACEMENT, old, new, difference, delete_first=True)]

    def _plan_replacement(self, goal: Goal, old: Resource, new: Resource, difference: Difference) -> list[Action]:
        if old.protect and new.protect:
            hint = "remove protect from it in the program first, and apply that"
            raise Refused(f"{old.name} is protected, and {', '.join(difference.replaces) or 'its state'} would replace it", hint=hint)
        self._replaced.add(old.urn)
        fresh = self._checked(goal, goal.resource(old.urn, None), None)
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
                raise Refused(f"{old.name} is protected, and replacing {root.name} would replace it", hint="remove protect from it first")
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
                if old.urn not in self._met:
                    below.append(self.olds.get(old.urn, old))
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
        difference = self._compare(old, guess, old.ignore_changes, old.replace_on_changes)
        return difference if difference.replaces else None

    def _checked(self, goal: Goal, new: Resource, old: Resource | None) -> Resource:
        """``new`` with the inputs that its provider makes of them."""
        if not new.custom:
            return new
        inputs = new.inputs
        for path in goal.ignore_changes if old else ():
            inputs = paths.reset(paths.parse(path), old.inputs if old else {}, inputs)
        before = old.inputs if old and not old.external else {}
        if urns.is_provider(new.type):
            return replace(new, inputs=self._checked_config(new, before, inputs))
        seed = hashlib.sha256(f"{new.urn} {old.id if old else ''}".encode()).digest()
        return replace(new, inputs=self._packages.plugin(new.provider).check(new.urn, before, inputs, seed))

    def _checked_config(self, new: Resource, before: Values, inputs: Values) -> Values:
        own = {key: inputs[key] for key in ("__internal", "version") if key in inputs}
        plugin = self._packages.candidate(new.urn, inputs.get("version", ""))
        return {**own, **plugin.check_config(new.urn, _configured(before), _configured(inputs)), **own}

    def _difference(self, goal: Goal, old: Resource, new: Resource) -> Difference:
        if new.deleted_with in self._replaced:
            return Difference(True, replaces=["deletedWith"])
        if self._provider_changed(old, new):
            return Difference(True, differing_paths(old.inputs, new.inputs), ["provider"])
        if not new.custom:
            differing = differing_paths(old.inputs, new.inputs)
            return Difference(bool(differing), differing)
        return self._compare(old, new.inputs, goal.ignore_changes, goal.replace_on_changes)

    def _compare(self, old: Resource, news: Values, ignored: Sequence[str], forcing: Sequence[str]) -> Difference:
        if urns.is_provider(old.type):
            difference = self._packages.candidate(old.urn, news.get("version", "")).diff_config(old, news)
        else:
            difference = self._packages.plugin(self._serving(old)).diff(old, news, ignored)
        if not difference.changed and not old.init_errors:
            return NO_DIFFERENCE if not difference.replaces else difference
        patterns = [paths.parse(path) for path in forcing]
        changed = [*difference.paths, *([INIT_ERROR_PATH] if old.init_errors else [])]
        forced = [path for path in changed if any(paths.contains(pattern, paths.parse(path)) for pattern in patterns)]
        return with_replace_paths(difference, forced)

    def _serving(self, old: Resource) -> str:
        """The reference of the provider that serves ``old`` now: its own, or what its provider has become."""
        current = self._find_new(urns.provider_urn(old.provider))
        return f"{current.urn}::{current.id}" if current else old.provider

    def _provider_changed(self, old: Resource, new: Resource) -> bool:
        if old.provider == new.provider:
            return False
        if not old.provider or not new.provider:
            return True
        before, after = self.olds.get(urns.provider_urn(old.provider)), self._find_new(urns.provider_urn(new.provider))
        if before is None or after is None:
            return True
        return bool(self._packages.plugin(new.provider).diff_config(before, after.inputs).replaces)


def _configured(inputs: Values) -> Values:
    return {key: value for key, value in inputs.items() if key not in ("__internal", "version")}
