"""Packaged models in the environment's storage: a folder that its own manifest.json makes visible. Nothing of one is opened here."""

import json
from pathlib import Path

from mlx_runtime.artifact import digest_of, verify
from mlx_runtime.cluster.kept import kept
from mlx_runtime.cluster.storage import MANIFEST, Storage, StorageError, open_storage
from mlx_specs.resources import Version


def fetch_artifact(source: Storage, folder: Path, digest: str = "") -> bool:
    """Verified, of this digest where one is given; False where there is no artifact. ``StorageError`` or ``ArtifactError``."""
    if not source.fetch(MANIFEST, folder / MANIFEST, digest):
        return False
    for name in sorted(json.loads((folder / MANIFEST).read_bytes())):
        if not source.fetch(name, folder / name):
            raise StorageError(f"{source.where(name)} is not there", hint="the artifact is not whole: send it again")
    verify(folder, digest or digest_of(folder))
    return True


def fetch_version(version: Version, folder: Path) -> None:
    """The artifact of its digest; ``StorageError`` or ``ArtifactError``."""
    source = open_storage(version.artifact)
    if not fetch_artifact(source, folder, version.artifact_digest):
        raise StorageError(f"{source.where(MANIFEST)} is not there", hint="the registry's version names an artifact that was removed")


def kept_version(version: Version) -> Path:
    """The same on this machine: fetched once, however many processes want it."""
    return kept(f"mlx-artifact-{version.artifact_digest}", lambda folder: fetch_version(version, folder))


def send_artifact(folder: Path, to: Storage) -> bool:
    """One that is whole; False where there is none, or these bytes are there."""
    manifest = folder / MANIFEST
    if not manifest.is_file() or to.read(MANIFEST) == manifest.read_bytes():
        return False
    verify(folder, digest_of(folder))
    for name in sorted(json.loads(manifest.read_bytes())):
        to.send(folder / name, name)
    to.write(MANIFEST, manifest.read_bytes())
    return True
