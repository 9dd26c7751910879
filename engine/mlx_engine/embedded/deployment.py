"""One run: takes what the program registers, decides (one at a time), acts (several at a time), and tells who watches.

The first failure, refusal or interrupt stops the scheduling of more; what runs by then is awaited and recorded.
"""

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from mlx_engine import urns
from mlx_engine.embedded.actions import Action, step_of
from mlx_engine.embedded.deletions import delete_batches
from mlx_engine.embedded.gates import Turns
from mlx_engine.embedded.goal import Goal
from mlx_engine.embedded.journal import Journal
from mlx_engine.embedded.operations import Operations
from mlx_engine.embedded.packages import Packages
from mlx_engine.embedded.planner import Planner
from mlx_engine.embedded.plugin import ProviderError
from mlx_engine.host import EngineError, Event, EventKind, Guard, OnEvent, Op, Protected, Stack, Step
from mlx_engine.state.resource import Resource
from mlx_engine.values import Values, make_secret

T = TypeVar("T")


class Stopped(EngineError):
    """Nothing more is started in this run; why stands in the run's outcome."""


@dataclass
class Outcome:
    """What a run has come to, while it goes on."""

    steps: dict[int, Step] = field(default_factory=dict[int, Step])
    """In the order in which they were decided; those that failed are missing."""
    failures: dict[str, str] = field(default_factory=dict[str, str])
    cause: EngineError | None = None
    """A refusal, or what this host does not do."""
    interrupted: bool = False

    @property
    def stopping(self) -> bool:
        return bool(self.failures or self.cause or self.interrupted)


