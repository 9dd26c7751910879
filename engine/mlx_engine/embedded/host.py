"""The embedded host: each verb of the Protocol, as the order of what it does.

A verb loads the state, runs a deployment on it, and says what came of it. Verbs that change something hold the lock.
"""

import re
import threading
import time
import traceback
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mlx_engine.embedded.deployment import Deployment, Stopped
from mlx_engine.embedded.executable import Executables
from mlx_engine.embedded.healing import heal
from mlx_engine.embedded.journal import Journal
from mlx_engine.embedded.monitor import Engine, Monitor
from mlx_engine.embedded.packages import Packages
from mlx_engine.embedded.refresh import refresh_resources
from mlx_engine.embedded.sdk import run_program
from mlx_engine.embedded.stack_references import with_builtin
from mlx_engine.host import (
    EngineError,
    Event,
    EventKind,
    Guard,
    Interrupted,
    OnEvent,
    Options,
    Program,
    PropertyMap,
    Result,
    Stack,
    Unsupported,
    Update,
    UpdateFailed,
)
from mlx_engine.interrupts import interruptible
from mlx_engine.providers import ProviderFactory
from mlx_engine.state.checkpoint import CheckpointText, Snapshot, check_serial, load_deployment, salt_of, serial, snapshot_of
from mlx_engine.state.files import files_of, write_meta
from mlx_engine.state.history import back_up, count_changes, execution, read_updates, record_update
from mlx_engine.state.integrity import check_snapshot
from mlx_engine.state.lock import Lease, break_locks, locked
from mlx_engine.state.resource import Resource
from mlx_engine.state.secrets import Secrets
from mlx_engine.urns import STACK_TYPE
from mlx_engine.values import redacted

Work = Callable[[Deployment, Packages], None]


class EmbeddedHost:
    """Fulfils ``mlx_engine.host.Host`` in this process."""

    def __init__(self, stack: Stack, options: Options, providers: Mapping[str, ProviderFactory]) -> None:
        self._stack = stack
        self._options = options
        self._providers = with_builtin(providers, stack)
        self._files = files_of(stack)

    def preview(self, program: Program, on_event: OnEvent) -> Result:
        return self._run("preview", self._running(program), on_event, dry_run=True)

    def up(self, program: Program, on_event: OnEvent, *, guard: Guard | None = None, expected_serial: str | None = None) -> Result:
        return self._run("update", self._running(program), on_event, guard=guard, expected_serial=expected_serial)

    def refresh(self, on_event: OnEvent, *, preview_only: bool = False) -> Result:
        return self._run("refresh", refresh_resources, on_event, dry_run=preview_only)

    def destroy(self, on_event: OnEvent, *, preview_only: bool = False) -> Result:
        return self._run("destroy", lambda deployment, _packages: deployment.delete_leftovers(), on_event, dry_run=preview_only)

    def cancel(self) -> str:
        """Removes the stack's locks, whoever holds them, and says whose they were."""
        broken = break_locks(self._files)
        return f"removed the lock of {', '.join(map(str, broken))}" if broken else f"{self._stack.name} is not locked"

    def export_state(self) -> Mapping[str, Any]:
        return {"version": 3, "deployment": load_deployment(self._stack)}

    def import_state(self, deployment: Mapping[str, Any], *, expected_serial: str | None = None) -> None:
        if deployment.get("version") != 3:
            raise Unsupported(f"a deployment of version {deployment.get('version')} needs the pulumi CLI", hint="export it with version 3")
        secrets = Secrets(self._stack.passphrase, salt_of(deployment["deployment"]))
        snapshot = snapshot_of(deployment["deployment"], secrets)
        with locked(self._files, self._options.lock_timeout, lambda _message: None) as lease:
            if expected_serial is not None:
                check_serial(expected_serial, load_deployment(self._stack))
            self._writer(CheckpointText(self._stack, secrets), lease)(snapshot)

    def outputs(self) -> PropertyMap:
        deployment = load_deployment(self._stack)
        return _outputs_of(snapshot_of(deployment, Secrets(self._stack.passphrase, salt_of(deployment))).resources)

    def history(self) -> Sequence[Update]:
        return read_updates(self._files)

    def _running(self, program: Program) -> Work:
        """Runs the program, then deletes what it no longer declares."""

        def work(deployment: Deployment, packages: Packages) -> None:
            dry_run = deployment.dry_run
            monitor = Monitor(self._stack, deployment, packages, parallel=self._options.parallel, dry_run=dry_run)
            run_program(program, self._stack, monitor, Engine(deployment), parallel=self._options.parallel, dry_run=dry_run)
            if not deployment.outcome.stopping:
                deployment.delete_leftovers()

        return work

    def _run(
        self, kind: str, work: Work, on_event: OnEvent, *, dry_run: bool = False, guard: Guard | None = None, expected_serial: str | None = None
    ) -> Result:
        on_event = _one_at_a_time(on_event)
        if dry_run:
            return self._run_unlocked(kind, work, on_event, None, load_deployment(self._stack), guard=guard)
        with locked(self._files, self._options.lock_timeout, lambda message: on_event(Event(EventKind.WAITING, message=message))) as lease:
            stored = load_deployment(self._stack)
            if expected_serial is not None:
                check_serial(expected_serial, stored)
            return self._run_unlocked(kind, work, on_event, lease, stored, guard=guard)

    def _run_unlocked(self, kind: str, work: Work, on_event: OnEvent, lease: Lease | None, stored: Mapping[str, Any], *, guard: Guard | None) -> Result:
        """Without a lease nothing is done: a preview."""
        start, dry_run = time.time(), lease is None
        secrets = Secrets(self._stack.passphrase, salt_of(stored))
        if lease and not stored:
            secrets.foresee()
        snapshot, text = snapshot_of(stored, secrets), CheckpointText(self._stack, secrets)
        with self._packages(snapshot, on_event, dry_run=dry_run) as packages:
            write = self._writer(text, lease) if lease else None
            if snapshot.pending:
                snapshot = heal(snapshot, packages, on_event, dry_run=dry_run)
                if write:
                    write(snapshot)
            journal = Journal(snapshot.resources, snapshot.metadata, write, self._options.parallel)
            deployment = self._deployment(snapshot, journal, packages, on_event, dry_run=dry_run, guard=guard)
            fault = self._attempt(work, deployment, packages, journal)
        result = self._result(deployment, journal, (lambda: serial(stored)) if dry_run else (lambda: text.serial(journal.snapshot())), start)
        if lease:
            self._record(lease, kind, result, start, secrets, failed=fault is not None)
        if fault:
            raise _raised(fault, deployment, result)
        return result

    def _attempt(self, work: Work, deployment: Deployment, packages: Packages, journal: Journal) -> BaseException | None:
        """Does the work, and returns what it raised; the journal is on disk by then."""
        try:
            with interruptible(lambda: _interrupt(deployment, packages)):
                work(deployment, packages)
        except Exception as error:
            return error
        finally:
            journal.close()
        return Stopped("interrupted") if deployment.outcome.stopping else None

    def _deployment(self, snapshot: Snapshot, journal: Journal, packages: Packages, on_event: OnEvent, *, dry_run: bool, guard: Guard | None) -> Deployment:
        parallel = self._options.parallel
        return Deployment(self._stack, snapshot.resources, journal, packages, on_event, parallel=parallel, dry_run=dry_run, guard=guard)

    @contextmanager
    def _packages(self, snapshot: Snapshot, on_event: OnEvent, *, dry_run: bool) -> Generator[Packages]:
        def log(urn: str, message: str, ephemeral: bool) -> None:
            on_event(Event(EventKind.LOG, urn=urn, message=message, ephemeral=ephemeral))

        executables = Executables(log)
        packages = Packages(self._providers, executables.start, log, snapshot.resources, dry_run=dry_run)
        try:
            yield packages
        finally:
            packages.close()
            executables.close()

    def _writer(self, text: CheckpointText, lease: Lease) -> Callable[[Snapshot], None]:
        """Writes checkpoints; what stood there before the update is kept, as ``.bak`` and among the backups."""
        write_meta(lease.files)
        back_up(lease.files)

        def write(snapshot: Snapshot) -> None:
            check_snapshot(snapshot.resources)
            lease.write_checkpoint(text.text(snapshot))

        return write

    def _result(self, deployment: Deployment, journal: Journal, serial: Callable[[], str], start: float) -> Result:
        resources = journal.snapshot().resources
        steps = [step for _, step in sorted(deployment.outcome.steps.items())]
        return Result(steps, _outputs_of(resources), serial, time.time() - start)

    def _record(self, lease: Lease, kind: str, result: Result, start: float, secrets: Secrets, *, failed: bool) -> None:
        changes = count_changes(result.steps)
        outcome = "failed" if failed else "succeeded"
        end = time.time()
        update = Update(kind, outcome, start, end, self._options.message, changes, execution(result.steps, end - start))
        config = {key: {"secure": secrets.seal(value, "")} if key in self._stack.secret_config else value for key, value in self._stack.config.items()}
        record_update(lease.files, update, config)


