"""Divides rows into those that train and those that are held out."""

from kfp import dsl

from mlx_pipelines.steps import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def split(rows: dsl.Input[dsl.Dataset], how: str, event_time: str, seed: int, training: dsl.Output[dsl.Dataset], held_out: dsl.Output[dsl.Dataset]) -> None:
    """By time: the newest rows are held out; random: a share drawn with the seed."""
    from mlx_pipelines.rows import hold_out, read, write
    from mlx_specs.model import Split

    for table, output in zip(hold_out(read(rows.path), Split.model_validate_json(how), event_time, seed), (training, held_out), strict=True):
        write(table, output.path)
        output.metadata["rows"] = table.num_rows
