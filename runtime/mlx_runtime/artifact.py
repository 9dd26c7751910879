"""A packaged model as one folder at an immutable digest: model.json, the engine's file, manifest.json.

Files go in and a digest comes out: the sha256 of the manifest, which holds size and sha256 of every other file. Whoever
loads an artifact verifies it first; no pickle is ever opened from a folder whose manifest was not verified.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mlx_runtime.errors import RuntimeFailure
from mlx_specs.artifact import MANIFEST_FILE, MODEL_FILE, ModelFile

CHUNK = 1 << 20
AGAIN = "mlx refresh, then mlx apply: the model is packaged again"


class ArtifactError(RuntimeFailure):
    """An artifact that is missing, incomplete or not what its digest says; the message names the file and both digests."""


def write_artifact(folder: Path, model: ModelFile, files: Mapping[str, Path | bytes]) -> str:
    """Writes the artifact whole or not at all and returns its digest; the same content written again changes nothing.

    A folder that holds something else is replaced: it is named by the fingerprint, and packaging is not part of that.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        _write_files(temporary, {MODEL_FILE: _canonical(model.wire()), **files})
        manifest = _canonical(_manifest_of(temporary))
        (temporary / MANIFEST_FILE).write_bytes(manifest)
        _commit(temporary, folder, manifest)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return hashlib.sha256(manifest).hexdigest()


def verify(folder: Path, digest: str) -> ModelFile:
    """Reads every byte of the artifact; returns its model.json, or raises ``ArtifactError``."""
    manifest = _verified_manifest(folder, digest)
    for name, expected in sorted(manifest.items()):
        _verify_file(folder / name, expected)
    try:
        return ModelFile.model_validate_json((folder / MODEL_FILE).read_bytes())
    except ValidationError as error:
        raise ArtifactError(f"{folder / MODEL_FILE} was written by another version of mlx", hint=AGAIN) from error


def verifies(folder: Path, digest: str) -> bool:
    """Whether it is there, whole, with this digest."""
    try:
        verify(folder, digest)
    except ArtifactError:
        return False
    return True


def copy_artifact(source: Path, folder: Path, digest: str) -> bool:
    """Copies an artifact, verified on both sides; False where it is there already. One caller at a time: what a killed one left is written over."""
    if verifies(folder, digest):
        return False
    verify(source, digest)
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(source, part)
    verify(part, digest)
    _replace(part, folder)
    return True


def digest_of(folder: Path) -> str:
    """The digest that an artifact's folder has now: sha256 of its manifest. Says nothing of the other files; see ``verify``."""
    return hashlib.sha256(_read(folder / MANIFEST_FILE)).hexdigest()


def _write_files(folder: Path, files: Mapping[str, Path | bytes]) -> None:
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            shutil.copyfile(content, target)


def _manifest_of(folder: Path) -> dict[str, dict[str, Any]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): {"sha256": _sha256(path), "size": path.stat().st_size} for path in files}


def _commit(temporary: Path, folder: Path, manifest: bytes) -> None:
    """The rename is the commit: a reader sees the old folder, the new one or none, never a half."""
    if not verifies(folder, hashlib.sha256(manifest).hexdigest()):
        temporary.chmod(0o755)
        _replace(temporary, folder)


def _replace(temporary: Path, folder: Path) -> None:
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent))
    try:
        if folder.exists():
            folder.rename(old / "replaced")
        temporary.rename(folder)
        _sync(folder.parent)
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _verified_manifest(folder: Path, digest: str) -> dict[str, dict[str, Any]]:
    content = _read(folder / MANIFEST_FILE)
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise ArtifactError(f"{folder / MANIFEST_FILE} has sha256 {found}, expected {digest}: the artifact was changed", hint=AGAIN)
    return json.loads(content)


def _verify_file(path: Path, expected: Mapping[str, Any]) -> None:
    if not path.is_file():
        raise ArtifactError(f"{path} is missing", hint=AGAIN)
    found = _sha256(path)
    if found != expected["sha256"]:
        raise ArtifactError(f"{path} has sha256 {found}, expected {expected['sha256']}: the file is corrupted", hint=AGAIN)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read ({error.strerror})", hint=AGAIN) from error


def _sha256(path: Path) -> str:
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            hasher.update(chunk)
    return hasher.hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, indent=1).encode()
