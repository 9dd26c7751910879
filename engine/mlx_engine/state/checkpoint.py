"""A stack's checkpoint, version 3: JSON in its file, resources in memory.

A resource's text is made once and kept as long as the resource is, an operation's, too: a checkpoint of a thousand resources
after each operation would otherwise cost more than the operations.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Any, cast

from mlx_engine.host import EngineError, Stack, Stale, Unsupported
from mlx_engine.state.files import StackFiles, files_of
from mlx_engine.state.resource import Resource, from_state, to_state
from mlx_engine.state.secrets import Secrets

ENGINE_VERSION = "v3.272.0"
"""What the manifest says wrote the checkpoint: the SDK whose formats this host follows."""
MARGIN = " " * 16
"""Of a resource in a checkpoint's text."""


@dataclass(frozen=True)
class Operation:
    """One that was started and is not known to have ended."""

    resource: Resource
    type: str
    """``creating``, ``updating``, ``deleting``, ``reading`` or ``importing``."""


@dataclass(frozen=True)
class Snapshot:
    resources: Sequence[Resource] = ()
    pending: Sequence[Operation] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


def load_deployment(stack: Stack) -> dict[str, Any]:
    """The deployment as JSON, {} where the stack has none yet."""
    files = files_of(stack)
    found = files.blobs.read(files.checkpoint)
    if found is None:
        return {}
    where = files.blobs.where(files.checkpoint)
    document = _document(found.data)
    if document is None:
        raise EngineError(f"{where}: the state is damaged: not a checkpoint in JSON", hint=_restoring(files))
    if document.get("version") != 3:
        raise Unsupported(f"{where}: a checkpoint of version {document.get('version')} needs the pulumi CLI", hint="this host reads version 3")
    return document["checkpoint"].get("latest") or {}


def _document(data: bytes) -> dict[str, Any] | None:
    """None for what is no checkpoint: cut off, overwritten, of another shape."""
    try:
        document: Any = json.loads(data)
    except ValueError:  # also what is not UTF-8
        return None
    if not isinstance(document, dict):
        return None
    known = cast("dict[str, Any]", document)
    return known if known.get("version", 3) != 3 or isinstance(known.get("checkpoint"), dict) else None


def _restoring(files: StackFiles) -> str:
    """One command that brings back the newest copy that can be read: what the last update left, else what it began with."""
    newest_first = [*reversed(files.blobs.keys(files.history, ".checkpoint.json")), f"{files.checkpoint}.bak"]
    copy = next((key for key in newest_first if (found := files.blobs.read(key)) and _document(found.data)), None)
    if copy is None:
        return "there is no copy of it: move it away and apply again, what is there is found and adopted"
    verb = "copy" if files.blobs.shared else "cp"
    return f"restore it, then apply: {verb} '{files.blobs.where(copy)}' '{files.blobs.where(files.checkpoint)}'"


def salt_of(deployment: Mapping[str, Any]) -> str:
    """The salt state of the stack's secrets, '' where it has none."""
    provider: dict[str, Any] = deployment.get("secrets_providers") or {}
    if provider.get("type", "passphrase") not in ("passphrase", ""):
        raise Unsupported(f"the secrets provider {provider['type']!r} needs the pulumi CLI", hint="change the stack to a passphrase")
    state: dict[str, str] = provider.get("state") or {}
    return state.get("salt", "")


def snapshot_of(deployment: Mapping[str, Any], secrets: Secrets) -> Snapshot:
    resources = [_opened(entry, secrets) for entry in deployment.get("resources") or ()]
    pending = [Operation(_opened(entry["resource"], secrets), entry["type"]) for entry in deployment.get("pending_operations") or ()]
    return Snapshot(resources, pending, deployment.get("metadata") or {})


def check_serial(expected: str, deployment: Mapping[str, Any]) -> None:
    """Raises ``Stale`` when the state is not the one that a plan was made against."""
    actual = serial(deployment)
    if actual != expected:
        raise Stale(
            f"the plan is stale: it was made against state {expected[:8] or 'none'}, which is now {actual[:8] or 'none'}",
            hint="it was changed meanwhile: plan and apply again",
        )


def serial(deployment: Mapping[str, Any]) -> str:
    """sha256 of the canonical resources in state, times left aside; '' for a stack without any."""
    return _serial(deployment.get("resources") or ())


