"""What there is for a fingerprint before anything is trained: looked at by a plan and by the training itself.

Enters: ModelVersionInputs with their fingerprint. Leaves: the version that was trained, and whether it can serve as it is.
Reads the registry's file and the artifact's bytes; never writes, and imports nothing heavy.
"""

from dataclasses import dataclass
from pathlib import Path

from mlx_pipelines.registry_reads import Registered, find_fingerprint
from mlx_runtime.artifact import ArtifactError, verify
from mlx_specs import layout
from mlx_specs.model_resources import ModelVersionInputs


@dataclass(frozen=True)
class Trained:
    """A version that need not be trained again."""

    registered: Registered | None
    """None where the registry lost it: its run is kept, and is registered again."""
    packaged: bool
    """Its artifact verifies and has the format that is asked for; else its estimator is kept, and is packaged again."""


def find_trained(inputs: ModelVersionInputs, workspace: Path) -> Trained | None:
    """The version with this fingerprint; None where it has to be trained."""
    known = find_fingerprint(workspace, inputs.home, inputs.model, inputs.fingerprint)
    if known is None:
        return Trained(None, packaged=False) if _has_ended(inputs, workspace) and _is_kept(inputs, workspace) else None
    if _is_packaged(known, inputs, workspace):
        return Trained(known, packaged=True)
    return Trained(known, packaged=False) if _is_kept(inputs, workspace) else None


def _is_packaged(known: Registered, inputs: ModelVersionInputs, workspace: Path) -> bool:
    reference = known.reference()
    try:
        verify(workspace / reference.artifact, reference.artifact_digest)
    except ArtifactError:
        return False
    return known.tags.get("mlx.package") == inputs.package


def _has_ended(inputs: ModelVersionInputs, workspace: Path) -> bool:
    """A run that was killed half-way may lack steps after those that keep something."""
    return (workspace / layout.run(inputs.home, inputs.model, inputs.fingerprint) / "manifest.json").is_file()


def _is_kept(inputs: ModelVersionInputs, workspace: Path) -> bool:
    from mlx_pipelines.kept import is_kept  # numpy comes with it

    return is_kept(workspace / layout.run(inputs.home, inputs.model, inputs.fingerprint))
