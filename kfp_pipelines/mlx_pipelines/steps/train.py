"""Fits the algorithm."""

from kfp import dsl

from mlx_pipelines.steps import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train(
    rows: dsl.Input[dsl.Dataset], target: str, features: str, task: str, algorithm: str, parameters: str, seed: int, estimator: dsl.Output[dsl.Model]
) -> None:
    """Any scikit-learn estimator by import path; the fitted one is pickled for the next steps."""
    import json
    import pickle
    from pathlib import Path

    from mlx_pipelines.algorithm import make_estimator
    from mlx_pipelines.rows import feature_frame, labels, read

    table = read(rows.path)
    frame = feature_frame(table, json.loads(features))
    fitted = make_estimator(algorithm, json.loads(parameters), seed, task, frame).fit(frame, labels(table, target, task))
    Path(estimator.path).write_bytes(pickle.dumps(fitted))
    estimator.metadata["algorithm"] = algorithm
    estimator.metadata["rows"] = table.num_rows
