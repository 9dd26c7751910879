"""Pipeline: the algorithm as a KFP pipeline."""

from typing import Any, Literal

from pydantic import Field

from mlx_specs.base import Compute, Entry, Object, Strict


class StepSpec(Strict):
    """What one step of the pipeline needs."""

    compute: Compute = Field(description="What the step asks for.")


class PipelineSpec(Strict):
    """What a pipeline is made of."""

    entry: Entry = Field(description="The KFP pipeline function as MODULE:FUNCTION; modules in kfp_pipelines/ of the workspace are found.")
    arguments: dict[str, Any] = Field(default_factory=dict, description="Values for the pipeline function's own parameters; they are part of the algorithm.")
    steps: dict[str, StepSpec] = Field(default_factory=dict, description="Compute by step name.")


class Pipeline(Object):
    """A pipeline: a KFP pipeline function, compiled and addressed by the digest of its code."""

    kind: Literal["Pipeline"] = Field(default="Pipeline", description="A pipeline.")
    spec: PipelineSpec = Field(description="The function, its arguments and the compute of its steps.")
