"""The ``pulumi`` CLI as a host: the program runs inline in this process, the CLI's engine does the rest, on the same state.

Steps and events are taken from the CLI's engine events. The workspace it works in is a temporary folder, so that the user's
own stack files are neither read nor written; the salt of the secrets is taken from state.
"""

import json
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pulumi import automation as auto
from pulumi.automation import events

from mlx_engine.host import (
    EngineError,
    Event,
    EventKind,
    Guard,
    Host,
    Interrupted,
    Locked,
    OnEvent,
    Op,
    Options,
    Program,
    PropertyMap,
    Result,
    Stack,
    Step,
    Update,
    UpdateFailed,
)
from mlx_engine.interrupts import interruptible
from mlx_engine.state.checkpoint import check_serial, load_deployment, salt_of, serial, snapshot_of
from mlx_engine.state.files import files_of
from mlx_engine.state.history import read_updates
from mlx_engine.state.lock import PAUSE, holders
from mlx_engine.state.secrets import Secrets
from mlx_engine.urns import STACK_TYPE, name_of
from mlx_engine.values import differing_paths, redacted

Call = Callable[[auto.Stack, Callable[[events.EngineEvent], None]], Any]

_REFRESH_OPS = {"update": Op.REFRESH, "delete": Op.DELETE, "same": Op.SAME}
CHANGING = {Op.UPDATE, Op.REPLACE, Op.CREATE_REPLACEMENT, Op.REFRESH}
"""Steps that have something before and something after to compare."""
_HIDDEN = {"policy-analyze", "remove-pending-replace", "discard", "discard-replaced"}


def cli_host(stack: Stack, options: Options, plugin_folders: Sequence[Path] = ()) -> Host:
    """``plugin_folders`` are looked in for ``pulumi-resource-NAME`` before PATH. Raises ``EngineError`` without a CLI."""
    if shutil.which("pulumi") is None:
        raise EngineError(
            "the pulumi CLI is not on PATH",
            hint="install it: https://www.pulumi.com/docs/install. Clusters in a cloud need it; all else runs on the embedded host, too",
        )
    return CliHost(stack, options, plugin_folders)


