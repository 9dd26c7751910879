"""When a value is known: ``booking``, ``arrival+1h``, ``1d``; and whether it is known by the time of a prediction.

Text of ``availableAt`` and ``predictAt`` enters, a ``Moment`` leaves. Knows nothing of files, columns or datasets.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from mlx_specs.base import seconds

MOMENT = re.compile(r"^(?:([a-z](?:[-a-z0-9]{0,38}[a-z0-9])?)(?:\s*\+\s*(\d+[smhdw]))?|(\d+[smhdw]))$")


@dataclass(frozen=True, order=True)
class Moment:
    """An event of a row's life and a delay after it; without an event: a delay after the row's event time."""

    event: str | None
    delay: int = 0
    """Seconds."""

    def __str__(self) -> str:
        if self.event is None:
            return spell(self.delay)
        return self.event if self.delay == 0 else f"{self.event}+{spell(self.delay)}"


def parse_moment(text: str) -> Moment:
    """``"departure"``, ``"arrival+1h"`` or ``"1d"`` as a Moment; ValueError, in the user's words, for anything else."""
    match = MOMENT.match(text.strip())
    if match is None:
        raise ValueError(f"expected an event (departure), an event and a delay (arrival+1h) or a delay (1d), found '{text}'")
    event, after_event, after_row = match.groups()
    if after_row is not None:
        return Moment(None, seconds(after_row))
    return Moment(event, seconds(after_event) if after_event is not None else 0)


def known_by(available: Moment, predict: Moment, timeline: Sequence[str]) -> bool | None:
    """Whether what is known at ``available`` is known at ``predict``; None where the timeline cannot tell.

    It cannot tell for an event that it does not list, for an event against a bare delay, and for a delay that may reach
    beyond a later event (``booking+1h`` against ``departure``).
    """
    if available.event == predict.event:
        return available.delay <= predict.delay
    if available.event not in timeline or predict.event not in timeline:
        return None
    if timeline.index(available.event) > timeline.index(predict.event):
        return False if predict.delay == 0 else None
    return True if available.delay == 0 else None


def _check_moment(text: str) -> str:
    parse_moment(text)
    return text


MomentText = Annotated[str, AfterValidator(_check_moment)]
"""What people write for a moment; it has been seen to parse."""


def spell(delay: int) -> str:
    """Seconds in the largest unit that divides them: 3600 -> ``1h``."""
    for unit, size in (("w", 604800), ("d", 86400), ("h", 3600), ("m", 60)):
        if delay and delay % size == 0:
            return f"{delay // size}{unit}"
    return f"{delay}s"
