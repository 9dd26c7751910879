"""``mlx predict``: rows of a file in, predictions out, through the endpoint that serves everybody."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlx_cli.options import HERE, Env, Folder, Format

if TYPE_CHECKING:
    from mlx_stacks.workspace import Workspace

SHOWN = 20
"""Rows that a person is shown; -o json prints all."""
INSTEAD = {
    "batch": "mlx run {name} scores its dataset; mlx status says where the predictions are",
    "stream": "it answers nobody: what it follows and where its predictions go stands in its `stream`; `mode: realtime` answers requests",
}
"""What to do with an Inference that answers no requests, by mode."""
HELPS = {
    "NotApplied": "mlx apply starts it",
    "Stopped": "mlx apply starts it again",
    "WaitingForModel": "it serves the first version of Model/{model} that passes its gates: mlx apply trains it, mlx status says why none passed",
}
"""What brings an endpoint to answer, by status."""


def command(
    name: Annotated[str, typer.Argument(help="The realtime Inference to ask.")],
    data: Annotated[Path, typer.Option("--data", "-d", help="Rows: JSON (a list of rows, columns, or a V1 or V2 request), CSV or Parquet.")],
    folder: Folder = HERE,
    env: Env = None,
    output: Format = "text",
) -> int:
    """Ask an endpoint for predictions for the rows of a file."""
    from mlx_cli.output import note, result, result_json
    from mlx_cli.session import object_named, opened
    from mlx_runtime.predict import predict

    workspace = opened(folder, env, needs_specs=False)
    endpoint = object_named(workspace, name, ("Inference",)).id.split("/")[1]
    table = predict(url_of(workspace, endpoint), endpoint, data, note)
    if output == "json":
        result_json({"endpoint": endpoint, "rows": table.num_rows, "predictions": table.to_pylist()})
    else:
        result(as_text(table))
    return 0


def url_of(workspace: Workspace, name: str) -> str:
    """Where the endpoint listens; raises ``UserError`` with what helps when it answers no requests."""
    from mlx_specs.inference import Inference
    from mlx_stacks.errors import UserError
    from mlx_stacks.status import status

    found = next(item for item in status(workspace) if item.id == f"Inference/{name}")
    if found.status == "Ready" and found.fields.get("url"):
        return str(found.fields["url"])
    node = workspace.graph.get(found.id)
    mode = node.object.spec.mode if node and isinstance(node.object, Inference) else "realtime"
    if mode != "realtime":
        raise UserError(f"{found.id} is not an endpoint but a {mode} inference", hint=INSTEAD[mode].format(name=name))
    word, waits_for, model = found.status.partition("(")
    hint = HELPS["WaitingForModel"].format(model=model.rstrip(")").split("@")[0]) if waits_for else HELPS.get(word, "mlx apply puts it right")
    raise UserError(f"{found.id} does not answer: it is {found.status}", hint=hint)


def as_text(table: Any) -> str:
    """The first rows, and how many there are in all."""
    from mlx_cli.output import cell, columns

    header = [str(name) for name in table.column_names]
    rows = [[cell(value) for value in row.values()] for row in table.slice(0, SHOWN).to_pylist()]
    rest = f"\n… {table.num_rows:,} rows in all; -o json prints every one" if table.num_rows > SHOWN else ""
    return columns(rows, header=header) + rest
