"""The embedded host: each verb of the Protocol, as the order of what it does.

A verb loads the state and has a run made of it; verbs that change something hold the lock.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from mlx_engine.host import Event, EventKind, Guard, OnEvent, Options, Program, PropertyMap, Result, Stack, Unsupported, Update
from mlx_engine.providers import ProviderFactory
from mlx_engine.state.checkpoint import CheckpointText, check_serial, load_deployment, salt_of, snapshot_of
from mlx_engine.state.files import files_of
from mlx_engine.state.history import read_updates
from mlx_engine.state.lock import Lease, break_locks, locked
from mlx_engine.state.outputs import outputs_of
from mlx_engine.state.secrets import Secrets
from mlx_engine.state.writing import checkpoint_writer


class EmbeddedHost:
    """Fulfils ``mlx_engine.host.Host`` in this process."""

    def __init__(self, stack: Stack, options: Options, providers: Mapping[str, ProviderFactory]) -> None:
        self._stack = stack
        self._options = options
        self._providers = providers
        self._files = files_of(stack)

    def preview(self, program: Program, on_event: OnEvent) -> Result:
        return self._run("preview", on_event, program, dry_run=True)

    def up(self, program: Program, on_event: OnEvent, *, guard: Guard | None = None, expected_serial: str | None = None) -> Result:
        return self._run("update", on_event, program, guard=guard, expected_serial=expected_serial)

    def refresh(self, on_event: OnEvent, *, preview_only: bool = False) -> Result:
        return self._run("refresh", on_event, dry_run=preview_only)

    def destroy(self, on_event: OnEvent, *, preview_only: bool = False) -> Result:
        return self._run("destroy", on_event, dry_run=preview_only)

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
            checkpoint_writer(CheckpointText(self._stack, secrets), lease)(snapshot)

    def outputs(self) -> PropertyMap:
        deployment = load_deployment(self._stack)
        return outputs_of(snapshot_of(deployment, Secrets(self._stack.passphrase, salt_of(deployment))).resources)

    def history(self) -> Sequence[Update]:
        return read_updates(self._files)

    def _run(
        self,
        kind: str,
        on_event: OnEvent,
        program: Program | None = None,
        *,
        dry_run: bool = False,
        guard: Guard | None = None,
        expected_serial: str | None = None,
    ) -> Result:
        on_event = _one_at_a_time(on_event)
        if dry_run:
            return self._result(kind, on_event, program, guard, None, load_deployment(self._stack))
        with locked(self._files, self._options.lock_timeout, lambda message: on_event(Event(EventKind.WAITING, message=message))) as lease:
            stored = load_deployment(self._stack)
            if expected_serial is not None:
                check_serial(expected_serial, stored)
            return self._result(kind, on_event, program, guard, lease, stored)

    def _result(self, kind: str, on_event: OnEvent, program: Program | None, guard: Guard | None, lease: Lease | None, stored: Mapping[str, Any]) -> Result:
        secrets = Secrets(self._stack.passphrase, salt_of(stored))
        if lease and not stored:
            secrets.foresee()
        from mlx_engine.embedded.run import Run  # with the SDK: reading that takes as long as deriving a key

        return Run(kind, self._stack, self._options, self._providers, on_event, program, guard, lease, stored, secrets).result()


def _one_at_a_time(on_event: OnEvent) -> OnEvent:
    """Events come from many threads; who watches sees one after the other."""
    lock = threading.Lock()

    def tell(event: Event) -> None:
        with lock:
            on_event(event)

    return tell
