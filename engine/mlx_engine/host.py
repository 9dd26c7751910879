"""What a host is: the one Protocol that both hosts fulfil, and the values that cross it.

A program and the providers it needs go in; typed events come out while it runs, one result at the end. Everything here
is data: nothing in this module runs a program, reads a file or imports pulumi.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

Program = Callable[[], None]
"""An ordinary Pulumi program: it declares resources and may call ``pulumi.export``."""

PropertyMap = Mapping[str, Any]
"""Plain JSON values. An unknown value is ``UNKNOWN``, a secret one is ``SECRET``: never the value itself."""

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What stands for a value that is not known before something is applied (the SDK's own sentinel)."""

SECRET = "[secret]"
"""What stands for a secret value wherever a person or a log can see it."""


class Op(StrEnum):
    """What is done to one resource; the words are Pulumi's."""

    SAME = "same"
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    CREATE_REPLACEMENT = "create-replacement"
    DELETE_REPLACED = "delete-replaced"
    DELETE = "delete"
    READ = "read"
    READ_REPLACEMENT = "read-replacement"
    IMPORT = "import"
    IMPORT_REPLACEMENT = "import-replacement"
    REFRESH = "refresh"


@dataclass(frozen=True)
class Step:
    """One operation on one resource, as planned or as done."""

    op: Op
    urn: str
    type: str
    name: str
    custom: bool
    id: str = ""
    parent: str = ""
    old_inputs: PropertyMap = field(default_factory=dict[str, Any])
    new_inputs: PropertyMap = field(default_factory=dict[str, Any])
    old_outputs: PropertyMap = field(default_factory=dict[str, Any])
    new_outputs: PropertyMap = field(default_factory=dict[str, Any])
    changed: Sequence[str] = ()
    """Property paths that differ, sorted; for a replacement those that force it are in ``replaced_by``."""
    replaced_by: Sequence[str] = ()


class EventKind(StrEnum):
    """What happened."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    LOG = "log"
    WAITING = "waiting"


@dataclass(frozen=True)
class Event:
    """Something that a person who watches would want to know, in the order in which it happened.

    STARTED and DONE carry a step; FAILED carries a step and a message; LOG carries a message, a urn where it has one, and
    ``ephemeral`` for progress that is only of interest while it happens; WAITING says for whose lock, or for which store.
    """

    kind: EventKind
    step: Step | None = None
    urn: str = ""
    message: str = ""
    severity: str = "info"
    ephemeral: bool = False


OnEvent = Callable[[Event], None]
Guard = Callable[[Step], None]
"""Called with each step before anything is done for it; to stop the update before that step, it raises ``Refused``."""


@dataclass(frozen=True)
class Stack:
    """Which stack of which project, and where its state stands."""

    project: str
    name: str
    root: Path
    """The workspace: the folder that holds Pulumi.yaml."""
    state: Path | str
    """What holds ``.pulumi/``, Pulumi's file backend: a folder by its path, a bucket by its URL (``s3://BUCKET/PREFIX``)."""
    passphrase: str = ""
    config: Mapping[str, str] = field(default_factory=dict[str, str])
    """Fully qualified keys: ``project:key``."""
    secret_config: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Options:
    """How to run: the same for every verb."""

    parallel: int = 4
    lock_timeout: float = 0.0
    """Seconds to wait for another update of the stack; 0 fails at once and says whose it is."""
    message: str = ""
    """Recorded in the history: what triggered this update."""


@dataclass(frozen=True)
class Result:
    """What a verb did, or would do."""

    steps: Sequence[Step]
    """In the order in which they were started; SAME included."""
    outputs: PropertyMap = field(default_factory=dict[str, Any])
    state_serial: Callable[[], str] = field(default=str, repr=False, compare=False)
    duration: float = 0.0
    """Seconds."""

    @cached_property
    def serial(self) -> str:
        """sha256 of the canonical resources in state when the verb had done its work ('' for a stack without any)."""
        return self.state_serial()

    @property
    def changes(self) -> Sequence[Step]:
        """The steps that are not SAME (nor a READ of the same thing)."""
        return [step for step in self.steps if step.op not in (Op.SAME, Op.READ)]


@dataclass(frozen=True)
class Update:
    """One entry of the stack's history, the newest first in a list."""

    kind: str
    result: str
    start: float
    end: float
    message: str
    changes: Mapping[str, int]
    environment: Mapping[str, str]


class Host(Protocol):
    """What runs a program on a stack. Both hosts write the same state.

    Every verb that changes something takes the stack's lock, raises ``Locked`` when it does not get it in time, and
    ``UpdateFailed`` when a provider or the program failed: what was done by then is in state.
    """

    def preview(self, program: Program, on_event: OnEvent) -> Result: ...
    def up(self, program: Program, on_event: OnEvent, *, guard: Guard | None = None, expected_serial: str | None = None) -> Result:
        """Makes it so. With ``expected_serial``, raises ``Stale`` under the lock when the state is another one."""
        ...

    def refresh(self, on_event: OnEvent, *, preview_only: bool = False) -> Result: ...
    def destroy(self, on_event: OnEvent, *, preview_only: bool = False) -> Result: ...
    def cancel(self) -> str: ...
    def export_state(self) -> Mapping[str, Any]: ...
    def import_state(self, deployment: Mapping[str, Any], *, expected_serial: str | None = None) -> None:
        """Replaces the state by what ``export_state`` of any host gave. With ``expected_serial``, as ``up``."""
        ...

    def outputs(self) -> PropertyMap: ...
    def history(self) -> Sequence[Update]: ...


class EngineError(Exception):
    """Something the user can act on: what is wrong, and ``hint`` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Locked(EngineError):
    """Another update holds the stack's lock; the message names holder, host and time."""


class LockLost(EngineError):
    """Somebody removed or took this update's lock while it ran, or wrote the state: nothing more is written."""


class Refused(EngineError):
    """A guard stopped the update before a step, or the stack's protection did."""


class Protected(Refused):
    """A resource would be deleted or replaced that the program, or the state, protects."""


class NotInState(EngineError):
    """No resource, or more than one, has the name that was asked for."""


class Stale(EngineError):
    """The state is not the one that was expected: somebody changed it in between."""


class Unsupported(EngineError):
    """The embedded host does not do this: it needs the pulumi CLI."""


class Interrupted(EngineError):
    """The user interrupted; running operations were awaited and recorded."""


class UpdateFailed(EngineError):
    """One or more resources failed; ``result`` holds what was done before, ``failures`` a message for each urn."""

    def __init__(self, message: str, *, result: Result, failures: Mapping[str, str], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.result = result
        self.failures = failures