def _serial(resources: Iterable[Mapping[str, Any]]) -> str:
    entries = [_without_times(entry) for entry in resources]
    if not entries:
        return ""
    ordered = sorted(entries, key=lambda entry: (entry["urn"], entry.get("delete", False), entry.get("id", "")))
    return hashlib.sha256(json.dumps(ordered, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class CheckpointText:
    """Turns snapshots of one stack into checkpoint files."""

    def __init__(self, stack: Stack, secrets: Secrets) -> None:
        self._stack = stack
        self._secrets = secrets
        self._texts: dict[int, tuple[bytes, Resource]] = {}
        """By identity; the resource is held so that its identity is not given to another."""

    def text(self, snapshot: Snapshot) -> bytes:
        resources = [self._kept(resource) for resource in snapshot.resources]
        pending = [self._operation(operation) for operation in snapshot.pending]
        # After them: the first secret that is sealed makes the salt, which stands in the frame.
        frame = (written(self._frame(snapshot)) + "\n").encode()
        # What comes last is filled in first: the text of a resource may hold anything.
        return _filled(_filled(frame, b'"@pending@"', pending), b'"@resources@"', resources)

    def serial(self, snapshot: Snapshot) -> str:
        """That of the state once this snapshot is written: reading it again would take a tenth of an update."""
        return _serial(map(self.entry, snapshot.resources))

    def entry(self, resource: Resource) -> dict[str, Any]:
        entry = to_state(resource)
        for key in ("inputs", "outputs"):
            if key in entry:
                entry[key] = self._secrets.sealed(entry[key], resource.urn)
        return entry

    def _kept(self, resource: Resource) -> bytes:
        known = self._texts.get(id(resource))
        if known is None:
            known = self._texts[id(resource)] = (f"{MARGIN}{written(self.entry(resource), MARGIN)}".encode(), resource)
        return known[0]

    def _operation(self, pending: Operation) -> bytes:
        resource = self._kept(pending.resource).replace(b"\n", b"\n    ").strip()
        return b"".join((f'{MARGIN}{{\n{MARGIN}    "resource": '.encode(), resource, f',\n{MARGIN}    "type": {written(pending.type)}\n{MARGIN}}}'.encode()))

    def _frame(self, snapshot: Snapshot) -> dict[str, Any]:
        latest: dict[str, Any] = {"manifest": _manifest()}
        if self._secrets.salt_state:
            latest["secrets_providers"] = {"type": "passphrase", "state": {"salt": self._secrets.salt_state}}
        if snapshot.resources:
            latest["resources"] = "@resources@"
        if snapshot.pending:
            latest["pending_operations"] = "@pending@"
        latest["metadata"] = dict(snapshot.metadata)
        return {"version": 3, "checkpoint": {"stack": f"organization/{self._stack.project}/{self._stack.name}", "latest": latest}}


def written(value: Any, margin: str = "") -> str:
    """What ``json.dumps`` writes with four spaces and every letter as it is: in a third of its time, for it asks for each piece of text anew."""
    if isinstance(value, str):
        return encode_basestring(value)
    inner = f"{margin}    "
    if isinstance(value, dict) and value:
        items = [f"{inner}{encode_basestring(key)}: {written(item, inner)}" for key, item in cast("dict[str, Any]", value).items()]
        return "{\n" + ",\n".join(items) + f"\n{margin}}}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join([f"{inner}{written(item, inner)}" for item in cast("list[Any]", value)]) + f"\n{margin}]"
    return json.dumps(value)


def _filled(frame: bytes, place: bytes, texts: Sequence[bytes]) -> bytes:
    head, _, tail = frame.partition(place)
    return b"".join((head, b"[\n", b",\n".join(texts), b"\n            ]", tail)) if texts else frame


def now() -> str:
    """This instant, as state writes times."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def touched(resource: Resource, *, created: str = "") -> Resource:
    """The resource as created or changed at this instant."""
    instant = now()
    return replace(resource, created=created or instant, modified=instant)


def _manifest() -> dict[str, Any]:
    magic = hashlib.sha256(ENGINE_VERSION.encode()).hexdigest()
    return {"time": now(), "magic": magic, "version": ENGINE_VERSION}


def _opened(entry: Mapping[str, Any], secrets: Secrets) -> Resource:
    urn = entry.get("urn", "")
    values = {key: secrets.opened(entry[key], urn) for key in ("inputs", "outputs") if key in entry}
    return from_state({**entry, **values})


def _without_times(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in ("created", "modified", "sourcePosition", "stackTrace")}
