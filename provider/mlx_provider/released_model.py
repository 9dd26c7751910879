"""mlx:index:ReleasedModel: a version that was promoted here: verified, registered in this environment's MLflow, and named by the alias."""

from pathlib import Path
from typing import TYPE_CHECKING

from mlx_provider.protocol import Created, Difference, Report, ResourceError, Values, changed_inputs
from mlx_specs import layout
from mlx_specs.release import ReleasedRun
from mlx_specs.release_resources import ReleasedModelInputs, ReleasedModelOutputs
from mlx_specs.resources import Version

if TYPE_CHECKING:
    from mlx_pipelines.registry import Registered
    from mlx_specs.artifact import ModelFile

KNOWN_BY = ("model", "alias", "home", "fingerprint", "artifactDigest", "version")
"""What decides which version the alias is on."""


class ReleasedModel:
    """id = MODEL@ALIAS. Create and update verify the bytes, register them once for a fingerprint, and move the alias."""

    def check(self, inputs: Values, workspace: Path) -> Values:
        """Adds the version's number here; what is not registered yet will be the next one."""
        from mlx_pipelines.registry_reads import find_fingerprint, versions

        asked = ReleasedModelInputs.model_validate({key: value for key, value in inputs.items() if value is not None})
        known = find_fingerprint(workspace, asked.home, asked.model, asked.fingerprint)
        last = max((int(one.version) for one in versions(workspace, asked.home, asked.model)), default=0)
        return asked.model_copy(update={"version": known.version if known else str(last + 1)}).wire()

    def diff(self, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path) -> Difference:
        """Another version, or an alias that somebody moved."""
        changed = changed_inputs(old_inputs, inputs)
        old = ReleasedModelOutputs.model_validate(old_outputs)
        return Difference((*changed, "current") if old.current.version != old.decided else changed, tuple(key for key in changed if key == "home"))

    def planned(self, inputs: Values, old_outputs: Values | None) -> Values:
        """Which version it will be is known: it is pinned."""
        asked = ReleasedModelInputs.model_validate(inputs)
        same = old_outputs is not None and all(old_outputs.get(key) == inputs.get(key) for key in KNOWN_BY)
        more = dict(old_outputs or {}) if same else {}
        return {**more, **inputs, "current": _reference(asked, asked.version).wire()}

    def create(self, inputs: Values, workspace: Path, report: Report) -> Created:
        """Registers it and points the alias to it."""
        asked = ReleasedModelInputs.model_validate(inputs)
        return Created(f"{asked.model}@{asked.alias}", _take_over(asked, workspace, report).wire())

    def read(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> Values | None:
        """What the alias points to now; None where the bytes are not those that were released."""
        from mlx_pipelines.registry_reads import find_version
        from mlx_runtime.artifact import ArtifactError, verify

        known = ReleasedModelOutputs.model_validate(outputs)
        try:
            verify(workspace / _folder(known), known.artifact_digest)
        except ArtifactError:
            return None
        return known.model_copy(update={"current": find_version(workspace, known.home, known.model, known.alias) or Version()}).wire()

    def update(self, id: str, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path, report: Report) -> Values:
        """The same as create: another version is registered beside the old one, which stays for a rollback."""
        return self.create(inputs, workspace, report).outputs

    def delete(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> None:
        """Removes the alias; versions, runs and bytes stay."""
        from mlx_pipelines.registry import delete_alias

        gone = ReleasedModelInputs.model_validate(inputs)
        delete_alias(workspace, gone.home, gone.model, gone.alias)


def _take_over(asked: ReleasedModelInputs, workspace: Path, report: Report) -> ReleasedModelOutputs:
    from mlx_pipelines.registry import describe, set_alias

    described = _verified(asked, workspace)
    registered = _registered(asked, described, workspace)
    describe(workspace, asked.home, asked.model, asked.about)
    set_alias(workspace, asked.home, asked.model, asked.alias, registered.version)
    report(f"version {registered.version} ({asked.fingerprint[:8]}…) from {asked.source} is {asked.alias}: nothing was trained")
    return ReleasedModelOutputs(
        **{**dict(asked), "version": registered.version},
        current=_reference(asked, registered.version),
        decided=registered.version,
        run_id=registered.run_id,
        engine=described.engine,
        metrics=described.metrics,
    )


def _verified(asked: ReleasedModelInputs, workspace: Path) -> "ModelFile":
    from mlx_runtime.artifact import ArtifactError, verify

    try:
        return verify(workspace / _folder(asked), asked.artifact_digest)
    except ArtifactError as error:
        hint = f"copy it again: mlx promote --from {asked.source} --to {Path(asked.home).name}"
        raise ResourceError(f"model {asked.model!r}: the released version {asked.fingerprint[:12]} cannot be used: {error.args[0]}", hint=hint) from error


def _registered(asked: ReleasedModelInputs, described: "ModelFile", workspace: Path) -> "Registered":
    """The source's run under this environment's name; its plots come with it where they were kept."""
    from mlx_pipelines.contract import PLOTS
    from mlx_pipelines.registry import Run, register

    run = ReleasedRun.model_validate(asked.run)
    released = {"mlx.environment": Path(asked.home).name, "mlx.promoted_from": asked.source, "mlx.source_run": run.run_id, "mlx.source_version": run.version}
    plots = workspace / layout.run(asked.home, asked.model, asked.fingerprint) / PLOTS
    files = {workspace / _folder(asked): "model", **({plots: PLOTS} if plots.is_dir() else {})}
    recorded = Run(run.params, run.metrics or described.metrics, {**run.tags, **released}, files)
    return register(workspace, asked.home, asked.model, _reference(asked, ""), recorded, {**run.version_tags, **released}, asked.about)


def _reference(asked: ReleasedModelInputs, version: str) -> Version:
    return Version(fingerprint=asked.fingerprint, version=version, artifact=_folder(asked), artifact_digest=asked.artifact_digest)


def _folder(asked: ReleasedModelInputs) -> str:
    return layout.artifact(asked.home, asked.model, asked.fingerprint).as_posix()
