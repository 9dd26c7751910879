"""KFP steps and pipelines: the reference tabular pipeline, compile, run on the laptop, MLflow registry.

Enters: a ModelVersionInputs and prepared rows. Leaves: a packaged artifact and a registered version, or a PipelineError.
Any user's KFP pipeline is treated like the reference one; what both share is in ``contract``.
"""
