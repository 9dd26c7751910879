"""Feast in a process of its own: what Feast is asked goes to it as a line of JSON, and its answer comes back as one.

Importing Feast takes seconds and half a gigabyte, and its protobuf modules do not live with others': nothing here imports it.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import IO, Any, Self

from mlx_features import repository
from mlx_features.errors import FeatureError
from mlx_features.registry import registry_digest
from mlx_specs.feature_resources import (
    FeatureRegistryInputs,
    FeatureRegistryOutputs,
    JoinedDatasetInputs,
    JoinedDatasetOutputs,
    OnlineFeaturesInputs,
    OnlineFeaturesOutputs,
)

Report = Callable[[str], None]
LAST_WORDS = 2_000
"""Characters of a dead worker's standard error that are looked at."""


class FeastWorker:
    """Feast for one workspace. Operations run one after the other, from whatever thread; all raise ``FeatureError``."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace.resolve()
        self._turn = Lock()
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[str] | None = None
        self._cancelled = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def apply(self, inputs: FeatureRegistryInputs, report: Report) -> FeatureRegistryOutputs:
        """Make the registry and the online tables hold just these definitions; idempotent."""
        return FeatureRegistryOutputs.model_validate(self._ask("apply", {"inputs": inputs.wire()}, report))

    def read(self, inputs: FeatureRegistryInputs) -> str | None:
        """The digest of what the registry says now; None when it is gone. Without a worker: cheap enough for every refresh."""
        return registry_digest(repository.folder(self._workspace, inputs.home, inputs.name))

    def materialize(self, inputs: OnlineFeaturesInputs, start: str | None, end: str | None, report: Report) -> OnlineFeaturesOutputs:
        """Bring the online store up to date; with ``start`` or ``end`` (ISO 8601) only what became known between them, both included."""
        return OnlineFeaturesOutputs.model_validate(self._ask("materialize", {"inputs": inputs.wire(), "start": start, "end": end}, report))

    def join(self, inputs: JoinedDatasetInputs, report: Report) -> JoinedDatasetOutputs:
        """Join a service's features to rows, as of each row's moment; rows out are rows in, in the same order."""
        return JoinedDatasetOutputs.model_validate(self._ask("join", {"inputs": inputs.wire()}, report))

    def push(self, home: str, store: str, view: str, rows: Path) -> int:
        """Write rows (a Parquet, CSV or JSON lines file) to the online store of a view that is open for pushes; returns how many."""
        return self._ask("push", {"home": home, "store": store, "view": view, "rows": str(rows.resolve())}, _silent)

    def teardown(self, home: str, store: str) -> None:
        """Remove the registry, the online store and the source links; nothing there is fine. Without a worker: Feast's does no more."""
        shutil.rmtree(repository.folder(self._workspace, home, store), ignore_errors=True)

    def close(self) -> None:
        """Let the process end once what it does is done."""
        with self._turn:
            process, self._process = self._process, None
            if process is not None and process.stdin is not None:
                process.stdin.close()
                process.wait()
            self._forget()

    def cancel(self) -> None:
        """Kill the process now; an operation under way raises ``FeatureError``."""
        self._cancelled = True
        process = self._process
        if process is not None:
            process.kill()

    def _ask(self, verb: str, arguments: dict[str, Any], report: Report) -> Any:
        with self._turn:
            if self._cancelled:
                raise FeatureError("cancelled")
            process = self._running()
            assert process.stdin is not None
            try:
                process.stdin.write(json.dumps({"verb": verb, **arguments}) + "\n")
                process.stdin.flush()
            except OSError:
                raise self._ended() from None
            return self._answer(process, report)

    def _answer(self, process: subprocess.Popen[str], report: Report) -> Any:
        assert process.stdout is not None
        for line in process.stdout:
            match json.loads(line):
                case {"report": text}:
                    report(text)
                case {"result": value}:
                    return value
                case {"error": message, "hint": hint}:
                    raise FeatureError(message, hint=hint)
                case other:
                    raise AssertionError(other)
        raise self._ended()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._errors = TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlx_features.worker"],
                cwd=self._workspace,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                start_new_session=True,  # Ctrl-C is ours to answer, not Feast's
            )
            if self._cancelled:  # while it was starting
                self._process.kill()
        return self._process

    def _ended(self) -> FeatureError:
        """The process is gone: say why, and let the next operation start another."""
        process, self._process = self._process, None
        assert process is not None
        status = process.wait()
        words = self._last_words()
        self._forget()
        if self._cancelled:
            return FeatureError("cancelled")
        if status == -9:
            return FeatureError("the Feast process was killed", hint="the machine may be out of memory; apply again")
        return FeatureError(f"the Feast process ended with status {status}: {words}", hint="apply again; mlx doctor checks the installation")

    def _last_words(self) -> str:
        if self._errors is None:
            return ""
        self._errors.seek(max(0, self._errors.seek(0, 2) - LAST_WORDS))
        lines = [line.strip() for line in self._errors.read().splitlines() if line.strip()]
        return lines[-1] if lines else "it said nothing"

    def _forget(self) -> None:
        if self._errors is not None:
            self._errors.close()
            self._errors = None


def _silent(_: str) -> None:
    """Nobody listens."""
