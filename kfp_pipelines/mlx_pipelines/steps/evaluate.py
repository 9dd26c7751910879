"""Measures the fitted estimator on the held-out rows."""

from kfp import dsl

from mlx_pipelines.steps import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate(
    held_out: dsl.Input[dsl.Dataset],
    estimator: dsl.Input[dsl.Model],
    target: str,
    features: str,
    task: str,
    success: str,
    seed: int,
    metrics: dsl.Output[dsl.Metrics],
    report: dsl.Output[dsl.Artifact],
) -> None:
    """Leaves a folder with metrics.json and the plots that fit the task and the criteria."""
    import json
    import pickle
    from pathlib import Path

    from mlx_pipelines.evaluation import measure
    from mlx_pipelines.rows import read

    fitted = pickle.loads(Path(estimator.path).read_bytes())
    criteria = [criterion["metric"] for criterion in json.loads(success)]
    for name, value in measure(fitted, read(held_out.path), target, json.loads(features), task, criteria, seed, Path(report.path)).items():
        metrics.log_metric(name, value)