class CliHost:
    """Fulfils ``mlx_engine.host.Host`` with the CLI."""

    def __init__(self, stack: Stack, options: Options, plugin_folders: Sequence[Path]) -> None:
        self._stack = stack
        self._options = options
        self._plugin_folders = plugin_folders
        self._files = files_of(stack)

    def preview(self, program: Program, on_event: OnEvent) -> Result:
        def call(cli: auto.Stack, heard: Callable[[events.EngineEvent], None]) -> Any:
            return cli.preview(program=program, on_event=heard, **self._common())

        return self._run(call, on_event, program)

    def up(self, program: Program, on_event: OnEvent, *, guard: Guard | None = None, expected_serial: str | None = None) -> Result:
        """The CLI cannot be stopped between two steps: the guard sees the steps of a preview, and then everything is done."""
        if expected_serial is not None:
            check_serial(expected_serial, load_deployment(self._stack))
        if guard:
            for step in self.preview(program, _unheard).steps:
                guard(step)

        def call(cli: auto.Stack, heard: Callable[[events.EngineEvent], None]) -> Any:
            return cli.up(program=program, on_event=heard, suppress_progress=True, **self._common())

        return self._run(call, on_event, program)

    def refresh(self, on_event: OnEvent, *, preview_only: bool = False) -> Result:
        def call(cli: auto.Stack, heard: Callable[[events.EngineEvent], None]) -> Any:
            verb = cli.preview_refresh if preview_only else cli.refresh
            return verb(on_event=heard, **self._common())

        return self._run(call, on_event, _nothing, refreshing=True)

    def destroy(self, on_event: OnEvent, *, preview_only: bool = False) -> Result:
        def call(cli: auto.Stack, heard: Callable[[events.EngineEvent], None]) -> Any:
            verb = cli.preview_destroy if preview_only else cli.destroy
            return verb(on_event=heard, **self._common())

        return self._run(call, on_event, _nothing)

    def cancel(self) -> str:
        held = holders(self._files)
        if held:
            with self._selected(_nothing) as cli:
                cli.cancel()
        return f"removed the lock of {', '.join(map(str, held))}" if held else f"{self._stack.name} is not locked"

    def export_state(self) -> Mapping[str, Any]:
        return {"version": 3, "deployment": load_deployment(self._stack)}

    def import_state(self, deployment: Mapping[str, Any], *, expected_serial: str | None = None) -> None:
        if expected_serial is not None:
            check_serial(expected_serial, load_deployment(self._stack))
        with self._selected(_nothing) as cli:
            cli.import_stack(auto.Deployment(version=deployment["version"], deployment=dict(deployment["deployment"])))

    def outputs(self) -> PropertyMap:
        deployment = load_deployment(self._stack)
        resources = snapshot_of(deployment, Secrets(self._stack.passphrase, salt_of(deployment))).resources
        root = next((resource for resource in resources if resource.type == STACK_TYPE), None)
        return redacted(root.outputs) if root else {}

    def history(self) -> Sequence[Update]:
        return read_updates(self._files)

    def _run(self, call: Call, on_event: OnEvent, program: Program, *, refreshing: bool = False) -> Result:
        start = time.time()
        heard = Heard(on_event, refreshing=refreshing)
        self._await_lock(on_event)
        fault: Exception | None = None
        with self._selected(program) as cli, interruptible(heard.interrupt):
            try:
                call(cli, heard.hear)
            except auto.CommandError as error:
                fault = error
        stored = load_deployment(self._stack)
        result = Result(heard.steps, self.outputs(), lambda: serial(stored), time.time() - start)
        if fault:
            raise _translated(fault, heard, result) from fault
        return result

    def _common(self) -> dict[str, Any]:
        message = {"message": self._options.message} if self._options.message else {}
        return {"parallel": self._options.parallel, "on_output": _unprinted, "color": "never", **message}

    def _await_lock(self, on_event: OnEvent) -> None:
        """The CLI does not wait for a lock: this does, so long as the options say."""
        deadline = time.monotonic() + self._options.lock_timeout
        held = holders(self._files)
        if held and self._options.lock_timeout:
            on_event(Event(EventKind.WAITING, message=f"waiting for the lock of {held[0]}"))
        while held and time.monotonic() < deadline:
            time.sleep(PAUSE)
            held = holders(self._files)
        if held:
            raise Locked(f"the stack is locked by {', '.join(map(str, held))}", hint="wait for it to end, or remove the lock with cancel")

    @contextmanager
    def _selected(self, program: Program) -> Generator[auto.Stack]:
        if isinstance(self._stack.state, Path):
            self._stack.state.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="mlx-pulumi-") as folder:
            Path(folder, f"Pulumi.{self._stack.name}.yaml").write_text(json.dumps(self._settings()))
            options = auto.LocalWorkspaceOptions(
                work_dir=folder,
                project_settings=self._project(),
                env_vars=self._environment(),
            )
            yield auto.create_or_select_stack(self._stack.name, self._stack.project, program, opts=options)

    @property
    def _backend(self) -> str:
        state = self._stack.state
        return state.resolve().as_uri() if isinstance(state, Path) else state

    def _project(self) -> auto.ProjectSettings:
        backend = auto.ProjectBackend(self._backend)
        return auto.ProjectSettings(self._stack.project, runtime="python", backend=backend)

    def _settings(self) -> dict[str, Any]:
        """The stack's file: configuration and salt. Without the salt of state the CLI would make a new one at each run."""
        secrets = Secrets(self._stack.passphrase, salt_of(load_deployment(self._stack)))
        config = {key: {"secure": secrets.seal(value, "")} if key in self._stack.secret_config else value for key, value in self._stack.config.items()}
        return {"config": config, **({"encryptionsalt": secrets.salt_state} if secrets.salt_state else {})}

    def _environment(self) -> dict[str, str]:
        search = os.pathsep.join([*map(str, self._plugin_folders), os.environ.get("PATH", "")])
        return {
            "PATH": search,
            "PULUMI_BACKEND_URL": self._backend,
            "PULUMI_CONFIG_PASSPHRASE": self._stack.passphrase,
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }


