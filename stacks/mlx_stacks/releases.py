"""The releases that are kept in an environment's folder: ``HOME/releases/DIGEST``.

Definitions, compiled pipelines and code go in, once; they are read again for a plan and verified before a rollback. Models' bytes
stand beside them, in ``HOME/models``, and held-out rows in ``HOME/runs``, where gates look for them.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from mlx_pipelines.contract import HELD_OUT
from mlx_specs import layout
from mlx_specs.kinds import KINDS, AnyObject
from mlx_specs.release import ReleaseFile, definition_digest
from mlx_stacks.errors import UserError

RELEASE_FILE = "release.json"
MANIFEST = "manifest.json"
"""sha256 of each other file by name."""
CHUNK = 1 << 20
CODE = "code"
"""Below it, by store, the modules of on-demand functions as they were when they were released."""


class ReleaseError(UserError):
    """A release whose bytes are not here, or are not what they were."""


def read_release(root: Path, home: str, digest: str) -> ReleaseFile:
    """Pins and definitions of a release that is kept; raises ``ReleaseError`` when they are not those of the digest."""
    path = root / layout.release(home, digest) / RELEASE_FILE
    try:
        found = ReleaseFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ReleaseError(f"release {digest[:12]} is not on this machine: {path.relative_to(root)} cannot be read", hint=_copy(home)) from error
    except ValidationError as error:
        raise ReleaseError(f"{path.relative_to(root)} is damaged", hint=_copy(home)) from error
    said = {f"{value['kind']}/{value['metadata']['name']}": definition_digest(value) for value in found.objects}
    if found.pins.digest != digest or said != dict(found.pins.definitions):
        raise ReleaseError(f"{path.relative_to(root)} is not the release {digest[:12]}: it was changed", hint=_copy(home))
    return found


def released_code(home: str, digest: str, store: str) -> str:
    """Where a release keeps the modules of a store's on-demand functions, relative to the workspace."""
    return (layout.release(home, digest) / CODE / store).as_posix()


def objects_of(release: ReleaseFile) -> Mapping[str, AnyObject]:
    """The released definitions by KIND/NAME."""
    made = [KINDS[value["kind"]].model_validate(value, by_alias=True) for value in release.objects]
    return {f"{each.kind}/{each.metadata.name}": each for each in made}


def verify_release(root: Path, home: str, digest: str) -> ReleaseFile:
    """The same, after every byte was read: that of the release's folder, of each artifact and of the held-out rows."""
    from mlx_runtime.artifact import ArtifactError, verify

    found, folder = read_release(root, home, digest), root / layout.release(home, digest)
    for name, expected in _manifest(folder).items():
        if not (folder / name).is_file() or sha256(folder / name) != expected:
            raise ReleaseError(f"{(folder / name).relative_to(root)} is missing or damaged", hint=_copy(home))
    for model, pin in found.pins.models.items():
        rows = root / layout.run(home, model, pin.fingerprint) / HELD_OUT
        try:
            verify(root / layout.artifact(home, model, pin.fingerprint), pin.artifact_digest)
        except ArtifactError as error:
            raise ReleaseError(f"model {model!r} of release {digest[:12]}: {error.args[0]}", hint=_copy(home)) from error
        if pin.held_out is not None and not (rows.is_file() and sha256(rows) == pin.held_out):
            raise ReleaseError(f"model {model!r} of release {digest[:12]}: {rows.relative_to(root)} is missing or damaged", hint=_copy(home))
    return found


def write_release(root: Path, home: str, release: ReleaseFile, parts: Mapping[str, Path]) -> None:
    """Writes the folder whole or not at all; one that is there and verifies stays as it is. ``parts`` are files by their names in it."""
    folder = root / layout.release(home, release.pins.digest)
    if _is_whole(root, home, release):
        return
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    (part / RELEASE_FILE).write_text(json.dumps(release.wire(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for name, source in parts.items():
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, part / name)
    files = {path.relative_to(part).as_posix(): sha256(path) for path in sorted(part.rglob("*")) if path.is_file()}
    _write_synced(part / MANIFEST, json.dumps(files, indent=1, sort_keys=True) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def sha256(path: Path) -> str:
    """Of a file's bytes."""
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            hasher.update(chunk)
    return hasher.hexdigest()


def _is_whole(root: Path, home: str, release: ReleaseFile) -> bool:
    folder = root / layout.release(home, release.pins.digest)
    try:
        kept = read_release(root, home, release.pins.digest)
    except ReleaseError:
        return False
    return kept == release and all((folder / name).is_file() and sha256(folder / name) == expected for name, expected in _manifest(folder).items())


def _manifest(folder: Path) -> Mapping[str, str]:
    try:
        return json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return {MANIFEST: ""}  # no file has this sha256: it counts as damaged


def _write_synced(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _copy(home: str) -> str:
    return f"mlx promote --to {Path(home).name} copies it again from the environment that it came from"
