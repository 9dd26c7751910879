"""Fits the algorithm, or the best of several."""

from kfp import dsl

from mlx_pipelines.steps import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train(
    rows: dsl.Input[dsl.Dataset],
    target: str,
    features: str,
    task: str,
    algorithm: str,
    parameters: str,
    seed: int,
    estimator: dsl.Output[dsl.Model],
    candidates: str = "[]",
    search: str = "{}",
    success: str = "[]",
    split: str = "{}",
    event_time: str = "",
    run_folder: str = "",
) -> None:
    """Any scikit-learn estimator by import path; the fitted one is pickled for the next steps.

    With candidates or a search the best by the first criterion is fitted on all rows; what was tried stands in ``run_folder``.
    """
    import json
    import pickle
    import sys
    from pathlib import Path

    from mlx_pipelines.algorithm import make_estimator
    from mlx_pipelines.choose import Problem, choose, read_choice
    from mlx_pipelines.networks import CHECKPOINTS
    from mlx_pipelines.rows import feature_frame, labels, read
    from mlx_specs.model import Split

    def report(line: str) -> None:
        sys.stdout.write(line + "\n")

    table, names, chosen, values = read(rows.path), json.loads(features), algorithm, json.loads(parameters)
    criteria = json.loads(success)
    choice = read_choice(algorithm, values, json.loads(candidates), json.loads(search), criteria[0]["metric"] if criteria else "")
    if choice is not None:
        problem = Problem(target, names, task, seed, Split.model_validate_json(split), event_time)
        best = choose(table, problem, choice, Path(run_folder) if run_folder else None, report).best
        chosen, values = best.algorithm, best.parameters
        report(f"{best.name} is the best; fitted on all {table.num_rows:,} training rows")
    frame = feature_frame(table, names)
    made = make_estimator(chosen, values, seed, task, frame)
    if hasattr(made, "watch"):
        made.watch(Path(run_folder) / CHECKPOINTS if run_folder else None, report)
    fitted = made.fit(frame, labels(table, target, task))
    Path(estimator.path).write_bytes(pickle.dumps(fitted))
    estimator.metadata["algorithm"] = chosen
    estimator.metadata["rows"] = table.num_rows
