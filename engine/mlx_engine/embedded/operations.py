"""Does one decided action: asks the provider, and records before and after. In a preview nothing but the record in memory happens."""

import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TypeVar, assert_never

from mlx_engine import urns
from mlx_engine.embedded.actions import Action
from mlx_engine.embedded.journal import Journal
from mlx_engine.embedded.packages import Packages
from mlx_engine.embedded.plugin import InitializationFailed, Live, Plugin, ProviderError
from mlx_engine.host import UNKNOWN, Op
from mlx_engine.state.checkpoint import touched
from mlx_engine.state.resource import Resource

Outcome = TypeVar("Outcome")
Slot = Callable[[], AbstractContextManager[None]]
"""``with slot():`` waits until one operation more may run."""


class Operations:
    def __init__(self, journal: Journal, packages: Packages, slot: Slot, *, dry_run: bool) -> None:
        self._journal = journal
        self._packages = packages
        self._slot = slot
        self._dry_run = dry_run
        self.condemned: set[str] = set()
        """Urns of objects that go in this run; what is deleted with one of them is not deleted by itself."""

    def carry_out(self, action: Action) -> Resource | None:
        """The resource as it stands in state afterwards; None where the action leaves none.

        Raises ``ProviderError``; what the provider has done by then is recorded.
        """
        match action.op:
            case Op.SAME:
                return self._keep_same(action)
            case Op.CREATE | Op.CREATE_REPLACEMENT:
                return self._create(action)
            case Op.UPDATE:
                return self._update(action)
            case Op.READ | Op.READ_REPLACEMENT:
                return self._read(action)
            case Op.IMPORT | Op.IMPORT_REPLACEMENT:
                return self._import(action)
            case Op.DELETE | Op.DELETE_REPLACED:
                return self._delete(action)
            case Op.REPLACE | Op.REFRESH:
                return None
            case _:
                assert_never(action.op)

    def _keep_same(self, action: Action) -> Resource:
        old, new = _both(action)
        kept = replace(new, rest=old.rest)
        unchanged = _same_record(old, kept)
        self._journal.keep(old if unchanged else kept, old, changed=not unchanged)
        if urns.is_provider(new.type):
            self._packages.adopt(kept)
        return kept

    def _create(self, action: Action) -> Resource:
        new = action.subject
        if not new.custom:
            done = touched(new)
        elif urns.is_provider(new.type):
            done = self._adopted(touched(new), UNKNOWN if self._dry_run else str(uuid.uuid4()))
        else:
            return self._create_object(action, new)
        self._record_created(action, done)
        return done

    def _create_object(self, action: Action, new: Resource) -> Resource:
        def record(live: Live) -> Resource:
            done = touched(live.recorded(new))
            self._record_created(action, done)
            return done

        return self._run("creating", new, lambda: self._packages.plugin(new.provider).create(new), record)

    def _record_created(self, action: Action, done: Resource) -> None:
        old, new = action.old, action.subject
        if action.op is Op.CREATE_REPLACEMENT and old is not None and not action.delete_first:
            self._journal.condemn(old)
            old = None
        self._journal.keep(done, self._standing(old), ends=new)

    def _standing(self, old: Resource | None) -> Resource | None:
        """What stands in state for ``old`` now: deleting it first has changed its record."""
        if old is None:
            return None
        return next((left for left in self._journal.leftovers if left.urn == old.urn and not left.delete), None)

    def _update(self, action: Action) -> Resource:
        old, new = _both(action)
        if not new.custom:
            done = touched(replace(new, id=old.id), created=old.created)
            self._journal.keep(done, old)
            return done
        if urns.is_provider(new.type):
            done = self._adopted(touched(new, created=old.created), old.id)
            self._journal.keep(done, old)
            return done
        return self._update_object(old, new)

    def _update_object(self, old: Resource, new: Resource) -> Resource:
        def record(live: Live) -> Resource:
            done = touched(live.recorded(new), created=old.created)
            self._journal.keep(done, old, ends=pending)
            return done

        pending = replace(new, id=old.id, outputs=old.outputs)
        return self._run("updating", pending, lambda: self._packages.plugin(new.provider).update(old, new), record)

    def _read(self, action: Action) -> Resource:
        new = action.subject
        if new.id == UNKNOWN:
            return new

        def record(live: Live) -> Resource:
            if not live.id:
                raise ProviderError(f"{new.name}: there is no {new.type} with the id {new.id!r}")
            done = live.recorded(new)
            self._keep_found(action, done)
            return done

        return self._run("reading", new, lambda: self._packages.plugin(new.provider).read(replace(new, outputs=new.inputs)), record)

    def _import(self, action: Action) -> Resource:
        """The planner has read the object; here it is taken into state."""
        done = touched(action.subject)
        self._keep_found(action, done)
        return done

    def _keep_found(self, action: Action, done: Resource) -> None:
        if action.old is not None and action.op in (Op.READ_REPLACEMENT, Op.IMPORT_REPLACEMENT):
            self._journal.condemn(action.old)
            self._journal.keep(done, ends=action.new)
        else:
            self._journal.keep(done, action.old, ends=action.new)

    def _delete(self, action: Action) -> None:
        old = action.subject
        deletes = old.custom and not (old.external or old.retain_on_delete or urns.is_provider(old.type) or self._dry_run)
        if deletes and old.deleted_with not in self.condemned:
            self._run("deleting", old, lambda: self._ask_to_delete(action), lambda _gone: self._record_deleted(action))
        else:
            self._record_deleted(action)

    def _ask_to_delete(self, action: Action) -> Live:
        """A delete that failed may have removed the object all the same: left in state, nothing would ever make it again."""
        old = action.subject
        plugin = self._packages.plugin(old.provider)
        try:
            return plugin.delete(old)
        except ProviderError:
            if _is_gone(old, plugin):
                self._record_deleted(action)
            raise

    def _record_deleted(self, action: Action) -> None:
        old = action.subject
        if action.delete_first:
            self._journal.await_replacement(old, ends=old)
        else:
            self._journal.drop(old, ends=old)

    def _run(self, kind: str, pending: Resource, ask: Callable[[], Live], record: Callable[[Live], Outcome]) -> Outcome:
        # On disk before its turn has come: while the disk is waited for, others have theirs.
        self._journal.begin(kind, pending)
        try:
            with self._slot():
                return record(ask())
        except InitializationFailed as partial:
            record(partial.live)
            raise
        finally:
            self._journal.end(pending)

    def _adopted(self, provider: Resource, identity: str) -> Resource:
        outputs = {key: value for key, value in provider.inputs.items() if key != "__internal"}
        adopted = replace(provider, id=identity, outputs=outputs)
        self._packages.adopt(adopted)
        return adopted


def _both(action: Action) -> tuple[Resource, Resource]:
    assert action.old is not None
    assert action.new is not None
    return action.old, action.new


def _is_gone(old: Resource, plugin: Plugin) -> bool:
    """Whether the provider says so; one that cannot say leaves it in state."""
    try:
        return not plugin.read(old).id
    except ProviderError:
        return False


def _same_record(old: Resource, new: Resource) -> bool:
    return all(getattr(old, name) == getattr(new, name) for name in _RECORDED)


_RECORDED = [name for name in Resource.__dataclass_fields__ if name not in ("created", "modified")]
