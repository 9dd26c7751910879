"""Makes a model version: runs the pipeline, or finds what was trained for the same fingerprint.

Enters: ModelVersionInputs with their fingerprint. Leaves: a packaged artifact, a registered version, and what both are in
ModelVersionOutputs; or a PipelineError. Repeating it after a kill goes on from what is there.
"""

import json
from collections.abc import Callable
from pathlib import Path

from mlx_pipelines import contract
from mlx_pipelines.code import CODE, code_parts
from mlx_pipelines.compile import pipeline_parameters, read_ir
from mlx_pipelines.errors import PipelineError, StepFailed
from mlx_pipelines.kept import is_kept, package_kept
from mlx_pipelines.recording import record_version
from mlx_pipelines.registered import DATA_DIGEST, Registered
from mlx_pipelines.registry import find_fingerprint, tag_version
from mlx_pipelines.run import run_pipeline
from mlx_pipelines.trained import find_trained
from mlx_pipelines.training_failure import explained
from mlx_runtime.artifact import ArtifactError, verify
from mlx_specs import layout
from mlx_specs.artifact import MANIFEST_FILE, ModelFile
from mlx_specs.model_resources import ModelVersionInputs, ModelVersionOutputs

Report = Callable[[str], None]


def train_version(inputs: ModelVersionInputs, workspace: Path, report: Report) -> ModelVersionOutputs:
    """Trains, unless a version with this fingerprint is registered and its artifact verifies."""
    trained = find_trained(inputs, workspace)
    if trained is not None and trained.registered is not None and trained.packaged:
        report(f"version {trained.registered.version} has this fingerprint: nothing is trained")
        return _outputs(inputs, workspace, trained.registered)
    if trained is not None and trained.registered is not None:
        return _package_again(inputs, workspace, trained.registered, report)
    features = inputs.features or contract.default_features(workspace / inputs.data.path, inputs)
    if trained is not None:
        report("the registry lost its version: it is registered again from what its run kept, nothing is trained")
        _package(inputs, features, workspace, report)
    else:
        _run(inputs, features, workspace, report)
    return _read_back(inputs, features, workspace, report)


def repackage(inputs: ModelVersionInputs, old: ModelVersionOutputs, workspace: Path, report: Report) -> ModelVersionOutputs:
    """The same fitted estimator in another format; nothing is trained."""
    known = find_fingerprint(workspace, inputs.home, inputs.model, inputs.fingerprint)
    if known is None:
        raise PipelineError(f"version {old.version} is not in the registry any more", hint="mlx refresh, then apply: it is trained again")
    if not is_kept(_run_folder(inputs, workspace)):
        raise PipelineError(
            f"version {old.version} cannot be packaged again: its pipeline kept no estimator in {layout.run(inputs.home, inputs.model, inputs.fingerprint)}",
            hint="use the step mlx_pipelines.steps.package in the pipeline, or change the model so that it is trained again",
        )
    return _package_again(inputs, workspace, known, report)


def _package_again(inputs: ModelVersionInputs, workspace: Path, known: Registered, report: Report) -> ModelVersionOutputs:
    features = inputs.features or contract.default_features(workspace / inputs.data.path, inputs)
    digest = _package(inputs, features, workspace, report)
    engine = verify(workspace / layout.artifact(inputs.home, inputs.model, inputs.fingerprint), digest).engine
    tag_version(workspace, inputs.home, inputs.model, known.version, {"mlx.artifact_digest": digest, "mlx.engine": engine, "mlx.package": inputs.package})
    again = find_fingerprint(workspace, inputs.home, inputs.model, inputs.fingerprint)
    assert again is not None
    return _outputs(inputs, workspace, again)


def _package(inputs: ModelVersionInputs, features: list[str], workspace: Path, report: Report) -> str:
    return package_kept(
        _run_folder(inputs, workspace), model=inputs.model, fingerprint=inputs.fingerprint, task=inputs.task, target=inputs.target, features=features,
        format=inputs.package, folder=workspace / layout.artifact(inputs.home, inputs.model, inputs.fingerprint), report=report,
    )  # fmt: skip


