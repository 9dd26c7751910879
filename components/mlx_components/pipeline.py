"""Pipeline: a KFP pipeline, compiled to IR."""

from mlx_components.resource import MlxComponent, MlxResource
from mlx_specs.pipeline import Pipeline
from mlx_specs.pipeline_resources import CompiledPipelineInputs

OUTPUTS = ("codeDigest", "irDigest", "path", "steps")


class PipelineComponent(MlxComponent):
    """``path`` is the compiled pipeline; ``spec`` what a model needs for its fingerprint."""

    def __init__(self, pipeline: Pipeline, *, home: str) -> None:
        super().__init__(pipeline, "Pipeline")
        self.spec = pipeline.spec
        declared = CompiledPipelineInputs(
            name=pipeline.metadata.name, home=home, entry=pipeline.spec.entry, arguments=pipeline.spec.arguments, about=self.about
        ).wire()
        self.resource = MlxResource("CompiledPipeline", pipeline.metadata.name, {**declared, "codeDigest": None}, OUTPUTS, self.child())
        self.path = self.resource.output("path")
        self.register_outputs({"irDigest": self.resource.output("irDigest"), "steps": self.resource.output("steps")})