class Deployment:
    """Thread-safe: the SDK registers resources from several threads."""

    def __init__(
        self,
        stack: Stack,
        olds: Sequence[Resource],
        journal: Journal,
        packages: Packages,
        on_event: OnEvent,
        *,
        parallel: int,
        dry_run: bool,
        guard: Guard | None = None,
    ) -> None:
        self.outcome = Outcome()
        self.dry_run = dry_run
        self.parallel = max(parallel, 1)
        self._stack = stack
        self._journal = journal
        self.tell = on_event
        self._guard = guard
        self._planner = Planner(stack, olds, packages, journal)
        self._operations = Operations(journal, packages, self._slot, dry_run=dry_run)
        self._slots = threading.Semaphore(self.parallel)
        self._looking_ahead = threading.Semaphore(2 * self.parallel + 4)
        self._deciding = threading.RLock()
        self._turns = Turns()
        self._count = 0

    def register(self, goal: Goal) -> Resource:
        """Makes it so, and returns the resource as it stands then. Raises ``Stopped`` once the run is stopping."""
        with self._deciding:
            goal = self._with_provider(goal)
            turn = self._turns.draw()
        if not self.outcome.stopping:
            with self._looking_ahead:
                self._planner.look_ahead(goal)
        with turn.taken(), self._deciding:  # in the order of registration, however long each took to look ahead
            decided = self._decide(lambda: self._planner.plan(goal), lambda: self._doubtful(goal.wanted))
        return self._act(decided)

    def read(self, goal: Goal) -> Resource:
        """The object with the id that the goal names, which this stack does not manage."""
        with self._deciding:
            goal = self._with_provider(goal)
            decided = self._decide(lambda: self._planner.plan_read(goal), lambda: Action(Op.READ, None, goal.wanted))
        return self._act(decided)

    def register_outputs(self, urn: str, outputs: Values) -> None:
        resource = self._journal.current(urn)
        if resource is not None and resource.outputs != outputs:
            self._journal.amend(replace(resource, outputs=outputs))

    def default_provider(self, package: str, version: str) -> str:
        """The reference of the package's default provider, registered when first asked for."""
        name = f"default_{version.replace('.', '_').replace('-', '_').replace('+', '_')}" if version else "default"
        type_ = f"{urns.PROVIDER_PREFIX}{package}"
        with self._deciding:
            urn = urns.make_urn(self._stack.name, self._stack.project, "", type_, name)
            provider = self._journal.current(urn)
            provider = provider or self._register_provider(Goal(Resource(urn, type_, custom=True, inputs=self._default_inputs(package, version))))
        return f"{provider.urn}::{provider.id}"

    def delete_leftovers(self) -> None:
        """Deletes what the program no longer declares; a protected one stops it before anything is deleted."""
        condemned = self._journal.leftovers
        self._refuse_protected(condemned)
        everything = self._journal.standing
        self._operations.condemned.update(old.urn for old in condemned)
        with ThreadPoolExecutor(self.parallel, "mlx-delete") as pool:
            for batch in delete_batches(condemned, everything):
                for old in filter(_leaves_quietly, batch):
                    self._journal.drop(old)
                decided = [decided for old in batch if not _leaves_quietly(old) for decided in self._decide_delete(old)]
                list(pool.map(self._delete, decided))

    @property
    def leftovers(self) -> Sequence[Resource]:
        return self._journal.leftovers

    def attempt(self, old: Resource, ask: Callable[[], Action]) -> Action:
        """Asks for the action on ``old``; where that fails, the failure is recorded and ``old`` stays as it is."""
        try:
            with self._slot():
                return ask()
        except ProviderError as error:
            self._fail(-1, Action(Op.REFRESH, old, old), str(error))
            return Action(Op.SAME, old, old)

    def adopt_refreshed(self, actions: Sequence[Action]) -> None:
        """Records what was read, all at once and in state's order."""
        for action in actions:
            number = self._announce(action)
            self.tell(Event(EventKind.STARTED, step=self.outcome.steps[number], urn=action.subject.urn))
            if action.new is not action.old:
                self._journal.refresh(action.subject if action.old is None else action.old, action.new)
            self.tell(Event(EventKind.DONE, step=self.outcome.steps[number], urn=action.subject.urn))

    def stop(self, cause: EngineError | None = None, *, interrupted: bool = False) -> None:
        self.outcome.cause = self.outcome.cause or cause
        self.outcome.interrupted = self.outcome.interrupted or interrupted

    def _register_provider(self, goal: Goal) -> Resource:
        """Out of turn: what asked for it waits for it."""
        return self._act(self._decide(lambda: self._planner.plan(goal), lambda: self._doubtful(goal.wanted)))

    def _with_provider(self, goal: Goal) -> Goal:
        wanted = goal.wanted
        if not wanted.custom or wanted.provider or urns.is_provider(wanted.type):
            return goal
        return replace(goal, wanted=replace(wanted, provider=self.default_provider(urns.package_of(wanted.type), goal.version)))

    def _default_inputs(self, package: str, version: str) -> Values:
        own = {key.partition(":")[2]: key for key in self._stack.config if key.startswith(f"{package}:")}
        inputs = {name: _config_value(self._stack, key) for name, key in own.items()}
        return {"__internal": {}, **inputs, "version": version} if version else inputs

    def _decide(self, plan: Callable[[], list[Action]], doubtful: Callable[[], Action]) -> list[tuple[int, Action]]:
        if self.outcome.stopping:
            raise Stopped("the run is stopping")
        try:
            actions = plan()
        except ProviderError as error:
            self._fail(-1, doubtful(), str(error))
            raise Stopped(str(error)) from error
        except EngineError as error:
            self.stop(error)
            raise
        self._operations.condemned.update(action.subject.urn for action in actions if action.op is Op.DELETE_REPLACED)
        return [(self._announce(action), action) for action in actions]

    def _announce(self, action: Action) -> int:
        step = step_of(action)
        if self._guard:
            try:
                self._guard(step)
            except EngineError as refusal:
                self.stop(refusal)
                raise
        self._count += 1
        self.outcome.steps[self._count] = step
        return self._count

    def _act(self, decided: Sequence[tuple[int, Action]]) -> Resource:
        final: Resource | None = None
        for position, (number, action) in enumerate(decided):
            try:
                final = self._carry_out(number, action) or final
            except Stopped:
                for later, _ in decided[position:]:
                    self.outcome.steps.pop(later, None)
                raise
        assert final is not None
        return final

    def _carry_out(self, number: int, action: Action) -> Resource | None:
        self.tell(Event(EventKind.STARTED, step=self.outcome.steps[number], urn=action.subject.urn))
        try:
            done = self._operations.carry_out(action)
        except Stopped:
            raise
        except (ProviderError, EngineError) as error:
            self._fail(number, action, str(error))
            raise Stopped(str(error)) from error
        if done is not None:
            self.outcome.steps[number] = step_of(action, done)
        self.tell(Event(EventKind.DONE, step=self.outcome.steps[number], urn=action.subject.urn))
        return done

    @contextmanager
    def _slot(self) -> Generator[None]:
        with self._slots:
            if self.outcome.stopping:
                raise Stopped("the run is stopping")
            yield

    def _fail(self, number: int, action: Action, message: str) -> None:
        step = self.outcome.steps.pop(number, None) or step_of(action)
        self.outcome.failures[step.urn] = message
        self.tell(Event(EventKind.FAILED, step=step, urn=step.urn, message=message, severity="error"))

    def _doubtful(self, wanted: Resource) -> Action:
        """What a goal whose check or diff failed would have been, as far as one can tell."""
        old = self._planner.found(wanted.urn)
        return Action(Op.UPDATE if old else Op.CREATE, old, wanted)

    def _refuse_protected(self, condemned: Sequence[Resource]) -> None:
        protected = [old.name for old in condemned if old.protect and not old.delete]
        if protected:
            refusal = Protected(f"{', '.join(protected)} would be deleted, and is protected", hint="remove protect in the program first, and apply that")
            self.stop(refusal)
            raise refusal

    def _decide_delete(self, old: Resource) -> list[tuple[int, Action]]:
        op = Op.DELETE_REPLACED if old.delete else Op.DELETE
        return self._decide(lambda: [Action(op, old)], lambda: Action(op, old))

    def _delete(self, decided: tuple[int, Action]) -> None:
        number, action = decided
        try:
            self._carry_out(number, action)
        except Stopped:
            self.outcome.steps.pop(number, None)
            raise


def _leaves_quietly(old: Resource) -> bool:
    """No object stands behind it that is ours: it was deleted to be replaced, or was only ever read."""
    return old.pending_replacement or old.external


def _config_value(stack: Stack, key: str) -> object:
    value = stack.config[key]
    return make_secret(value) if key in stack.secret_config else value
