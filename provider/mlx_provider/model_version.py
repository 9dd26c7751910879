"""mlx:index:ModelVersion: algorithm + data + hyperparameters, trained once for each fingerprint."""

from importlib import metadata
from pathlib import Path

from mlx_pipelines.code import code_digest
from mlx_pipelines.errors import PipelineError
from mlx_provider.protocol import CheckError, Created, Difference, Report, ResourceError, Values, changed_inputs
from mlx_provider.training_failure import forget_failure, record_failure
from mlx_specs.digests import UNKNOWN_DIGEST
from mlx_specs.model_resources import OUTSIDE_FINGERPRINT, ModelVersionInputs, ModelVersionOutputs, fingerprint

LIBRARIES = ("scikit-learn", "numpy", "scipy", "skl2onnx", "onnxruntime")
UPDATED_IN_PLACE = ("about", "package")
"""What changes a version without training it again; the rest of what is outside the fingerprint matters to the next training only."""


class ModelVersion:
    """id = fingerprint. Create trains, or finds what was trained; delete keeps the registered version and its run."""

    def check(self, inputs: Values, workspace: Path) -> Values:
        """Adds the digest of the code, the libraries where they matter, and the fingerprint where it can be known."""
        asked = ModelVersionInputs.model_validate(inputs)
        try:
            code = code_digest(asked.entry, workspace, *asked.algorithms)
        except PipelineError as error:
            raise CheckError(f"model {asked.model!r}: {error}", field="entry", hint=error.hint) from error
        libraries = {name: metadata.version(name) for name in LIBRARIES} if "dependencies" in asked.retrain_on else {}
        known = asked.model_copy(update={"code_digest": code, "libraries": libraries})
        return known.model_copy(update={"fingerprint": fingerprint(known)}).wire()

    def diff(self, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path) -> Difference:
        """Another fingerprint is another version; so is one that the registry lost."""
        if old_outputs.get("fingerprint") != inputs["fingerprint"]:
            parts = changed_inputs(old_inputs, inputs, ignoring=OUTSIDE_FINGERPRINT)
            return Difference((*parts, "fingerprint"), replaces=("fingerprint",))
        if not _is_registered(ModelVersionOutputs.model_validate(old_outputs), workspace):
            return Difference(("runId",), replaces=("runId",))
        return Difference(tuple(key for key in UPDATED_IN_PLACE if old_inputs.get(key) != inputs.get(key)))

    def planned(self, inputs: Values, old_outputs: Values | None) -> Values:
        """Everything is known while the fingerprint is the same and the packaging, too."""
        same = old_outputs is not None and old_outputs.get("fingerprint") == inputs["fingerprint"] != UNKNOWN_DIGEST
        if not same or old_outputs is None:
            return dict(inputs)
        kept = {**old_outputs, **inputs}
        if old_outputs.get("package") != inputs.get("package"):
            return {key: value for key, value in kept.items() if key not in ("artifactDigest", "engine")}
        return kept

    def create(self, inputs: Values, workspace: Path, report: Report) -> Created:
        """Runs the pipeline, unless this fingerprint has been trained."""
        from mlx_pipelines.train_version import train_version

        asked = ModelVersionInputs.model_validate(inputs)
        try:
            outputs = train_version(asked, workspace, report)
        except PipelineError as error:
            record_failure(asked, error, workspace)
            raise ResourceError(f"model {asked.model!r}: {error}", hint=error.hint) from error
        forget_failure(asked, workspace)
        return Created(asked.fingerprint, outputs.wire())

    def read(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> Values | None:
        """The artifact verifies and the registry has it, or the version is gone from this machine."""
        from mlx_runtime.artifact import ArtifactError, verify

        now = ModelVersionOutputs.model_validate(outputs)
        try:
            verify(workspace / now.artifact, now.artifact_digest)
        except ArtifactError:
            return None
        return outputs if _is_registered(now, workspace) else None

    def update(self, id: str, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path, report: Report) -> Values:
        """Describes or packages again; never trains."""
        from mlx_pipelines.registry import describe
        from mlx_pipelines.train_version import repackage

        asked, old = ModelVersionInputs.model_validate(inputs), ModelVersionOutputs.model_validate(old_outputs)
        describe(workspace, asked.home, asked.model, asked.about)
        if asked.package == old.package:
            return {**old.wire(), **asked.wire()}
        try:
            return repackage(asked, old, workspace, report).wire()
        except PipelineError as error:
            raise ResourceError(f"model {asked.model!r}: {error}", hint=error.hint) from error

    def delete(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> None:
        """Registered versions, runs and artifacts only grow."""


def _is_registered(known: ModelVersionOutputs, workspace: Path) -> bool:
    """Somebody may have deleted the version or the whole registry."""
    from mlx_pipelines.registry_reads import find_fingerprint

    found = find_fingerprint(workspace, known.home, known.model, known.fingerprint)
    return found is not None and found.version == known.version
