"""One run of a verb on the state that was loaded: what it deploys, what it writes, and what it says or raises at the end."""

import re
import threading
import time
import traceback
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
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
    Result,
    Stack,
    Unsupported,
    Update,
    UpdateFailed,
)
from mlx_engine.interrupts import interruptible
from mlx_engine.providers import ProviderFactory
from mlx_engine.state.checkpoint import CheckpointText, Snapshot, serial, snapshot_of
from mlx_engine.state.history import count_changes, execution, record_update
from mlx_engine.state.lock import Lease
from mlx_engine.state.outputs import outputs_of
from mlx_engine.state.secrets import Secrets
from mlx_engine.state.writing import checkpoint_writer


@dataclass(frozen=True)
class Run:
    kind: str
    """``preview``, ``update``, ``refresh`` or ``destroy``."""
    stack: Stack
    options: Options
    providers: Mapping[str, ProviderFactory]
    on_event: OnEvent
    program: Program | None
    """Of a preview or an update."""
    guard: Guard | None
    lease: Lease | None
    """Without one nothing is done: a preview."""
    stored: Mapping[str, Any]
    secrets: Secrets

    def result(self) -> Result:
        start = time.time()
        snapshot, text = snapshot_of(self.stored, self.secrets), CheckpointText(self.stack, self.secrets)
        with self._packages(snapshot) as packages:
            write = checkpoint_writer(text, self.lease) if self.lease else None
            if snapshot.pending:
                snapshot = heal(snapshot, packages, self.on_event, dry_run=self.lease is None)
                if write:
                    write(snapshot)
            journal = Journal(snapshot.resources, snapshot.metadata, write, self.options.parallel)
            deployment = self._deployment(snapshot, journal, packages)
            fault = self._attempt(deployment, packages, journal)
        result = self._said(deployment, journal, text, start)
        if self.lease:
            self._record(self.lease, result, start, failed=fault is not None)
        if fault:
            raise _raised(fault, deployment, result)
        return result

    def _attempt(self, deployment: Deployment, packages: Packages, journal: Journal) -> BaseException | None:
        """Does the work, and returns what it raised; the journal is on disk by then."""
        try:
            with interruptible(lambda: _interrupt(deployment, packages)):
                self._work(deployment, packages)
        except Exception as error:
            return error
        finally:
            journal.close()
        return Stopped("interrupted") if deployment.outcome.stopping else None

    def _work(self, deployment: Deployment, packages: Packages) -> None:
        if self.kind == "refresh":
            refresh_resources(deployment, packages)
            return
        if self.program:
            parallel, dry_run = self.options.parallel, deployment.dry_run
            monitor = Monitor(self.stack, deployment, packages, parallel=parallel, dry_run=dry_run)
            run_program(self.program, self.stack, monitor, Engine(deployment), parallel=parallel, dry_run=dry_run)
        if not deployment.outcome.stopping:
            deployment.delete_leftovers()  # what the program no longer declares; all, where there is none

    def _deployment(self, snapshot: Snapshot, journal: Journal, packages: Packages) -> Deployment:
        parallel, dry_run = self.options.parallel, self.lease is None
        return Deployment(self.stack, snapshot.resources, journal, packages, self.on_event, parallel=parallel, dry_run=dry_run, guard=self.guard)

    @contextmanager
    def _packages(self, snapshot: Snapshot) -> Generator[Packages]:
        def log(urn: str, message: str, ephemeral: bool) -> None:
            self.on_event(Event(EventKind.LOG, urn=urn, message=message, ephemeral=ephemeral))

        executables, providers = Executables(log), with_builtin(self.providers, self.stack)
        packages = Packages(providers, executables.start, log, snapshot.resources, dry_run=self.lease is None)
        try:
            yield packages
        finally:
            packages.close()
            executables.close()

    def _said(self, deployment: Deployment, journal: Journal, text: CheckpointText, start: float) -> Result:
        resources = journal.snapshot().resources
        steps = [step for _, step in sorted(deployment.outcome.steps.items())]

        def serial_now() -> str:
            return text.serial(journal.snapshot()) if self.lease else serial(self.stored)

        return Result(steps, outputs_of(resources), serial_now, time.time() - start)

    def _record(self, lease: Lease, result: Result, start: float, *, failed: bool) -> None:
        changes = count_changes(result.steps)
        outcome = "failed" if failed else "succeeded"
        end = time.time()
        update = Update(self.kind, outcome, start, end, self.options.message, changes, execution(result.steps, end - start))
        secret = self.stack.secret_config
        config = {key: {"secure": self.secrets.seal(value, "")} if key in secret else value for key, value in self.stack.config.items()}
        record_update(lease.files, update, config)


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
