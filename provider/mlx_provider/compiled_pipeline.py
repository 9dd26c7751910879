"""mlx:index:CompiledPipeline: a KFP pipeline function becomes IR, addressed by its digest."""

import json
import shutil
from pathlib import Path

from mlx_pipelines.code import code_digest
from mlx_pipelines.compile import compile_pipeline
from mlx_pipelines.errors import PipelineError
from mlx_provider.protocol import CheckError, Created, Difference, Report, ResourceError, Values, changed_inputs
from mlx_specs import layout
from mlx_specs.pipeline_resources import CompiledPipelineInputs, CompiledPipelineOutputs

COMPILED_FROM = ("entry", "arguments", "codeDigest", "home")


class CompiledPipeline:
    """HOME/pipelines/NAME/IR_DIGEST.yaml, and pipeline.json that says which one is current and whose it is."""

    def check(self, inputs: Values, workspace: Path) -> Values:
        """Adds the digest of the pipeline's code."""
        asked = CompiledPipelineInputs.model_validate(inputs)
        try:
            digest = code_digest(asked.entry, workspace)
        except PipelineError as error:
            raise CheckError(f"pipeline {asked.name!r}: {error}", field="entry", hint=error.hint) from error
        return asked.model_copy(update={"code_digest": digest}).wire()

    def diff(self, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path) -> Difference:
        """Everything but the name is updated in place."""
        return Difference(changed_inputs(old_inputs, inputs))

    def planned(self, inputs: Values, old_outputs: Values | None) -> Values:
        """The IR is known while the code is the same."""
        if old_outputs and all(old_outputs.get(key) == inputs.get(key) for key in COMPILED_FROM):
            return {**old_outputs, **inputs}
        return dict(inputs)

    def create(self, inputs: Values, workspace: Path, report: Report) -> Created:
        """Compiles."""
        asked = CompiledPipelineInputs.model_validate(inputs)
        folder = workspace / layout.pipeline(asked.home, asked.name, "").parent
        try:
            compiled = compile_pipeline(asked.entry, asked.arguments, workspace, folder)
        except PipelineError as error:
            raise ResourceError(f"pipeline {asked.name!r}: {error}", hint=error.hint) from error
        outputs = CompiledPipelineOutputs(
            **dict(asked), ir_digest=compiled.ir_digest, path=compiled.path.relative_to(workspace).as_posix(), steps=list(compiled.steps)
        )
        _record(folder, outputs)
        report(f"compiled {len(outputs.steps)} steps")
        return Created(asked.name, outputs.wire())

    def read(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> Values | None:
        """The IR file is there, or the pipeline is gone."""
        path = CompiledPipelineOutputs.model_validate(outputs).path
        return outputs if path and (workspace / path).is_file() else None

    def update(self, id: str, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path, report: Report) -> Values:
        """Compiles again; older IR stays, runs refer to it."""
        return self.create(inputs, workspace, report).outputs

    def delete(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> None:
        """Removes the compiled files."""
        gone = CompiledPipelineOutputs.model_validate(outputs)
        shutil.rmtree(workspace / layout.pipeline(gone.home, gone.name, "").parent, ignore_errors=True)


def _record(folder: Path, outputs: CompiledPipelineOutputs) -> None:
    record = {
        "name": outputs.name,
        "irDigest": outputs.ir_digest,
        "entry": outputs.entry,
        "arguments": outputs.arguments,
        "steps": outputs.steps,
        **outputs.about.wire(),
    }
    (folder / "pipeline.json").write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")
