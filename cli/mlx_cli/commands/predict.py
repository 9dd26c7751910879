"""``mlx predict``: rows of a file in, predictions out, through the endpoint that serves everybody."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mlx_cli.options import HERE, Env, Folder, Format

SHOWN = 20
"""Rows that a person is shown; -o json prints all."""


def command(
    name: Annotated[str, typer.Argument(help="The realtime Inference to ask.")],
    data: Annotated[Path, typer.Option("--data", "-d", help="Rows: JSON (a list of rows, columns, or a V1 or V2 request), CSV or Parquet.")],
    folder: Folder = HERE,
    env: Env = None,
    output: Format = "text",
) -> int:
    """Ask an endpoint for predictions for the rows of a file."""
    from mlx_cli.output import result, result_json
    from mlx_cli.session import object_named, opened
    from mlx_runtime.predict import predict

    workspace = opened(folder, env, needs_specs=False)
    node = object_named(workspace, name, ("Inference",))
    table = predict(url_of(workspace, node.id), node.id.split("/")[1], data)
    if output == "json":
        result_json({"endpoint": node.id.split("/")[1], "rows": table.num_rows, "predictions": table.to_pylist()})
    else:
        result(as_text(table))
    return 0


def url_of(workspace: Any, id: str) -> str:
    """Where the endpoint listens; raises ``UserError`` when it does not run."""
    from mlx_stacks.errors import UserError
    from mlx_stacks.status import status

    found = next(item for item in status(workspace) if item.id == id)
    if found.status != "Ready":
        raise UserError(f"{id} does not answer: {found.status}" + (f" ({found.detail})" if found.detail else ""), hint="mlx status shows what it waits for")
    if not found.fields.get("url"):
        raise UserError(f"{id} is not an endpoint", hint="a batch inference writes its predictions to a file: mlx status says where")
    return str(found.fields["url"])


def as_text(table: Any) -> str:
    """The first rows, and how many there are in all."""
    from mlx_cli.output import cell, columns

    header = [str(name) for name in table.column_names]
    rows = [[cell(value) for value in row.values()] for row in table.slice(0, SHOWN).to_pylist()]
    rest = f"\n… {table.num_rows:,} rows in all; -o json prints every one" if table.num_rows > SHOWN else ""
    return columns(rows, header=header) + rest
