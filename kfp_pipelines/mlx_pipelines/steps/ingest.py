"""The first step: the prepared rows enter the pipeline."""

from kfp import dsl

from mlx_pipelines.steps import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def ingest(data: str, rows: dsl.Output[dsl.Dataset]) -> None:
    """Reads the prepared Parquet file, all columns: later gates may need what this model does not."""
    from mlx_pipelines.rows import read, write

    table = read(data)
    write(table, rows.path)
    rows.metadata["rows"] = table.num_rows
    rows.metadata["columns"] = table.column_names