def _one_at_a_time(on_event: OnEvent) -> OnEvent:
    """Events come from many threads; who watches sees one after the other."""
    lock = threading.Lock()

    def tell(event: Event) -> None:
        with lock:
            on_event(event)

    return tell


def _interrupt(deployment: Deployment, packages: Packages) -> None:
    deployment.stop(interrupted=True)
    packages.cancel()
    # In a thread: the signal may have come while this one holds the lock that keeps events in order.
    waiting = Event(EventKind.WAITING, message="interrupted: waiting for what is running to end")
    threading.Thread(target=deployment.tell, args=(waiting,), daemon=True).start()


def _raised(fault: BaseException, deployment: Deployment, result: Result) -> BaseException:
    """What a verb raises for what its work raised: the cause, not its consequences."""
    outcome = deployment.outcome
    unsupported = _unsupported_by_sdk(fault)
    if outcome.cause or unsupported:
        return outcome.cause or unsupported or fault
    if outcome.interrupted:
        done = f"{len(result.changes)} step" + ("" if len(result.changes) == 1 else "s")
        return Interrupted(f"interrupted after {done}: what was done is recorded", hint="run it again to go on")
    if outcome.failures:
        first = next(iter(outcome.failures.items()))
        return UpdateFailed(f"{first[0].rpartition('::')[2]}: {first[1]}", result=result, failures=dict(outcome.failures), hint="mend it and run it again")
    if isinstance(fault, EngineError):
        return fault
    failure = UpdateFailed(f"the program failed: {_where(fault)}", result=result, failures={"": str(fault)}, hint="nothing more was started")
    failure.__cause__ = fault
    return failure


def _where(fault: BaseException) -> str:
    frames = traceback.extract_tb(fault.__traceback__)
    last = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(fault).__name__}: {fault}{last}"


def _unsupported_by_sdk(fault: BaseException) -> Unsupported | None:
    found = re.match(r"The Pulumi CLI does not support (?:the )?(.+?)\. Please update", str(fault))
    return Unsupported(f"{found[1]} needs the pulumi CLI", hint="set host: pulumi, or leave it out") if found else None


def _outputs_of(resources: Sequence[Resource]) -> PropertyMap:
    root = next((resource for resource in resources if resource.type == STACK_TYPE and not resource.delete), None)
    return redacted(root.outputs) if root else {}