class Heard:
    """What the CLI's engine events say: steps, failures, and events in this engine's words."""

    def __init__(self, on_event: OnEvent, *, refreshing: bool) -> None:
        self.failures: dict[str, str] = {}
        self.errors: list[str] = []
        self.interrupted = False
        self._on_event = on_event
        self._refreshing = refreshing
        self._steps: list[Step] = []
        self._lock = threading.Lock()

    def interrupt(self) -> None:
        """Ctrl-C reaches the CLI by itself, as one of the terminal's processes; it is waited for."""
        self.interrupted = True

    @property
    def steps(self) -> list[Step]:
        return [step for step in self._steps if step.urn not in self.failures]

    def hear(self, event: events.EngineEvent) -> None:
        with self._lock:
            if event.resource_pre_event:
                self._start(event.resource_pre_event.metadata)
            elif event.res_outputs_event:
                self._finish(event.res_outputs_event.metadata)
            elif event.res_op_failed_event:
                self._fail(event.res_op_failed_event.metadata)
            elif event.diagnostic_event:
                self._say(event.diagnostic_event)

    def _start(self, metadata: events.StepEventMetadata) -> None:
        step = self._step(metadata)
        if step:
            self._steps.append(step)
            self._on_event(Event(EventKind.STARTED, step=step, urn=step.urn))

    def _finish(self, metadata: events.StepEventMetadata) -> None:
        step = self._step(metadata)
        if step:
            at = next((at for at, known in enumerate(self._steps) if self._is_same(known, step)), None)
            if at is None:
                self._steps.append(step)
            else:
                self._steps[at] = step
            self._on_event(Event(EventKind.DONE, step=step, urn=step.urn))

    def _fail(self, metadata: events.StepEventMetadata) -> None:
        step = self._step(metadata)
        if step:
            self.failures.setdefault(step.urn, self.errors[-1] if self.errors else "failed")
            self._on_event(Event(EventKind.FAILED, step=step, urn=step.urn, message=self.failures[step.urn], severity="error"))

    def _say(self, said: events.DiagnosticEvent) -> None:
        message = re.sub(r"<\{%\w*%\}>", "", said.message).strip()
        if said.severity == "debug":
            return  # what the SDK tells itself
        if said.severity == "error":
            self.errors.append(message)
            if said.urn and not said.urn.endswith(f"::{STACK_TYPE}"):
                self.failures[said.urn] = message
        severity = {"info#err": "info"}.get(said.severity, said.severity)
        self._on_event(Event(EventKind.LOG, urn=said.urn or "", message=message, severity=severity, ephemeral=bool(said.ephemeral)))

    def _is_same(self, known: Step, step: Step) -> bool:
        return known.urn == step.urn and (known.op is step.op or self._refreshing)

    def _step(self, metadata: events.StepEventMetadata) -> Step | None:
        op = str(getattr(metadata.op, "value", metadata.op))
        if op in _HIDDEN:
            return None
        known = _REFRESH_OPS.get(op, Op.REFRESH) if self._refreshing else Op(op)
        return _step_of(metadata, known)


def _step_of(metadata: events.StepEventMetadata, op: Op) -> Step:
    old, new = metadata.old, metadata.new
    subject = new or old
    inputs = (_values(old, "inputs"), _values(new, "inputs"))
    detailed = metadata.detailed_diff or {}
    return Step(
        op=op,
        urn=metadata.urn,
        type=metadata.type,
        name=name_of(metadata.urn),
        custom=bool(subject and subject.custom),
        id=(subject.id if subject else "") or "",
        parent=(subject.parent if subject else "") or "",
        old_inputs=inputs[0],
        new_inputs=inputs[1],
        old_outputs=_values(old, "outputs"),
        new_outputs=_values(new, "outputs"),
        changed=sorted(detailed or metadata.diffs or differing_paths(*inputs)) if op in CHANGING else [],
        replaced_by=_forcing(metadata) if op in CHANGING else [],
    )


def _forcing(metadata: events.StepEventMetadata) -> list[str]:
    detailed = metadata.detailed_diff or {}
    return sorted({*(metadata.keys or ()), *(path for path, diff in detailed.items() if "replace" in str(diff.diff_kind.value))})


def _values(state: events.StepEventStateMetadata | None, which: str) -> dict[str, Any]:
    return redacted(dict(getattr(state, which) or {})) if state else {}


def _translated(fault: Exception, heard: Heard, result: Result) -> EngineError:
    said = str(fault)
    if isinstance(fault, auto.ConcurrentUpdateError):
        return Locked("the stack is locked by another update", hint="wait for it to end, or remove the lock with cancel")
    if heard.interrupted:
        return Interrupted("interrupted: what was done by then is recorded", hint="run it again to go on")
    failures = heard.failures or {"": "\n".join(heard.errors) or said}
    urn, message = next(iter(failures.items()))
    where = f"{name_of(urn)}: " if urn else ""
    return UpdateFailed(f"{where}{message}", result=result, failures=failures, hint="mend it and run it again")


def _nothing() -> None:
    """The program of verbs that run none."""


def _unheard(_event: Event) -> None:
    """For the preview that a guard looks at: the update tells the same again."""


def _unprinted(_line: str) -> None:
    """The CLI's own words; its events say the same."""
