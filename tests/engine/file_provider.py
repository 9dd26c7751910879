"""A real provider for tests: each object is a JSON file in a folder, marked with the urn that owns it.

It follows the contract of the engine's README: create adopts what it owns, read looks up by inputs when it has no id. A
process may be told to die at an instant (``FILES_DIE_AT=create:NAME:before|after``), or an operation to wait for a file.
"""

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

from pulumi.provider.experimental.provider import (
    CheckFailure,
    CheckRequest,
    CheckResponse,
    ConfigureRequest,
    ConfigureResponse,
    CreateRequest,
    CreateResponse,
    DeleteRequest,
    DiffRequest,
    DiffResponse,
    InvokeRequest,
    InvokeResponse,
    PropertyDiff,
    PropertyDiffKind,
    ReadRequest,
    ReadResponse,
    UpdateRequest,
    UpdateResponse,
)

from mlx_engine.provider_codec import UNKNOWN, BlockingProvider, InitFailed, Secret, decode, encode
from mlx_engine.providers import ProviderLog
from mlx_engine.values import differing_paths

REPLACING = ("folder", "key")
"""Inputs that say which file it is."""


class FileProvider(BlockingProvider):
    def __init__(self, log: ProviderLog) -> None:
        self._log = log
        self._cancelled = threading.Event()
        self._prefix = ""

    async def configure(self, request: ConfigureRequest) -> ConfigureResponse:
        self._prefix = str(decode(request.args).get("prefix", ""))
        return await super().configure(request)

    async def diff_config(self, request: DiffRequest) -> DiffResponse:
        old, new = decode(request.old_inputs).get("region"), decode(request.new_inputs).get("region")  # type: ignore[attr-defined]
        return DiffResponse(changes=old != new, replaces=["region"] if old != new else [])

    async def check(self, request: CheckRequest) -> CheckResponse:
        inputs = decode(request.new_inputs)
        failures = [CheckFailure("key", "has a slash in it")] if "/" in str(inputs.get("key", "")) else []
        return CheckResponse(inputs=encode({"mode": "plain", **inputs}), failures=failures)

    async def diff(self, request: DiffRequest) -> DiffResponse:
        old, new = decode(request.old_inputs), decode(request.new_inputs)  # type: ignore[attr-defined]
        ignored = set(request.ignore_changes)
        changed = sorted(key for key in (old.keys() | new.keys()) - ignored if old.get(key) != new.get(key))
        drifted = decode(request.old_state).get("content") != old.get("content") and "content" not in changed
        replaces = [key for key in changed if key in REPLACING]
        delete_first = new.get("mode") == "delete-first"
        detailed = {path: _property_diff(path, replaces) for path in differing_paths(old, new)} if new.get("mode") == "detailed" else {}
        return DiffResponse(
            changes=bool(changed) or drifted,
            diffs=changed or (["content"] if drifted else []),
            replaces=replaces,
            detailed_diff=detailed,
            delete_before_replace=delete_first,
        )

    async def create(self, request: CreateRequest) -> CreateResponse:
        inputs = decode(request.properties)
        if request.preview:
            return CreateResponse(properties=encode(_known({**inputs, **_computed(inputs)})))
        self._note("create", request.name, inputs)
        path = _path(inputs)
        if path.exists() and json.loads(path.read_text())["owner"] != request.urn:
            raise ValueError(f"{path.name} is there already, and belongs to another")
        self._write(path, request.urn, inputs)
        _die_at("create", request.name, "after")
        outputs = {**inputs, **_computed(inputs)}
        if inputs.get("content") == "UNREADY":
            raise InitFailed(path.name, outputs, ["it does not become ready"])
        return CreateResponse(resource_id=path.name, properties=encode(outputs))

    async def read(self, request: ReadRequest) -> ReadResponse:
        inputs = decode(request.inputs) or decode(request.properties) or _imported(request.resource_id)
        path = _path(inputs) if inputs.get("key") else None
        if path is None or not path.exists():
            return ReadResponse(resource_id="")
        stored = json.loads(path.read_text())
        if not request.resource_id and stored["owner"] != request.urn:
            return ReadResponse(resource_id="")
        known = decode(request.properties) or {**inputs, **_computed(inputs)}
        return ReadResponse(path.name, encode({**known, "content": stored["content"]}), encode(inputs))

    async def update(self, request: UpdateRequest) -> UpdateResponse:
        inputs = decode(request.news)
        if not request.preview:
            self._note("update", request.name, inputs)
            self._write(_path(inputs), request.urn, inputs)
            _die_at("update", request.name, "after")
        return UpdateResponse(properties=encode(_known({**inputs, **_computed(inputs)})))

    async def delete(self, request: DeleteRequest) -> None:
        outputs = decode(request.properties)
        self._note("delete", request.name, outputs)
        _path(outputs).unlink(missing_ok=True)
        _die_at("delete", request.name, "after")

    async def invoke(self, request: InvokeRequest) -> InvokeResponse:
        args = decode(request.args)
        if request.tok != "files:index:count":
            raise NotImplementedError(f"there is no function {request.tok}")
        return InvokeResponse(return_value=encode({"count": len(list(Path(args["folder"]).glob("*.json")))}))

    async def cancel(self) -> None:
        self._cancelled.set()

    def _note(self, operation: str, name: str, values: dict[str, Any]) -> None:
        """Says what is done, in the folder's log and to the host; then fails, dies or waits where it is told to."""
        self._log("", f"{operation} {name}", True)
        folder = Path(values["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log").open("a") as log:
            log.write(f"{operation} {name}\n")
        _die_at(operation, name, "before")
        if values.get("content") == "FAIL" or values.get("content") == f"FAIL-{operation}":
            raise ValueError(f"cannot {operation} {name}")
        gate = values.get("gate")
        while gate and not Path(gate).exists() and not self._cancelled.wait(0.005):
            continue

    def _write(self, path: Path, urn: str, inputs: dict[str, Any]) -> None:
        path.write_text(json.dumps({"owner": urn, "content": inputs.get("content"), "prefix": self._prefix}))


def _path(values: dict[str, Any]) -> Path:
    return Path(values["folder"]) / f"{values['key']}.json"


def _imported(identity: str) -> dict[str, Any]:
    """What an object is, that is known by nothing but the path of its file."""
    path = Path(identity)
    if not path.is_absolute() or not path.exists():
        return {}
    return {"folder": str(path.parent), "key": path.stem, "mode": "plain", "content": json.loads(path.read_text())["content"]}


def _property_diff(path: str, replaces: list[str]) -> PropertyDiff:
    forced = path in replaces
    return PropertyDiff(PropertyDiffKind.UPDATE_REPLACE if forced else PropertyDiffKind.UPDATE, input_diff=True)


def _computed(inputs: dict[str, Any]) -> dict[str, Any]:
    content = inputs.get("content")
    return {"size": UNKNOWN if content == UNKNOWN else len(json.dumps(content)), "token": Secret(f"token-{inputs.get('key')}")}


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value != UNKNOWN}


def _die_at(operation: str, name: str, instant: str) -> None:
    if os.environ.get("FILES_DIE_AT") == f"{operation}:{name}:{instant}":
        os.kill(os.getpid(), signal.SIGKILL)
