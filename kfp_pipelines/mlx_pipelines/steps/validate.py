"""Stops the line before training, where no model can be made of the rows."""

from kfp import dsl

from mlx_pipelines.steps import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def validate(rows: dsl.Input[dsl.Dataset], target: str, features: str, task: str, event_time: str, split: str) -> int:
    """Raises with everything that is wrong; returns the number of rows."""
    import json

    from mlx_pipelines.errors import PipelineError
    from mlx_pipelines.rows import problems, read
    from mlx_specs.model import Split

    table = read(rows.path)
    found = problems(table, target=target, features=json.loads(features), task=task, event_time=event_time, split=Split.model_validate_json(split))
    if found:
        raise PipelineError("; ".join(found), hint="look at the Model's target, features and split, and at the Dataset's columns")
    return table.num_rows
