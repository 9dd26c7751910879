"""The status of a pinned environment: its release, the versions that were released to it, and what the commit has beyond them. Reads only."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from mlx_runtime.artifact import ArtifactError, verify
from mlx_specs import layout
from mlx_specs.release_resources import ReleasedModelOutputs, ReleaseInputs
from mlx_stacks.object_status import ObjectStatus
from mlx_stacks.workspace import Workspace

Values = Mapping[str, Any]
SHOWN = ("roc_auc", "rmse")
"""The metrics that a line has room for; the rest is among the fields."""


def release_status(workspace: Workspace, recorded: Mapping[str, Mapping[str, Values]]) -> tuple[ObjectStatus, ...]:
    """``Release/staging``: what is applied, and what the lock asks for; nothing in an environment that follows."""
    if workspace.released is None:
        return ()
    id, lock = f"Release/{workspace.name}", workspace.released.lock
    outputs = recorded.get(id, {}).get("Release")
    applied = ReleaseInputs.model_validate(outputs) if outputs else None
    if lock is None and applied is None:
        return (ObjectStatus(id, "NotReleased", f"nothing was released yet: {_promote(workspace)}"),)
    if lock is None:
        assert applied is not None
        return (ObjectStatus(id, "Undeclared", f"release {applied.digest} is applied, and there is no lock; the next apply removes it", applied.wire()),)
    fields = {"release": lock.release, "applied": applied.digest if applied else "", "source": lock.promoted_from, "by": lock.by, "at": lock.at}
    said = f"release {lock.release} from {lock.promoted_from}, {lock.at} by {lock.by}"
    if applied is None or applied.digest != lock.release:
        now = f"; release {applied.digest} runs" if applied else ""
        return (ObjectStatus(id, "NotApplied", f"{said}{now}: mlx apply", {**fields, "gates": lock.gates}),)
    return (ObjectStatus(id, "Ready", said, {**fields, "gates": lock.gates}),)


def released_model(workspace: Workspace, id: str, resources: Mapping[str, Values]) -> ObjectStatus:
    """The version, where it came from, and whether its bytes are what was released."""
    now = ReleasedModelOutputs.model_validate(resources["ReleasedModel"])
    metrics = {name: round(value, 4) for name, value in sorted(now.metrics.items())}
    artifact = layout.artifact(now.home, now.model, now.fingerprint).as_posix()
    shown: dict[str, Any] = {
        "version": now.version, "champion": now.current.version, "metrics": metrics, "engine": now.engine, "fingerprint": now.fingerprint,
        "artifact": artifact, "run": now.run_id, "source": now.source,
    }  # fmt: skip
    try:
        verify(workspace.root / artifact, now.artifact_digest)
    except ArtifactError as error:
        return ObjectStatus(id, "Missing", f"the released version is gone or damaged: {error.args[0]}; {_promote(workspace)}", shown)
    figures = "".join(f"; {name} {metrics[name]}" for name in SHOWN if name in metrics)
    return ObjectStatus(id, "Ready", f"version {now.version} from {now.source} is champion{figures}", shown)


def with_unreleased(workspace: Workspace, known: ObjectStatus) -> ObjectStatus:
    """A released object that the commit has otherwise says so."""
    reason = _reasons(workspace).get(known.id)
    return replace(known, detail=f"{known.detail}; not released: {reason}", fields={**known.fields, "notReleased": reason}) if reason else known


def unreleased_status(workspace: Workspace, declared: Collection[str]) -> tuple[ObjectStatus, ...]:
    """What the commit has and the release has not at all, and pipelines, which only a release speaks of."""
    return tuple(ObjectStatus(id, "NotReleased", reason) for id, reason in _reasons(workspace).items() if id not in declared)


def _reasons(workspace: Workspace) -> dict[str, str]:
    return {item.id: item.reason for item in workspace.released.unreleased} if workspace.released is not None else {}


def _promote(workspace: Workspace) -> str:
    source = workspace.environment.spec.promoted_from
    return f"mlx promote{f' --from {source}' if source else ''} --to {workspace.name}"
