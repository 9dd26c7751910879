"""What a release changes for an environment: definitions, versions with their metrics, data and rows. Reads only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlx_specs.release import DataPin, FeatureStorePin, Lock, ModelPin, PipelinePin, ReleaseFile
from mlx_stacks.changes import FieldChange, differences
from mlx_stacks.releases import ReleaseError, read_release


@dataclass(frozen=True)
class Change:
    """One released object that a promotion would change."""

    kind: str
    name: str
    action: str
    """create, update or delete"""
    fields: tuple[FieldChange, ...] = ()

    @property
    def id(self) -> str:
        """KIND/NAME"""
        return f"{self.kind}/{self.name}"


def differences_of(root: Path, home: str, old: Lock | None, new: ReleaseFile) -> tuple[Change, ...]:
    """Object by object, the sorted; empty where both are the same release."""
    before = _read(root, home, old)
    if old is not None and old.release == new.pins.digest:
        return ()
    found = [
        *_changes("Model", {} if old is None else old.models, new.pins.models, before, new),
        *_changes("Pipeline", {} if old is None else old.pipelines, new.pins.pipelines, before, new),
        *_changes("FeatureStore", {} if old is None else old.feature_stores, new.pins.feature_stores, before, new),
    ]
    return tuple(found)


AnyPin = ModelPin | PipelinePin | FeatureStorePin


def _changes(kind: str, old: Mapping[str, AnyPin], new: Mapping[str, AnyPin], before: ReleaseFile, after: ReleaseFile) -> Iterator[Change]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            action = "create" if name not in old else "delete" if name not in new else "update"
            specs = differences(_spec(before, kind, name), _spec(after, kind, name), "") if action == "update" else ()
            yield Change(kind, name, action, (*specs, *_pin_fields(old.get(name), new.get(name))))


def _pin_fields(old: AnyPin | None, new: AnyPin | None) -> Iterator[FieldChange]:
    """What a person compares: the version, its metrics, the rows; digests of code where only the code differs."""
    one, other = (_shown(pin) for pin in (old, new))
    for key in (*one.keys(), *(key for key in other if key not in one)):
        if one.get(key) != other.get(key):
            yield FieldChange(key, one.get(key), other.get(key))


def _shown(pin: AnyPin | None) -> dict[str, Any]:
    match pin:
        case ModelPin():
            metrics = {f"metrics.{name}": float(f"{value:.4g}") for name, value in sorted(pin.metrics.items())}
            return {"version": pin.fingerprint, "artifact": pin.artifact_digest, "engine": pin.engine, "data": _data(pin.data), **metrics}
        case PipelinePin():
            return {"compiled": pin.ir_digest, "code": pin.code_digest}
        case FeatureStorePin():
            return {"definitions": pin.definition, "code": pin.code_digest}
        case None:
            return {}


def _data(data: DataPin) -> str:
    rows = f", {data.rows:,} rows" if data.rows is not None else ""
    return f"{data.name} {data.digest[:12]}{rows}"


def _spec(release: ReleaseFile, kind: str, name: str) -> dict[str, Any]:
    found = [value["spec"] for value in release.objects if (value["kind"], value["metadata"]["name"]) == (kind, name)]
    return found[0] if found else {}


def _read(root: Path, home: str, old: Lock | None) -> ReleaseFile:
    """The definitions of the present release; where its bytes are gone, only the pins can be compared."""
    try:
        return read_release(root, home, old.release) if old is not None else ReleaseFile()
    except ReleaseError:
        return ReleaseFile()
