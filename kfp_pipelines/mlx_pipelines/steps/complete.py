"""The last step of a run on a cluster: a version that is registered, judged and, where it passed, the champion; then an apply."""

from kfp import dsl

from mlx_pipelines.steps import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def complete(mlx_run: str) -> str:
    """Registers what a pipeline without the step ``register`` has left; returns the version's number."""
    import sys
    from pathlib import Path

    from mlx_pipelines.cluster.complete import complete_version
    from mlx_specs.model_resources import ModelVersionInputs

    def report(line: str) -> None:
        sys.stdout.write(line + "\n")

    return complete_version(ModelVersionInputs.model_validate_json(mlx_run), Path(), report)


@dsl.pipeline(name="mlx-complete")
def completing(mlx_run: str) -> None:
    """Its one step is added to every pipeline on a cluster."""
    complete(mlx_run=mlx_run)
