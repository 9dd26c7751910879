"""The bytes of one released version, from one environment's folder to another's: its artifact, its held-out rows, its plots.

Everything is verified by its pin before and after. A copy goes to a temporary name and is renamed, so a killed one is repeated.
"""

import shutil
from pathlib import Path

from mlx_pipelines.contract import HELD_OUT, PLOTS
from mlx_runtime.artifact import ArtifactError, copy_artifact
from mlx_specs import layout
from mlx_specs.release import ModelPin
from mlx_stacks.release_storage import is_sent, send_model, storage_of
from mlx_stacks.releases import ReleaseError, sha256
from mlx_stacks.workspace import Workspace


def bring_model(target: Workspace, source: str, model: str, pin: ModelPin) -> bool:
    """Where the target reads it: its folder, on a cluster its storage; ``source`` is the home that has it. False where it was there."""
    storage = storage_of(target.environment)
    if storage is not None and is_sent(storage, model, pin):
        return False
    copied = copy_model(target.root, source, target.layout.home, model, pin)
    send_model(target.root, target.environment, model, pin)
    return copied or storage is not None


def copy_model(root: Path, source: str, target: str, model: str, pin: ModelPin) -> bool:
    """Copies what is not there yet, from home to home; False where all of it was there."""
    try:
        copied = copy_artifact(
            root / layout.artifact(source, model, pin.fingerprint), root / layout.artifact(target, model, pin.fingerprint), pin.artifact_digest
        )
    except ArtifactError as error:
        raise ReleaseError(f"Model/{model}: {error.args[0]}; nothing is promoted", hint=_mend(source)) from error
    run, into = (root / layout.run(home, model, pin.fingerprint) for home in (source, target))
    into.mkdir(parents=True, exist_ok=True)
    if pin.held_out is not None:
        copied |= _copy_file(run / HELD_OUT, into / HELD_OUT, pin.held_out, model, source)
    if (run / PLOTS).is_dir() and not (into / PLOTS).is_dir():
        _copy_folder(run / PLOTS, into / PLOTS)
    return copied


def _copy_file(source: Path, target: Path, digest: str, model: str, home: str) -> bool:
    if target.is_file() and sha256(target) == digest:
        return False
    part = target.with_name(f".{target.name}.part")
    if source.is_file():
        shutil.copyfile(source, part)
    found = sha256(part) if source.is_file() else "nothing"
    if found != digest:
        raise ReleaseError(f"Model/{model}: {source.name} has sha256 {found}, expected {digest}: the file is corrupted; nothing is promoted", hint=_mend(home))
    part.replace(target)
    return True


def _copy_folder(source: Path, target: Path) -> None:
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(source, part)
    part.rename(target)


def _mend(home: str) -> str:
    environment = Path(home).name
    return f"mlx refresh --env {environment}, then mlx apply --env {environment}; then promote again"
