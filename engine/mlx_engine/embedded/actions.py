"""What is to be done to one resource, decided and not started; and the step by which people and guards see it."""

from dataclasses import dataclass
from typing import Any

from mlx_engine.embedded.plugin import NO_DIFFERENCE, Difference
from mlx_engine.host import Op, Step
from mlx_engine.state.resource import Resource
from mlx_engine.values import UNSEEN, Values, redacted


@dataclass(frozen=True)
class Action:
    op: Op
    old: Resource | None = None
    new: Resource | None = None
    difference: Difference = NO_DIFFERENCE
    delete_first: bool = False
    """Of a replacement: the old object goes before the new one comes."""

    @property
    def subject(self) -> Resource:
        subject = self.new or self.old
        assert subject is not None
        return subject


def step_of(action: Action, done: Resource | None = None) -> Step:
    """The step as people see it: secrets redacted; with ``done``, its outcome."""
    old, new, subject = action.old, done or action.new, done or action.subject
    known_id = subject.id if subject.id not in UNSEEN else ""
    return Step(
        op=action.op,
        urn=subject.urn,
        type=subject.type,
        name=subject.name,
        custom=subject.custom,
        id=known_id or (old.id if old and action.op is not Op.CREATE_REPLACEMENT else ""),
        parent=subject.parent,
        old_inputs=_shown(old.inputs if old else {}),
        new_inputs=_shown(new.inputs if new else {}),
        old_outputs=_shown(old.outputs if old else {}),
        new_outputs=_shown(new.outputs if new else {}),
        changed=list(action.difference.paths),
        replaced_by=list(action.difference.replaces),
    )


def _shown(values: Values) -> dict[str, Any]:
    return redacted(values)
