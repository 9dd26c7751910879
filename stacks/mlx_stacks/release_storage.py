"""A release's bytes between the environment's folder on this machine and its storage, which its pods and other machines read.

An environment on a laptop has no storage: its folder is all there is, and nothing is fetched or sent. On a cluster the folder
is a copy of what was needed here. All is named by digests, and verified on its way; a release's manifest goes last.
"""

import hashlib
import json
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mlx_pipelines.cluster.folders import FILES, fetch_run, send_run
from mlx_pipelines.contract import HELD_OUT, PLOTS
from mlx_runtime.artifact import verifies
from mlx_runtime.cluster.artifacts import fetch_artifact, send_artifact
from mlx_runtime.cluster.storage import Storage, open_storage
from mlx_runtime.errors import RuntimeFailure
from mlx_specs import layout
from mlx_specs.environment import Environment, KubernetesTarget
from mlx_specs.layout import Layout
from mlx_specs.release import ModelPin, Pins, ReleaseFile
from mlx_stacks.releases import MANIFEST, ReleaseError, read_release, verify_release


def storage_of(environment: Environment) -> Storage | None:
    """None of a laptop's environment; raises ``ReleaseError``."""
    target = environment.spec.target
    if not isinstance(target, KubernetesTarget):
        return None
    with reaching():
        return open_storage(target.storage)


def fetch_release(root: Path, environment: Environment, digest: str) -> None:
    """The release's own folder, where this machine does not have it; what the storage has not is said by whoever reads it."""
    folder, storage = root / layout.release(_home(environment), digest), storage_of(environment)
    if storage is None or (folder / MANIFEST).is_file():
        return
    part, source = folder.with_name(f".{folder.name}.part"), storage.below(_release(digest))
    shutil.rmtree(part, ignore_errors=True)
    with reaching():
        files: Mapping[str, str] | None = source.read_json(MANIFEST)
        if files is None:
            return
        for name, expected in files.items():
            source.fetch(name, part / name, expected)
        source.fetch(MANIFEST, part / MANIFEST)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def send_release(root: Path, environment: Environment, digest: str) -> None:
    """What is not there yet."""
    folder, storage = root / layout.release(_home(environment), digest), storage_of(environment)
    if storage is None:
        return
    to, manifest = storage.below(_release(digest)), (folder / MANIFEST).read_bytes()
    with reaching():
        if to.read(MANIFEST) == manifest:
            return
        for name in json.loads(manifest):
            to.send(folder / name, name)
        to.write(MANIFEST, manifest)


def fetch_model(root: Path, environment: Environment, model: str, fingerprint: str, artifact_digest: str) -> None:
    """The artifact, the held-out rows and the plots of a version, where this machine does not have them."""
    storage, home = storage_of(environment), _home(environment)
    if storage is None:
        return
    artifact, run = root / layout.artifact(home, model, fingerprint), root / layout.run(home, model, fingerprint)
    with reaching(f"Model/{model}: "):
        if not verifies(artifact, artifact_digest):
            fetch_artifact(storage.below(_artifact(model, fingerprint)), artifact, artifact_digest)
        if not (run / HELD_OUT).is_file():
            fetch_run(storage.below(_run(model, fingerprint)), run, lambda name: name == HELD_OUT or name.startswith(f"{PLOTS}/"))


def send_model(root: Path, environment: Environment, model: str, pin: ModelPin) -> None:
    """What is not there yet."""
    storage, home = storage_of(environment), _home(environment)
    if storage is None:
        return
    with reaching(f"Model/{model}: "):
        run = root / layout.run(home, model, pin.fingerprint)
        if run.is_dir():
            send_run(run, storage.below(_run(model, pin.fingerprint)))
        send_artifact(root / layout.artifact(home, model, pin.fingerprint), storage.below(_artifact(model, pin.fingerprint)))


def is_sent(storage: Storage, model: str, pin: ModelPin) -> bool:
    """Whether the storage has the bytes of a version, by their manifests."""
    with reaching(f"Model/{model}: "):
        manifest = storage.below(_artifact(model, pin.fingerprint)).read(MANIFEST)
        kept = storage.below(_run(model, pin.fingerprint)).read_json(FILES) or {}
    return manifest is not None and hashlib.sha256(manifest).hexdigest() == pin.artifact_digest and kept.get(HELD_OUT) == pin.held_out


def is_kept(root: Path, environment: Environment, digest: str) -> bool:
    """Whether a release can be gone back to."""
    storage = storage_of(environment)
    if storage is None or (root / layout.release(_home(environment), digest)).is_dir():
        return (root / layout.release(_home(environment), digest)).is_dir()
    with reaching():
        return storage.below(_release(digest)).read(MANIFEST) is not None


def verified(root: Path, environment: Environment, digest: str) -> ReleaseFile:
    """A release all of whose bytes are where the environment reads them; raises ``ReleaseError``."""
    storage, home = storage_of(environment), _home(environment)
    if storage is None:
        return verify_release(root, home, digest)
    fetch_release(root, environment, digest)
    found = read_release(root, home, digest)
    lost = _lost(storage, found.pins)
    if lost:
        hint = f"mlx promote --to {environment.metadata.name} copies it again from the environment that it came from"
        raise ReleaseError(f"model {lost!r} of release {digest[:12]} is not in {storage.shown}, or is damaged", hint=hint)
    return found


def _lost(storage: Storage, pins: Pins) -> str:
    return next((name for name, pin in pins.models.items() if not is_sent(storage, name, pin)), "")


@contextmanager
def reaching(whose: str = "") -> Generator[None]:
    """What fails on the way to a storage and back is told as the release's."""
    try:
        yield
    except RuntimeFailure as error:
        raise ReleaseError(f"{whose}{error}", hint=error.hint) from error


def _home(environment: Environment) -> str:
    return Layout(environment.metadata.name).home


def _release(digest: str) -> str:
    return f"releases/{digest}"


def _artifact(model: str, fingerprint: str) -> str:
    return f"models/{model}/{fingerprint}"


def _run(model: str, fingerprint: str) -> str:
    return f"runs/{model}/{fingerprint}"
