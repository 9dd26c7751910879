"""Registers the packaged model: a run and a version in MLflow."""

from kfp import dsl

from mlx_pipelines.steps import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register(
    packaged: dsl.Input[dsl.Model],
    model: str,
    fingerprint: str,
    home: str,
    run_folder: str,
    algorithm: str,
    parameters: str,
    seed: int,
    task: str,
    target: str,
    features: str,
    split: str,
    package: str,
    data_digest: str,
    code_digest: str,
    about: str,
) -> str:
    """One version for a fingerprint, however often it is run; returns its number. The alias is moved by an apply, not here."""
    import json
    from pathlib import Path

    from mlx_pipelines.recording import record_version
    from mlx_specs.resources import About

    params = {"algorithm": algorithm, "seed": str(seed), "task": task, "target": target, "features": features, "split": split}
    made = record_version(
        Path(), home, model, fingerprint, artifact=packaged.metadata["folder"], run_folder=Path(run_folder), package=package,
        params={**params, **{name: str(value) for name, value in json.loads(parameters).items()}},
        provenance={"mlx.data_digest": data_digest, "mlx.code_digest": code_digest}, about=About.model_validate_json(about),
    )  # fmt: skip
    return made.version