def _run(inputs: ModelVersionInputs, features: list[str], workspace: Path, report: Report) -> None:
    ir = workspace / inputs.ir
    if not ir.is_file():
        raise PipelineError(f"the compiled pipeline {inputs.ir} is not there", hint="mlx refresh, then apply: it is compiled again")
    parameters = pipeline_parameters(read_ir(ir))
    contract.refuse_what_is_ignored(inputs, parameters)
    arguments = contract.arguments_for(parameters.keys(), contract.offered(inputs, features), inputs.arguments)
    folder = _run_folder(inputs, workspace)
    try:
        run_pipeline(ir, arguments, folder, workspace=workspace, threads=inputs.cpu, memory=inputs.memory, gpus=inputs.gpu, report=report)
    except StepFailed as failed:
        raise explained(failed, workspace / inputs.data.path, features) from failed
    (folder / CODE).write_text(json.dumps(code_parts(inputs.entry, workspace, *inputs.algorithms), indent=2) + "\n")


def _read_back(inputs: ModelVersionInputs, features: list[str], workspace: Path, report: Report) -> ModelVersionOutputs:
    """A pipeline without the register step is registered here, from the artifact that it left."""
    made = find_fingerprint(workspace, inputs.home, inputs.model, inputs.fingerprint) or register_left(inputs, features, workspace)
    outputs = _outputs(inputs, workspace, made)
    report(f"version {made.version}: " + ", ".join(f"{name} {value:.3f}" for name, value in outputs.metrics.items() if _is_asked(name, inputs)))
    return outputs


def register_left(inputs: ModelVersionInputs, features: list[str], workspace: Path) -> Registered:
    """The version of what a pipeline without the step ``register`` has left; raises ``PipelineError`` where that is nothing."""
    folder = layout.artifact(inputs.home, inputs.model, inputs.fingerprint)
    if not (workspace / folder / MANIFEST_FILE).is_file():
        raise PipelineError(
            f"the pipeline {inputs.entry} ended without a packaged model in {folder}",
            hint="end it with mlx_pipelines.steps.package, or write the artifact to its parameter artifact_folder (mlx_runtime.artifact.write_artifact)",
        )
    algorithm = {"algorithm": inputs.algorithm} if inputs.algorithm else {}
    params = {
        "seed": str(inputs.seed), "task": inputs.task, "target": inputs.target,
        "features": json.dumps(features), "split": json.dumps(inputs.split, sort_keys=True),
    }  # fmt: skip
    own = {name: str(value) for name, value in {**inputs.parameters, **inputs.arguments}.items()}
    return record_version(
        workspace, inputs.home, inputs.model, inputs.fingerprint, artifact=folder.as_posix(), run_folder=_run_folder(inputs, workspace),
        package=inputs.package, params=algorithm | params | own, provenance={DATA_DIGEST: inputs.data.digest, "mlx.code_digest": inputs.code_digest},
        about=inputs.about,
    )  # fmt: skip


def _outputs(inputs: ModelVersionInputs, workspace: Path, made: Registered) -> ModelVersionOutputs:
    reference = made.reference()
    described = _verified(workspace, reference.artifact, reference.artifact_digest)
    return ModelVersionOutputs(
        **dict(inputs),
        version=made.version,
        run_id=made.run_id,
        artifact=reference.artifact,
        artifact_digest=reference.artifact_digest,
        engine=described.engine,
        metrics=described.metrics,
    )


def _verified(workspace: Path, artifact: str, digest: str) -> ModelFile:
    try:
        return verify(workspace / artifact, digest)
    except ArtifactError as error:
        raise PipelineError(str(error)) from error


def _is_asked(metric: str, inputs: ModelVersionInputs) -> bool:
    return not inputs.success or any(criterion.get("metric") == metric for criterion in inputs.success)


def _run_folder(inputs: ModelVersionInputs, workspace: Path) -> Path:
    return workspace / layout.run(inputs.home, inputs.model, inputs.fingerprint)
